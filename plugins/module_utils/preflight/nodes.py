"""Node pools as the scheduler sees their nodes: what is left for pods, and whether the model server may be there. Pure.

https://cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes
"""

from __future__ import annotations

from typing import Any

from ..gke.machine import MachineShape, UnknownMachineType, machine_shape, shape_of
from ..k8s.fit import why_never
from ..variables.pod_needs import GPU, GPU_LABEL
from ..variables.settings import Pool, Resources, Serving, Settings
from .capacity import SYSTEM_PODS_PER_NODE, Room
from .project import NotKnown, Project, Unread

Json = dict[str, Any]

_EFFECTS = {
    "NO_SCHEDULE": "NoSchedule",
    "NO_EXECUTE": "NoExecute",
    "PREFER_NO_SCHEDULE": "PreferNoSchedule",
}
GPU_TAINT = (GPU, "present", "NO_SCHEDULE")
"""GKE puts it on nodes with GPUs, and lets pods that request some tolerate it.
https://cloud.google.com/kubernetes-engine/docs/how-to/gpus"""

_FAMILIES_WITH_GPUS = ("a2", "a3", "a4", "a4x", "g2", "g4")
"""https://cloud.google.com/compute/docs/gpus"""

_NODES_OWN_LABELS = (
    "topology.kubernetes.io/",
    "kubernetes.io/",
    "node.kubernetes.io/",
    "beta.kubernetes.io/",
    "topology.gke.io/",
    "cloud.google.com/",
)
"""Beginnings of labels that nodes get from their place and machine: not judged before there are nodes."""

_POOLS_LABELS = tuple(
    f"cloud.google.com/gke-{name}"
    for name in ("accelerator", "nodepool", "preemptible", "provisioning", "spot")
)
"""Of those, the labels that follow from the node pool.
https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms, .../preemptible-vms"""


def shape(pool: Pool, project: Project) -> MachineShape:
    """The size of the pool's machines, as Google tells it, else by its name. Raises ``NotKnown``."""
    offers = project.machine_types
    if not isinstance(offers, Unread) and offers.get(pool.machine_type):
        offer = next(iter(offers[pool.machine_type].values()))
        return shape_of(pool.machine_type, offer.cores, offer.memory_mib)
    try:
        return machine_shape(pool.machine_type)
    except UnknownMachineType:
        reason = f"the size of machine type {pool.machine_type} (node pool {pool.name}) is not known here"
        fix = "Allow this account compute.machineTypes.list, and see that the type is spelled right."
        raise NotKnown(Unread(reason, fix)) from None


def accelerators(pool: Pool, project: Project) -> tuple[tuple[str, int], ...]:
    """Types and numbers of a node's GPUs: those that the pool says, else those that its machines come with.

    Raises ``NotKnown`` for machines that come with some, where Google did not tell which.
    """
    offers = project.machine_types
    if pool.accelerators:
        return pool.accelerators
    if not isinstance(offers, Unread):
        return next((offer.accelerators for offer in offers.get(pool.machine_type, {}).values()), ())
    if pool.machine_type.partition("-")[0] in _FAMILIES_WITH_GPUS:
        reason = f"which GPUs machine type {pool.machine_type} (node pool {pool.name}) comes with is not known here"
        raise NotKnown(
            Unread(reason, "Allow this account compute.machineTypes.list, or name them as accelerators.")
        )
    return ()


def allocatable(pool: Pool, settings: Settings, project: Project) -> Resources:
    """What a node of the pool has for pods that are not GKE's own."""
    found = shape(pool, project)
    gpus = pool.gpus or sum(count for _unused, count in accelerators(pool, project))
    whole = Resources(found.allocatable_cpu_milli, found.allocatable_memory_mib * 2**20, gpus)
    return whole - settings.node_overhead


def pools_to_judge(settings: Settings) -> tuple[Pool, ...]:
    """The pools, where they say how many nodes there can be. Empty: nodes come as they are needed."""
    cluster = settings.cluster
    if cluster.given:
        raise NotKnown(
            Unread("how many nodes a cluster that is given by its kubeconfig can have is not known")
        )
    if cluster.autopilot or cluster.autoprovisioning:
        return ()
    if not cluster.pools_known:
        raise NotKnown(
            Unread(
                "cluster_node_pools has a mistake, so how many nodes there can be is not known",
                "Mend that first.",
            )
        )
    if not cluster.pools:
        raise NotKnown(
            Unread("cluster_node_pools is empty: how many nodes there can be is not known", "Name the pools.")
        )
    return cluster.pools


def why_not_there(pool: Pool, settings: Settings, project: Project) -> str | None:
    """Why the model server's pods can never be on this pool's nodes; None where they can."""
    return why_never(_pod(settings.serving), _node(pool, project, allocatable(pool, settings, project)))


def rooms(settings: Settings, project: Project, *, maximum: bool = True) -> list[Room]:
    """The pools' nodes, when there are most or fewest of them."""
    return [
        Room(
            nodes=pool.maximum if maximum else pool.minimum,
            free=allocatable(pool, settings, project),
            pods=pool.max_pods - SYSTEM_PODS_PER_NODE,
            serves=why_not_there(pool, settings, project) is None,
        )
        for pool in pools_to_judge(settings)
    ]


def serving_pools(settings: Settings, project: Project) -> list[Pool]:
    """The pools where replicas can be."""
    return [pool for pool in pools_to_judge(settings) if why_not_there(pool, settings, project) is None]


def _pod(serving: Serving) -> Json:
    requests = {"cpu": f"{serving.pod.cpu_milli}m", "memory": str(serving.pod.memory)}
    if serving.pod.gpus:
        requests[GPU] = str(serving.pod.gpus)
    selector = {
        key: value
        for key, value in serving.node_selector
        if key in _POOLS_LABELS or not key.startswith(_NODES_OWN_LABELS)
    }
    return {
        "spec": {
            "containers": [{"resources": {"requests": requests}}],
            "nodeSelector": selector,
            "tolerations": list(serving.tolerations),
        }
    }


def _node(pool: Pool, project: Project, free: Resources) -> Json:
    labels = {"cloud.google.com/gke-nodepool": pool.name, **dict(pool.labels)}
    taints = list(pool.taints)
    kind = "preemptible" if pool.preemptible else "spot" if pool.spot else "standard"
    labels["cloud.google.com/gke-provisioning"] = kind
    if pool.spot:
        labels[f"cloud.google.com/gke-{kind}"] = "true"
    cards = accelerators(pool, project)
    if cards:
        labels[GPU_LABEL] = cards[0][0]
        taints.append(GPU_TAINT)
    return {
        "metadata": {"name": pool.name, "labels": labels},
        "spec": {
            "taints": [
                {"key": key, "value": value, "effect": _EFFECTS.get(effect, effect)}
                for key, value, effect in taints
            ]
        },
        "status": {
            "allocatable": {
                "cpu": f"{max(0, free.cpu_milli)}m",
                "memory": str(max(0, free.memory)),
                GPU: str(free.gpus),
            }
        },
    }
