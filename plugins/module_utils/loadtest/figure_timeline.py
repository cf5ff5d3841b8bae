"""Everything of a run on one time axis. Needs matplotlib."""

from __future__ import annotations

import contextlib
import math
import re
from typing import Any

from .figure_style import BACK, BLUE, FORE, GREEN, LINE, ORANGE, PURPLE, ROWS_MAX, SHADE, SOFT, VERMILION
from .hpa import share
from .hpa import words as amount
from .schema import Json
from .timeline import counts_over_time, of_kind, since, value_at

# Without it nothing is drawn: `figures` says so.
with contextlib.suppress(ImportError):
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator


_METRIC_STYLES = ((BLUE, "-"), (PURPLE, "-."), (GREEN, ":"), (ORANGE, "--"))


def _origin(events: list[Json]) -> float:
    run = next(iter(of_kind(events, "run")), {})
    return float(run.get("t", min((event["t"] for event in events), default=0.0)))


def timeline(events: list[Json], report: Json) -> Any:
    """Load, latency, the HPA's metrics, replicas and nodes, with the autoscalers' decisions."""
    origin = _origin(events)
    end = max(1.0, max((event["t"] for event in events), default=0.0) - origin)
    figure, axes = plt.subplots(
        5, 1, sharex=True, figsize=(11, 9.6), gridspec_kw={"height_ratios": [1.7, 2, 1.3, 1.3, 1], "hspace": 0.34}
    )  # fmt: skip
    run = next(iter(of_kind(events, "run")), {})
    ready = since(
        counts_over_time(events, "pod", app=run.get("deployment", "")), origin, run.get("replicas", 0)
    )
    wanted = since(
        [(event["t"], event["wanted"]) for event in of_kind(events, "deployment")],
        origin,
        run.get("replicas", 0),
    )
    nodes = since(counts_over_time(events, "node"), origin, run.get("nodes", 0))
    short = _short_of(wanted, ready, origin, end)
    _load(axes[0], events, origin)
    _latency(axes[1], events, report, origin)
    _metrics(axes[2], events, origin)
    _replicas(axes[3], wanted, ready, origin, end)
    _best(axes[3], report["scaling"]["best"]["schedule"], origin, end)
    _heading(axes[3], "Replicas", "")
    _nodes(axes[4], events, nodes, origin, end)
    for axis in axes[:4]:
        for begin, finish in short:
            axis.axvspan(begin, finish, color=SHADE, alpha=0.22, linewidth=0, zorder=0)
    for axis in axes:
        axis.grid(visible=True, color=LINE, linewidth=0.8)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
        axis.margins(x=0)
        axis.set_ylim(bottom=0)
    _decisions(axes, report, origin, end)
    _gaps(axes, events, origin)
    axes[0].set_xlim(0, end)
    axes[-1].set_xlabel("seconds since the load began")
    figure.align_ylabels(axes)
    return figure


def _heading(axis: Any, title: str, unit: str, *, room: float = 0.0) -> None:
    """The panel's name at the left and its legend at the right, on one line above it and ``room`` inches."""
    axis.set_title(title, loc="left", pad=6 + 72 * room)
    axis.set_ylabel(unit, fontsize=8, color=SOFT)
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        axis.legend(
            handles, labels, loc="lower right", bbox_to_anchor=(1.0, 0.99 + room * 0.7), ncols=len(handles), frameon=False,
            borderpad=0, handlelength=1.8, columnspacing=1.4,
        )  # fmt: skip


def _load(axis: Any, events: list[Json], origin: float) -> None:
    loads = of_kind(events, "load")
    x = [event["t"] - origin for event in loads]
    if any(event["users"] is None for event in loads):
        axis.step(x, [e["offered"] or 0 for e in loads], where="post", color=SOFT, linestyle="--",
                  label="requests/s due")  # fmt: skip
        axis.plot(x, [e["backlog"] for e in loads], color=PURPLE, linestyle=":", label="waiting to be sent")
    else:
        axis.step(x, [e["users"] for e in loads], where="post", color=SOFT, linestyle="--", label="users")
    axis.plot(x, [event["rate"] for event in loads], color=BLUE, label="requests/s answered")
    failed, before = [], 0
    for event, moment in zip(loads, x, strict=True):
        if event["failures"] > before:
            failed.append(moment)
        before = event["failures"]
    if failed:
        axis.plot(failed, [0] * len(failed), "x", color=VERMILION, label="failed requests", clip_on=False)
    _heading(axis, "Load", "users, requests/s", room=0.14)


def _latency(axis: Any, events: list[Json], report: Json, origin: float) -> None:
    loads = [event for event in of_kind(events, "load") if event["p95_ms"] is not None]
    x = [event["t"] - origin for event in loads]
    if loads:
        axis.fill_between(
            x, [e["p50_ms"] for e in loads], [_number(e["p99_ms"]) for e in loads], color=ORANGE, alpha=0.28,
            linewidth=0, label="p50 to p99",
        )  # fmt: skip
        axis.plot(x, [event["p95_ms"] for event in loads], color=VERMILION, label="p95")
        axis.plot(
            x, [event["p50_ms"] for event in loads], color=SOFT, linewidth=0.9, linestyle=":", label="p50"
        )
    limit = _latency_limit(report)
    if limit is not None:
        axis.axhline(limit, color=FORE, linewidth=1, linestyle=(0, (6, 3)), label="limit of p95")
    _heading(axis, "Response time", "ms")
    top = max([*(event["p99_ms"] or event["p95_ms"] for event in loads), limit or 0, 1])
    axis.set_ylim(0, top * 1.3)
    worst = next((f for f in report.get("findings", []) if f["t"] is not None and "p95" in f["short"]), None)
    if worst is not None and loads:
        near = min(loads, key=lambda event: abs(event["t"] - worst["t"]))
        right = near["t"] - origin > 0.62 * (x[-1] or 1)
        axis.annotate(
            worst["short"], (near["t"] - origin, near["p95_ms"]), xytext=(-14 if right else 14, 22),
            textcoords="offset points", ha="right" if right else "left", fontsize=8.5, color=FORE,
            bbox={"boxstyle": "round,pad=0.3", "facecolor": BACK, "edgecolor": SOFT, "linewidth": 0.7},
            arrowprops={"arrowstyle": "-|>", "color": FORE, "linewidth": 0.9}, annotation_clip=False,
        )  # fmt: skip


def _number(milliseconds: float | None) -> float:
    """Where more failed than a percentile leaves out there is nothing to draw."""
    return math.nan if milliseconds is None else milliseconds


def _latency_limit(report: Json) -> float | None:
    for check in report["checks"]:
        if re.match(r"p95_ms\s*<", check["name"]):
            return float(check["limit"])
    return None


def _metrics(axis: Any, events: list[Json], origin: float) -> None:
    """What the HPA looks at: one metric in its own unit, several as percent of their targets."""
    polls = [event for event in of_kind(events, "hpa") if event["metrics"]]
    shown = polls[-1]["metrics"] if polls else []
    alone, top = len(shown) == 1, 0.0
    target = (shown[0]["target"] or 0.0) if alone else 100.0
    for place, metric in enumerate(shown):
        used = [
            (event["t"] - origin, seen["current"] if alone else 100 * (share(seen) or 0.0))
            for event in polls
            if event["t"] >= origin and len(event["metrics"]) == len(shown)
            for seen in [event["metrics"][place]]
            if seen["current"] is not None
        ]
        if used:
            colour, line = _METRIC_STYLES[place % len(_METRIC_STYLES)]
            axis.plot(
                *zip(*used, strict=True), color=colour, linestyle=line, drawstyle="steps-post", marker=".", markersize=4,
                label="as the HPA saw it" if alone else metric["name"],
            )  # fmt: skip
            top = max(top, *(value for _unused, value in used))
    if shown:
        label = amount(target, shown[0]) if alone else "100 %"
        axis.axhline(target, color=FORE, linewidth=1, linestyle=(0, (6, 3)), label=f"target {label}")
    _heading(
        axis,
        f"HPA metric: {shown[0]['name']}" if alone else "HPA metrics",
        shown[0]["unit"] if alone else "% of target",
    )
    axis.set_ylim(0, 1.15 * (max(target, top) or 1))


def _replicas(
    axis: Any, wanted: list[tuple[float, int]], ready: list[tuple[float, int]], origin: float, end: float
) -> None:
    _steps(axis, wanted, origin, end, color=SOFT, linestyle="--", label="wanted")
    _steps(axis, ready, origin, end, color=GREEN, linewidth=2, label="ready")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylim(0, 1.15 * max(1, *(value for _unused, value in [*wanted, *ready])))
    axis.fill_between([], [], color=SHADE, alpha=0.35, label="fewer ready than wanted")


def _best(axis: Any, schedule: list[list[float]], origin: float, end: float) -> None:
    """Under the replicas: the fewest that would have done."""
    if schedule:
        steps = [(origin + t, int(replicas)) for t, replicas in schedule]
        _steps(
            axis,
            steps,
            origin,
            end,
            color=PURPLE,
            linestyle=":",
            linewidth=1.6,
            label="the fewest that would have done",
        )


def _nodes(axis: Any, events: list[Json], nodes: list[tuple[float, int]], origin: float, end: float) -> None:
    _steps(axis, nodes, origin, end, color=ORANGE, linewidth=2, label="ready")
    for reason, marker, colour, words in (
        ("TriggeredScaleUp", "^", VERMILION, "node asked for"),
        ("ScaleDown", "v", BLUE, "node given back"),
    ):
        at = [
            event["at"] - origin
            for event in of_kind(events, "event")
            if event["reason"] == reason and event["at"] and event["at"] >= origin
        ]
        if at:
            axis.plot(at, [0] * len(at), marker, color=colour, label=words, clip_on=False, zorder=5)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylim(0, 1.2 * max(1, *(value for _unused, value in nodes)))
    _heading(axis, "Nodes", "")


def _steps(axis: Any, steps: list[tuple[float, int]], origin: float, end: float, **style: Any) -> None:
    x = [t - origin for t, _unused in steps] + [end]
    y = [value for _unused, value in steps] + [steps[-1][1]]
    axis.step(x, y, where="post", **style)


def _short_of(
    wanted: list[tuple[float, int]], ready: list[tuple[float, int]], origin: float, end: float
) -> list[tuple[float, float]]:
    """Intervals in which fewer replicas were ready than wanted."""
    moments = sorted({t for t, _unused in [*wanted, *ready]})
    found: list[tuple[float, float]] = []
    for t, until in zip(moments, [*moments[1:], origin + end], strict=True):
        if value_at(ready, t) >= value_at(wanted, t):
            continue
        if found and found[-1][1] == t - origin:
            found[-1] = (found[-1][0], until - origin)
        else:
            found.append((t - origin, until - origin))
    return found


def _decisions(axes: Any, report: Json, origin: float, end: float) -> None:
    """A line through every panel at each decision of the HPA, numbered as in the other picture."""
    found = report["scaling"]["reactions"]
    for number, reaction in enumerate(found[:ROWS_MAX], 1):
        decided = reaction["started"] + reaction["phases"]["decide"] - origin
        for axis in axes:
            axis.axvline(decided, color=FORE, linewidth=0.8, linestyle=(0, (1, 2)), alpha=0.7)
        arrow = "▲" if reaction["direction"] == "out" else "▼"
        axes[0].text(
            decided, axes[0].get_ylim()[1], f"{arrow}{number}", fontsize=8, ha="center", va="center", color=FORE,
            bbox={"boxstyle": "round,pad=0.2", "facecolor": BACK, "edgecolor": SOFT, "linewidth": 0.7},
            zorder=6,
        )  # fmt: skip


def _gaps(axes: Any, events: list[Json], origin: float) -> None:
    for gap in of_kind(events, "gap"):
        for axis in axes:
            axis.axvspan(
                gap["since"] - origin, gap["since"] + gap["seconds"] - origin, facecolor="none", edgecolor=SOFT,
                hatch="////", linewidth=0, alpha=0.5,
            )  # fmt: skip
