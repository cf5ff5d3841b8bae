"""Where the seconds of reactions went, and who got the load, as bars. Needs matplotlib."""

from __future__ import annotations

import contextlib
from typing import Any

from .figure_style import BACK, BLUE, FORE, LINE, PHASE_STYLES, ROWS_MAX
from .phases import PHASES
from .schema import Json

# Without it nothing is drawn: `figures` says so.
with contextlib.suppress(ImportError):
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch


def _seconds(reaction: Json) -> float:
    """All that is known of it, should it not have ended."""
    return float(sum(reaction["phases"].values()))


def waterfall(_unused: list[Json], report: Json) -> Any:
    """Where the seconds of each reaction went; None when there was none."""
    found = list(enumerate(report["scaling"]["reactions"], 1))
    if not found:
        return None
    if len(found) > ROWS_MAX:
        longest = sorted(found, key=lambda item: -_seconds(item[1]))[:ROWS_MAX]
        found = sorted(longest, key=lambda item: item[0])
    figure, axis = plt.subplots(figsize=(11, 0.9 + 0.5 * len(found)))
    longest_total = max((_seconds(reaction) for _unused, reaction in found), default=1) or 1
    used: list[str] = []
    labels = []
    for row, (number, reaction) in enumerate(found):
        left = 0.0
        for phase, length in reaction["phases"].items():
            if length <= 0:
                continue
            colour, hatch = PHASE_STYLES[phase]
            axis.barh(
                row,
                length,
                left=left,
                height=0.62,
                facecolor=colour,
                edgecolor=BACK,
                hatch=hatch,
                linewidth=0.8,
            )
            if length > 0.045 * longest_total:
                axis.text(
                    left + length / 2, row, f"{length:.0f} s", ha="center", va="center", fontsize=8, color=FORE,
                    bbox={"boxstyle": "round,pad=0.18", "facecolor": BACK, "edgecolor": "none", "alpha": 0.9},
                )  # fmt: skip
            if phase not in used:
                used.append(phase)
            left += length
        axis.text(
            left + 0.008 * longest_total, row, f"{left:.0f} s{' …' if reaction['total'] is None else ''}", va="center",
            fontsize=8.5, fontweight="bold",
        )  # fmt: skip
        arrow = "▲" if reaction["direction"] == "out" else "▼"
        labels.append(f"{arrow}{number}   {reaction['replicas_from']} → {reaction['replicas_to']}")
    axis.set_yticks(range(len(found)), labels, color=FORE)
    axis.invert_yaxis()
    axis.set_xlim(0, longest_total * 1.08)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=True, axis="x", color=LINE, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.set_xlabel("seconds since the load changed")
    handles = [
        Patch(facecolor=PHASE_STYLES[phase][0], edgecolor=BACK, hatch=PHASE_STYLES[phase][1],
              label=phase.replace("_", " "))
        for phase in PHASES if phase in used
    ]  # fmt: skip
    axis.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(handles), frameon=False)
    return figure


def shares(_unused: list[Json], report: Json) -> Any:
    """What each pod answered against an even split; None when no pod was counted."""
    pods = report["scaling"].get("pods", [])[:ROWS_MAX]
    if not pods:
        return None
    figure, axis = plt.subplots(figsize=(11, 0.9 + 0.42 * len(pods)))
    rows = range(len(pods))
    axis.barh(
        rows, [pod["requests"] for pod in pods], height=0.6, facecolor=BLUE, edgecolor=BACK, label="answered"
    )
    axis.plot(
        [pod["fair"] for pod in pods], rows, linestyle="none", marker="D", color=FORE, markerfacecolor=BACK,
        label="had all ready pods shared evenly",
    )  # fmt: skip
    maximum = max([1.0, *(max(pod["requests"], pod["fair"]) for pod in pods)])
    for row, pod in enumerate(pods):
        skew = "" if pod["skew"] is None else f"  {pod['skew']:.2f} of its share"
        axis.text(
            max(pod["requests"], pod["fair"]) + 0.015 * maximum,
            row,
            f"{pod['requests']}{skew}",
            va="center",
            fontsize=8,
        )
    axis.set_yticks(rows, [pod["pod"] for pod in pods], color=FORE, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(0, maximum * 1.22)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=True, axis="x", color=LINE, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.set_xlabel("requests")
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False)
    return figure
