"""A look of the HPA in a sentence: what it wants, what it has, and the rule that decided. Pure."""

from __future__ import annotations

from .look import Decision
from .replicas import Proposal
from .seen import Metric, Seen, Spec

_LIMITS = {
    "ScaleUpLimit": "a scale-up policy lets it go no further",
    "ScaleDownLimit": "a scale-down policy lets it go no further",
    "TooManyReplicas": "the maximum",
    "TooFewReplicas": "the minimum",
}


def sentence(decision: Decision, seen: Seen, spec: Spec) -> str:
    """As "wants 3, has 3: 49 % of 3 pods, the one that is not ready at nothing, is no reason for more"."""
    if decision.by == "zero":
        return (
            "there is no replica, and it was not the HPA that took the last: it waits until somebody sets one"
        )
    if decision.by in ("above-max", "below-min"):
        bound = (
            f"more than the maximum, {spec.max}"
            if decision.by == "above-max"
            else f"fewer than the minimum, {spec.min}"
        )
        return f"sets {decision.replicas}: {seen.replicas} are {bound}"
    several = len(spec.metrics) > 1
    problems = [
        f"{metric.name}: {one.problem}" if several else one.problem
        for metric, one in zip(spec.metrics, decision.proposals, strict=True)
        if one.problem
    ]
    if decision.by == "unreadable":
        return f"does nothing, has {seen.replicas}: {'; '.join(problems)}"
    leading = decision.leading or 0
    lead, metric = decision.proposals[leading], spec.metrics[leading]
    name = f"{metric.name}: " if several else ""
    unread = f"; without {', '.join(problems)}" if problems else ""
    return f"wants {decision.recommendation}, has {seen.replicas}: {name}{_rule(lead, metric, seen)}{_after(decision)}{unread}"


def _rule(lead: Proposal, metric: Metric, seen: Seen) -> str:
    value, target, counted = _amount(lead.ratio, metric), _amount(1.0, metric), lead.counted
    pods = counted + len(lead.missing) + (len(lead.unready) if lead.ratio > 1.0 else 0)
    filled = f"{_amount(lead.all_ratio, metric)} of {pods} pods, {_filled(lead)}"
    if lead.rule == "tolerance":
        return f"{value} is within the tolerance of {target}"
    if lead.rule in ("unready", "missing"):
        return f"{filled}, is no reason for {'more' if lead.ratio > 1.0 else 'fewer'} ({value} of the {counted} that count)"
    if lead.rule == "length":
        return f"{filled}, would point the other way"
    if lead.all_ratio != lead.ratio:
        return f"{filled}: {pods} × {_amount(lead.all_ratio, metric)} ÷ {target}, rounded up"
    if metric.target_type == "AverageValue" and metric.type in ("Object", "External"):
        return f"{value} is shared by so many at {target}"
    return f"{max(counted, seen.replicas and 1)} × {value} ÷ {target}, rounded up"


def _filled(lead: Proposal) -> str:
    """Which pods stand in the average with a value that was not measured, and with which."""
    said = []
    if lead.unready and lead.ratio > 1.0:
        said.append(f"{_count(lead.unready)} not ready at nothing")
    if lead.missing:
        said.append(
            f"{_count(lead.missing)} without a sample at {'nothing' if lead.ratio > 1.0 else 'its whole request'}"
        )
    return " and ".join(said)


def _count(pods: tuple[str, ...]) -> str:
    return f"the {len(pods)}" if len(pods) > 1 else "the one"


def _after(decision: Decision) -> str:
    said = []
    if decision.stabilised != decision.recommendation:
        said.append(f"an earlier look wanted {decision.stabilised}, and counts until its window is over")
    if decision.limit:
        said.append(f"{decision.replicas} is {_LIMITS[decision.limit]}" if decision.limit.startswith("Too") else
                    f"{decision.replicas}: {_LIMITS[decision.limit]}")  # fmt: skip
    return "".join(f"; {one}" for one in said)


def _amount(ratio: float, metric: Metric) -> str:
    """So many times the target, in the metric's own unit."""
    amount = ratio * metric.target
    if metric.target_type == "Utilization":
        return f"{amount:.0f} %"
    unit = {"cpu": " CPU", "memory": " B"}.get(metric.name, "") if "Resource" in metric.type else ""
    return f"{amount / 1000:.4g}{unit}"
