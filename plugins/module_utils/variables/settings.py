"""What is asked for, as plain data with types: what rules speak of. Pure; ``variables`` reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..gke.places import region_of

DEFAULT_MACHINE_TYPE, DEFAULT_DISK_TYPE, DEFAULT_DISK_GB = "e2-medium", "pd-balanced", 100
"""Of a node pool that does not say. https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/NodeConfig"""

DEFAULT_PODS_PER_NODE = 110
"""https://cloud.google.com/kubernetes-engine/docs/how-to/flexible-pod-cidr"""


@dataclass(frozen=True, order=True)
class Resources:
    """Requests of pods, or what a node has for them: CPU in mCPU, memory in bytes, GPUs."""

    cpu_milli: int = 0
    memory: int = 0
    gpus: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.cpu_milli + other.cpu_milli, self.memory + other.memory, self.gpus + other.gpus)

    def __sub__(self, other: Resources) -> Resources:
        return Resources(self.cpu_milli - other.cpu_milli, self.memory - other.memory, self.gpus - other.gpus)

    def holds(self, other: Resources) -> bool:
        return self.cpu_milli >= other.cpu_milli and self.memory >= other.memory and self.gpus >= other.gpus


@dataclass(frozen=True)
class Pool:
    """A node pool. ``least`` and ``most``: nodes in all zones together. ``zones``: empty where Google chooses them.

    ``spot``: whether Google may take nodes away; ``preemptible``: whether by the rules of that older kind.
    ``accelerators``: types and how many cards; ``gpus``: how many a node's pods see of them, shared ones several times.
    """

    name: str
    machine_type: str = DEFAULT_MACHINE_TYPE
    minimum: int = 0
    maximum: int = 0
    zones: tuple[str, ...] = ()
    spot: bool = False
    preemptible: bool = False
    accelerators: tuple[tuple[str, int], ...] = ()
    gpus: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[tuple[str, str, str], ...] = ()
    disk_type: str = DEFAULT_DISK_TYPE
    disk_gb: int = DEFAULT_DISK_GB
    max_pods: int = DEFAULT_PODS_PER_NODE
    version: str = ""
    service_account: str = "default"
    oauth_scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """The cluster. ``given``: it exists, and is reached by a kubeconfig; nothing of it is this project's to make.

    ``wish``: its desired state; None where the module would refuse the variables. ``adopt``: it may be changed, whoever made it.
    ``private_nodes``, ``workload_identity``: None leaves it as it is. ``pools_known``: whether all pools could be
    read, and say how many nodes they have.
    """

    name: str
    location: str
    given: bool = False
    autopilot: bool = False
    autoprovisioning: bool = False
    channel: str = ""
    version: str = ""
    min_version: str = ""
    hpa_profile: str = ""
    private_nodes: bool | None = None
    workload_identity: bool | None = None
    pools: tuple[Pool, ...] = ()
    pools_known: bool = True
    wish: Mapping[str, Any] | None = None
    adopt: bool = False
    pools_exclusive: bool = False

    @property
    def region(self) -> str:
        return region_of(self.location)


@dataclass(frozen=True)
class Serving:
    """The model server's pods. ``containers``: requests by the container's name; ``fetcher``: of the init container.

    Times in seconds. ``surge``: pods or a percentage that a rollout has beyond the wanted ones.
    """

    namespace: str
    name: str
    containers: tuple[tuple[str, Resources], ...]
    fetcher: Resources
    memory: int
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Mapping[str, Any], ...] = ()
    service_type: str = "LoadBalancer"
    propagation: int = 0
    drain: int = 0
    surge: str = "1"
    gate: bool = True
    anonymous: bool = False
    google_service_account: str = ""

    @property
    def pod(self) -> Resources:
        """What the scheduler reserves for one: its containers together, or the init container if that is more."""
        together = Resources()
        for _unused, requests in self.containers:
            together += requests
        return Resources(
            max(together.cpu_milli, self.fetcher.cpu_milli),
            max(together.memory, self.fetcher.memory),
            max(together.gpus, self.fetcher.gpus),
        )

    def surplus(self, replicas: int) -> int:
        """How many pods beyond the replicas a changed version needs for a while."""
        return max(absolute(self.surge, replicas), 1 if self.gate else 0)


@dataclass(frozen=True)
class Autoscaling:
    """The HPA. ``up_seconds``: how long the lowest recommendation of the past counts.

    ``tolerances``: the variables that ask for another tolerance than the controller's. ``source``: of its metrics.
    ``buffer``: for how many more replicas room is kept.
    """

    minimum: int
    maximum: int
    up_seconds: int
    buffer: int = 0
    tolerances: tuple[str, ...] = ()
    source: str = "none"


@dataclass(frozen=True)
class Storage:
    """The bucket, the model in it, and who reads it (``reader_*``, Workload Identity).

    ``bucket``: empty where the model is elsewhere, in an image or a volume. ``served``: the addresses of versions that
    are served and named by themselves, in place of what this bucket has at ``path``. ``grants``: who else gets roles
    on the bucket in this run, as the module takes them.
    """

    bucket: str
    path: str
    source: str = ""
    version: int | None = None
    served: tuple[str, ...] = ()
    workload_identity: bool = False
    reader_namespace: str = ""
    reader_name: str = ""
    reader_project: str = ""
    reader_project_number: str = ""
    google_service_account: str = ""
    grants: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class LoadTest:
    """Locust's pods, where there is a load test."""

    enabled: bool = False
    pods: tuple[Resources, ...] = ()


@dataclass(frozen=True)
class Settings:
    """Everything that rules look at, from variables alone.

    ``node_overhead``: what GKE's own pods request on each node; ``system_pods``: those that are there once.
    """

    project: str
    cluster: Cluster
    serving: Serving
    autoscaling: Autoscaling
    storage: Storage
    loadtest: LoadTest
    node_overhead: Resources = Resources()
    system_pods: tuple[Resources, ...] = ()
    metrics_window: int = 30
    node_seconds: tuple[int, int] = (80, 120)


def absolute(text: str, whole: int) -> int:
    """A number of pods, given as one or as a percentage that is rounded up, as a rollout's surge is."""
    text = text.strip()
    if text.endswith("%"):
        return math.ceil(whole * float(text[:-1]) / 100)
    return int(text)
