"""What the roles' variables ask for, as plain data with types. Pure.

Variables come templated and typed (``variables``); what is read here is what rules speak of.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..gke.rules import is_zone, region_of
from ..k8s.quantities import quantity

Variables = Mapping[str, Any]

ZONES_OF_A_REGION = 3
"""Zones in which GKE puts the nodes of a regional cluster by default.
https://cloud.google.com/kubernetes-engine/docs/concepts/regional-clusters"""

DEFAULT_MACHINE_TYPE, DEFAULT_DISK_TYPE, DEFAULT_DISK_GB = "e2-medium", "pd-balanced", 100
"""Of a node pool that does not say. https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/NodeConfig"""

DEFAULT_PODS_PER_NODE = 110
"""https://cloud.google.com/kubernetes-engine/docs/how-to/flexible-pod-cidr"""


@dataclass(frozen=True)
class Resources:
    """Requests of pods, or what a node has for them: CPU in mCPU, memory in bytes."""

    cpu_milli: int = 0
    memory: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.cpu_milli + other.cpu_milli, self.memory + other.memory)

    def __sub__(self, other: Resources) -> Resources:
        return Resources(self.cpu_milli - other.cpu_milli, self.memory - other.memory)

    def holds(self, other: Resources) -> bool:
        return self.cpu_milli >= other.cpu_milli and self.memory >= other.memory


@dataclass(frozen=True)
class Pool:
    """A node pool. ``least`` and ``most``: nodes in all zones together. ``zones``: empty where Google chooses them."""

    name: str
    machine_type: str = DEFAULT_MACHINE_TYPE
    least: int = 0
    most: int = 0
    zones: tuple[str, ...] = ()
    spot: bool = False
    accelerators: tuple[tuple[str, int], ...] = ()
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

    ``private_nodes``, ``workload_identity``: None leaves it as it is.
    """

    name: str
    location: str
    given: bool = False
    autopilot: bool = False
    autoprovisioning: bool = False
    channel: str = ""
    version: str = ""
    min_version: str = ""
    private_nodes: bool | None = None
    workload_identity: bool | None = None
    pools: tuple[Pool, ...] = ()

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
    internal: bool = False
    source_ranges: tuple[str, ...] = ()
    proxy: bool = True
    handover: int = 0
    propagation: int = 0
    drain: int = 0
    request_timeout: int = 0
    surge: str = "1"
    gate: bool = True
    max_unavailable: str = "1"
    anonymous: bool = False
    google_service_account: str = ""

    @property
    def pod(self) -> Resources:
        """What the scheduler reserves for one: its containers together, or the init container if that is more."""
        together = Resources()
        for _, requests in self.containers:
            together += requests
        return Resources(
            max(together.cpu_milli, self.fetcher.cpu_milli), max(together.memory, self.fetcher.memory)
        )

    @property
    def grace(self) -> int:
        """The pod's ``terminationGracePeriodSeconds``, as the role sets it."""
        return (self.handover if self.proxy else 0) + self.propagation + self.drain + 3

    def surplus(self, replicas: int) -> int:
        """How many pods beyond the replicas a changed version needs for a while."""
        return max(absolute(self.surge, replicas), 1 if self.gate else 0)


@dataclass(frozen=True)
class Autoscaling:
    """The HPA. Seconds: how long the highest or the lowest wish of the past counts."""

    least: int
    most: int
    container: str
    target_percent: int
    up_seconds: int
    down_seconds: int


@dataclass(frozen=True)
class Storage:
    """The bucket, the model in it, and who reads it (``reader_*``, Workload Identity).

    ``bucket``: empty where the model is elsewhere, in an image or a volume.
    """

    bucket: str
    path: str
    source: str = ""
    version: int | None = None
    workload_identity: bool = False
    reader_namespace: str = ""
    reader_name: str = ""
    reader_project: str = ""
    reader_project_number: str = ""
    google_service_account: str = ""


@dataclass(frozen=True)
class LoadTest:
    """Locust's pods, where there is a load test."""

    enabled: bool = False
    pods: tuple[Resources, ...] = ()


@dataclass(frozen=True)
class Settings:
    """Everything that rules look at, from variables alone.

    ``node_overhead``: what GKE's own pods request on each node; ``system_pods``: those that are there once.
    ``problems``: variables with values that the roles would refuse.
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
    problems: tuple[str, ...] = ()


def absolute(text: str, whole: int) -> int:
    """A number of pods, given as one or as a percentage that is rounded up, as a rollout's surge is."""
    text = text.strip()
    if text.endswith("%"):
        return math.ceil(whole * float(text[:-1]) / 100)
    return int(text)


def resources(cpu: Any, memory: Any) -> Resources:
    """Requests from two quantities; what is empty is nothing. Raises ``ValueError``."""
    return Resources(math.ceil(_amount(cpu) * 1000), math.ceil(_amount(memory)))


def _amount(text: Any) -> Any:
    return quantity(text) if text not in (None, "") else quantity("0")


def _true(value: Any) -> bool:
    return str(value).lower() in ("true", "yes", "1", "on")


def _if_said(value: Any) -> bool | None:
    return None if value in (None, "") else _true(value)


def _pairs(labels: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    return tuple((str(key), str(value)) for key, value in (labels or {}).items())


def settings(
    given: Variables, project: str, options: Mapping[str, Any], problems: tuple[str, ...] = ()
) -> Settings:
    """The settings. ``options``: those of the module. Raises ``ValueError`` for what is no number or quantity."""
    overhead = options["system_requests"]
    boot = options["node_boot_seconds"]
    return Settings(
        project=project,
        cluster=_cluster(given),
        serving=_serving(given),
        autoscaling=Autoscaling(
            least=int(given["autoscaling_min_replicas"]),
            most=int(given["autoscaling_max_replicas"]),
            container=str(given["autoscaling_container"]),
            target_percent=int(given["autoscaling_target_cpu_percent"]),
            up_seconds=int(given["autoscaling_scale_up_stabilization_seconds"]),
            down_seconds=int(given["autoscaling_scale_down_stabilization_seconds"]),
        ),
        storage=Storage(
            bucket=str(given["storage_bucket"]) if given["serving_model_source"] == "bucket" else "",
            path=str(given["storage_model_path"]),
            source=str(given["storage_model_source"] or ""),
            version=int(given["storage_model_version"]) if given["storage_model_version"] else None,
            workload_identity=_true(given["storage_reader_workload_identity"]),
            reader_namespace=str(given["storage_reader_namespace"]),
            reader_name=str(given["storage_reader_name"]),
            reader_project=str(given["storage_reader_project"] or ""),
            reader_project_number=str(given["storage_reader_project_number"] or ""),
            google_service_account=str(given["storage_reader_google_service_account"] or ""),
        ),
        loadtest=_loadtest(given),
        node_overhead=resources(overhead["node"].get("cpu"), overhead["node"].get("memory")),
        system_pods=tuple(resources(pod.get("cpu"), pod.get("memory")) for pod in overhead["pods"]),
        metrics_window=int(options["metrics_window_seconds"]),
        node_seconds=(int(boot[0]), int(boot[-1])),
        problems=problems,
    )


def _cluster(given: Variables) -> Cluster:
    location = str(given["cluster_location"])
    zones = tuple(given["cluster_node_locations"] or ()) or ((location,) if is_zone(location) else ())
    scaling = given["cluster_autoscaling"] or {}
    return Cluster(
        name=str(given["cluster_name"]),
        location=location,
        given=bool(given["cluster_kubeconfig_file"]),
        autopilot=_true(given["cluster_autopilot"]),
        autoprovisioning=_true(scaling.get("enable_node_autoprovisioning")),
        channel=str(given["cluster_release_channel"] or ""),
        version=str(given["cluster_version"] or ""),
        min_version=str(given["cluster_min_master_version"] or ""),
        private_nodes=_if_said(given["cluster_private_nodes"]),
        workload_identity=_true(given["cluster_autopilot"]) or _if_said(given["cluster_workload_identity"]),
        pools=tuple(pool(one, zones) for one in given["cluster_node_pools"] or ()),
    )


def pool(given: Mapping[str, Any], cluster_zones: tuple[str, ...]) -> Pool:
    """A node pool from the options of ``gke_node_pool``."""
    zones = tuple(given.get("node_locations") or ()) or cluster_zones
    count = len(zones) or ZONES_OF_A_REGION
    scaling = given.get("autoscaling") or {}
    size = int(given.get("node_count") or given.get("initial_node_count") or 0) * count
    least = most = size
    if scaling and _true(scaling.get("enabled", True)):
        least = int(scaling.get("total_min_node_count") or int(scaling.get("min_node_count") or 0) * count)
        most = int(scaling.get("total_max_node_count") or int(scaling.get("max_node_count") or 0) * count)
    return Pool(
        name=str(given["name"]),
        machine_type=str(given.get("machine_type") or DEFAULT_MACHINE_TYPE),
        least=least,
        most=most,
        zones=zones,
        spot=_true(given.get("spot")) or _true(given.get("preemptible")),
        accelerators=tuple(
            (str(one.get("accelerator_type", "")), int(one.get("accelerator_count") or 1))
            for one in given.get("accelerators") or ()
        ),
        labels=_pairs(given.get("labels")),
        taints=tuple(
            (str(one["key"]), str(one.get("value") or ""), str(one["effect"]))
            for one in given.get("taints") or ()
        ),
        disk_type=str(given.get("disk_type") or DEFAULT_DISK_TYPE),
        disk_gb=int(given.get("disk_size_gb") or DEFAULT_DISK_GB),
        max_pods=int(given.get("max_pods_per_node") or DEFAULT_PODS_PER_NODE),
        version=str(given.get("version") or ""),
        service_account=str(given.get("service_account") or "default"),
        oauth_scopes=tuple(given.get("oauth_scopes") or ()),
    )


def _serving(given: Variables) -> Serving:
    proxy = _true(given["serving_proxy_enabled"])
    server = resources(given["serving_cpu"], given["serving_memory"])
    containers = [("tfserving", server)]
    if proxy:
        containers.append(("proxy", resources(given["serving_proxy_cpu"], given["serving_proxy_memory"])))
    return Serving(
        namespace=str(given["serving_namespace"]),
        name=str(given["serving_name"]),
        containers=tuple(containers),
        fetcher=Resources()
        if given["serving_model_source"] == "volume"
        else resources(given["serving_cpu"], given["serving_fetcher_memory"]),
        memory=server.memory,
        node_selector=_pairs(given["serving_node_selector"]),
        tolerations=tuple(given["serving_tolerations"] or ()),
        service_type=str(given["serving_service_type"]),
        internal=_true(given["serving_service_internal"]),
        source_ranges=tuple(map(str, given["serving_source_ranges"] or ())),
        proxy=proxy,
        handover=int(given["serving_handover_seconds"]),
        propagation=int(given["serving_propagation_seconds"]),
        drain=int(given["serving_drain_seconds"]),
        request_timeout=int(given["serving_request_timeout"]),
        surge=str(given["serving_max_surge"]),
        gate=_true(given["serving_gate_enabled"]),
        max_unavailable=str(given["serving_max_unavailable"]),
        anonymous=given["serving_fetch_identity"] == "anonymous",
        google_service_account=str(given["serving_google_service_account"] or ""),
    )


def _loadtest(given: Variables) -> LoadTest:
    memory = given["loadtest_memory"]
    workers = [resources(given["loadtest_worker_cpu"], memory)] * int(given["loadtest_workers"])
    master = resources(given["loadtest_master_cpu"], memory)
    return LoadTest(_true(given["loadtest_enabled"]), (master, *workers))
