"""The picture of a what-if: load, replicas by setting, and what each setting costs and keeps. Needs matplotlib."""

from __future__ import annotations

import io
import traceback
from collections.abc import Sequence
from typing import Any

from ..loadtest.figure_style import BLUE, FORE, GREEN, LINE, ORANGE, PURPLE, SOFT, STYLE, VERMILION
from .service import Load
from .whatif import WhatIf

MATPLOTLIB_IMPORT_ERROR: str | None = None
try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
except ImportError:
    MATPLOTLIB_IMPORT_ERROR = traceback.format_exc()

LINES_MAX = 6
"""Settings whose replicas are drawn; the other panel has all of them."""

_STYLES = (
    (BLUE, "-"),
    (VERMILION, "--"),
    (GREEN, "-."),
    (ORANGE, ":"),
    (FORE, (0, (5, 1))),
    (BLUE, (0, (1, 1))),
)


def draw(found: WhatIf) -> bytes:
    """As PNG."""
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(
            3, 1, figsize=(11, 9), gridspec_kw={"height_ratios": [1, 2, 2], "hspace": 0.45}
        )
        _load(axes[0], found)
        _replicas(axes[1], found)
        _settings(axes[2], found)
        for axis in axes:
            axis.grid(visible=True, color=LINE, linewidth=0.8)
            axis.spines[["top", "right"]].set_visible(False)
            axis.set_axisbelow(True)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=110, bbox_inches="tight")
        plt.close(figure)
        return png.getvalue()


def _even(load: Load) -> Sequence[float]:
    """Of requests the mean over six seconds: workers report every three, and are looked at every two, which makes combs of a wave."""
    if load.think is not None:
        return load.levels
    near = [load.levels[max(0, t - 3) : t + 3] for t in range(load.seconds)]
    return [sum(levels) / len(levels) for levels in near]


def _load(axis: Any, found: WhatIf) -> None:
    closed = found.load.think is not None
    axis.step(range(found.load.seconds), _even(found.load), where="post", color=SOFT, linewidth=0.9)
    axis.set_title("Load", loc="left")
    axis.set_ylabel("users" if closed else "requests/s", fontsize=8, color=SOFT)
    axis.set_xlim(0, found.seconds)
    axis.set_ylim(bottom=0)


def _replicas(axis: Any, found: WhatIf) -> None:
    rows = [found.first, *found.rows][:LINES_MAX]
    for row, (colour, line) in zip(rows, _STYLES, strict=False):
        axis.step(
            range(found.seconds), row.own.ready, where="post", color=colour, linestyle=line, linewidth=1.3,
            label=row.setting.name,
        )  # fmt: skip
    if not found.error:
        known = []
    else:
        known = list(found.run.actual.ready)
        axis.step(
            range(len(known)), known, where="post", color=SOFT, linewidth=3, alpha=0.35, label="in the run"
        )
    schedule = [n for n in found.bound.schedule for _unused in range(found.bound.slot)][: found.seconds]
    axis.step(
        range(len(schedule)),
        schedule,
        where="post",
        color=PURPLE,
        linestyle=":",
        label="the fewest that would do",
    )
    axis.set_title("Replicas that are ready", loc="left")
    axis.set_xlabel("seconds since the load began")
    axis.set_xlim(0, found.seconds)
    axis.set_ylim(bottom=0)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _settings(axis: Any, found: WhatIf) -> None:
    limit = 100 * found.run.share
    for index, row in enumerate((found.first, *found.rows)):
        x, y = row.outcome.replica_seconds / found.seconds, 100 * row.outcome.attained
        colour = BLUE if row.outcome.attained >= found.run.share else VERMILION
        low, high = (100 * end for end in (row.likely.attained.low, row.likely.attained.high))
        axis.plot([x, x], [low, high], color=colour, linewidth=1, alpha=0.5)
        axis.plot([x], [y], "o" if index else "s", color=colour, markersize=5)
        axis.annotate(
            row.setting.name, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=7.5, color=FORE
        )
    axis.axhline(limit, color=FORE, linewidth=1, linestyle=(0, (6, 3)))
    axis.axvline(found.bound.seconds / found.seconds, color=PURPLE, linestyle=":")
    axis.set_title(
        "What each setting takes and keeps (square: as it was; bars: 95 % of such runs; dotted: the fewest; dashed: the limit)",
        loc="left",
    )
    axis.set_xlabel("replicas on average, those that start and drain included")
    axis.set_ylabel("% of the requests in time", fontsize=8, color=SOFT)
