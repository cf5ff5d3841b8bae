"""Bad input: one clear error each, before anything is asked of Google."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import BadInput
from world import World

SPAN = {"start_time": "2027-01-01T00:00:00Z", "end_time": "2027-01-02T00:00:00Z"}
RECURRING = {**SPAN, "recurrence": "FREQ=DAILY"}
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"

CLUSTER: list[tuple[dict[str, Any], str]] = [
    ({"name": "UPPER"}, "must start with a lower-case letter"),
    ({"name": "x" * 41}, "40 characters"),
    ({"name": "1st"}, "must start with a lower-case letter"),
    ({"name": "ends-"}, "end with a letter or digit"),
    ({"name": ""}, "cluster name ''"),
    ({"location": "nowhere"}, "neither a zone"),
    ({"location": "us-central1-ab"}, "neither a zone"),
    ({"node_locations": ["europe-west1-b"]}, "not in the cluster's region us-central1"),
    ({"node_locations": ["us-central1"]}, "'us-central1' is not a zone"),
    ({"node_locations": []}, "at least one zone"),
    ({"node_locations": ["us-central1-a", "us-central1-a"]}, "named twice"),
    ({"location": "us-central1-f", "node_locations": ["us-central1-a"]}, "the zone of the cluster itself"),
    ({"autopilot": True, "location": "us-central1-f"}, "regional; 'us-central1-f' is a zone"),
    ({"autopilot": True, "node_pools": [{"name": "n"}]}, "the nodes are Google's"),
    ({"autopilot": True, "workload_identity": False}, "workload_identity is always on"),
    ({"autopilot": True, "release_channel": "UNSPECIFIED"}, "always in a release channel"),
    ({"autopilot": True, "autoscaling": {"autoscaling_profile": "BALANCED"}}, "node autoscaling is Google's"),
    ({"autopilot": True, "default_max_pods_per_node": 32}, "default_max_pods_per_node can't be given"),
    ({"autopilot": True, "shielded_nodes": False}, "shielded_nodes is always on"),
    ({"min_master_version": "latest"}, "'latest' is no version"),
    ({"min_master_version": "v1.30"}, "is no version"),
    ({"initial_cluster_version": "newest"}, "is no version"),
    ({"initial_cluster_version": "1.30", "min_master_version": "1.30"}, "give one of them"),
    ({"default_max_pods_per_node": 5}, "from 8 to 256"),
    ({"master_ipv4_cidr_block": "10.0.0.0/24"}, "must be a /28"),
    ({"master_ipv4_cidr_block": "10.0.0.300/28"}, "no range of addresses"),
    ({"ip_allocation_policy": {"cluster_ipv4_cidr_block": "/16", "cluster_secondary_range_name": "r"}}, "exclude each other"),
    ({"ip_allocation_policy": {"services_ipv4_cidr_block": "wide"}}, "no range of addresses"),
    ({"ip_allocation_policy": {"create_subnetwork": True}, "subnetwork": "s"}, "exclude each other"),
    ({"ip_allocation_policy": {"subnetwork_name": "s"}}, "needs create_subnetwork"),
    ({"dns_config": {"cluster_dns": "CLOUD_DNS", "cluster_dns_scope": "VPC_SCOPE"}}, "needs cluster_dns_domain"),
    ({"dns_config": {"cluster_dns": "KUBE_DNS", "cluster_dns_scope": "CLUSTER_SCOPE"}}, "needs cluster_dns: CLOUD_DNS"),
    ({"enable_fqdn_network_policy": True, "datapath_provider": "LEGACY_DATAPATH"}, "needs datapath_provider"),
    ({"in_transit_encryption_config": "IN_TRANSIT_ENCRYPTION_INTER_NODE_TRANSPARENT", "datapath_provider": "LEGACY_DATAPATH"}, "needs datapath_provider"),
    ({"datapath_provider": "ADVANCED_DATAPATH", "addons_config": {"network_policy": True}}, "built into ADVANCED_DATAPATH"),
    ({"control_plane_endpoints_config": {"ip_endpoints_config": {"authorized_networks_config": {"cidr_blocks": [{"cidr_block": "10.0.0.1/8"}]}}}}, "no range of addresses"),
    ({"control_plane_endpoints_config": {"ip_endpoints_config": {"authorized_networks_config": {"enabled": False, "cidr_blocks": [{"cidr_block": "10.0.0.0/8"}]}}}}, "need enabled: true"),
    ({"control_plane_endpoints_config": {"ip_endpoints_config": {"authorized_networks_config": {"enabled": True, "cidr_blocks": [{"cidr_block": "10.0.0.0/8"}, {"cidr_block": "10.0.0.0/8"}]}}}}, "named twice"),
    ({"control_plane_endpoints_config": {"ip_endpoints_config": {"enabled": False, "enable_public_endpoint": True}}}, "no public endpoint either"),
    ({"autoscaling": {"resource_limits": [{"resource_type": "cpu", "minimum": 4, "maximum": 2}]}}, "cpu from 4 to 2"),
    ({"autoscaling": {"resource_limits": [{"resource_type": "cpu"}]}}, "needs a maximum"),
    ({"autoscaling": {"resource_limits": [{"resource_type": "cpu", "maximum": 2}, {"resource_type": "cpu", "maximum": 3}]}}, "named twice"),
    ({"autoscaling": {"enable_node_autoprovisioning": True, "resource_limits": [{"resource_type": "cpu", "maximum": 2}]}}, "a limit for memory"),
    ({"autoscaling": {"enable_node_autoprovisioning": False, "resource_limits": [{"resource_type": "cpu", "maximum": 2}]}}, "resource_limits are for"),
    ({"autoscaling": {"autoprovisioning_locations": ["us-east1-b"]}}, "not in the cluster's region"),
    ({"logging_config": {"components": ["WORKLOADS"]}}, "SYSTEM_COMPONENTS must be among them"),
    ({"logging_config": {"components": ["SYSTEM_COMPONENTS"]}, "logging_service": "none"}, "nothing is collected"),
    ({"monitoring_config": {"managed_prometheus": False, "auto_monitoring_scope": "ALL"}}, "needs managed_prometheus"),
    ({"maintenance_policy": {"daily_window_start_time": "3am"}}, "no time of day"),
    ({"maintenance_policy": {"daily_window_start_time": "03:00", "recurring_window": RECURRING}}, "exclude each other"),
    ({"maintenance_policy": {"recurring_window": {**RECURRING, "recurrence": "weekly"}}}, "no RFC 5545 rule"),
    ({"maintenance_policy": {"recurring_window": {**RECURRING, "end_time": "2026-01-01T00:00:00Z"}}}, "before it begins"),
    ({"maintenance_policy": {"recurring_window": {**RECURRING, "start_time": "2027-01-01T00:00:00"}}}, "no time zone"),
    ({"maintenance_policy": {"exclusions": [{"name": "x", "start_time": "tomorrow"}]}}, "needs end_time"),
    ({"maintenance_policy": {"exclusions": [{**SPAN, "name": "x", "start_time": "tomorrow"}]}}, "'tomorrow' is no time"),
    ({"maintenance_policy": {"exclusions": [{**SPAN, "name": "x"}, {**SPAN, "name": "x"}]}}, "named twice"),
    ({"database_encryption": {"state": "ENCRYPTED"}}, "needs key_name"),
    ({"database_encryption": {"state": "DECRYPTED", "key_name": KEY}}, "belongs to state ENCRYPTED"),
    ({"database_encryption": {"state": "ENCRYPTED", "key_name": "k"}}, "must be projects/P"),
    ({"resource_labels": {"Team": "ml"}}, "key 'Team'"),
    ({"resource_labels": {"team": "M L"}}, "value 'M L'"),
    ({"resource_labels": {"goog-x": "y"}}, "reserved"),
    ({"resource_labels": {f"k{n}": "v" for n in range(65)}}, "65 labels"),
    ({"node_pools": [{"name": "a"}, {"name": "a"}]}, "named twice"),
    ({"release_channel": "RAPID", "node_pools": [{"name": "a", "management": {"auto_upgrade": False}}]}, "can't be off in release channel RAPID"),
    ({"workload_identity": False, "node_pools": [{"name": "a", "workload_metadata_mode": "GKE_METADATA"}]}, "needs workload_identity"),
]  # fmt: skip

POOL: list[tuple[dict[str, Any], str]] = [
    ({"name": "Bad_Name"}, "node pool name 'Bad_Name'"),
    ({"autoscaling": {"min_node_count": 4, "max_node_count": 2}}, "from 4 to 2"),
    ({"autoscaling": {"min_node_count": 1, "total_max_node_count": 2}}, "exclude each other"),
    ({"autoscaling": {"min_node_count": 1}}, "needs max_node_count"),
    ({"autoscaling": {"min_node_count": -1, "max_node_count": 2}}, "from -1 to 2"),
    ({"autoscaling": {"max_node_count": 0}}, "the maximum at least 1"),
    ({"autoscaling": {"enabled": False, "max_node_count": 3}}, "autoscaling is off"),
    ({"initial_node_count": 5, "autoscaling": {"max_node_count": 3}}, "not within the autoscaler's limits"),
    ({"initial_node_count": -1}, "initial_node_count must be from 0"),
    ({"node_count": 2000}, "node_count must be from 0 to 1000"),
    ({"node_count": 2, "initial_node_count": 1}, "give one of them"),
    ({"node_count": 2, "autoscaling": {"max_node_count": 3}}, "fight the autoscaler"),
    ({"spot": True, "preemptible": True}, "exclude each other"),
    ({"spot": True, "reservation_affinity": {"consume_reservation_type": "ANY_RESERVATION"}}, "can't come from a reservation"),
    ({"reservation_affinity": {"consume_reservation_type": "SPECIFIC_RESERVATION"}}, "needs key and values"),
    ({"reservation_affinity": {"consume_reservation_type": "NO_RESERVATION", "key": "k"}}, "belong to SPECIFIC_RESERVATION"),
    ({"machine_type": "big one"}, "no machine type"),
    ({"disk_size_gb": 5}, "from 10 to 65536"),
    ({"accelerators": [{"accelerator_type": "t4", "accelerator_count": 0}]}, "from 1 to 16"),
    ({"accelerators": [{"accelerator_type": "t4", "accelerator_count": 1}], "machine_type": "e2-standard-4"}, "can't have any"),
    ({"accelerators": [{"accelerator_type": "t4", "accelerator_count": 1, "gpu_sharing_strategy": "MPS"}]}, "go together"),
    ({"fast_socket": True, "gvnic": False}, "needs gvnic"),
    ({"service_account": "nodes"}, "neither an account's e-mail"),
    ({"oauth_scopes": ["cloud-platform"]}, "must be written in full"),
    ({"labels": {"bad key": "x"}}, "no valid key"),
    ({"labels": {"kubernetes.io/x": "y"}}, "reserved for Kubernetes"),
    ({"labels": {"k": "not ok"}}, "no valid value"),
    ({"taints": [{"key": "k", "effect": "NO_EXECUTE"}, {"key": "k", "value": "v", "effect": "NO_EXECUTE"}]}, "named twice"),
    ({"tags": ["Web"]}, "'Web' must start with a lower-case"),
    ({"resource_labels": {"A": "b"}}, "key 'A'"),
    ({"max_pods_per_node": 1000}, "from 8 to 256"),
    ({"upgrade_settings": {"max_surge": 0, "max_unavailable": 0}}, "no node could ever be upgraded"),
    ({"upgrade_settings": {"strategy": "BLUE_GREEN", "max_surge": 1}}, "belong to strategy SURGE"),
    ({"upgrade_settings": {"blue_green_settings": {"node_pool_soak_duration": "60s"}}}, "need strategy: BLUE_GREEN"),
    ({"upgrade_settings": {"strategy": "BLUE_GREEN", "blue_green_settings": {"node_pool_soak_duration": "1h"}}}, "no duration"),
    ({"upgrade_settings": {"strategy": "BLUE_GREEN", "blue_green_settings": {"node_pool_soak_duration": "999999s"}}}, "longer than Google allows"),
    ({"upgrade_settings": {"strategy": "BLUE_GREEN", "blue_green_settings": {"standard_rollout_policy": {"batch_percentage": 0.5, "batch_node_count": 1}}}}, "exclude each other"),
    ({"upgrade_settings": {"strategy": "BLUE_GREEN", "blue_green_settings": {"standard_rollout_policy": {"batch_percentage": 20.0}}}}, "from 0.0 to 1.0"),
    ({"node_drain_config": {"pdb_timeout_duration": "soon"}}, "no duration"),
    ({"node_locations": ["us-east1-b"]}, "not in the cluster's region"),
    ({"version": "latest"}, "is no version"),
    ({"pod_ipv4_cidr_block": "10.1.0.1/20"}, "no range of addresses"),
    ({"placement_policy": {"type": "COMPACT"}, "machine_type": "e2-medium"}, "not for e2"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "words"), CLUSTER)
def test_a_cluster(world: World, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as caught:
        world.cluster(**options)
    assert words in str(caught.value)
    assert (world.google.reads, world.google.requests) == (0, [])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("options", "words"), POOL)
def test_a_pool_of_its_own_and_in_a_cluster(world: World, options: dict[str, Any], words: str) -> None:
    pool = {"name": "n", **options}
    for attempt in (lambda: world.pool(**pool), lambda: world.cluster(node_pools=[pool])):
        with pytest.raises(BadInput) as caught:
            attempt()
        assert words in str(caught.value)
    assert (world.google.reads, world.google.requests) == (0, [])


def test_a_project_that_can_be_none(world: World) -> None:
    from ansible_collections.mlops.tfserving.plugins.module_utils.gke.rules import check_project

    with pytest.raises(BadInput, match="neither a project's ID"):
        check_project("My Project")
