"""The picture of a capacity: the share in time of each moment of each ramp, by its rate. Needs matplotlib."""

from __future__ import annotations

import io
import traceback
from collections.abc import Sequence

from ..loadtest.figure_style import BLUE, FORE, GREEN, LINE, ORANGE, PURPLE, SOFT, STYLE, VERMILION
from ..loadtest.slo import Asked
from .capacity import Capacity, Ramp

MATPLOTLIB_IMPORT_ERROR: str | None = None
try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
except ImportError:
    MATPLOTLIB_IMPORT_ERROR = traceback.format_exc()

_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE)
_MARKS = "ox^sD"


def draw(ramps: Sequence[Ramp], found: Capacity, asked: Asked) -> bytes:
    """As PNG."""
    with matplotlib.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(9, 4))
        valid = [one for one in ramps if not one.refused]
        for index, one in enumerate(valid):
            axis.plot(
                [moment.pressure for moment in one.moments], [100 * moment.value for moment in one.moments],
                _MARKS[index % len(_MARKS)] if index else ".", color=_COLOURS[index % len(_COLOURS)] if index else SOFT, markersize=3.5, alpha=0.7,
                label=one.run if index else f"{one.run} (coarse)",
            )  # fmt: skip
        axis.axhline(100 * asked.share, color=FORE, linewidth=1, linestyle=(0, (6, 3)))
        axis.axvline(found.rate, color=FORE, linewidth=1.3)
        if found.low is not None and found.high is not None:
            axis.axvspan(found.low, found.high, color=SOFT, alpha=0.2, linewidth=0)
        fine = [moment.pressure for one in valid[1:] for moment in one.moments]
        if fine:
            axis.set_xlim(0.8 * min(fine), 1.1 * max(fine))
        axis.set_title(f"In time ({asked.words}) by what was offered to one replica", loc="left")
        axis.set_xlabel("requests/s")
        axis.set_ylabel("% of the requests in time", fontsize=8, color=SOFT)
        axis.set_ylim(0, 103)
        axis.grid(visible=True, color=LINE, linewidth=0.8)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(loc="lower left", frameon=False)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=110, bbox_inches="tight")
        plt.close(figure)
        return png.getvalue()
