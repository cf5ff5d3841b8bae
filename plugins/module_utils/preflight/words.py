"""What preflight found, for people: all of it at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..variables.findings import Finding, line
from .estimate import Phase, total

_TITLES = {"error": "error", "warning": "warning", "unknown": "not checked"}


def lines(findings: Iterable[Finding]) -> list[str]:
    """A line a finding, with its hint. What could not be checked for one and the same reason is one line."""
    found = []
    unknown: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        if finding.severity == "unknown":
            unknown.setdefault((finding.message, finding.hint), []).append(finding.id)
        else:
            found.append(f"{_TITLES[finding.severity]} {finding}")
    return found + [f"{_TITLES['unknown']} {line(', '.join(ids), *why)}" for why, ids in unknown.items()]


def in_sum(findings: Sequence[Finding]) -> str:
    """How many findings of which kind there are."""
    counts = {kind: sum(finding.severity == kind for finding in findings) for kind in _TITLES}
    parts = [
        f"{counts['error']} error{'' if counts['error'] == 1 else 's'}",
        f"{counts['warning']} warning{'' if counts['warning'] == 1 else 's'}",
    ]
    return ", ".join(parts) + (f", {counts['unknown']} not checked" if counts["unknown"] else "")


def cost_in_words(cost: Mapping[str, Any] | None, region: str) -> str:
    if cost is None:
        return "cost: not estimated, since the nodes are not node pools of this project"
    elsewhere = "" if region == cost["region"] else f" (prices of {cost['region']})"
    missing = f"; without {', '.join(cost['unpriced'])}, which has no price here" if cost["unpriced"] else ""
    kept = (
        f", of which room in stock takes up to {cost['buffer_per_hour']:.2f}"
        if cost["buffer_per_hour"]
        else ""
    )
    return (
        f"cost: {cost['min_per_hour']:.2f} to {cost['max_per_hour']:.2f} {cost['currency']} an hour, with the fewest and "
        f"the most nodes{kept}{elsewhere}{missing}; list prices of {cost['date']}"
    )


def reaction_in_words(phases: Sequence[Phase]) -> str:
    low, high = total(list(phases))
    parts = ", ".join(
        f"{phase.name} {phase.seconds[0]} to {phase.seconds[1]} s" for phase in phases if phase.seconds
    )
    rest = [phase.name for phase in phases if phase.seconds is None]
    return f"reaction that needs a node: {low} to {high} s ({parts}), and then {', '.join(rest)}"
