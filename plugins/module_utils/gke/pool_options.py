"""The options of a node pool, a row each. Source: ``NodePool`` and ``UpdateNodePoolRequest`` of the GKE API v1
(https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters.nodePools).
"""

from __future__ import annotations

from typing import Any

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

MANAGEMENT = record(part("auto_repair", FLAG), part("auto_upgrade", FLAG))

SHIELDED = record(part("enable_secure_boot", FLAG), part("enable_integrity_monitoring", FLAG))

UPGRADE_SETTINGS = record(
    part("strategy", choice("SURGE", "BLUE_GREEN", default="SURGE")),
    part("max_surge", NUMBER),
    part("max_unavailable", NUMBER),
    part(
        "blue_green_settings",
        record(
            part("node_pool_soak_duration", DURATION),
            part(
                "standard_rollout_policy",
                record(
                    part("batch_percentage", Scalar("float")),
                    part("batch_node_count", NUMBER),
                    part("batch_soak_duration", DURATION),
                ),
            ),
        ),
    ),
)


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
    part("enabled", FLAG),
    part("min_node_count", NUMBER),
    part("max_node_count", NUMBER),
    part("total_min_node_count", NUMBER),
    part("total_max_node_count", NUMBER),
    part("location_policy", choice("BALANCED", "ANY", default="BALANCED")),
)
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
        part("accelerator_type", TEXT, required=True),
        part("accelerator_count", INT64, required=True),
        part("gpu_partition_size", TEXT),
        part(
            "gpu_driver_version",
            choice("INSTALLATION_DISABLED", "DEFAULT", "LATEST"),
            "gpuDriverInstallationConfig.gpuDriverVersion",
        ),
        part("gpu_sharing_strategy", choice("TIME_SHARING", "MPS"), "gpuSharingConfig.gpuSharingStrategy"),
        part("max_shared_clients_per_gpu", INT64, "gpuSharingConfig.maxSharedClientsPerGpu"),
    ),
    ("accelerator_type",),
)

_TAINTS = Records(
    record(
        part("key", TEXT, required=True),
        part("value", TEXT),
        part("effect", choice("NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"), required=True),
    ),
    ("key", "effect"),
    GOOGLES_TAINTS,
)


def _rolling(name: str, schema: Any, path: str, field: str, **more: Any) -> Option:
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
        "ephemeral_storage_local_ssd_count", NUMBER, "config.ephemeralStorageLocalSsdConfig.localSsdCount", RECREATE
    ),
    Option(
        "secondary_boot_disks",
        Records(
            record(part("disk_image", RESOURCE, required=True), part("mode", choice("CONTAINER_IMAGE_CACHE"))),
            ("disk_image",),
        ),
        "config.secondaryBootDisks", RECREATE,
    ),
    Option("shielded_instance_config", SHIELDED, "config.shieldedInstanceConfig", RECREATE),
    Option(
        "advanced_machine_features",
        record(part("threads_per_core", INT64), part("enable_nested_virtualization", FLAG)),
        "config.advancedMachineFeatures", RECREATE,
    ),
    Option(
        "reservation_affinity",
        record(
            part(
                "consume_reservation_type",
                choice("NO_RESERVATION", "ANY_RESERVATION", "ANY_RESERVATION_THEN_FAIL", "SPECIFIC_RESERVATION"), required=True,
            ),
            part("key", TEXT),
            part("values", Strings()),
        ),
        "config.reservationAffinity", RECREATE,
    ),
    Option(
        "placement_policy",
        record(part("type", choice("COMPACT")), part("policy_name", RESOURCE), part("tpu_topology", TEXT)),
        "placementPolicy", RECREATE,
    ),
    Option("subnetwork", RESOURCE, "networkConfig.subnetwork", RECREATE),
    Option("pod_range", TEXT, "networkConfig.podRange", RECREATE),
    Option("pod_ipv4_cidr_block", TEXT, "networkConfig.podIpv4CidrBlock", RECREATE),
    # What is changed under running nodes.
    Option("management", MANAGEMENT, "management", IN_PLACE, setter("setManagement", "management")),
    _rolling("upgrade_settings", UPGRADE_SETTINGS, "upgradeSettings", "upgradeSettings", how=IN_PLACE, body=one_strategy),
    _rolling(
        "node_drain_config",
        record(
            part("grace_termination_duration", DURATION),
            part("pdb_timeout_duration", DURATION),
            part("respect_pdb_during_node_pool_deletion", FLAG),
        ),
        "nodeDrainConfig", "nodeDrainConfig", how=IN_PLACE,
    ),
    _rolling("labels", Labels(GOOGLES_NODE_LABELS), "config.labels", "labels.labels", how=IN_PLACE),
    _rolling("taints", _TAINTS, "config.taints", "taints.taints", how=IN_PLACE),
    _rolling("tags", Strings(), "config.tags", "tags.tags", how=IN_PLACE),
    _rolling("resource_labels", Labels(GOOGLES_LABELS), "config.resourceLabels", "resourceLabels.labels", how=IN_PLACE),
    _rolling("node_locations", Strings(), "locations", "locations", how=IN_PLACE),
    # What replaces the nodes, one by one.
    _rolling("version", TEXT, "version", "nodeVersion", equal=at_least),
    _rolling("machine_type", TEXT, "config.machineType", "machineType", group="machine"),
    _rolling("disk_type", TEXT, "config.diskType", "diskType", group="machine"),
    _rolling(
        "disk_size_gb", NUMBER, "config.diskSizeGb", "diskSizeGb", group="machine",
        body=lambda value, desired: str(value),
    ),
    _rolling("image_type", Scalar("str", form="upper"), "config.imageType", "imageType"),
    _rolling("accelerators", _ACCELERATORS, "config.accelerators", "accelerators"),
    _rolling("image_streaming", FLAG, "config.gcfsConfig.enabled", "gcfsConfig.enabled"),
    _rolling("gvnic", FLAG, "config.gvnic.enabled", "gvnic.enabled"),
    _rolling("fast_socket", FLAG, "config.fastSocket.enabled", "fastSocket.enabled"),
    _rolling(
        "workload_metadata_mode", choice("GCE_METADATA", "GKE_METADATA", default="GCE_METADATA"),
        "config.workloadMetadataConfig.mode", "workloadMetadataConfig.mode",
    ),
    _rolling(
        "logging_variant", choice("DEFAULT", "MAX_THROUGHPUT", default="DEFAULT"),
        "config.loggingConfig.variantConfig.variant", "loggingConfig.variantConfig.variant",
    ),
    _rolling("enable_private_nodes", FLAG, "networkConfig.enablePrivateNodes", "nodeNetworkConfig.enablePrivateNodes"),
    _rolling(
        "confidential_nodes",
        record(part("enabled", FLAG), part("confidential_instance_type", choice("SEV", "SEV_SNP", "TDX"))),
        "config.confidentialNodes", "confidentialNodes",
    ),
    _rolling("kubelet_config", Raw(), "config.kubeletConfig", "kubeletConfig"),
    _rolling("linux_node_config", Raw(), "config.linuxNodeConfig", "linuxNodeConfig"),
    _rolling("containerd_config", Raw(), "config.containerdConfig", "containerdConfig"),
    # Sizes come last: nodes that are added then are of the new kind.
    Option(
        "autoscaling", _AUTOSCALING, "autoscaling", IN_PLACE, setter("setAutoscaling", "autoscaling"),
        body=_one_kind_of_limits,
    ),
    Option("node_count", NUMBER, "initialNodeCount", IN_PLACE, setter("setSize", "nodeCount")),
)  # fmt: skip
