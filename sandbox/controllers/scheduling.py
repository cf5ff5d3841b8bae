"""Would this pod fit this node? The part of the scheduler's filters that the sandbox's workloads use.

Requests, node selector, required node affinity, taints and the number of pods. Pod affinity and topology
spread are the scheduler's alone: the autoscaler may then add a node that does not help, never too few.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .quantity import cpu_milli, memory_bytes

Json = dict[str, Any]
_HARD_EFFECTS = ("NoSchedule", "NoExecute")


@dataclass(frozen=True)
class Resources:
    """mCPU, bytes and pods."""

    cpu: int = 0
    memory: int = 0
    pods: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.cpu + other.cpu, self.memory + other.memory, self.pods + other.pods)

    def __sub__(self, other: Resources) -> Resources:
        return Resources(self.cpu - other.cpu, self.memory - other.memory, self.pods - other.pods)

    def fits(self, free: Resources) -> bool:
        return self.cpu <= free.cpu and self.memory <= free.memory and self.pods <= free.pods


@dataclass
class NodeView:
    """A node, real or imagined. ``free`` is what is left of its allocatable."""

    name: str
    allocatable: Resources
    free: Resources
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[tuple[str, str, str], ...] = ()
    ready: bool = True
    schedulable: bool = True


def requests_of(pod: Json) -> Resources:
    """What the scheduler counts: the containers' sum, or an init container's maximum where that is more."""
    spec = pod["spec"]

    def of(container: Json) -> Resources:
        asked = container.get("resources", {}).get("requests", {})
        return Resources(cpu_milli(asked.get("cpu", 0)), memory_bytes(asked.get("memory", 0)))

    total = Resources()
    for container in spec["containers"]:
        total += of(container)
    for container in spec.get("initContainers", []):
        need = of(container)
        if container.get("restartPolicy") == "Always":
            total += need
        else:
            total = Resources(max(total.cpu, need.cpu), max(total.memory, need.memory))
    overhead = spec.get("overhead", {})
    extra = Resources(cpu_milli(overhead.get("cpu", 0)), memory_bytes(overhead.get("memory", 0)))
    return total + extra + Resources(pods=1)


def why_not(pod: Json, node: NodeView) -> str | None:
    """Why the pod does not fit, in the scheduler's words; None when it does."""
    spec = pod["spec"]
    if not node.schedulable:
        return "node(s) were unschedulable"
    for key, value, effect in node.taints:
        if effect in _HARD_EFFECTS and not _tolerated(spec.get("tolerations", []), key, value, effect):
            return f"node(s) had untolerated taint {{{key}: {value}}}"
    selector = spec.get("nodeSelector", {})
    required = spec.get("affinity", {}).get("nodeAffinity", {})
    terms = required.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms")
    if any(node.labels.get(key) != value for key, value in selector.items()) or (
        terms is not None and not any(_matches(term, node) for term in terms)
    ):
        return "node(s) didn't match Pod's node affinity/selector"
    need = requests_of(pod)
    if need.pods > node.free.pods:
        return "Too many pods"
    if need.cpu > node.free.cpu:
        return "Insufficient cpu"
    if need.memory > node.free.memory:
        return "Insufficient memory"
    return None


def _tolerated(tolerations: list[Json], key: str, value: str, effect: str) -> bool:
    return any(
        t.get("effect") in (None, "", effect)
        and (
            (t.get("operator") == "Exists" and t.get("key") in (None, "", key))
            or (t.get("operator", "Equal") == "Equal" and t.get("key") == key and t.get("value", "") == value)
        )
        for t in tolerations
    )


def _matches(term: Json, node: NodeView) -> bool:
    named = [_holds(e, node.name) for e in term.get("matchFields", [])]
    return all([_holds(e, node.labels.get(e["key"])) for e in term.get("matchExpressions", [])] + named)


def _holds(expression: Json, actual: str | None) -> bool:
    values = expression.get("values", [])
    match expression["operator"]:
        case "In":
            return actual in values
        case "NotIn":
            return actual not in values
        case "Exists":
            return actual is not None
        case "DoesNotExist":
            return actual is None
        case "Gt":
            return actual is not None and int(actual) > int(values[0])
        case _:
            return actual is not None and int(actual) < int(values[0])
