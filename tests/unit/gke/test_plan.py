"""The planner: each field with its exact request, and what holds for all of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import BadInput
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.labels import MARK
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.cluster_options import CLUSTER_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.desired import desired_cluster, desired_pool
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.option import AT_CREATION, NEVER, RECREATE
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.plan import (
    Plan,
    cluster_resource,
    plan_cluster,
    plan_pool,
    pool_resource,
    refuse_impossible,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.pool_options import POOL_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.schema import put, write
from discovery import problems

Json = dict[str, Any]
PATH = "/v1/projects/my-project/locations/us-central1/clusters/c"
POOL_PATH = f"{PATH}/nodePools/n"
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
PLACE = {"name": "c", "project": "my-project", "location": "us-central1"}


def update(field: str, value: Any) -> Any:
    """The body of a cluster's update."""
    return {"update": {field: value}}


# Option, before (as an option), wanted, body of the one request. All are PUT to the resource but for METHODS.
CLUSTER_TABLE: list[tuple[str, Any, Any, Any]] = [
    ("resource_labels", {"a": "1"}, {"b": 2}, {"resourceLabels": {"b": "2"}, "labelFingerprint": "f"}),
    ("release_channel", None, "STABLE", update("desiredReleaseChannel", {"channel": "STABLE"})),
    ("release_channel", "STABLE", "UNSPECIFIED", update("desiredReleaseChannel", {"channel": "UNSPECIFIED"})),
    ("min_master_version", "1.33.1-gke.5", "1.34", update("desiredMasterVersion", "1.34")),
    (
        "node_locations", ["us-central1-a"], ["us-central1-a", "us-central1-b"],
        update("desiredLocations", ["us-central1-a", "us-central1-b"]),
    ),
    ("workload_identity", None, True, update("desiredWorkloadIdentityConfig", {"workloadPool": "my-project.svc.id.goog"})),
    ("workload_identity", "my-project.svc.id.goog", False, update("desiredWorkloadIdentityConfig", {"workloadPool": ""})),
    (
        "control_plane_endpoints_config",
        {"ip_endpoints_config": {"enabled": True, "global_access": True}, "dns_endpoint_config": {"allow_external_traffic": True}},
        {"ip_endpoints_config": {"authorized_networks_config": {"enabled": True, "cidr_blocks": [{"cidr_block": "10.0.0.0/8"}]}}},
        update(
            "desiredControlPlaneEndpointsConfig",
            {
                "dnsEndpointConfig": {"allowExternalTraffic": True},
                "ipEndpointsConfig": {
                    "enabled": True, "globalAccess": True,
                    "authorizedNetworksConfig": {"enabled": True, "cidrBlocks": [{"cidrBlock": "10.0.0.0/8"}]},
                },
            },
        ),
    ),
    ("default_enable_private_nodes", None, True, update("desiredDefaultEnablePrivateNodes", True)),
    ("stack_type", "IPV4", "IPV4_IPV6", update("desiredStackType", "IPV4_IPV6")),
    (
        "additional_ip_ranges", None, [{"subnetwork": "s", "pod_ipv4_range_names": ["x"]}],
        update("desiredAdditionalIpRangesConfig", {"additionalIpRangesConfigs": [{"subnetwork": "s", "podIpv4RangeNames": ["x"]}]}),
    ),
    ("enable_intra_node_visibility", None, True, update("desiredIntraNodeVisibilityConfig", {"enabled": True})),
    ("enable_l4_ilb_subsetting", False, True, update("desiredL4ilbSubsettingConfig", {"enabled": True})),
    ("disable_l4_lb_firewall_reconciliation", True, False, update("desiredDisableL4LbFirewallReconciliation", False)),
    ("enable_cilium_clusterwide_network_policy", None, True, update("desiredEnableCiliumClusterwideNetworkPolicy", True)),
    ("enable_fqdn_network_policy", None, True, update("desiredEnableFqdnNetworkPolicy", True)),
    (
        "in_transit_encryption_config", "IN_TRANSIT_ENCRYPTION_INTER_NODE_TRANSPARENT", "IN_TRANSIT_ENCRYPTION_DISABLED",
        update("desiredInTransitEncryptionConfig", "IN_TRANSIT_ENCRYPTION_DISABLED"),
    ),
    ("default_snat_disabled", None, True, update("desiredDefaultSnatStatus", {"disabled": True})),
    (
        "dns_config", {"cluster_dns": "CLOUD_DNS", "cluster_dns_scope": "CLUSTER_SCOPE"}, {"additive_vpc_scope_dns_domain": "d"},
        update("desiredDnsConfig", {"clusterDns": "CLOUD_DNS", "clusterDnsScope": "CLUSTER_SCOPE", "additiveVpcScopeDnsDomain": "d"}),
    ),
    ("gateway_api_channel", None, "CHANNEL_STANDARD", update("desiredGatewayApiConfig", {"channel": "CHANNEL_STANDARD"})),
    (
        "autoscaling", {"autoscaling_profile": "BALANCED", "default_compute_class_enabled": True},
        {
            "enable_node_autoprovisioning": True,
            "resource_limits": [{"resource_type": "cpu", "maximum": 8}, {"resource_type": "memory", "minimum": 1, "maximum": 32}],
        },
        update(
            "desiredClusterAutoscaling",
            {
                "autoscalingProfile": "BALANCED", "defaultComputeClassConfig": {"enabled": True},
                "enableNodeAutoprovisioning": True,
                "resourceLimits": [{"resourceType": "cpu", "maximum": "8"}, {"resourceType": "memory", "minimum": "1", "maximum": "32"}],
            },
        ),
    ),
    ("node_pool_auto_config_network_tags", ["a"], ["b"], update("desiredNodePoolAutoConfigNetworkTags", {"tags": ["b"]})),
    ("image_streaming", None, True, update("desiredGcfsConfig", {"enabled": True})),
    ("hpa_profile", "NONE", "PERFORMANCE", update("desiredPodAutoscaling", {"hpaProfile": "PERFORMANCE"})),
    ("vertical_pod_autoscaling", None, True, update("desiredVerticalPodAutoscaling", {"enabled": True})),
    ("cost_management", True, False, update("desiredCostManagementConfig", {"enabled": False})),
    (
        "logging_config", {"components": ["SYSTEM_COMPONENTS"]}, {"components": ["WORKLOADS", "SYSTEM_COMPONENTS"]},
        update("desiredLoggingConfig", {"componentConfig": {"enableComponents": ["WORKLOADS", "SYSTEM_COMPONENTS"]}}),
    ),
    (
        "monitoring_config", {"components": ["SYSTEM_COMPONENTS"]}, {"managed_prometheus": True},
        update(
            "desiredMonitoringConfig",
            {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]}, "managedPrometheusConfig": {"enabled": True}},
        ),
    ),
    ("logging_service", "logging.googleapis.com/kubernetes", "none", update("desiredLoggingService", "none")),
    ("monitoring_service", "monitoring.googleapis.com/kubernetes", "none", update("desiredMonitoringService", "none")),
    (
        "addons_config", {"dns_cache": True}, {"http_load_balancing": False, "gcs_fuse_csi_driver": True},
        update("desiredAddonsConfig", {"httpLoadBalancing": {"disabled": True}, "gcsFuseCsiDriverConfig": {"enabled": True}}),
    ),
    ("shielded_nodes", None, True, update("desiredShieldedNodes", {"enabled": True})),
    (
        "binary_authorization", None, "PROJECT_SINGLETON_POLICY_ENFORCE",
        update("desiredBinaryAuthorization", {"evaluationMode": "PROJECT_SINGLETON_POLICY_ENFORCE"}),
    ),
    (
        "database_encryption", {"state": "DECRYPTED"}, {"state": "ENCRYPTED", "key_name": KEY},
        update("desiredDatabaseEncryption", {"state": "ENCRYPTED", "keyName": KEY}),
    ),
    (
        "database_encryption", {"state": "ENCRYPTED", "key_name": KEY}, {"state": "DECRYPTED"},
        update("desiredDatabaseEncryption", {"state": "DECRYPTED"}),
    ),
    ("security_posture_mode", None, "BASIC", update("desiredSecurityPostureConfig", {"mode": "BASIC"})),
    ("maintenance_policy", {"daily_window_start_time": "03:00"}, {"daily_window_start_time": ""}, {"maintenancePolicy": {"window": {}}}),
    (
        "maintenance_policy", {"daily_window_start_time": "03:00", "exclusions": [{"name": "x", "start_time": "2027-01-01T00:00:00Z", "end_time": "2027-01-02T00:00:00Z"}]},
        {"recurring_window": {"start_time": "2027-01-02T01:00:00Z", "end_time": "2027-01-02T05:00:00Z", "recurrence": "FREQ=DAILY"}},
        {
            "maintenancePolicy": {
                "window": {
                    "maintenanceExclusions": {"x": {"startTime": "2027-01-01T00:00:00Z", "endTime": "2027-01-02T00:00:00Z"}},
                    "recurringWindow": {
                        "window": {"startTime": "2027-01-02T01:00:00Z", "endTime": "2027-01-02T05:00:00Z"},
                        "recurrence": "FREQ=DAILY",
                    },
                }
            }
        },
    ),
]  # fmt: skip

POOL_TABLE: list[tuple[str, Any, Any, Any]] = [
    ("management", {"auto_repair": True, "auto_upgrade": True}, {"auto_upgrade": False}, {"management": {"autoRepair": True, "autoUpgrade": False}}),
    ("upgrade_settings", {"max_surge": 1, "strategy": "SURGE"}, {"max_unavailable": 2}, {"upgradeSettings": {"maxSurge": 1, "maxUnavailable": 2, "strategy": "SURGE"}}),
    (
        "upgrade_settings", {"max_surge": 1, "strategy": "SURGE"},
        {"strategy": "BLUE_GREEN", "blue_green_settings": {"node_pool_soak_duration": "60s", "standard_rollout_policy": {"batch_node_count": 1}}},
        {"upgradeSettings": {"strategy": "BLUE_GREEN", "blueGreenSettings": {"nodePoolSoakDuration": "60s", "standardRolloutPolicy": {"batchNodeCount": 1}}}},
    ),
    (
        "upgrade_settings", {"strategy": "BLUE_GREEN", "blue_green_settings": {"node_pool_soak_duration": "60s"}},
        {"strategy": "SURGE", "max_surge": 3}, {"upgradeSettings": {"strategy": "SURGE", "maxSurge": 3}},
    ),
    ("node_drain_config", None, {"pdb_timeout_duration": "60s"}, {"nodeDrainConfig": {"pdbTimeoutDuration": "60s"}}),
    ("labels", {"a": "1"}, {"b": True, "c": None, "d": 1}, {"labels": {"labels": {"b": "true", "c": "", "d": "1"}}}),
    ("labels", {"a": "1"}, {}, {"labels": {"labels": {}}}),
    ("taints", None, [{"key": "k", "effect": "NO_SCHEDULE"}], {"taints": {"taints": [{"key": "k", "effect": "NO_SCHEDULE"}]}}),
    (
        "taints", [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}, {"key": "old", "effect": "NO_EXECUTE"}],
        [{"key": "k", "value": "v", "effect": "NO_SCHEDULE"}],
        {"taints": {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}, {"key": "k", "value": "v", "effect": "NO_SCHEDULE"}]}},
    ),
    ("tags", ["a", "b"], ["b"], {"tags": {"tags": ["b"]}}),
    ("resource_labels", {"goog-x": "y", "a": "1"}, {"b": "2"}, {"resourceLabels": {"labels": {"goog-x": "y", "b": "2"}}}),
    ("node_locations", ["us-central1-a"], ["us-central1-a", "us-central1-b"], {"locations": ["us-central1-a", "us-central1-b"]}),
    ("version", "1.33.5-gke.10", "1.34.1", {"nodeVersion": "1.34.1"}),
    ("machine_type", "e2-medium", "e2-standard-4", {"machineType": "e2-standard-4"}),
    ("disk_type", "pd-balanced", "pd-ssd", {"diskType": "pd-ssd"}),
    ("disk_size_gb", 100, 50, {"diskSizeGb": "50"}),
    ("image_type", "COS_CONTAINERD", "ubuntu_containerd", {"imageType": "ubuntu_containerd"}),
    (
        "accelerators", [{"accelerator_type": "t4", "accelerator_count": 1, "gpu_driver_version": "LATEST"}],
        [{"accelerator_type": "t4", "accelerator_count": 2}],
        {"accelerators": [{"acceleratorType": "t4", "acceleratorCount": "2", "gpuDriverInstallationConfig": {"gpuDriverVersion": "LATEST"}}]},
    ),
    ("image_streaming", None, True, {"gcfsConfig": {"enabled": True}}),
    ("gvnic", None, True, {"gvnic": {"enabled": True}}),
    ("fast_socket", None, True, {"fastSocket": {"enabled": True}}),
    ("workload_metadata_mode", None, "GKE_METADATA", {"workloadMetadataConfig": {"mode": "GKE_METADATA"}}),
    ("logging_variant", None, "MAX_THROUGHPUT", {"loggingConfig": {"variantConfig": {"variant": "MAX_THROUGHPUT"}}}),
    ("enable_private_nodes", None, True, {"nodeNetworkConfig": {"enablePrivateNodes": True}}),
    ("confidential_nodes", None, {"enabled": True}, {"confidentialNodes": {"enabled": True}}),
    ("kubelet_config", {"podPidsLimit": "1024", "cpuCfsQuota": True}, {"podPidsLimit": 2048}, {"kubeletConfig": {"podPidsLimit": 2048, "cpuCfsQuota": True}}),
    (
        "linux_node_config", {"cgroupMode": "CGROUP_MODE_V2", "swapConfig": {"enabled": True, "bootDiskProfile": {"swapSizeGib": "1"}}},
        {"swapConfig": {"enabled": False}}, {"linuxNodeConfig": {"cgroupMode": "CGROUP_MODE_V2", "swapConfig": {"enabled": False}}},
    ),
    ("containerd_config", None, {"writableCgroups": {"enabled": True}}, {"containerdConfig": {"writableCgroups": {"enabled": True}}}),
    (
        "autoscaling", {"enabled": True, "min_node_count": 1, "max_node_count": 3}, {"min_node_count": 1, "max_node_count": 9},
        {"autoscaling": {"enabled": True, "minNodeCount": 1, "maxNodeCount": 9}},
    ),
    (
        "autoscaling", {"enabled": True, "min_node_count": 1, "max_node_count": 3}, {"total_min_node_count": 1, "total_max_node_count": 9},
        {"autoscaling": {"enabled": True, "totalMinNodeCount": 1, "totalMaxNodeCount": 9}},
    ),
    ("autoscaling", {"enabled": True, "min_node_count": 1, "max_node_count": 3}, {"enabled": False}, {"autoscaling": {"enabled": False}}),
    ("node_count", 1, 4, {"nodeCount": 4}),
]  # fmt: skip

METHODS = {
    "resource_labels": ("POST", f"{PATH}:setResourceLabels"),
    "maintenance_policy": ("POST", f"{PATH}:setMaintenancePolicy"),
}
POOL_METHODS = {
    name: ("POST", f"{POOL_PATH}:{verb}")
    for name, verb in (
        ("management", "setManagement"),
        ("autoscaling", "setAutoscaling"),
        ("node_count", "setSize"),
    )
}


def cluster_with(**options: Any) -> Json:
    """A cluster that has these options, as Google shows it."""
    found = cluster_resource({"name": "c", "node_pools": [{"name": "n"}], **options})
    for option in CLUSTER_OPTIONS:
        if option.later and option.name in options:
            put(found, option.path, write(option.schema, options[option.name]))
    found["currentMasterVersion"] = found.pop("initialClusterVersion", "1.34.4-gke.100")
    return {**found, "labelFingerprint": "f", "locations": found.get("locations", ["us-central1-a"])}


def pool_with(**options: Any) -> Json:
    """A cluster with a pool that has these options."""
    pool = pool_resource({"name": "n", **options})
    pool.setdefault("initialNodeCount", 1)
    return {"name": "c", "nodePools": [pool], "locations": ["us-central1-a"], "currentNodeCount": 1}


def plan_for(name: str, before: Any, wanted: Any) -> Plan:
    current = cluster_with(**({} if before is None else {name: before}))
    return plan_cluster(desired_cluster({**PLACE, name: wanted}), current, PATH)


def pool_plan_for(name: str, before: Any, wanted: Any, *, recreate: bool = False) -> Plan:
    current = pool_with(**({} if before is None else {name: before}))
    return plan_pool(
        desired_pool({"name": "n", name: wanted}, "us-central1"), current, PATH, recreate=recreate
    )


@pytest.mark.parametrize(("name", "before", "wanted", "body"), CLUSTER_TABLE)
def test_each_field_of_a_cluster_has_its_request(name: str, before: Any, wanted: Any, body: Any) -> None:
    (change,) = plan_for(name, before, wanted).changes
    method, path = METHODS.get(name, ("PUT", PATH))
    assert (change.method, change.path, change.body) == (method, path, body)
    if method == "PUT":
        assert problems("ClusterUpdate", change.body["update"]) == []


@pytest.mark.parametrize(("name", "before", "wanted", "body"), POOL_TABLE)
def test_each_field_of_a_pool_has_its_request(name: str, before: Any, wanted: Any, body: Any) -> None:
    (change,) = pool_plan_for(name, before, wanted).changes
    method, path = POOL_METHODS.get(name, ("PUT", POOL_PATH))
    assert (change.method, change.path, change.body) == (method, path, body)


def test_the_tables_have_every_field_that_can_be_changed() -> None:
    assert {row[0] for row in CLUSTER_TABLE} == {o.name for o in CLUSTER_OPTIONS if o.request}
    assert {row[0] for row in POOL_TABLE} == {o.name for o in POOL_OPTIONS if o.request}


@pytest.mark.parametrize(("name", "before", "wanted", "body"), CLUSTER_TABLE)
def test_a_cluster_that_is_so_already_is_left_alone(name: str, before: Any, wanted: Any, body: Any) -> None:
    wish = desired_cluster({**PLACE, name: wanted})
    assert plan_cluster(wish, cluster_with(**{name: wish[name]}), PATH).changes == []


@pytest.mark.parametrize(("name", "before", "wanted", "body"), POOL_TABLE)
def test_a_pool_that_is_so_already_is_left_alone(name: str, before: Any, wanted: Any, body: Any) -> None:
    wish = desired_pool({"name": "n", name: wanted}, "us-central1")
    assert plan_pool(wish, pool_with(**{name: wish[name]}), PATH).changes == []


@pytest.mark.parametrize(
    ("name", "before", "wanted"),
    [
        ("network", "projects/p/global/networks/n", "n"),
        ("network", "n", "https://www.googleapis.com/compute/v1/projects/p/global/networks/n"),
        ("network", "projects/123/global/networks/n", "projects/p/global/networks/n"),
        ("node_locations", ["us-central1-b", "us-central1-a"], ["us-central1-a", "us-central1-b"]),
        ("vertical_pod_autoscaling", None, False),
        ("release_channel", None, "UNSPECIFIED"),
        ("gateway_api_channel", None, "CHANNEL_DISABLED"),
        ("addons_config", None, {"http_load_balancing": True, "dns_cache": False}),
        ("default_max_pods_per_node", 110, 110),
        ("min_master_version", "1.35.1-gke.1", "1.34"),
        ("ip_allocation_policy", {"cluster_ipv4_cidr_block": "10.4.0.0/14"}, {"cluster_ipv4_cidr_block": "/14"}),
        ("database_encryption", None, {"state": "DECRYPTED"}),
        ("resource_labels", None, {}),
        (
            "maintenance_policy",
            {"exclusions": [{"name": "x", "start_time": "2027-01-01T00:00:00Z", "end_time": "2027-01-02T00:00:00Z"}]},
            {"exclusions": [{"name": "x", "start_time": "2027-01-01T01:00:00+01:00", "end_time": "2027-01-02T00:00:00Z"}]},
        ),
    ],
)  # fmt: skip
def test_other_words_for_the_same_are_no_change(name: str, before: Any, wanted: Any) -> None:
    assert plan_for(name, before, wanted).changes == []


@pytest.mark.parametrize(
    ("name", "before", "wanted"),
    [
        ("image_type", "COS_CONTAINERD", "cos_containerd"),
        ("taints", [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}], []),
        ("labels", None, {}),
        ("oauth_scopes", ["https://www.googleapis.com/auth/a", "https://www.googleapis.com/auth/monitoring"], ["https://www.googleapis.com/auth/a"]),
        ("node_drain_config", {"pdb_timeout_duration": "3600s"}, {"pdb_timeout_duration": "3600.0s"}),
        ("spot", None, False),
        ("service_account", None, "default"),
        ("initial_node_count", 1, 7),
        ("workload_metadata_mode", None, "GCE_METADATA"),
        ("metadata", {"disable-legacy-endpoints": "true", "a": "b"}, {"a": "b"}),
        ("autoscaling", {"enabled": True, "max_node_count": 3}, {"max_node_count": 3, "location_policy": "BALANCED"}),
        ("kubelet_config", {"podPidsLimit": "1024"}, {"podPidsLimit": 1024}),
    ],
)  # fmt: skip
def test_other_words_for_the_same_pool_are_no_change(name: str, before: Any, wanted: Any) -> None:
    assert pool_plan_for(name, before, wanted).changes == []


def test_a_network_of_another_project_is_another_one() -> None:
    (change,) = plan_for("network", "projects/p/global/networks/n", "projects/q/global/networks/n").changes
    assert change.how == NEVER


@pytest.mark.parametrize("option", [o for o in CLUSTER_OPTIONS if o.how == NEVER], ids=lambda o: o.name)
def test_what_only_a_new_cluster_has_is_refused(option: Any) -> None:
    wishes = {
        "autopilot": True, "description": "x", "network": "other", "subnetwork": "other",
        "ip_allocation_policy": {"cluster_ipv4_cidr_block": "10.0.0.0/14"}, "master_ipv4_cidr_block": "10.0.0.0/28",
        "datapath_provider": "ADVANCED_DATAPATH", "default_max_pods_per_node": 64, "confidential_nodes": {"enabled": True},
    }  # fmt: skip
    plan = plan_for(option.name, None, wishes[option.name])
    with pytest.raises(BadInput, match=f"{option.name}.*A cluster is never recreated"):
        refuse_impossible(plan.changes)


@pytest.mark.parametrize("option", [o for o in POOL_OPTIONS if o.how == RECREATE], ids=lambda o: o.name)
def test_what_only_a_new_pool_has_is_refused_unless_allowed(option: Any) -> None:
    wishes: Json = {
        "spot": True, "preemptible": True, "service_account": "a@b", "min_cpu_platform": "Intel Ice Lake",
        "oauth_scopes": ["https://www.googleapis.com/auth/cloud-platform"], "max_pods_per_node": 32,
        "boot_disk_kms_key": KEY, "metadata": {"a": "b"}, "local_ssd_count": 1, "ephemeral_storage_local_ssd_count": 1,
        "secondary_boot_disks": [{"disk_image": "i"}], "shielded_instance_config": {"enable_secure_boot": True},
        "advanced_machine_features": {"threads_per_core": 1}, "placement_policy": {"type": "COMPACT"},
        "reservation_affinity": {"consume_reservation_type": "ANY_RESERVATION"}, "subnetwork": "s", "pod_range": "r",
        "pod_ipv4_cidr_block": "10.0.0.0/20",
    }  # fmt: skip
    plan = pool_plan_for(option.name, None, wishes[option.name])
    with pytest.raises(BadInput, match=f"{option.name}.*recreate: pools"):
        refuse_impossible(plan.changes)
    allowed = pool_plan_for(option.name, None, wishes[option.name], recreate="pools").changes
    assert [(c.method, c.path) for c in allowed] == [("DELETE", POOL_PATH), ("POST", f"{PATH}/nodePools")]
    assert problems("NodePool", allowed[1].body["nodePool"]) == []


def test_what_can_not_be_turned_off_is_refused() -> None:
    (change,) = plan_for("enable_l4_ilb_subsetting", True, False).changes
    assert (change.how, change.method) == (NEVER, "")


def test_all_that_is_refused_is_told_at_once() -> None:
    plan = plan_cluster(
        desired_cluster({**PLACE, "network": "x", "node_pools": [{"name": "n", "spot": True}]}), cluster_with(network="y"), PATH
    )  # fmt: skip
    with pytest.raises(
        BadInput, match=r"network: y -> x \(never\); node pool n: spot: unset -> True \(recreation\)"
    ):
        refuse_impossible(plan.changes)


def test_machine_and_disk_are_changed_together() -> None:
    wish = desired_pool(
        {"name": "n", "machine_type": "n4-standard-2", "disk_type": "hyperdisk-balanced"}, "us-central1"
    )
    (change,) = plan_pool(wish, pool_with(machine_type="e2-medium"), PATH).changes
    assert change.body == {"machineType": "n4-standard-2", "diskType": "hyperdisk-balanced"}
    assert change.how == "rolling"


def test_pools_that_are_not_named_stay_unless_the_list_is_exclusive() -> None:
    current = cluster_with(node_pools=[{"name": "n"}, {"name": "other"}])
    wanted = desired_cluster({**PLACE, "node_pools": [{"name": "n"}]})
    assert plan_cluster(wanted, current, PATH).changes == []
    (gone,) = plan_cluster(wanted, current, PATH, exclusive_pools=True).changes
    assert (gone.method, gone.path) == ("DELETE", f"{PATH}/nodePools/other")
    current["nodePools"][1]["autoscaling"] = {"enabled": True, "autoprovisioned": True}
    assert plan_cluster(wanted, current, PATH, exclusive_pools=True).changes == [], (
        "that is Google's to remove"
    )


def test_a_new_pool_is_there_before_an_old_one_goes() -> None:
    wanted = desired_cluster({**PLACE, "node_pools": [{"name": "new"}]})
    changes = plan_cluster(wanted, cluster_with(), PATH, exclusive_pools=True).changes
    assert [c.method for c in changes] == ["POST", "DELETE"]


def test_a_failed_cluster_and_a_failed_pool_are_made_anew() -> None:
    wanted = desired_cluster({**PLACE, "node_pools": [{"name": "n"}]})
    broken = {**cluster_with(), "status": "ERROR"}
    changes = plan_cluster(wanted, {**broken, "resourceLabels": MARK}, PATH, recreate="failed").changes
    assert [c.method for c in changes] == ["DELETE", "POST"]
    assert (changes[1].body or {})["cluster"]["resourceLabels"] == MARK
    with pytest.raises(
        BadInput, match="is not replaced, since it does not have the label made-by=mlops-tfserving"
    ):
        plan_cluster(wanted, broken, PATH, recreate="failed")
    current = cluster_with()
    current["nodePools"][0]["status"] = "ERROR"
    for recreate in ("failed", "pools"):
        changes = plan_cluster(wanted, current, PATH, recreate=recreate).changes
        assert [(c.method, c.path) for c in changes] == [("DELETE", POOL_PATH), ("POST", f"{PATH}/nodePools")]


def test_what_is_in_error_stays_unless_somebody_says_otherwise() -> None:
    """It can have nodes that work: Google shows such clusters."""
    wanted = desired_cluster({**PLACE, "node_pools": [{"name": "n"}]})
    broken = {**cluster_with(resource_labels=MARK), "status": "ERROR", "statusMessage": "IP_SPACE_EXHAUSTED."}
    for recreate in ("never", "pools"):
        with pytest.raises(
            BadInput, match=r"cluster c is in status ERROR.*IP_SPACE_EXHAUSTED. It may.*recreate: failed"
        ):
            plan_cluster(wanted, broken, PATH, recreate=recreate)
    with pytest.raises(BadInput, match="is not replaced: deletion_protection is true"):
        plan_cluster(wanted, broken, PATH, recreate="failed", protected=True)
    current = cluster_with()
    current["nodePools"][0] |= {"status": "ERROR", "statusMessage": "no quota"}
    with pytest.raises(BadInput, match=r"node pool n is in status ERROR.*no quota"):
        plan_cluster(wanted, current, PATH)


ZONES = {zone: f"us-central1-{zone}" for zone in ("a", "b", "c", "ai1a")}


def locations(cluster: str, pools: dict[str, str]) -> Json:
    """A cluster in these zones (a letter each), with pools in theirs."""
    return {
        "name": "c", "labelFingerprint": "f", "locations": [ZONES[zone] for zone in cluster],
        "nodePools": [
            {"name": name, "status": "RUNNING", "locations": [ZONES[zone] for zone in zones]}
            for name, zones in pools.items()
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [("ab", "ac", ["abc", "ac"]), ("ab", "c", ["abc", "c"]), ("a", "abc", ["abc"]), ("abc", "b", ["b"])],
)
def test_zones_are_added_before_others_are_removed(before: str, after: str, steps: list[str]) -> None:
    wish = desired_cluster({**PLACE, "node_locations": [ZONES[zone] for zone in after]})
    changes = plan_cluster(wish, locations(before, {}), PATH).changes
    asked = [(change.body or {})["update"]["desiredLocations"] for change in changes]
    assert asked == [[ZONES[zone] for zone in step] for step in steps]


def test_a_pool_with_zones_of_its_own_is_put_back_when_its_cluster_moves() -> None:
    wish = {
        **PLACE,
        "node_locations": [ZONES[z] for z in "abc"],
        "node_pools": [{"name": "own"}, {"name": "with"}],
    }
    current = locations("ab", {"own": "a", "with": "ab", "foreign": "b"})
    changes = plan_cluster(desired_cluster(wish), current, PATH).changes
    assert [(c.path, c.body) for c in changes[1:]] == [
        (f"{PATH}/nodePools/own", {"locations": [ZONES["a"]]}),
        (f"{PATH}/nodePools/foreign", {"locations": [ZONES["b"]]}),
    ]
    wish["node_pools"] = [{"name": "own", "node_locations": [ZONES["c"]]}]
    changes = plan_cluster(desired_cluster(wish), current, PATH, exclusive_pools=True).changes
    assert [(c.method, c.path, c.body) for c in changes[1:]] == [
        ("PUT", f"{PATH}/nodePools/own", {"locations": [ZONES["c"]]}),
        ("DELETE", f"{PATH}/nodePools/with", None),
        ("DELETE", f"{PATH}/nodePools/foreign", None),
    ]


def test_messages_of_googles_may_be_written_like_every_other_option() -> None:
    wish = {
        "name": "n", "kubelet_config": {"cpu_manager_policy": "static", "podPidsLimit": 1024},
        "linux_node_config": {"sysctls": {"net.core.somaxconn": "2048", "net.ipv4.tcp_rmem": "4096 1 2"}, "cgroup_mode": "X"},
    }  # fmt: skip
    pool = desired_pool(wish, "us-central1")
    assert pool["kubelet_config"] == {"cpuManagerPolicy": "static", "podPidsLimit": 1024}
    assert pool["linux_node_config"] == {
        "sysctls": {"net.core.somaxconn": "2048", "net.ipv4.tcp_rmem": "4096 1 2"}, "cgroupMode": "X",
    }  # fmt: skip
    cluster = {"name": "c", "nodePools": [pool_resource(pool)], "locations": [ZONES["a"]]}
    assert plan_pool(pool, cluster, PATH).changes == []


def test_a_pool_s_range_may_be_asked_for_by_its_size() -> None:
    cluster = locations("a", {"n": "a"})
    cluster["nodePools"][0]["networkConfig"] = {"podIpv4CidrBlock": "10.20.0.0/20"}
    for wanted, changes in (("/20", 0), ("10.20.0.0/20", 0), ("/21", 1), ("10.24.0.0/20", 1)):
        wish = desired_pool(
            {"name": "n", "pod_ipv4_cidr_block": wanted, "create_pod_range": True}, "us-central1"
        )
        assert len(plan_pool(wish, cluster, PATH).changes) == changes, wanted
    assert pool_resource(wish)["networkConfig"] == {
        "createPodRange": True,
        "podIpv4CidrBlock": "10.24.0.0/20",
    }


def test_what_a_creation_ignores_is_set_after_it() -> None:
    """Google begins every cluster with the driver of persistent disks."""
    for wish, later in ((False, [{}]), (True, []), (None, [])):
        driver = {"gce_persistent_disk_csi_driver": wish, "ray_operator": True}
        changes = plan_cluster(desired_cluster({**PLACE, "addons_config": driver}), None, PATH).changes
        off = [{"gcePersistentDiskCsiDriverConfig": {"enabled": False}} for _ in later]
        assert [(c.body or {})["update"]["desiredAddonsConfig"] for c in changes[1:]] == off


@pytest.mark.parametrize(
    ("location", "zones", "pool", "nodes"),
    [
        ("us-central1", None, {}, 2),  # Google chooses three zones
        ("us-central1", ["us-central1-a", "us-central1-b"], {}, 3),
        ("us-central1-a", None, {}, 5),
        ("us-central1", None, {"node_locations": ["us-central1-ai1a"]}, 5),
        ("us-central1", None, {"initial_node_count": 1}, 1),
    ],
)
def test_an_autoscaled_pool_begins_with_its_total_minimum(
    location: str, zones: list[str] | None, pool: Json, nodes: int
) -> None:
    limits = {"total_min_node_count": 5, "total_max_node_count": 9}
    wish = {
        **PLACE,
        "location": location,
        "node_locations": zones,
        "node_pools": [{"name": "n", "autoscaling": limits, **pool}],
    }
    (create,) = plan_cluster(
        desired_cluster(wish), None, f"/v1/projects/p/locations/{location}/clusters/c"
    ).changes
    assert (create.body or {})["cluster"]["nodePools"][0]["initialNodeCount"] == nodes


@pytest.mark.parametrize("status", ["RUNNING", "DEGRADED", "RECONCILING", "PROVISIONING", "STOPPING"])
def test_a_cluster_with_any_other_status_is_never_removed(status: str) -> None:
    wanted = desired_cluster({**PLACE, "network": "other", "node_pools": [{"name": "n", "spot": True}]})
    changes = plan_cluster(wanted, {**cluster_with(network="x"), "status": status}, PATH).changes
    assert not any(change.method == "DELETE" for change in changes)


def test_a_creation_is_what_the_api_takes() -> None:
    for name, _, value, _ in CLUSTER_TABLE:
        wish = desired_cluster({**PLACE, name: value})
        create, *later = plan_cluster(wish, None, PATH).changes
        assert problems("CreateClusterRequest", create.body) == []
        assert [c.field for c in later] == (
            ["additional_ip_ranges"] if name == "additional_ip_ranges" else []
        )
    for name, _, value, _ in POOL_TABLE:
        wish = desired_pool({"name": "n", name: value}, "us-central1")
        found = problems("NodePool", pool_resource(wish))
        # A message in Google's own form goes as it is: that a number is text there is the user's to know.
        assert found == (
            [] if name != "kubelet_config" else ["config.kubeletConfig.podPidsLimit: 2048 is no int64"]
        )


def test_what_a_new_pools_management_does_not_name_is_as_google_has_it() -> None:
    found = pool_resource({"name": "p", "management": {"auto_upgrade": False}})
    assert found["management"] == {"autoRepair": True, "autoUpgrade": False}


def test_a_cluster_without_pools_gets_one_of_googles_but_an_autopilot_cluster_none() -> None:
    assert cluster_resource({"name": "c"}) == {"name": "c", "initialNodeCount": 1}
    assert cluster_resource({"name": "c", "autopilot": True}) == {"name": "c", "autopilot": {"enabled": True}}


def test_pools_of_an_autopilot_cluster_are_refused() -> None:
    wanted = desired_cluster({**PLACE, "node_pools": [{"name": "n"}]})
    with pytest.raises(BadInput, match="Autopilot cluster"):
        plan_cluster(wanted, {**cluster_with(), "autopilot": {"enabled": True}}, PATH)


def test_a_fixed_size_under_an_autoscaler_is_refused_until_that_is_off() -> None:
    autoscaled = pool_with(autoscaling={"enabled": True, "max_node_count": 3})
    with pytest.raises(BadInput, match="it is autoscaled"):
        plan_pool(
            desired_pool({"name": "n", "node_count": 2}, "us-central1"), autoscaled, PATH, recreate=False
        )
    wish = desired_pool({"name": "n", "node_count": 1, "autoscaling": {"enabled": False}}, "us-central1")
    changes = plan_pool(wish, autoscaled, PATH).changes
    # The size of before says nothing of what the autoscaler made of it.
    assert [c.path.rpartition(":")[2] for c in changes] == ["setAutoscaling", "setSize"]


def test_options_at_creation_are_never_looked_at_again() -> None:
    assert {o.name for o in (*CLUSTER_OPTIONS, *POOL_OPTIONS) if o.how == AT_CREATION} == {
        "initial_cluster_version",
        "initial_node_count",
        "create_pod_range",
    }
    assert plan_for("initial_cluster_version", None, "1.30").changes == []


def test_planning_changes_neither_wishes_nor_what_is_there() -> None:
    for name, before, value, _ in POOL_TABLE:
        current = pool_with(**({} if before is None else {name: before}))
        wish = desired_pool({"name": "n", name: value}, "us-central1")
        kept = copy.deepcopy((wish, current))
        plan_pool(wish, current, PATH)
        assert (wish, current) == kept, name
