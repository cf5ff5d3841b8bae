"""What got better or worse since an earlier run. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

TOLERANCE = 10.0
"""Percent that a number may differ by chance before it is called better or worse."""

# What is compared: section, key, words, and whether more is worse.
_NUMBERS = (
    ("requests", "rate", "requests a second", False),
    ("requests", "rate_max", "most requests a second", False),
    ("requests", "failed", "failed requests", True),
    ("requests", "p50_ms", "p50, ms", True),
    ("requests", "p95_ms", "p95, ms", True),
    ("requests", "p99_ms", "p99, ms", True),
    ("scaling", "replicas_max", "most replicas", None),
    ("scaling", "nodes_max", "most nodes", None),
    ("scaling", "ready_s_max", "slowest reaction to a ready pod, s", True),
    ("scaling", "node_wait_max", "longest wait for a node, s", True),
    ("scaling", "seconds_without_replica", "seconds without a replica", True),
)


def is_report(found: Any) -> bool:
    """Whether a file is a report of a run, of whatever version, and not just anything called report.json."""
    if not isinstance(found, dict) or found.get("verdict") not in ("pass", "fail", "invalid"):
        return False
    if not all(isinstance(found.get(part), dict) for part in ("requests", "scaling", "environment")):
        return False
    numbers = (found[section].get(key) for section, key, *_unused in _NUMBERS)
    return all(isinstance(value, int | float | None) for value in (found.get("started"), *numbers))


def compare(report: Mapping[str, Any], earlier: Mapping[str, Any], name: str) -> Json:
    """Each number of both runs, by how much it changed, and whether that is worse."""
    rows = []
    for section, key, words, more_is_worse in _NUMBERS:
        now, then = report.get(section, {}).get(key), earlier.get(section, {}).get(key)
        if now is None and then is None:
            continue
        rows.append(
            {"name": words, "before": then, "now": now, "change_percent": _percent(then, now),
             "judgement": _judge(_weighed(earlier, key, then), _weighed(report, key, now), more_is_worse)}
        )  # fmt: skip
    ours, theirs = report.get("environment", {}), earlier.get("environment", {})
    differs = sorted(
        key
        for key in {*ours, *theirs}
        # Earlier versions did not write down which cluster it was.
        if ours.get(key) != theirs.get(key) and (key != "cluster" or key in ours.keys() & theirs.keys())
    )
    return {
        "run": name,
        "verdict": earlier.get("verdict"),
        "numbers": rows,
        "worse": [row["name"] for row in rows if row["judgement"] == "worse"],
        "settings_differ": differs,
    }


def _percent(then: float | None, now: float | None) -> float | None:
    if then is None or now is None or not then:
        return None
    return round(100 * (now - then) / then, 1)


def _weighed(report: Mapping[str, Any], key: str, value: float | None) -> float | None:
    """A percentile that there is none of, since too many failed, is worse than any; so is a reaction that never ended."""
    if value is None and key in ("p50_ms", "p95_ms", "p99_ms") and report["requests"].get("failed"):
        return math.inf
    if value is None and key == "ready_s_max":
        found = report["scaling"].get("reactions") or ()
        return math.inf if any(one["direction"] == "out" for one in found) else None
    return value


def _judge(then: float | None, now: float | None, more_is_worse: bool | None) -> str:
    if then is None or now is None:
        return "only in one run"
    if more_is_worse is None:
        return "same" if then == now else "different"
    if then == now:
        return "same"
    change = now - then
    if math.isfinite(change) and abs(change) <= abs(then) * TOLERANCE / 100:
        return "same"
    return "worse" if (change > 0) == more_is_worse else "better"


def words(comparison: Mapping[str, Any]) -> str:
    """What got worse, in a sentence."""
    worse = [row for row in comparison["numbers"] if row["judgement"] == "worse"]
    if not worse:
        return f"Nothing is worse than in run {comparison['run']}."
    told = "; ".join(
        f"{row['name']} {_shown(row['before'])} → {_shown(row['now'])}"
        + (f" ({row['change_percent']:+.0f} %)" if row["change_percent"] is not None else "")
        for row in worse
    )
    return f"Worse than in run {comparison['run']}: {told}."


def _shown(value: float | None) -> str:
    return "none (too many failed)" if value is None else str(value)
