"""The dashboard of a run as a picture, for the documentation: its panels by their description, with a Prometheus' answers.

Grafana draws the same JSON where there is one. Titles, units, limits and legends are the description's.
"""

from __future__ import annotations

import io
import json
import math
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from plugins.module_utils.loadtest.figure_style import (
    BLUE,
    GREEN,
    LINE,
    ORANGE,
    PURPLE,
    SOFT,
    STYLE,
    VERMILION,
)
from plugins.module_utils.monitoring.dashboard import Panel, Price, dashboard
from plugins.module_utils.monitoring.rules import Objectives

Json = dict[str, Any]
_COLUMNS, _WIDTH, _HEIGHT = 3, 4.2, 2.3
_LONG = 16
"""Names of more letters stand below each other."""
_LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PURPLE, ":"), (SOFT, "-"))


def picture(file: Path) -> bytes:
    """PNG. ``file``: as tests/metrics/test_alerts.py writes it."""
    run = json.loads(file.read_text())
    drawn = dashboard(Objectives.of(run["site"]), Price(run["node_hour"]))
    rows = -(-len(drawn.panels) // _COLUMNS)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows, _COLUMNS, figsize=(_COLUMNS * _WIDTH, rows * _HEIGHT), layout="constrained", squeeze=False
        )
        times = [
            t - run["began"] for lines in run["panels"].values() for line in lines for t, _ in line["points"]
        ]
        for panel, axis in zip(drawn.panels, axes.flat, strict=False):
            _draw(axis, panel, run["panels"][panel.title], run["began"], (min(times), max(times)))
        for axis in axes.flat[len(drawn.panels) :]:
            axis.set_axis_off()
        figure.supxlabel("seconds since the load began", fontsize=8)
        figure.suptitle(drawn.title, x=0.01, ha="left", fontsize=11, weight="bold")
        made = io.BytesIO()
        figure.savefig(made, dpi=80, metadata={"Software": None})
        plt.close(figure)
    return made.getvalue()


def _draw(axis: Any, panel: Panel, lines: list[Json], began: float, span: tuple[float, float]) -> None:
    for (colour, style), line in zip(cycle(_LINES), lines, strict=False):
        points = [(t - began, value) for t, value in line["points"]]
        axis.plot(*zip(*points, strict=True), style, color=colour, label=line["legend"], linewidth=1.4)
    if panel.limit is not None:
        axis.axhline(panel.limit, color=VERMILION, linewidth=0.8)
    axis.set_title(f"{panel.title} [{panel.unit}]", loc="left")
    highest = max(
        [
            panel.limit or 0,
            *(value for line in lines for _t, value in line["points"] if not math.isnan(value)),
        ]
    )
    columns = 1 if max(len(line["legend"]) for line in lines) > _LONG else 3
    # Room for the legend.
    axis.set_ylim(0, highest * (1.3 if columns > 1 else 1.7) or 1)
    axis.set_xlim(*span)
    axis.grid(color=LINE)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(
        loc="upper left", ncols=columns, frameon=False, handlelength=1.6, columnspacing=1
    ).set_in_layout(False)
