"""How many pods fit on nodes. Pure arithmetic, and generous: other pods are put where they cost the fewest replicas,
although the scheduler may do worse. So what is said not to fit does not fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..variables.settings import Resources

SYSTEM_PODS_PER_NODE = 10
"""How many of a node's pods are GKE's own, about: network, DNS, metrics, logs, storage, identity."""


@dataclass(frozen=True)
class Room:
    """Nodes that are alike: what each has for pods, how many pods it may have, and whether replicas may be there."""

    nodes: int
    free: Resources
    pods: int
    serves: bool = True


@dataclass(frozen=True, order=True)
class _Node:
    free: Resources
    pods: int
    serves: bool

    def less(self, pod: Resources) -> _Node:
        return _Node(self.free - pod, self.pods - 1, self.serves)

    def holds(self, pod: Resources) -> bool:
        return self.free.holds(pod) and self.pods >= 1


def replicas_on(node: Resources, pods: int, replica: Resources) -> int:
    """How many replicas one empty node holds."""
    counts = [max(0, pods)]
    if replica.cpu_milli > 0:
        counts.append(max(0, node.cpu_milli) // replica.cpu_milli)
    if replica.memory > 0:
        counts.append(max(0, node.memory) // replica.memory)
    if replica.gpus > 0:
        counts.append(max(0, node.gpus) // replica.gpus)
    return min(counts)


@dataclass(frozen=True)
class Fit:
    """``replicas``: how many fit beside the other pods; ``unschedulable``: how many of those find no room."""

    replicas: int
    unschedulable: int


def capacity(rooms: Sequence[Room], replica: Resources, others: Iterable[Resources] = ()) -> Fit:
    """How many replicas fit beside the other pods."""

    def replicas(node: _Node) -> int:
        return replicas_on(node.free, node.pods, replica) if node.serves else 0

    unschedulable = 0
    nodes: Counter[_Node] = Counter()
    for room in rooms:
        nodes[_Node(room.free, room.pods, room.serves)] += room.nodes
    for pod in sorted(others, key=lambda one: (one.cpu_milli, one.memory), reverse=True):
        fitting = [node for node, count in nodes.items() if count > 0 and node.holds(pod)]
        if not fitting:
            unschedulable += 1
            continue
        # The fewest replicas lost, then the tightest place.
        home = min(fitting, key=lambda node: (replicas(node) - replicas(node.less(pod)), node))
        nodes[home] -= 1
        nodes[home.less(pod)] += 1
    return Fit(sum(replicas(node) * count for node, count in nodes.items() if count > 0), unschedulable)
