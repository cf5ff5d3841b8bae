"""The pictures of a run, as PNG and as SVG: one time axis for everything, where the seconds went, who got the load."""

from __future__ import annotations

import io
import re
import traceback
from collections.abc import Callable
from typing import Any

from .figure_style import IN_PAGE, STYLE
from .schema import Json

MATPLOTLIB_IMPORT_ERROR: str | None = None
try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from .figure_bars import shares, waterfall
    from .figure_timeline import timeline
except ImportError:
    MATPLOTLIB_IMPORT_ERROR = traceback.format_exc()


def draw_all(events: list[Json], report: Json) -> dict[str, tuple[bytes, str]]:
    """PNG and SVG of each figure, by name."""
    makers: dict[str, Callable[[list[Json], Json], Any]] = {
        "timeline": timeline,
        "waterfall": waterfall,
        "shares": shares,
    }
    made = {}
    for name, maker in makers.items():
        with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
            figure = maker(events, report)
            if figure is None:
                continue
            png, svg = io.BytesIO(), io.StringIO()
            figure.savefig(png, format="png", dpi=110, bbox_inches="tight")
            figure.savefig(svg, format="svg", bbox_inches="tight", metadata={"Date": None})
            plt.close(figure)
            made[name] = (png.getvalue(), svg.getvalue())
    return made


def for_page(svg: str, label: str) -> str:
    """An SVG to stand in a page: no header, no identifiers twice, the page's fonts and colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(
        r"font: ([\d.]+px|bold [\d.]+px|700 [\d.]+px)[^;\"]*", r"font: \1 system-ui, sans-serif", svg
    )
    for colour, name in IN_PAGE.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
