"""Whether a node pool's options go together, before anything is asked of Google. Pure."""

from __future__ import annotations

from typing import Any

from ..gcp.errors import BadInput
from .rules import (
    check_cidr,
    check_comparable_version,
    check_duration,
    check_name,
    check_node_label_key,
    check_node_label_value,
    check_once,
    check_range,
    check_resource_labels,
    check_tags,
    check_zones,
)  # fmt: skip
from .schema import Json

MAX_NODES = 1000
"""Nodes of a pool in a zone: https://cloud.google.com/kubernetes-engine/quotas"""

_DISK_GB = (10, 65536)
_PODS_PER_NODE = (8, 256)
_SOAK_SECONDS = 7 * 24 * 3600
_WITHOUT_ACCELERATORS = ("e2-", "t2a-", "t2d-", "c3-", "c3d-", "c4-", "n2-", "n2d-", "n4-")


def check_pool(desired: Json, location: str) -> None:
    """Raises ``BadInput`` for a pool's options as given; ``location``: the cluster's."""
    name = desired["name"]
    check_name("node pool", name)
    pool = f"node pool {name}: "
    _check_counts(pool, desired)
    _check_autoscaling(pool, desired)
    _check_machine(pool, desired)
    _check_kubernetes(pool, desired)
    check_upgrade_settings(f"{pool}upgrade_settings", desired.get("upgrade_settings", {}))
    if "node_locations" in desired:
        check_zones(f"{pool}node_locations", desired["node_locations"], location, with_own=False)
    if "version" in desired:
        check_comparable_version(f"{pool}version", desired["version"])
    if "pod_ipv4_cidr_block" in desired:
        check_cidr(f"{pool}pod_ipv4_cidr_block", desired["pod_ipv4_cidr_block"], size_alone=True)
    for key, value in desired.get("node_drain_config", {}).items():
        if key.endswith("_duration"):
            check_duration(f"{pool}node_drain_config.{key}", value)


def _check_counts(pool: str, desired: Json) -> None:
    for key in ("initial_node_count", "node_count"):
        if key in desired:
            check_range(f"{pool}{key}", desired[key], 0, MAX_NODES)
    if "initial_node_count" in desired and "node_count" in desired:
        raise BadInput(
            f"{pool}initial_node_count is for the creation alone, node_count for a size that is kept: give one of them."
        )
    if "node_count" in desired and desired.get("autoscaling", {}).get("enabled"):
        raise BadInput(f"{pool}node_count under autoscaling would fight the autoscaler: give limits instead.")


def _check_autoscaling(pool: str, desired: Json) -> None:
    options = desired.get("autoscaling")
    if options is None:
        return
    limits = {key: options[key] for key in options if key.endswith("_node_count")}
    if not options["enabled"]:
        if limits or "location_policy" in options:
            raise BadInput(
                f"{pool}autoscaling is off (enabled: false), so that limits and a location policy mean nothing."
            )
        return
    total = {key for key in limits if key.startswith("total_")}
    if total and total != set(limits):
        raise BadInput(
            f"{pool}limits a zone (min_node_count, max_node_count) and total limits exclude each other."
        )
    prefix = "total_" if total else ""
    low, high = limits.get(f"{prefix}min_node_count", 0), limits.get(f"{prefix}max_node_count")
    if high is None:
        raise BadInput(f"{pool}autoscaling needs max_node_count or total_max_node_count.")
    if not 0 <= low <= high or high < 1:
        raise BadInput(
            f"{pool}autoscaling from {low} to {high} nodes: the minimum must be 0 or more, the maximum at least 1 and "
            "not below the minimum."
        )
    first = desired.get("initial_node_count")
    if first is not None and not total and not low <= first <= high:
        raise BadInput(
            f"{pool}initial_node_count {first} is not within the autoscaler's limits, {low} to {high}."
        )


def _check_machine(pool: str, desired: Json) -> None:
    if desired.get("spot") and desired.get("preemptible"):
        raise BadInput(f"{pool}spot and preemptible exclude each other; spot is the newer kind.")
    affinity = desired.get("reservation_affinity", {})
    kind = affinity.get("consume_reservation_type")
    if (desired.get("spot") or desired.get("preemptible")) and kind not in (None, "NO_RESERVATION"):
        raise BadInput(f"{pool}spot and preemptible machines can't come from a reservation.")
    if kind == "SPECIFIC_RESERVATION" and not (affinity.get("key") and affinity.get("values")):
        raise BadInput(f"{pool}reservation_affinity: a specific reservation needs key and values.")
    if kind != "SPECIFIC_RESERVATION" and (affinity.get("key") or affinity.get("values")):
        raise BadInput(f"{pool}reservation_affinity: key and values belong to SPECIFIC_RESERVATION.")
    if "disk_size_gb" in desired:
        check_range(f"{pool}disk_size_gb", desired["disk_size_gb"], *_DISK_GB)
    machine = desired.get("machine_type", "")
    if "machine_type" in desired and not machine.replace("-", "").isalnum():
        raise BadInput(f"{pool}machine_type '{machine}' is no machine type such as e2-standard-4.")
    _check_accelerators(pool, desired, machine)
    if desired.get("fast_socket") and desired.get("gvnic") is False:
        raise BadInput(f"{pool}fast_socket needs gvnic.")
    if desired.get("placement_policy", {}).get("type") == "COMPACT" and machine.startswith("e2-"):
        raise BadInput(f"{pool}placement_policy COMPACT is not for e2 machines.")
    account = desired.get("service_account")
    if account is not None and account != "default" and "@" not in account:
        raise BadInput(
            f"{pool}service_account '{account}' is neither an account's e-mail address nor default."
        )
    for scope in desired.get("oauth_scopes", []):
        if not scope.startswith("https://"):
            raise BadInput(
                f"{pool}oauth_scopes: '{scope}' must be written in full: https://www.googleapis.com/auth/..."
            )


def _check_accelerators(pool: str, desired: Json, machine: str) -> None:
    accelerators = desired.get("accelerators", [])
    for item in accelerators:
        what = f"{pool}accelerators: {item['accelerator_type']}: "
        check_range(f"{what}accelerator_count", item["accelerator_count"], 1, 16)
        if ("gpu_sharing_strategy" in item) != ("max_shared_clients_per_gpu" in item):
            raise BadInput(f"{what}gpu_sharing_strategy and max_shared_clients_per_gpu go together.")
        if "max_shared_clients_per_gpu" in item:
            check_range(f"{what}max_shared_clients_per_gpu", item["max_shared_clients_per_gpu"], 2, 48)
    if accelerators and machine.startswith(_WITHOUT_ACCELERATORS):
        raise BadInput(
            f"{pool}accelerators: {machine} machines can't have any: take n1, or the accelerator's own machine types."
        )


def _check_kubernetes(pool: str, desired: Json) -> None:
    for key, value in desired.get("labels", {}).items():
        check_node_label_key(f"{pool}labels", str(key))
        check_node_label_value(f"{pool}labels: {key}", value)
    taints = desired.get("taints", [])
    for taint in taints:
        check_node_label_key(f"{pool}taints", taint["key"], reserved=False)
        check_node_label_value(f"{pool}taints: {taint['key']}", taint.get("value", ""))
    check_once(f"{pool}taints", [f"{taint['key']} with effect {taint['effect']}" for taint in taints])
    check_tags(f"{pool}tags", desired.get("tags", []))
    if "resource_labels" in desired:
        check_resource_labels(f"{pool}resource_labels", desired["resource_labels"])
    if "max_pods_per_node" in desired:
        check_range(f"{pool}max_pods_per_node", desired["max_pods_per_node"], *_PODS_PER_NODE)


def check_upgrade_settings(what: str, options: Any) -> None:
    """Surge or blue-green, each with its own fields."""
    surge = [key for key in ("max_surge", "max_unavailable") if key in options]
    blue_green = options.get("blue_green_settings")
    for key in surge:
        check_range(f"{what}.{key}", options[key], 0, 20)
    if options.get("max_surge") == 0 and options.get("max_unavailable") == 0:
        raise BadInput(f"{what}: with max_surge and max_unavailable 0 no node could ever be upgraded.")
    if options.get("strategy") == "BLUE_GREEN" and surge:
        raise BadInput(f"{what}: {' and '.join(surge)} belong to strategy SURGE.")
    if blue_green is not None and options.get("strategy") != "BLUE_GREEN":
        raise BadInput(f"{what}: blue_green_settings need strategy: BLUE_GREEN.")
    if "node_pool_soak_duration" in (blue_green or {}):
        check_duration(
            f"{what}.node_pool_soak_duration", blue_green["node_pool_soak_duration"], maximum=_SOAK_SECONDS
        )
    rollout = (blue_green or {}).get("standard_rollout_policy", {})
    if "batch_soak_duration" in rollout:
        check_duration(f"{what}.batch_soak_duration", rollout["batch_soak_duration"], maximum=_SOAK_SECONDS)
    if "batch_percentage" in rollout and "batch_node_count" in rollout:
        raise BadInput(f"{what}: batch_percentage and batch_node_count exclude each other.")
    if not 0 <= rollout.get("batch_percentage", 0) <= 1:
        raise BadInput(f"{what}.batch_percentage must be from 0.0 to 1.0, not {rollout['batch_percentage']}.")
