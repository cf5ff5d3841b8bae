"""The options of a node pool, a row each. Source: ``NodePool`` and ``UpdateNodePoolRequest`` of the GKE API v1
(https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters.nodePools).
"""

from __future__ import annotations

from typing import Any

from .compare import same_range
from .option import AT_CREATION, IN_PLACE, RECREATE, ROLLING, Option, at_least, pool_update, setter
from .schema import (
    DURATION,
    FLAG,
    INT64,
    NUMBER,
    RESOURCE,
    TEXT,
    Json,
    Labels,
    Raw,
    Records,
    Scalar,
    Strings,
    choice,
    part,
    record,
)  # fmt: skip

GOOGLES_LABELS = ("goog-",)
"""Labels of resources which only Google sets."""

GOOGLES_NODE_LABELS = (".gke.io/",)
GOOGLES_TAINTS = (
    "nvidia.com/gpu", "cloud.google.com/", "google.com/tpu", "kubernetes.io/arch", ".gke.io/",
)  # fmt: skip
"""Keys that GKE itself puts on nodes with accelerators, other architectures and the like."""

SCOPES = Strings(
    added=(
        "https://www.googleapis.com/auth/logging.write",
        "https://www.googleapis.com/auth/monitoring",
    )
)
"""GKE's nodes always get these two, whatever is asked for."""

MANAGEMENT = record(auto_repair=FLAG, auto_upgrade=FLAG)

SHIELDED = record(enable_secure_boot=FLAG, enable_integrity_monitoring=FLAG)

CONFIDENTIAL = record(enabled=FLAG, confidential_instance_type=choice("SEV", "SEV_SNP", "TDX"))

UPGRADE_SETTINGS = record(
    strategy=choice("SURGE", "BLUE_GREEN", default="SURGE"), max_surge=NUMBER, max_unavailable=NUMBER,
    blue_green_settings=record(
        node_pool_soak_duration=DURATION,
        standard_rollout_policy=record(
            batch_percentage=Scalar("float"), batch_node_count=NUMBER, batch_soak_duration=DURATION
        ),
    ),
)  # fmt: skip


def one_strategy(value: Json, desired: Json) -> Json:
    """What belongs to the other way of upgrading does not go along."""
    strategy = value.get("strategy", "SURGE")
    for key in ("maxSurge", "maxUnavailable") if strategy == "BLUE_GREEN" else ("blueGreenSettings",):
        value.pop(key, None)
    rollout = value.get("blueGreenSettings", {}).get("standardRolloutPolicy", {})
    asked = ((desired.get("blue_green_settings") or {}).get("standard_rollout_policy")) or {}
    if asked.get("batch_percentage"):
        rollout.pop("batchNodeCount", None)
    if asked.get("batch_node_count"):
        rollout.pop("batchPercentage", None)
    return value


_AUTOSCALING = record(
    enabled=FLAG, min_node_count=NUMBER, max_node_count=NUMBER, total_min_node_count=NUMBER,
    total_max_node_count=NUMBER, location_policy=choice("BALANCED", "ANY", default="BALANCED"),
)  # fmt: skip
_LIMITS = ("minNodeCount", "maxNodeCount")
_TOTAL_LIMITS = ("totalMinNodeCount", "totalMaxNodeCount")


def _one_kind_of_limits(value: Json, desired: Json) -> Json:
    """Limits a zone and total limits exclude each other; without autoscaling there are none."""
    if not desired.get("enabled", True):
        return {"enabled": False}
    value["enabled"] = True
    others = _LIMITS if any(name.startswith("total_") for name in desired) else _TOTAL_LIMITS
    return {key: item for key, item in value.items() if key not in others}


_ACCELERATORS = Records(
    record(
        accelerator_type=part(TEXT, required=True), accelerator_count=part(INT64, required=True),
        gpu_partition_size=TEXT,
        gpu_driver_version=part(
            choice("INSTALLATION_DISABLED", "DEFAULT", "LATEST"), "gpuDriverInstallationConfig.gpuDriverVersion"
        ),
        gpu_sharing_strategy=part(choice("TIME_SHARING", "MPS"), "gpuSharingConfig.gpuSharingStrategy"),
        max_shared_clients_per_gpu=part(INT64, "gpuSharingConfig.maxSharedClientsPerGpu"),
    ),
    ("accelerator_type",),
)  # fmt: skip

_TAINTS = Records(
    record(
        key=part(TEXT, required=True), value=TEXT,
        effect=part(choice("NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"), required=True),
    ),
    ("key", "effect"), GOOGLES_TAINTS,
)  # fmt: skip


def _rolling(name: str, schema: Any, path: str, field: str = "", **more: Any) -> Option:
    """``field`` of UpdateNodePoolRequest, which as a rule is that of the pool or its nodes' config."""
    field = field or path.removeprefix("config.")
    return Option(name, schema, path, more.pop("how", ROLLING), pool_update(field), **more)


POOL_OPTIONS = (
    Option("initial_node_count", NUMBER, "initialNodeCount", AT_CREATION),
    # What only a new pool can have.
    Option("spot", FLAG, "config.spot", RECREATE),
    Option("preemptible", FLAG, "config.preemptible", RECREATE),
    Option("service_account", Scalar("str", default="default"), "config.serviceAccount", RECREATE),
    Option("oauth_scopes", SCOPES, "config.oauthScopes", RECREATE),
    Option("min_cpu_platform", TEXT, "config.minCpuPlatform", RECREATE),
    Option("max_pods_per_node", INT64, "maxPodsConstraint.maxPodsPerNode", RECREATE),
    Option("boot_disk_kms_key", TEXT, "config.bootDiskKmsKey", RECREATE),
    Option("metadata", Labels(("disable-legacy-endpoints",)), "config.metadata", RECREATE),
    Option("local_ssd_count", NUMBER, "config.localSsdCount", RECREATE),
    Option(
        "ephemeral_storage_local_ssd_count", NUMBER, "config.ephemeralStorageLocalSsdConfig.localSsdCount", RECREATE,
    ),
    Option(
        "secondary_boot_disks",
        Records(
            record(disk_image=part(RESOURCE, required=True), mode=choice("CONTAINER_IMAGE_CACHE")), ("disk_image",),
        ),
        "config.secondaryBootDisks", RECREATE,
    ),
    Option("shielded_instance_config", SHIELDED, "config.shieldedInstanceConfig", RECREATE),
    Option(
        "advanced_machine_features", record(threads_per_core=INT64, enable_nested_virtualization=FLAG),
        "config.advancedMachineFeatures", RECREATE,
    ),
    Option(
        "reservation_affinity",
        record(
            consume_reservation_type=part(
                choice("NO_RESERVATION", "ANY_RESERVATION", "ANY_RESERVATION_THEN_FAIL", "SPECIFIC_RESERVATION"),
                required=True,
            ),
            key=TEXT, values=Strings(),
        ),
        "config.reservationAffinity", RECREATE,
    ),
    Option(
        "placement_policy", record(type=choice("COMPACT"), policy_name=RESOURCE, tpu_topology=TEXT),
        "placementPolicy", RECREATE,
    ),
    Option("subnetwork", RESOURCE, "networkConfig.subnetwork", RECREATE),
    Option("pod_range", TEXT, "networkConfig.podRange", RECREATE),
    Option("create_pod_range", FLAG, "networkConfig.createPodRange", AT_CREATION),
    Option("pod_ipv4_cidr_block", TEXT, "networkConfig.podIpv4CidrBlock", RECREATE, equal=same_range),
    # What is changed under running nodes.
    Option("management", MANAGEMENT, "management", IN_PLACE, setter("setManagement", "management")),
    _rolling("upgrade_settings", UPGRADE_SETTINGS, "upgradeSettings", how=IN_PLACE, body=one_strategy),
    _rolling(
        "node_drain_config",
        record(
            grace_termination_duration=DURATION, pdb_timeout_duration=DURATION,
            respect_pdb_during_node_pool_deletion=FLAG,
        ),
        "nodeDrainConfig", how=IN_PLACE,
    ),
    _rolling("labels", Labels(GOOGLES_NODE_LABELS), "config.labels", "labels.labels", how=IN_PLACE),
    _rolling("taints", _TAINTS, "config.taints", "taints.taints", how=IN_PLACE),
    _rolling("tags", Strings(), "config.tags", "tags.tags", how=IN_PLACE),
    _rolling(
        "resource_labels", Labels(GOOGLES_LABELS), "config.resourceLabels", "resourceLabels.labels", how=IN_PLACE,
    ),
    _rolling("node_locations", Strings(), "locations", how=IN_PLACE),
    # What replaces the nodes, one by one.
    _rolling("version", TEXT, "version", "nodeVersion", equal=at_least),
    _rolling("machine_type", TEXT, "config.machineType", group="machine"),
    _rolling("disk_type", TEXT, "config.diskType", group="machine"),
    _rolling("disk_size_gb", NUMBER, "config.diskSizeGb", group="machine", body=lambda value, desired: str(value)),
    _rolling("image_type", Scalar("str", form="upper"), "config.imageType"),
    _rolling("accelerators", _ACCELERATORS, "config.accelerators"),
    _rolling("image_streaming", FLAG, "config.gcfsConfig.enabled"),
    _rolling("gvnic", FLAG, "config.gvnic.enabled"),
    _rolling("fast_socket", FLAG, "config.fastSocket.enabled"),
    _rolling(
        "workload_metadata_mode", choice("GCE_METADATA", "GKE_METADATA", default="GCE_METADATA"),
        "config.workloadMetadataConfig.mode",
    ),
    _rolling(
        "logging_variant", choice("DEFAULT", "MAX_THROUGHPUT", default="DEFAULT"),
        "config.loggingConfig.variantConfig.variant",
    ),
    _rolling(
        "enable_private_nodes", FLAG, "networkConfig.enablePrivateNodes", "nodeNetworkConfig.enablePrivateNodes",
    ),
    _rolling("confidential_nodes", CONFIDENTIAL, "config.confidentialNodes"),
    _rolling("kubelet_config", Raw(), "config.kubeletConfig"),
    _rolling("linux_node_config", Raw(), "config.linuxNodeConfig"),
    _rolling("containerd_config", Raw(), "config.containerdConfig"),
    # Sizes come last: nodes that are added then are of the new kind.
    Option(
        "autoscaling", _AUTOSCALING, "autoscaling", IN_PLACE, setter("setAutoscaling", "autoscaling"),
        body=_one_kind_of_limits,
    ),
    Option("node_count", NUMBER, "initialNodeCount", IN_PLACE, setter("setSize", "nodeCount")),
)  # fmt: skip
