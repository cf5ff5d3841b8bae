"""A node, real or imagined, and whether a pod fits what is left of it: the part of the scheduler's filters that counts.

Pod affinity and topology spread are the scheduler's alone: the autoscaler may then add a node that does not help,
never too few.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from plugins.module_utils.k8s.fit import Amounts, label_mismatch, requests_of, untolerated
from plugins.module_utils.k8s.objects import Json, is_true
from plugins.module_utils.k8s.quantities import quantity

DELETION_TAINT = "ToBeDeletedByClusterAutoscaler"


def needs_of(pod: Json) -> Amounts:
    """What the pod takes of a node: its requests, and a place."""
    return {**requests_of(pod), "pods": Fraction(1)}


@dataclass
class NodeView:
    """``free``: what is left of the allocatable of a Node object. ``imagined``: pods that room is kept for here."""

    node: Json
    free: Amounts = field(init=False)
    imagined: list[Json] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.allocatable = {
            name: quantity(amount) for name, amount in self.node["status"].get("allocatable", {}).items()
        }
        self.free = self.allocatable
        self.name = str(self.node["metadata"]["name"])
        self.ready = is_true(self.node, "Ready")
        self.schedulable = not self.node.get("spec", {}).get("unschedulable", False)

    @property
    def goes(self) -> bool:
        """Whether the autoscaler is removing it."""
        return any(taint["key"] == DELETION_TAINT for taint in self._taints)

    @property
    def _taints(self) -> list[Json]:
        return list(self.node.get("spec", {}).get("taints") or [])

    def take(self, pod: Json) -> None:
        needs = needs_of(pod)
        self.free = {
            name: self.free.get(name, Fraction(0)) - needs.get(name, 0) for name in self.free | needs
        }

    def why_not(self, pod: Json) -> str | None:
        """Why the pod does not fit, in the scheduler's words; None when it does."""
        if not self.schedulable:
            return "node(s) were unschedulable"
        taint = untolerated(pod, self._taints)
        if taint:
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
        if label_mismatch(pod, self.node):
            return "node(s) didn't match Pod's node affinity/selector"
        for name, amount in needs_of(pod).items():
            if amount > self.free.get(name, 0):
                return "Too many pods" if name == "pods" else f"Insufficient {name}"
        return None


def place(pod: Json, nodes: list[NodeView]) -> NodeView | None:
    """Puts the pod on the first of the nodes that has room for it, if there is one, which it returns."""
    home = next((node for node in nodes if node.why_not(pod) is None), None)
    if home is not None:
        home.take(pod)
    return home
