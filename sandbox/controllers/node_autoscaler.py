"""Decides when nodes come and go, as the Kubernetes cluster autoscaler does on GKE. Pure.

Contract: https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from plugins.module_utils.gke.machine import MachineShape
from plugins.module_utils.k8s.fit import requests_of
from plugins.module_utils.k8s.objects import Json

from ..kube.node import Taint
from .node_view import NodeView, place

SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
SCALE_DOWN_DISABLED = "cluster-autoscaler.kubernetes.io/scale-down-disabled"
_MAX_PODS = 110
# Of a boot disk of 100 GB, GKE's default: less 10 % and 41 GB that the system keeps.
# https://cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes#local_ephemeral_storage_reservation
_DISK = "49G"


@dataclass(frozen=True)
class AutoscalerSettings:
    """Defaults are the cluster autoscaler's own."""

    scan_seconds: float = 10
    scale_down_unneeded_seconds: float = 600
    scale_down_delay_after_add_seconds: float = 600
    utilization_threshold: float = 0.5
    max_node_provision_seconds: float = 900


@dataclass(frozen=True)
class PoolState:
    """A node pool. ``nodes``: every node it has or has asked for; ``group``: its instance group."""

    name: str
    autoscaled: bool
    min_nodes: int
    max_nodes: int
    shape: MachineShape
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    nodes: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True)
class ClusterView:
    """What the API server says. ``budgets``: PodDisruptionBudgets. ``imagined``: pods that CapacityBuffers keep room for,
    which are planned for as if they were there."""

    nodes: tuple[Json, ...]
    pods: tuple[Json, ...]
    budgets: tuple[Json, ...] = ()
    imagined: tuple[Json, ...] = ()


@dataclass
class Memory:
    """What the autoscaler knows from earlier scans: times in seconds of its clock."""

    last_scale_up: float = float("-inf")
    unneeded_since: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ScaleUp:
    """``count`` more nodes for the pool; for the pods with these keys (namespace, name), or its minimum."""

    pool: str
    count: int
    before: int
    limit: int
    group: str
    pods: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class NoScaleUp:
    """This pod is helped by no pool; ``reason`` in the autoscaler's words."""

    pod: tuple[str, str]
    reason: str


@dataclass(frozen=True)
class ScaleDown:
    """This node goes; its pods with these keys are evicted first."""

    node: str
    evict: tuple[tuple[str, str], ...]


Decision = ScaleUp | NoScaleUp | ScaleDown


def plan(
    view: ClusterView, pools: list[PoolState], settings: AutoscalerSettings, memory: Memory, now: float
) -> list[Decision]:
    """One scan. Changes ``memory``; scale-up comes before scale-down, never both."""
    nodes = {node["metadata"]["name"]: NodeView(node) for node in view.nodes}
    _account(view, nodes)
    left = _homeless(view, pools, nodes)
    ups = _scale_ups(view, pools, left)
    if any(isinstance(decision, ScaleUp) for decision in ups):
        memory.last_scale_up = now
    downs = _scale_downs(view, pools, nodes, settings, memory, now)
    if any(isinstance(decision, ScaleUp) for decision in ups):
        return ups
    return [*ups, *downs]


def key_of(pod: Json) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def _account(view: ClusterView, nodes: dict[str, NodeView]) -> None:
    """Takes what running pods request off their nodes."""
    for pod in view.pods:
        node = nodes.get(pod["spec"].get("nodeName", ""))
        if node is not None and not _finished(pod):
            node.take(pod)


def _finished(pod: Json) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _unschedulable(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return (
        not pod["spec"].get("nodeName")
        and not pod["metadata"].get("deletionTimestamp")
        and any(
            c["type"] == "PodScheduled" and c["status"] == "False" and c.get("reason") == "Unschedulable"
            for c in conditions
        )
    )


def _imagined(pool: PoolState, number: int, view: ClusterView) -> NodeView:
    """A node that the pool would add, with its DaemonSets' pods on it."""
    shape = pool.shape
    node = NodeView(
        {
            "metadata": {"name": f"{pool.name}-upcoming-{number}", "labels": pool.labels},
            "spec": {"taints": [asdict(taint) for taint in pool.taints]},
            "status": {
                "allocatable": {
                    "cpu": f"{shape.allocatable_cpu_milli}m",
                    "memory": f"{shape.allocatable_memory_mib}Mi",
                    "ephemeral-storage": _DISK,
                    "pods": str(_MAX_PODS),
                }
            },
        }
    )
    seen = set()
    for pod in view.pods:
        owner = _controller(pod)
        if owner and owner["kind"] == "DaemonSet" and owner["uid"] not in seen:
            seen.add(owner["uid"])
            node.take(pod)
    return node


def _homeless(view: ClusterView, pools: list[PoolState], nodes: dict[str, NodeView]) -> list[Json]:
    """Pods for which there is no room, and none coming; those that wait come before those that are imagined. The others
    take their room, and what is imagined is kept with its node."""
    known = set(nodes)
    ready = [node for node in nodes.values() if node.ready and node.schedulable and not node.goes]
    coming: list[NodeView] = []
    for pool in pools:
        missing = [name for name in pool.nodes if name not in known or not nodes[name].ready]
        coming += [_imagined(pool, number, view) for number, _ in enumerate(missing)]
    left = [pod for pod in view.pods if _unschedulable(pod) and not place(pod, [*ready, *coming])]
    for pod in view.imagined:
        home = place(pod, [*ready, *coming])
        if home is None:
            left.append(pod)
        else:
            home.imagined.append(pod)
    return left


def _scale_ups(view: ClusterView, pools: list[PoolState], left: list[Json]) -> list[Decision]:
    decisions: list[Decision] = []
    for pool in pools:
        if pool.autoscaled and len(pool.nodes) < pool.min_nodes:
            short = pool.min_nodes - len(pool.nodes)
            decisions.append(ScaleUp(pool.name, short, len(pool.nodes), pool.max_nodes, pool.group, ()))
    if decisions:
        return decisions
    while left:
        best = max((_helped(pool, left, view) for pool in pools if pool.autoscaled), key=_score, default=None)
        if best is None or not best.pods:
            decisions += [NoScaleUp(key_of(pod), _reason(pod, pools, view)) for pod in left]
            break
        decisions.append(best)
        helped = set(best.pods)
        left = [pod for pod in left if key_of(pod) not in helped]
        pools = [pool for pool in pools if pool.name != best.pool]
    return decisions


def _helped(pool: PoolState, pods: list[Json], view: ClusterView) -> ScaleUp:
    """The smallest number of new nodes that takes all the pods it can, within the pool's limit."""
    room = pool.max_nodes - len(pool.nodes)
    new: list[NodeView] = []
    placed = []
    for pod in pods:
        found = place(pod, new)
        if not found and len(new) < room:
            fresh = _imagined(pool, len(new), view)
            found = place(pod, [fresh])
            new += [fresh] if found else []
        if found:
            placed.append(key_of(pod))
    return ScaleUp(pool.name, len(new), len(pool.nodes), pool.max_nodes, pool.group, tuple(placed))


def _score(option: ScaleUp) -> tuple[int, int]:
    return len(option.pods), -option.count


def _reason(pod: Json, pools: list[PoolState], view: ClusterView) -> str:
    counts: dict[str, int] = {}
    for pool in pools:
        if not pool.autoscaled:
            continue
        why = _imagined(pool, 0, view).why_not(pod)
        text = why or "max node group size reached"
        counts[text] = counts.get(text, 0) + 1
    return ", ".join(f"{count} {text}" for text, count in sorted(counts.items())) or "no node group"


def _scale_downs(
    view: ClusterView,
    pools: list[PoolState],
    nodes: dict[str, NodeView],
    settings: AutoscalerSettings,
    memory: Memory,
    now: float,
) -> list[Decision]:
    candidates = _unneeded(view, pools, nodes, settings)
    memory.unneeded_since = {name: memory.unneeded_since.get(name, now) for name in candidates}
    if now - memory.last_scale_up < settings.scale_down_delay_after_add_seconds:
        return []
    spare = {pool.name: len(pool.nodes) - pool.min_nodes for pool in pools}
    pool_of = {name: pool.name for pool in pools for name in pool.nodes}
    due = [n for n in candidates if now - memory.unneeded_since[n] >= settings.scale_down_unneeded_seconds]
    decisions: list[Decision] = []
    # Empty nodes go together; of the others one a scan, since its pods take room elsewhere.
    for name in due:
        evict = candidates[name]
        if spare[pool_of[name]] <= 0 or (evict and decisions):
            continue
        spare[pool_of[name]] -= 1
        decisions.append(ScaleDown(name, tuple(key_of(pod) for pod in evict)))
    return decisions


def _unneeded(
    view: ClusterView, pools: list[PoolState], nodes: dict[str, NodeView], settings: AutoscalerSettings
) -> dict[str, list[Json]]:
    """Nodes that the cluster could do without, with the pods to be moved; the emptiest first."""
    found: dict[str, list[Json]] = {}
    pending = any(_unschedulable(pod) for pod in view.pods)
    disabled = {
        n["metadata"]["name"]
        for n in view.nodes
        if n["metadata"].get("annotations", {}).get(SCALE_DOWN_DISABLED) == "true"
    }
    for pool in pools:
        if not pool.autoscaled or len(pool.nodes) <= pool.min_nodes:
            continue
        for name in pool.nodes:
            node = nodes.get(name)
            if node is None or not node.ready or name in disabled or node.goes:
                continue
            pods = [p for p in view.pods if p["spec"].get("nodeName") == name and not _finished(p)]
            moving = [p for p in pods if not _stays(p)]
            both = [*moving, *node.imagined]
            if _utilization(node, both) >= settings.utilization_threshold:
                continue
            if any(_blocks(pod, view.budgets) for pod in moving) or (pending and moving):
                continue
            if _movable(both, [n for n in nodes.values() if n.name != name]):
                found[name] = moving
    return dict(sorted(found.items(), key=lambda item: len(item[1])))


def _utilization(node: NodeView, pods: list[Json]) -> float:
    asked = [requests_of(pod) for pod in pods]
    return max(
        float(sum(one.get(name, 0) for one in asked) / (node.allocatable.get(name) or 1))
        for name in ("cpu", "memory")
    )


def _controller(pod: Json) -> Json | None:
    owners: list[Json] = pod["metadata"].get("ownerReferences", [])
    return next((owner for owner in owners if owner.get("controller")), None)


def _stays(pod: Json) -> bool:
    """DaemonSets' and static pods go with their node."""
    owner = _controller(pod)
    return bool(owner and owner["kind"] in ("DaemonSet", "Node"))


def _blocks(pod: Json, budgets: tuple[Json, ...]) -> bool:
    """Whether the pod keeps its node: the rules of the FAQ, "What types of pods can prevent CA from
    removing a node?". Pods with an emptyDir do not, as on GKE since 1.22."""
    answer = pod["metadata"].get("annotations", {}).get(SAFE_TO_EVICT)
    if answer == "false":
        return True
    covering = [budget for budget in budgets if _covers(budget, pod)]
    if any(budget.get("status", {}).get("disruptionsAllowed", 0) < 1 for budget in covering):
        return True
    if answer == "true":
        return False
    return _controller(pod) is None or (pod["metadata"]["namespace"] == "kube-system" and not covering)


def _covers(budget: Json, pod: Json) -> bool:
    if budget["metadata"]["namespace"] != pod["metadata"]["namespace"]:
        return False
    selector: dict[str, Any] = budget["spec"].get("selector") or {}
    labels = pod["metadata"].get("labels", {})
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(
        {
            "In": labels.get(e["key"]) in e.get("values", []),
            "NotIn": labels.get(e["key"]) not in e.get("values", []),
            "Exists": e["key"] in labels,
            "DoesNotExist": e["key"] not in labels,
        }[e["operator"]]
        for e in selector.get("matchExpressions", [])
    )


def _movable(pods: list[Json], others: list[NodeView]) -> bool:
    homes = [copy.copy(node) for node in others if node.ready and not node.goes]
    largest_first = sorted(pods, key=lambda pod: -requests_of(pod).get("cpu", 0))
    return all(place(pod, homes) for pod in largest_first)
