"""The options of a cluster, a row each. Source: ``Cluster`` and ``ClusterUpdate`` of the GKE API v1
(https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters).
"""

from __future__ import annotations

from typing import Any

from .option import AT_CREATION, IN_PLACE, NEVER, ROLLING, Option, at_least, cluster_update, setter
from .pool_options import GOOGLES_LABELS, MANAGEMENT, SCOPES, SHIELDED, UPGRADE_SETTINGS, one_strategy
from .schema import (
    FLAG,
    INT64,
    NUMBER,
    RESOURCE,
    TEXT,
    Json,
    Labels,
    Named,
    Part,
    Records,
    Scalar,
    Strings,
    choice,
    part,
    record,
)  # fmt: skip

TIME = Scalar("str", form="time")

_ENDPOINTS = record(
    part(
        "dns_endpoint_config",
        record(
            part("allow_external_traffic", FLAG),
            part("enable_k8s_tokens_via_dns", FLAG),
            part("enable_k8s_certs_via_dns", FLAG),
        ),
    ),
    part(
        "ip_endpoints_config",
        record(
            part("enabled", FLAG),
            part("enable_public_endpoint", FLAG),
            part("global_access", FLAG),
            part("private_endpoint_subnetwork", RESOURCE),
            part(
                "authorized_networks_config",
                record(
                    part("enabled", FLAG),
                    part(
                        "cidr_blocks",
                        Records(
                            record(part("cidr_block", TEXT, required=True), part("display_name", TEXT)),
                            ("cidr_block",),
                        ),
                    ),
                    part("gcp_public_cidrs_access_enabled", FLAG),
                    part("private_endpoint_enforcement_enabled", FLAG),
                ),
            ),
        ),
    ),
)

_AUTOSCALING = record(
    part("autoscaling_profile", choice("BALANCED", "OPTIMIZE_UTILIZATION", default="BALANCED")),
    part("enable_node_autoprovisioning", FLAG),
    part(
        "resource_limits",
        Records(
            record(
                part("resource_type", TEXT, required=True),
                part("minimum", INT64),
                part("maximum", INT64),
            ),
            ("resource_type",),
        ),
    ),
    part("autoprovisioning_locations", Strings()),
    part(
        "autoprovisioning_node_pool_defaults",
        record(
            part("oauth_scopes", SCOPES),
            part("service_account", TEXT),
            part("disk_size_gb", NUMBER),
            part("disk_type", TEXT),
            part("image_type", Scalar("str", form="upper")),
            part("boot_disk_kms_key", TEXT),
            part("management", MANAGEMENT),
            part("upgrade_settings", UPGRADE_SETTINGS),
            part("shielded_instance_config", SHIELDED),
        ),
    ),
    part("default_compute_class_enabled", FLAG, "defaultComputeClassConfig.enabled"),
)


def _addon(name: str, *, opposite: bool = False) -> Part:
    """An addon's switch; for some, Google's field says ``disabled``."""
    api = name.split("_")
    config = api[0] + "".join(word.capitalize() for word in api[1:])
    if opposite:
        suffix = "Config" if name == "network_policy" else ""
        return Part(name, f"{config}{suffix}.disabled", Scalar("bool", form="negated"))
    return Part(name, f"{config}Config.enabled", FLAG)


_ADDONS = record(
    _addon("http_load_balancing", opposite=True),
    _addon("horizontal_pod_autoscaling", opposite=True),
    _addon("network_policy", opposite=True),
    _addon("dns_cache"),
    _addon("gce_persistent_disk_csi_driver"),
    _addon("gcp_filestore_csi_driver"),
    _addon("gcs_fuse_csi_driver"),
    _addon("gke_backup_agent"),
    _addon("ray_operator"),
    whole=True,
)

_MONITORING = record(
    part(
        "components",
        Strings(
            (
                "SYSTEM_COMPONENTS", "APISERVER", "SCHEDULER", "CONTROLLER_MANAGER", "STORAGE", "HPA", "POD", "DAEMONSET",
                "DEPLOYMENT", "STATEFULSET", "CADVISOR", "KUBELET", "DCGM", "JOBSET",
            )
        ),
        "componentConfig.enableComponents",
    ),
    part("managed_prometheus", FLAG, "managedPrometheusConfig.enabled"),
    part("auto_monitoring_scope", choice("ALL", "NONE"), "managedPrometheusConfig.autoMonitoringConfig.scope"),
    part("datapath_metrics", FLAG, "advancedDatapathObservabilityConfig.enableMetrics"),
)  # fmt: skip

_LOGGING = record(
    part(
        "components",
        Strings(
            (
                "SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "SCHEDULER", "CONTROLLER_MANAGER", "KCP_SSHD",
                "KCP_CONNECTION", "KCP_HPA", "KCP_VPA",
            )
        ),
        "componentConfig.enableComponents",
    ),
)  # fmt: skip

_EXCLUSION = record(
    part("start_time", TIME, required=True),
    part("end_time", TIME),
    part(
        "scope",
        choice("NO_UPGRADES", "NO_MINOR_UPGRADES", "NO_MINOR_OR_NODE_UPGRADES", default="NO_UPGRADES"),
        "maintenanceExclusionOptions.scope",
    ),
    part("end_time_behavior", choice("UNTIL_END_OF_SUPPORT"), "maintenanceExclusionOptions.endTimeBehavior"),
)
_MAINTENANCE = record(
    part("daily_window_start_time", TEXT, "window.dailyMaintenanceWindow.startTime"),
    part(
        "recurring_window",
        record(
            part("start_time", TIME, "window.startTime", required=True),
            part("end_time", TIME, "window.endTime", required=True),
            part("recurrence", TEXT, required=True),
        ),
        "window.recurringWindow",
    ),
    part("exclusions", Named(_EXCLUSION), "window.maintenanceExclusions"),
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
    part("create_subnetwork", FLAG),
    part("subnetwork_name", TEXT),
    part("cluster_ipv4_cidr_block", TEXT),
    part("services_ipv4_cidr_block", TEXT),
    part("node_ipv4_cidr_block", TEXT),
    part("cluster_secondary_range_name", TEXT),
    part("services_secondary_range_name", TEXT),
)


def _same_allocation(desired: Json, now: Json | None) -> bool:
    """A size alone (/20) is any range of that size. How the subnetwork came to be is not shown afterwards."""
    for name, value in desired.items():
        present = (now or {}).get(name)
        if name in ("create_subnetwork", "subnetwork_name", "node_ipv4_cidr_block") and present is None:
            continue
        if name.endswith("cidr_block") and str(value).startswith("/"):
            if not str(present or "").endswith(str(value)):
                return False
        elif (value or None) != (present or None):
            return False
    return True


def _same_encryption(desired: Json, now: Json | None) -> bool:
    """Google shows ENCRYPTED for the secrets and for all objects alike."""
    kinds = ("ENCRYPTED", "ALL_OBJECTS_ENCRYPTION_ENABLED")
    one, other = desired["state"], (now or {}).get("state", "DECRYPTED")
    alike = one == other or (one in kinds and other in kinds)
    return alike and ("key_name" not in desired or desired["key_name"] == (now or {}).get("key_name"))


def _update(name: str, schema: Any, path: str, field: str, **more: Any) -> Option:
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
    Option(
        "confidential_nodes",
        record(part("enabled", FLAG), part("confidential_instance_type", choice("SEV", "SEV_SNP", "TDX"))),
        "confidentialNodes", NEVER,
    ),
    # What can be changed, in this order: the channel decides which versions there are.
    Option(
        "resource_labels", Labels(GOOGLES_LABELS), "resourceLabels", IN_PLACE,
        setter("setResourceLabels", "resourceLabels"),
        beside=lambda cluster: {"labelFingerprint": cluster.get("labelFingerprint", "")},
    ),
    _update(
        "release_channel", choice("RAPID", "REGULAR", "STABLE", "EXTENDED", "UNSPECIFIED", default="UNSPECIFIED"),
        "releaseChannel.channel", "desiredReleaseChannel.channel",
    ),
    _update(
        "min_master_version", TEXT, "initialClusterVersion", "desiredMasterVersion", shown="currentMasterVersion",
        equal=at_least,
    ),
    _update("node_locations", Strings(), "locations", "desiredLocations"),
    _update(
        "workload_identity", TEXT, "workloadIdentityConfig.workloadPool", "desiredWorkloadIdentityConfig.workloadPool",
        spec={"type": "bool"},
    ),
    _update("control_plane_endpoints_config", _ENDPOINTS, "controlPlaneEndpointsConfig", "desiredControlPlaneEndpointsConfig"),
    _update("default_enable_private_nodes", FLAG, "networkConfig.defaultEnablePrivateNodes", "desiredDefaultEnablePrivateNodes"),
    _update("stack_type", choice("IPV4", "IPV4_IPV6", default="IPV4"), "ipAllocationPolicy.stackType", "desiredStackType"),
    _update(
        "additional_ip_ranges",
        Records(
            record(
                part("subnetwork", RESOURCE, required=True),
                part("pod_ipv4_range_names", Strings()),
                part("status", choice("ACTIVE", "DRAINING", default="ACTIVE")),
                whole=True,
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
        "enable_l4_ilb_subsetting", FLAG, "networkConfig.enableL4ilbSubsetting", "desiredL4ilbSubsettingConfig.enabled",
        one_way=True,
    ),
    _update(
        "disable_l4_lb_firewall_reconciliation", FLAG, "networkConfig.disableL4LbFirewallReconciliation",
        "desiredDisableL4LbFirewallReconciliation",
    ),
    _update(
        "enable_cilium_clusterwide_network_policy", FLAG, "networkConfig.enableCiliumClusterwideNetworkPolicy",
        "desiredEnableCiliumClusterwideNetworkPolicy",
    ),
    _update(
        "enable_fqdn_network_policy", FLAG, "networkConfig.enableFqdnNetworkPolicy", "desiredEnableFqdnNetworkPolicy",
        one_way=True,
    ),
    _update(
        "in_transit_encryption_config",
        choice(
            "IN_TRANSIT_ENCRYPTION_DISABLED", "IN_TRANSIT_ENCRYPTION_INTER_NODE_TRANSPARENT",
            default="IN_TRANSIT_ENCRYPTION_DISABLED",
        ),
        "networkConfig.inTransitEncryptionConfig", "desiredInTransitEncryptionConfig",
    ),
    _update("default_snat_disabled", FLAG, "networkConfig.defaultSnatStatus.disabled", "desiredDefaultSnatStatus.disabled"),
    _update(
        "dns_config",
        record(
            part("cluster_dns", choice("PLATFORM_DEFAULT", "CLOUD_DNS", "KUBE_DNS")),
            part("cluster_dns_scope", choice("CLUSTER_SCOPE", "VPC_SCOPE")),
            part("cluster_dns_domain", TEXT),
            part("additive_vpc_scope_dns_domain", TEXT),
        ),
        "networkConfig.dnsConfig", "desiredDnsConfig",
    ),
    _update(
        "gateway_api_channel",
        choice("CHANNEL_DISABLED", "CHANNEL_EXPERIMENTAL", "CHANNEL_STANDARD", default="CHANNEL_DISABLED"),
        "networkConfig.gatewayApiConfig.channel", "desiredGatewayApiConfig.channel",
    ),
    _update("autoscaling", _AUTOSCALING, "autoscaling", "desiredClusterAutoscaling", body=_provisioning),
    _update(
        "node_pool_auto_config_network_tags", Strings(), "nodePoolAutoConfig.networkTags.tags",
        "desiredNodePoolAutoConfigNetworkTags.tags",
    ),
    _update(
        "image_streaming", FLAG, "nodePoolDefaults.nodeConfigDefaults.gcfsConfig.enabled", "desiredGcfsConfig.enabled"
    ),
    _update("hpa_profile", choice("NONE", "PERFORMANCE", default="NONE"), "podAutoscaling.hpaProfile", "desiredPodAutoscaling.hpaProfile"),
    _update("vertical_pod_autoscaling", FLAG, "verticalPodAutoscaling.enabled", "desiredVerticalPodAutoscaling.enabled"),
    _update("cost_management", FLAG, "costManagementConfig.enabled", "desiredCostManagementConfig.enabled"),
    _update("logging_config", _LOGGING, "loggingConfig", "desiredLoggingConfig"),
    _update("monitoring_config", _MONITORING, "monitoringConfig", "desiredMonitoringConfig"),
    _update(
        "logging_service", choice("logging.googleapis.com/kubernetes", "none"), "loggingService",
        "desiredLoggingService", group="services",
    ),
    _update(
        "monitoring_service", choice("monitoring.googleapis.com/kubernetes", "none"), "monitoringService",
        "desiredMonitoringService", group="services",
    ),
    _update("addons_config", _ADDONS, "addonsConfig", "desiredAddonsConfig"),
    _update("shielded_nodes", FLAG, "shieldedNodes.enabled", "desiredShieldedNodes.enabled", how=ROLLING),
    _update(
        "binary_authorization",
        choice("DISABLED", "PROJECT_SINGLETON_POLICY_ENFORCE", default="DISABLED"),
        "binaryAuthorization.evaluationMode", "desiredBinaryAuthorization.evaluationMode",
    ),
    _update(
        "database_encryption",
        record(
            part("state", choice("ENCRYPTED", "DECRYPTED", "ALL_OBJECTS_ENCRYPTION_ENABLED", default="DECRYPTED"), required=True),
            part("key_name", TEXT),
            whole=True,
        ),
        "databaseEncryption", "desiredDatabaseEncryption", equal=_same_encryption,
    ),
    _update(
        "security_posture_mode", choice("DISABLED", "BASIC", "ENTERPRISE", default="DISABLED"),
        "securityPostureConfig.mode", "desiredSecurityPostureConfig.mode",
    ),
    Option(
        "maintenance_policy", _MAINTENANCE, "maintenancePolicy", IN_PLACE,
        setter("setMaintenancePolicy", "maintenancePolicy"), body=_one_window,
    ),
)  # fmt: skip
