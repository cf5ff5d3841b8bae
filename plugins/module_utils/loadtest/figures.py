"""The pictures of a run, as PNG and as SVG: one time axis for everything, where the seconds went, who got the load."""

from __future__ import annotations

import io
import re
import traceback
from collections.abc import Callable, Iterator
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


LABELS = {
    "timeline": "Load, response time, HPA metrics, replicas and nodes over time",
    "waterfall": "Phases of each reaction of the autoscalers",
    "shares": "Requests answered by each pod",
}


MARGINS = {"timeline": {"left": 0.06, "right": 0.99, "top": 0.96, "bottom": 0.05}}
"""Where a figure has room for all of its words. To find that out takes matplotlib as long as drawing it."""


def draw_all(events: list[Json], report: Json) -> dict[str, tuple[bytes, str]]:
    """PNG and SVG of each figure, by name."""
    return {name: (_png(figure), _svg(figure)) for name, figure in _figures(events, report)}


def draw_for_page(events: list[Json], report: Json) -> dict[str, str]:
    """Each figure to stand in a page, by name; takes a third of the time of all files."""
    return {
        name: for_page(_svg(figure, MARGINS.get(name)), LABELS[name])
        for name, figure in _figures(events, report)
    }


def _figures(events: list[Json], report: Json) -> Iterator[tuple[str, Any]]:
    makers: dict[str, Callable[[list[Json], Json], Any]] = {
        "timeline": timeline,
        "waterfall": waterfall,
        "shares": shares,
    }
    for name, maker in makers.items():
        with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
            figure = maker(events, report)
            if figure is not None:
                yield name, figure
                plt.close(figure)


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, bbox_inches="tight")
    return file.getvalue()


def _svg(figure: Any, margins: dict[str, float] | None = None) -> str:
    file = io.StringIO()
    if margins:
        figure.subplots_adjust(**margins)
    figure.savefig(file, format="svg", bbox_inches=None if margins else "tight", metadata={"Date": None})
    return file.getvalue()


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
