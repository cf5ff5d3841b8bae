"""The roles' variables, templated and of the right type, as settings. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..gcp.errors import BadInput
from ..gke.desired import CLUSTER_ARGUMENTS, desired_cluster
from ..gke.places import is_zone
from ..gke.role_options import role_options, with_options
from ..hpa.wanted import TOLERANCE
from ..k8s.quantities import quantity
from ..model_server.runtime import TF_SERVING
from .arguments import typed
from .pod_needs import GPU, pod_needs
from .reading import is_true
from .settings import (
    DEFAULT_DISK_GB,
    DEFAULT_DISK_TYPE,
    DEFAULT_MACHINE_TYPE,
    DEFAULT_PODS_PER_NODE,
    Autoscaling,
    Cluster,
    LoadTest,
    Pool,
    Resources,
    Serving,
    Settings,
    Storage,
)

Variables = Mapping[str, Any]

ZONES_OF_A_REGION = 3
"""Zones in which GKE puts the nodes of a regional cluster by default.
https://cloud.google.com/kubernetes-engine/docs/concepts/regional-clusters"""

PARTITIONS_MAX = 7
"""Instances that a partitioned GPU has at most. https://cloud.google.com/kubernetes-engine/docs/how-to/gpus-multi"""


def resources(cpu: Any, memory: Any) -> Resources:
    """Requests from two quantities; what is empty is nothing. Raises ``ValueError``."""
    return Resources(math.ceil(_amount(cpu) * 1000), math.ceil(_amount(memory)))


def refuse_options(options: Mapping[str, Any]) -> None:
    """Raises ``BadInput`` for options of the module that nothing can be counted with."""
    requests = options["system_requests"]
    for where, pod in [
        ("node", requests["node"]),
        *((f"pods[{n}]", pod) for n, pod in enumerate(requests["pods"])),
    ]:
        unknown = sorted(set(map(str, pod)) - {"cpu", "memory"})
        if unknown:
            raise BadInput(
                f"preflight_system_requests.{where} has {', '.join(unknown)}: write cpu and memory."
            )
        for name, amount in pod.items():
            try:
                resources(amount, 0)
            except ValueError as error:
                raise BadInput(
                    f"preflight_system_requests.{where}.{name} is {amount!r}: write a quantity such as 400m or 700Mi."
                ) from error
    boot = options["node_boot_seconds"]
    if len(boot) != 2 or not 0 <= boot[0] <= boot[1]:
        raise BadInput(
            f"preflight_node_boot_seconds is {boot}: write the seconds at least and at most, such as [80, 120]."
        )


def _amount(text: Any) -> Any:
    return quantity(text) if text not in (None, "") else quantity("0")


def _if_said(value: Any) -> bool | None:
    return None if value in (None, "") else is_true(value)


def _number(value: Any) -> int | None:
    return None if value in (None, "") else int(value)


def _pairs(labels: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    return tuple((str(key), str(value)) for key, value in (labels or {}).items())


def settings(given: Variables, project: str, options: Mapping[str, Any]) -> Settings:
    """The settings. ``options``: those of the module. Raises ``ValueError`` for what is no number or quantity."""
    overhead = options["system_requests"]
    boot = options["node_boot_seconds"]
    return Settings(
        project=project,
        cluster=_cluster(with_options(given), project),
        serving=_serving(given),
        autoscaling=Autoscaling(
            minimum=int(given["autoscaling_min_replicas"]),
            maximum=int(given["autoscaling_max_replicas"]),
            up_seconds=int(given["autoscaling_scale_up_stabilization_seconds"]),
            buffer=int(given["autoscaling_buffer_replicas"]),
            tolerances=tuple(
                name
                for name in ("autoscaling_tolerance_up", "autoscaling_tolerance_down")
                if float(given[name]) != TOLERANCE
            ),
            source=str(given["autoscaling_metrics_source"]),
        ),
        storage=Storage(
            bucket=str(given["storage_bucket"]) if given["serving_model_source"] == "bucket" else "",
            path=str(given["storage_model_path"]),
            source=str(given["storage_model_source"] or ""),
            version=_number(given["storage_model_version"]),
            served=_served(given),
            workload_identity=is_true(given["storage_reader_workload_identity"]),
            reader_namespace=str(given["storage_reader_namespace"]),
            reader_name=str(given["storage_reader_name"]),
            reader_project=str(given["storage_reader_project"] or ""),
            reader_project_number=str(given["storage_reader_project_number"] or ""),
            google_service_account=str(given["storage_reader_google_service_account"] or ""),
            grants=tuple(one for one in given["storage_iam_members"] or () if "role" in one),
        ),
        loadtest=_loadtest(given),
        node_overhead=resources(overhead["node"].get("cpu"), overhead["node"].get("memory")),
        system_pods=tuple(resources(pod.get("cpu"), pod.get("memory")) for pod in overhead["pods"]),
        metrics_window=int(options["metrics_window_seconds"]),
        node_seconds=(int(boot[0]), int(boot[-1])),
    )


def _served(given: Variables) -> tuple[str, ...]:
    """gs://BUCKET/PATH/VERSION of every version that is named to be served."""
    promoted = given["serving_promoted"] or {}
    if given["serving_models"]:
        return tuple(
            f"{model['uri']}/{version}"
            for model in given["serving_models"]
            for version in ([promoted[model["name"]]] if model["name"] in promoted else model["versions"])
        )
    return (str(given["serving_model_uri"]),) if given["serving_model_uri"] else ()


def _wish(given: Variables, project: str) -> dict[str, Any] | None:
    """The cluster as the module is to make it; None for what ``check_cluster`` tells."""
    try:
        options, wrong = typed(role_options(given), CLUSTER_ARGUMENTS)
        place = {"project": project, "location": str(given["cluster_location"])}
        return None if wrong else desired_cluster(options | place)
    except BadInput:
        return None


def _cluster(given: Variables, project: str) -> Cluster:
    location = str(given["cluster_location"])
    zones = tuple(given["cluster_node_locations"] or ()) or ((location,) if is_zone(location) else ())
    scaling = given["cluster_autoscaling"] or {}
    desired = given["cluster_node_pools"] or ()
    pools = [found for one in desired if (found := _readable_pool(one, zones))]
    return Cluster(
        name=str(given["cluster_name"]),
        location=location,
        given=bool(given["cluster_existing_kubeconfig"]),
        autopilot=is_true(given["cluster_autopilot"]),
        autoprovisioning=is_true(scaling.get("enable_node_autoprovisioning")),
        channel=str(given["cluster_release_channel"] or ""),
        version=str(given["cluster_version"] or ""),
        min_version=str(given["cluster_min_master_version"] or ""),
        hpa_profile=str(given["cluster_hpa_profile"] or ""),
        private_nodes=_if_said(given["cluster_private_nodes"]),
        workload_identity=is_true(given["cluster_autopilot"]) or _if_said(given["cluster_workload_identity"]),
        pools=tuple(pools),
        pools_known=len(pools) == len(desired) and all(map(_says_maximum, desired)),
        wish=_wish(given, project),
        adopt=is_true(given["cluster_adopt"]),
        pools_exclusive=is_true(given["cluster_node_pools_exclusive"]),
    )


def _readable_pool(given: Mapping[str, Any], zones: tuple[str, ...]) -> Pool | None:
    """None for a pool without a name, or with a text for a number: ``check_cluster`` tells it."""
    try:
        return pool(given, zones)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _says_maximum(pool: Mapping[str, Any]) -> bool:
    """Whether a pool that grows by itself says how far."""
    scaling = pool.get("autoscaling") or {}
    grows = scaling and is_true(scaling.get("enabled", True))
    return bool(not grows or scaling.get("max_node_count") or scaling.get("total_max_node_count"))


def pool(given: Mapping[str, Any], cluster_zones: tuple[str, ...]) -> Pool:
    """A node pool from the options of ``gke_node_pool``."""
    zones = tuple(map(str, given.get("node_locations") or ())) or cluster_zones
    count = len(zones) or ZONES_OF_A_REGION
    scaling = given.get("autoscaling") or {}
    size = int(given.get("node_count") or given.get("initial_node_count") or 0) * count
    minimum = maximum = size
    if scaling and is_true(scaling.get("enabled", True)):
        minimum = int(scaling.get("total_min_node_count") or int(scaling.get("min_node_count") or 0) * count)
        maximum = int(scaling.get("total_max_node_count") or int(scaling.get("max_node_count") or 0) * count)
    return Pool(
        name=str(given["name"]),
        machine_type=str(given.get("machine_type") or DEFAULT_MACHINE_TYPE),
        minimum=minimum,
        maximum=maximum,
        zones=zones,
        spot=is_true(given.get("spot")) or is_true(given.get("preemptible")),
        preemptible=is_true(given.get("preemptible")),
        accelerators=tuple(
            (str(one.get("accelerator_type", "")), int(one.get("accelerator_count") or 1))
            for one in given.get("accelerators") or ()
        ),
        gpus=sum(_visible(one) for one in given.get("accelerators") or ()),
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


def _visible(accelerator: Mapping[str, Any]) -> int:
    """GPUs that pods see: a shared card as often as it is shared, a partitioned one as often as it can be at most."""
    shared = int(accelerator.get("max_shared_clients_per_gpu") or 1)
    parts = PARTITIONS_MAX if accelerator.get("gpu_partition_size") else 1
    return int(accelerator.get("accelerator_count") or 1) * shared * parts


def _serving(given: Variables) -> Serving:
    needs = pod_needs(given)
    requests = {
        name: resources(one["cpu"], one["memory"]) + Resources(gpus=one.get(GPU, 0))
        for name, one in needs["requests"].items()
    }
    fetcher = requests.pop("fetcher")
    return Serving(
        namespace=str(given["serving_namespace"]),
        name=str(given["serving_name"]),
        containers=tuple(requests.items()),
        fetcher=Resources() if given["serving_model_source"] == "volume" else fetcher,
        memory=requests[TF_SERVING.container].memory,
        node_selector=_pairs(needs["node_selector"]),
        tolerations=tuple(needs["tolerations"]),
        service_type=str(given["serving_service_type"]),
        propagation=int(given["serving_propagation_seconds"]),
        drain=int(given["serving_drain_seconds"]),
        surge=str(given["serving_max_surge"]),
        gate=is_true(given["serving_gate_enabled"]),
        anonymous=given["serving_fetch_identity"] == "anonymous",
        google_service_account=str(given["serving_google_service_account"] or ""),
    )


def _loadtest(given: Variables) -> LoadTest:
    memory = given["loadtest_memory"]
    workers = [resources(given["loadtest_worker_cpu"], memory)] * int(given["loadtest_workers"])
    master = resources(given["loadtest_master_cpu"], memory)
    return LoadTest(is_true(given["loadtest_enabled"]), (master, *workers))
