"""One look of a HorizontalPodAutoscaler's controller: what it sees, what it decides, and what it remembers.

After ``reconcileAutoscaler`` in ``pkg/controller/podautoscaler/horizontal.go`` of Kubernetes 1.34 to 1.37; tests/hpa
holds it against theirs. Pure.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from .limits import Limit, Memory, Recommendation, limited, scaled
from .replicas import Proposal, proposal
from .seen import Controller, Seen, Spec

By = Literal["metric", "above-max", "below-min", "zero", "unreadable"]
Decider = Literal[
    "ratio", "tolerance", "unready", "missing", "length", "unreadable", "stabilised", "ScaleUpLimit", "ScaleDownLimit",
    "TooManyReplicas", "TooFewReplicas", "above-max", "below-min", "zero",
]  # fmt: skip
"""What had the last word at a look: the rule of the metric that led (replicas.py), an earlier recommendation that still
counts, a policy or bound (limits.py), or what comes before all of them (``By``)."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """What came of a look."""

    replicas: int
    """what it sets; the present number where it changes nothing"""
    by: By
    """``zero``: there are none, and it was not the HPA that took them; ``unreadable``: it does nothing at all"""
    proposals: tuple[Proposal, ...] = ()
    leading: int | None = None
    """index of the metric that asked for most"""
    recommendation: int | None = None
    """what the metrics asked for"""
    stabilised: int | None = None
    limit: Limit = ""
    memory: Memory = dataclasses.field(default_factory=Memory)


def look(spec: Spec, seen: Seen, memory: Memory, controller: Controller) -> Decision:
    """Decides as the controller would."""
    current = seen.replicas
    if not memory.recommendations:
        memory = dataclasses.replace(memory, recommendations=(Recommendation(current, seen.t),))
    if current == 0 and not _wakes(spec, memory, controller):
        return Decision(0, "zero", memory=memory)
    if current > spec.max:
        return _set(Decision(spec.max, "above-max", memory=memory), spec, seen, controller)
    if 0 < current < spec.min:
        return _set(Decision(spec.min, "below-min", memory=memory), spec, seen, controller)
    proposals = tuple(
        proposal(metric, index, seen, spec, controller) for index, metric in enumerate(spec.metrics)
    )
    wanted, leading = 0, None
    for index, one in enumerate(proposals):
        if one.replicas is not None and (wanted == 0 or one.replicas > wanted):
            wanted, leading = one.replicas, index
    unreadable = sum(one.replicas is None for one in proposals)
    if unreadable == len(proposals) or (unreadable and wanted < current):
        return Decision(current, "unreadable", proposals, memory=memory)
    wanted = max(wanted, 0)
    result = limited(wanted, current, spec, memory, seen.t, controller)
    desired = result.replicas
    if current == 0 and spec.min != 0 and memory.scaled_to_zero:
        desired = max(desired, spec.min)
    decision = Decision(
        desired, "metric", proposals, leading, wanted, result.stabilised, result.limit, result.memory
    )
    return _set(decision, spec, seen, controller)


def decider(decision: Decision) -> Decider:
    """What had the last word."""
    if decision.by != "metric":
        return decision.by
    if decision.limit:
        return decision.limit
    if decision.stabilised != decision.recommendation:
        return "stabilised"
    return decision.proposals[decision.leading or 0].rule


def _wakes(spec: Spec, memory: Memory, controller: Controller) -> bool:
    """Whether the metrics are asked although there are no replicas."""
    if not controller.scale_to_zero:
        return spec.min == 0
    return memory.scaled_to_zero and (spec.min != 0 or _outside(spec))


def _outside(spec: Spec) -> bool:
    """Whether a metric has a value where there are no pods."""
    return any(metric.type in ("Object", "External") for metric in spec.metrics)


def _set(decision: Decision, spec: Spec, seen: Seen, controller: Controller) -> Decision:
    if decision.replicas == seen.replicas:
        return decision
    memory = scaled(decision.memory, spec, seen.replicas, decision.replicas, seen.t)
    if controller.scale_to_zero:
        to_zero = decision.replicas == 0 and spec.min == 0 and _outside(spec)
        memory = dataclasses.replace(memory, scaled_to_zero=to_zero)
    return dataclasses.replace(decision, memory=memory)
