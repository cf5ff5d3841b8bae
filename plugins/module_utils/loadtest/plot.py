"""The one picture of a run: load, latency, replicas and nodes over one time axis."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import traceback
from typing import Any

from .timeline import Json, counts_over_time, of_kind

MATPLOTLIB_IMPORT_ERROR: str | None = None
try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator
except ImportError:
    MATPLOTLIB_IMPORT_ERROR = traceback.format_exc()

# Okabe and Ito's colours, told apart by most eyes; each line has a style of its own, too.
BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#6b7280"


def draw(events: list[Json], report: Json, path: str) -> None:
    """Writes the picture as PNG."""
    run = next(iter(of_kind(events, "run")), {})
    origin = run.get("t", min((event["t"] for event in events), default=0.0))
    end = max((event["t"] for event in events), default=0.0) - origin
    app = run.get("deployment", "")
    figure, axes = plt.subplots(
        4,
        1,
        sharex=True,
        figsize=(11, 8.2),
        gridspec_kw={"height_ratios": [2, 1.6, 1.7, 1.1], "hspace": 0.12},
    )
    _load(axes[0], events, origin)
    _latency(axes[1], events, origin)
    _replicas(axes[2], events, origin, end, app, run.get("replicas", 0))
    _nodes(axes[3], events, origin, end, run.get("nodes", 0))
    for axis in axes:
        axis.grid(visible=True, color="#e5e7eb", linewidth=0.8)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
        # Room above the lines for the legend.
        axis.set_ylim(0, axis.get_ylim()[1] * 1.22)
        axis.margins(x=0)
    axes[0].set_xlim(0, max(end, 1))
    axes[3].set_xlabel("seconds since the load began")
    figure.suptitle(
        f"{report['verdict'].upper()}: {report['summary']}",
        fontsize=10,
        x=0.07,
        y=0.915,
        ha="left",
        wrap=True,
    )
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def _legend(axis: Any) -> None:
    axis.legend(loc="upper right", fontsize=8, frameon=True, framealpha=0.85, edgecolor="none", ncols=3)


def _load(axis: Any, events: list[Json], origin: float) -> None:
    loads = of_kind(events, "load")
    x = [event["t"] - origin for event in loads]
    axis.step(x, [event["users"] for event in loads], where="post", color=GREY, linestyle="--", label="users")
    axis.plot(x, [event["rate"] for event in loads], color=BLUE, label="requests a second")
    failed, before = [], 0
    for event, moment in zip(loads, x, strict=True):
        if event["failures"] > before:
            failed.append(moment)
        before = event["failures"]
    if failed:
        axis.plot(failed, [0.5] * len(failed), "x", color=VERMILION, label="failed requests", clip_on=False)
    axis.set_ylabel("load")
    _legend(axis)


def _latency(axis: Any, events: list[Json], origin: float) -> None:
    loads = [event for event in of_kind(events, "load") if event["p95_ms"] is not None]
    x = [event["t"] - origin for event in loads]
    if loads:
        axis.fill_between(
            x, [e["p50_ms"] for e in loads], [e["p99_ms"] for e in loads], color=ORANGE, alpha=0.18,
            linewidth=0, label="p50 to p99",
        )  # fmt: skip
        axis.plot(x, [event["p95_ms"] for event in loads], color=VERMILION, label="p95")
    axis.set_ylabel("answer, ms")
    _legend(axis)


def _replicas(axis: Any, events: list[Json], origin: float, end: float, app: str, first: int) -> None:
    wanted = [(0.0, first)] + [
        (event["t"] - origin, event["wanted"])
        for event in of_kind(events, "deployment")
        if event["t"] > origin
    ]
    ready = [(0.0, first)] + [
        (t - origin, value) for t, value in counts_over_time(events, "pod", app=app) if t > origin
    ]
    _steps(axis, wanted, end, color=GREY, linestyle="--", label="replicas wanted")
    _steps(axis, ready, end, color=GREEN, linewidth=2, label="replicas ready")
    usage = [
        (e["t"] - origin, e["cpu_percent"]) for e in of_kind(events, "hpa") if e["cpu_percent"] is not None
    ]
    for event in of_kind(events, "event"):
        if event["reason"] == "SuccessfulRescale" and event["at"] and event["at"] >= origin:
            axis.axvline(event["at"] - origin, color=GREY, linewidth=0.8, linestyle=":")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylabel("replicas")
    if usage:
        other = axis.twinx()
        other.plot([t for t, _ in usage], [u for _, u in usage], color=BLUE, linewidth=0.9, alpha=0.7)
        target = next((e["target_percent"] for e in of_kind(events, "hpa") if e["target_percent"]), None)
        if target:
            other.axhline(target, color=BLUE, linewidth=0.8, linestyle=(0, (1, 3)))
        other.set_ylim(0, max(110, *(u for _, u in usage)))
        other.set_ylabel("CPU, % of request", color=BLUE, fontsize=8)
        other.tick_params(axis="y", labelsize=7, colors=BLUE)
        other.spines[["top"]].set_visible(False)
    _legend(axis)


def _nodes(axis: Any, events: list[Json], origin: float, end: float, first: int) -> None:
    ready = [(0.0, first)] + [
        (t - origin, value) for t, value in counts_over_time(events, "node") if t > origin
    ]
    _steps(axis, ready, end, color=ORANGE, linewidth=2, label="nodes ready")
    asked = [
        event["at"] - origin
        for event in of_kind(events, "event")
        if event["reason"] == "TriggeredScaleUp" and event["at"] and event["at"] >= origin
    ]
    if asked:
        axis.plot(asked, [0.15] * len(asked), "^", color=VERMILION, label="node asked for", clip_on=False)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylabel("nodes")
    _legend(axis)


def _steps(axis: Any, steps: list[tuple[float, int]], end: float, **style: Any) -> None:
    x = [t for t, _ in steps] + [end]
    y = [value for _, value in steps] + [steps[-1][1]]
    axis.step(x, y, where="post", **style)
