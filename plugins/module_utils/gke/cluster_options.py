"""The options of a cluster, a row each. Source: ``Cluster`` and ``ClusterUpdate`` of the GKE API v1
(https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters).
"""

from __future__ import annotations

from typing import Any

from .compare import same_range
from .option import AT_CREATION, IN_PLACE, NEVER, ROLLING, Option, at_least, cluster_update, setter
from .pool_options import (
    CONFIDENTIAL,
    GOOGLES_LABELS,
    MANAGEMENT,
    SCOPES,
    SHIELDED,
    UPGRADE_SETTINGS,
    one_strategy,
)
from .schema import (
    FLAG,
    INT64,
    NUMBER,
    RESOURCE,
    TEXT,
    Json,
    Labels,
    Named,
    Records,
    Scalar,
    Strings,
    choice,
    part,
    record,
)  # fmt: skip

TIME = Scalar("str", form="time")

_ENDPOINTS = record(
    dns_endpoint_config=record(allow_external_traffic=FLAG, enable_k8s_tokens_via_dns=FLAG, enable_k8s_certs_via_dns=FLAG),
    ip_endpoints_config=record(
        enabled=FLAG, enable_public_endpoint=FLAG, global_access=FLAG, private_endpoint_subnetwork=RESOURCE,
        authorized_networks_config=record(
            enabled=FLAG,
            cidr_blocks=Records(record(cidr_block=part(TEXT, required=True), display_name=TEXT), ("cidr_block",)),
            gcp_public_cidrs_access_enabled=FLAG, private_endpoint_enforcement_enabled=FLAG,
        ),
    ),
)  # fmt: skip

_AUTOSCALING = record(
    autoscaling_profile=choice("BALANCED", "OPTIMIZE_UTILIZATION", default="BALANCED"),
    enable_node_autoprovisioning=FLAG,
    resource_limits=Records(record(resource_type=part(TEXT, required=True), minimum=INT64, maximum=INT64), ("resource_type",)),
    autoprovisioning_locations=Strings(),
    autoprovisioning_node_pool_defaults=record(
        oauth_scopes=SCOPES, service_account=TEXT, disk_size_gb=NUMBER, disk_type=TEXT,
        image_type=Scalar("str", form="upper"), boot_disk_kms_key=TEXT, management=MANAGEMENT,
        upgrade_settings=UPGRADE_SETTINGS, shielded_instance_config=SHIELDED,
    ),
    default_compute_class_enabled=part(FLAG, "defaultComputeClassConfig.enabled"),
)  # fmt: skip


_DISABLED = Scalar("bool", form="negated")
_ADDONS = record(
    http_load_balancing=part(_DISABLED, "httpLoadBalancing.disabled"),
    horizontal_pod_autoscaling=part(_DISABLED, "horizontalPodAutoscaling.disabled"),
    network_policy=part(_DISABLED, "networkPolicyConfig.disabled"),
    dns_cache=part(FLAG, "dnsCacheConfig.enabled"),
    gce_persistent_disk_csi_driver=part(FLAG, "gcePersistentDiskCsiDriverConfig.enabled"),
    gcp_filestore_csi_driver=part(FLAG, "gcpFilestoreCsiDriverConfig.enabled"),
    gcs_fuse_csi_driver=part(FLAG, "gcsFuseCsiDriverConfig.enabled"),
    gke_backup_agent=part(FLAG, "gkeBackupAgentConfig.enabled"),
    ray_operator=part(FLAG, "rayOperatorConfig.enabled"),
    whole=True,
)

_METRICS = (
    "SYSTEM_COMPONENTS", "APISERVER", "SCHEDULER", "CONTROLLER_MANAGER", "STORAGE", "HPA", "POD", "DAEMONSET",
    "DEPLOYMENT", "STATEFULSET", "CADVISOR", "KUBELET", "DCGM", "JOBSET",
)  # fmt: skip
_MONITORING = record(
    components=part(Strings(_METRICS), "componentConfig.enableComponents"),
    managed_prometheus=part(FLAG, "managedPrometheusConfig.enabled"),
    auto_monitoring_scope=part(choice("ALL", "NONE"), "managedPrometheusConfig.autoMonitoringConfig.scope"),
    datapath_metrics=part(FLAG, "advancedDatapathObservabilityConfig.enableMetrics"),
)
_LOGS = (
    "SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "SCHEDULER", "CONTROLLER_MANAGER", "KCP_SSHD", "KCP_CONNECTION",
    "KCP_HPA", "KCP_VPA",
)  # fmt: skip
_LOGGING = record(components=part(Strings(_LOGS), "componentConfig.enableComponents"))

_EXCLUSION = record(
    start_time=part(TIME, required=True), end_time=TIME,
    scope=part(
        choice("NO_UPGRADES", "NO_MINOR_UPGRADES", "NO_MINOR_OR_NODE_UPGRADES", default="NO_UPGRADES"),
        "maintenanceExclusionOptions.scope",
    ),
    end_time_behavior=part(choice("UNTIL_END_OF_SUPPORT"), "maintenanceExclusionOptions.endTimeBehavior"),
)  # fmt: skip
_WINDOW = record(
    start_time=part(TIME, "window.startTime", required=True),
    end_time=part(TIME, "window.endTime", required=True),
    recurrence=part(TEXT, required=True),
)
_MAINTENANCE = record(
    daily_window_start_time=part(TEXT, "window.dailyMaintenanceWindow.startTime"),
    recurring_window=part(_WINDOW, "window.recurringWindow"),
    exclusions=part(Named(_EXCLUSION), "window.maintenanceExclusions"),
)


def _one_window(value: Json, desired: Json) -> Json:
    """Google has either a daily or a recurring window; an empty text stands for no daily one."""
    window = value.get("window", {})
    if desired.get("daily_window_start_time") == "":
        window.pop("dailyMaintenanceWindow", None)
    if desired.get("daily_window_start_time"):
        window.pop("recurringWindow", None)
    if desired.get("recurring_window"):
        window.pop("dailyMaintenanceWindow", None)
    return value


def _provisioning(value: Json, desired: Json) -> Json:
    defaults = value.get("autoprovisioningNodePoolDefaults", {})
    if "upgradeSettings" in defaults:
        one_strategy(
            defaults["upgradeSettings"],
            desired.get("autoprovisioning_node_pool_defaults", {}).get("upgrade_settings", {}),
        )
    return value


_IP_ALLOCATION = record(
    create_subnetwork=FLAG, subnetwork_name=TEXT, cluster_ipv4_cidr_block=TEXT, services_ipv4_cidr_block=TEXT,
    node_ipv4_cidr_block=TEXT, cluster_secondary_range_name=TEXT, services_secondary_range_name=TEXT,
)  # fmt: skip


def _same_allocation(desired: Json, now: Json | None) -> bool:
    """A size alone (/20) is any range of that size. How the subnetwork came to be is not shown afterwards."""
    for name, value in desired.items():
        present = (now or {}).get(name)
        if name in ("create_subnetwork", "subnetwork_name", "node_ipv4_cidr_block") and present is None:
            continue
        if name.endswith("cidr_block"):
            if not same_range(value or "", present):
                return False
        elif (value or None) != (present or None):
            return False
    return True


def _same_encryption(desired: Json, now: Json | None) -> bool:
    """Google shows ALL_OBJECTS_ENCRYPTION_ENABLED for ENCRYPTED, too; it used to show ENCRYPTED for both."""
    kinds = ("ENCRYPTED", "ALL_OBJECTS_ENCRYPTION_ENABLED")
    one, other = desired["state"], (now or {}).get("state", "DECRYPTED")
    alike = one == other or (one in kinds and other in kinds)
    return alike and ("key_name" not in desired or desired["key_name"] == (now or {}).get("key_name"))


def _update(name: str, schema: Any, path: str, field: str = "", **more: Any) -> Option:
    """``field`` of ClusterUpdate, which as a rule is that of the cluster or its network, with ``desired`` before it."""
    own = path.removeprefix("networkConfig.")
    field = field or f"desired{own[0].upper()}{own[1:]}"
    return Option(name, schema, path, more.pop("how", IN_PLACE), cluster_update(field), **more)


CLUSTER_OPTIONS = (
    # What only a new cluster can have.
    Option("description", TEXT, "description", NEVER),
    Option("autopilot", FLAG, "autopilot.enabled", NEVER),
    Option("initial_cluster_version", TEXT, "initialClusterVersion", AT_CREATION),
    Option("network", RESOURCE, "network", NEVER, shown="networkConfig.network"),
    Option("subnetwork", RESOURCE, "subnetwork", NEVER, shown="networkConfig.subnetwork"),
    Option("ip_allocation_policy", _IP_ALLOCATION, "ipAllocationPolicy", NEVER, equal=_same_allocation),
    Option("master_ipv4_cidr_block", TEXT, "privateClusterConfig.masterIpv4CidrBlock", NEVER),
    Option(
        "datapath_provider", choice("LEGACY_DATAPATH", "ADVANCED_DATAPATH", default="LEGACY_DATAPATH"),
        "networkConfig.datapathProvider", NEVER,
    ),
    Option("default_max_pods_per_node", INT64, "defaultMaxPodsConstraint.maxPodsPerNode", NEVER),
    Option("confidential_nodes", CONFIDENTIAL, "confidentialNodes", NEVER),
    # What can be changed, in this order: the channel decides which versions there are.
    Option(
        "resource_labels", Labels(GOOGLES_LABELS), "resourceLabels", IN_PLACE,
        setter("setResourceLabels", "resourceLabels"),
        beside=lambda cluster: {"labelFingerprint": cluster.get("labelFingerprint", "")},
    ),
    _update(
        "release_channel", choice("RAPID", "REGULAR", "STABLE", "EXTENDED", "UNSPECIFIED", default="UNSPECIFIED"),
        "releaseChannel.channel",
    ),
    _update(
        "min_master_version", TEXT, "initialClusterVersion", "desiredMasterVersion", shown="currentMasterVersion",
        equal=at_least,
    ),
    _update("node_locations", Strings(), "locations"),
    _update("workload_identity", TEXT, "workloadIdentityConfig.workloadPool", spec={"type": "bool"}),
    _update("control_plane_endpoints_config", _ENDPOINTS, "controlPlaneEndpointsConfig"),
    _update("default_enable_private_nodes", FLAG, "networkConfig.defaultEnablePrivateNodes"),
    _update(
        "stack_type", choice("IPV4", "IPV4_IPV6", default="IPV4"), "ipAllocationPolicy.stackType", "desiredStackType",
    ),
    _update(
        "additional_ip_ranges",
        Records(
            record(
                subnetwork=part(RESOURCE, required=True), pod_ipv4_range_names=Strings(),
                status=choice("ACTIVE", "DRAINING", default="ACTIVE"), whole=True,
            ),
            ("subnetwork", "status"),
        ),
        "ipAllocationPolicy.additionalIpRangesConfigs", "desiredAdditionalIpRangesConfig.additionalIpRangesConfigs",
        later=True,
    ),
    _update(
        "enable_intra_node_visibility", FLAG, "networkConfig.enableIntraNodeVisibility",
        "desiredIntraNodeVisibilityConfig.enabled", how=ROLLING,
    ),
    _update(
        "enable_l4_ilb_subsetting", FLAG, "networkConfig.enableL4ilbSubsetting",
        "desiredL4ilbSubsettingConfig.enabled", one_way=True,
    ),
    _update("disable_l4_lb_firewall_reconciliation", FLAG, "networkConfig.disableL4LbFirewallReconciliation"),
    _update("enable_cilium_clusterwide_network_policy", FLAG, "networkConfig.enableCiliumClusterwideNetworkPolicy"),
    _update("enable_fqdn_network_policy", FLAG, "networkConfig.enableFqdnNetworkPolicy", one_way=True),
    _update(
        "in_transit_encryption_config",
        choice(
            "IN_TRANSIT_ENCRYPTION_DISABLED", "IN_TRANSIT_ENCRYPTION_INTER_NODE_TRANSPARENT",
            default="IN_TRANSIT_ENCRYPTION_DISABLED",
        ),
        "networkConfig.inTransitEncryptionConfig",
    ),
    _update("default_snat_disabled", FLAG, "networkConfig.defaultSnatStatus.disabled"),
    _update(
        "dns_config",
        record(
            cluster_dns=choice("PLATFORM_DEFAULT", "CLOUD_DNS", "KUBE_DNS"),
            cluster_dns_scope=choice("CLUSTER_SCOPE", "VPC_SCOPE"), cluster_dns_domain=TEXT,
            additive_vpc_scope_dns_domain=TEXT,
        ),
        "networkConfig.dnsConfig",
    ),
    _update(
        "gateway_api_channel",
        choice("CHANNEL_DISABLED", "CHANNEL_EXPERIMENTAL", "CHANNEL_STANDARD", default="CHANNEL_DISABLED"),
        "networkConfig.gatewayApiConfig.channel",
    ),
    _update("autoscaling", _AUTOSCALING, "autoscaling", "desiredClusterAutoscaling", body=_provisioning),
    _update(
        "node_pool_auto_config_network_tags", Strings(), "nodePoolAutoConfig.networkTags.tags",
        "desiredNodePoolAutoConfigNetworkTags.tags",
    ),
    _update(
        "image_streaming", FLAG, "nodePoolDefaults.nodeConfigDefaults.gcfsConfig.enabled",
        "desiredGcfsConfig.enabled",
    ),
    _update("hpa_profile", choice("NONE", "PERFORMANCE", default="NONE"), "podAutoscaling.hpaProfile"),
    _update("vertical_pod_autoscaling", FLAG, "verticalPodAutoscaling.enabled"),
    _update("cost_management", FLAG, "costManagementConfig.enabled"),
    _update("logging_config", _LOGGING, "loggingConfig"),
    _update("monitoring_config", _MONITORING, "monitoringConfig"),
    _update(
        "logging_service", choice("logging.googleapis.com/kubernetes", "none"), "loggingService", group="services",
    ),
    _update(
        "monitoring_service", choice("monitoring.googleapis.com/kubernetes", "none"), "monitoringService",
        group="services",
    ),
    _update("addons_config", _ADDONS, "addonsConfig"),
    _update("shielded_nodes", FLAG, "shieldedNodes.enabled", how=ROLLING),
    _update(
        "binary_authorization", choice("DISABLED", "PROJECT_SINGLETON_POLICY_ENFORCE", default="DISABLED"),
        "binaryAuthorization.evaluationMode",
    ),
    _update(
        "database_encryption",
        record(
            state=part(
                choice("ENCRYPTED", "DECRYPTED", "ALL_OBJECTS_ENCRYPTION_ENABLED", default="DECRYPTED"),
                required=True,
            ),
            key_name=TEXT, whole=True,
        ),
        "databaseEncryption", equal=_same_encryption,
    ),
    _update(
        "security_posture_mode", choice("DISABLED", "BASIC", "ENTERPRISE", default="DISABLED"),
        "securityPostureConfig.mode",
    ),
    Option(
        "maintenance_policy", _MAINTENANCE, "maintenancePolicy", IN_PLACE,
        setter("setMaintenancePolicy", "maintenancePolicy"), body=_one_window,
    ),
)  # fmt: skip
