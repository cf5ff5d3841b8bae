"""What was once learnt from a mock of GKE, as Google itself answers. Where no recording is named, the rule is from
recordings of Config Connector's history that are not here."""

from __future__ import annotations

from typing import Any

import pytest
from emulator import Emulator
from gke_client import BASE, FIXED, POOL, create, refused, send
from starlette.testclient import TestClient

CLUSTER = f"{BASE}/clusters/c"
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
ALL_OBJECTS = "ALL_OBJECTS_ENCRYPTION_ENABLED"


def updated(http: TestClient, **update: Any) -> dict[str, Any]:
    send(http, "PUT", CLUSTER, {"update": update})
    return dict(http.get(CLUSTER).json())


def test_the_driver_of_persistent_disks_goes_by_an_update_only(http: TestClient) -> None:
    off = {"gcePersistentDiskCsiDriverConfig": {"enabled": False}}
    made = create(http, addonsConfig=off)
    assert made["addonsConfig"]["gcePersistentDiskCsiDriverConfig"] == {"enabled": True}
    assert updated(http, desiredAddonsConfig=off)["addonsConfig"]["gcePersistentDiskCsiDriverConfig"] == {}


@pytest.mark.parametrize("state", ["ENCRYPTED", ALL_OBJECTS])
def test_secrets_are_encrypted_with_all_objects(http: TestClient, state: str) -> None:
    """containercluster-databaseencryption@2026-06-03-d20cc3"""
    found = create(http, databaseEncryption={"state": state, "keyName": KEY})["databaseEncryption"]
    assert found == {"state": ALL_OBJECTS, "currentState": f"CURRENT_STATE_{ALL_OBJECTS}", "keyName": KEY}


def test_a_cluster_of_confidential_nodes_says_so_in_itself_alone(http: TestClient) -> None:
    """containercluster-enableconfidentialnodesincluster@2026-06-04-705910"""
    found = create(http, confidentialNodes={"enabled": True})
    assert found["confidentialNodes"]["enabled"]
    assert "confidentialNodes" not in found["nodeConfig"] | found["nodePools"][0]["config"]


def test_an_autoscaled_pool_begins_with_no_node_if_none_are_asked_for(
    http: TestClient, emulator: Emulator
) -> None:
    """containernodepool@2026-08-19-82529d"""
    create(http)
    pool = {key: value for key, value in POOL.items() if key != "initialNodeCount"} | {"name": "empty"}
    send(http, "POST", f"{CLUSTER}/nodePools", {"nodePool": pool})
    assert "initialNodeCount" not in http.get(f"{CLUSTER}/nodePools/empty").json()
    assert [spec.pool for spec in emulator.clusters[0].specs] == ["default-pool"]
    operation = send(http, "PUT", f"{CLUSTER}/nodePools/empty", {"labels": {"labels": {"a": "b"}}})
    assert operation["progress"]["metrics"] == [{"name": "NODES_TOTAL", "intValue": "0"}]


def test_without_logging_and_monitoring_there_is_no_telemetry(http: TestClient) -> None:
    """containercluster@2025-07-01-da2737"""
    create(
        http, monitoringConfig={"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "APISERVER"]}}
    )
    off = updated(http, desiredLoggingService="none", desiredMonitoringService="none")
    assert off["loggingConfig"] == {"componentConfig": {}}
    assert off["monitoringConfig"]["componentConfig"]["enableComponents"] == [
        "APISERVER", "SCHEDULER", "CONTROLLER_MANAGER",
    ]  # fmt: skip
    telemetry = http.get(CLUSTER.replace("/v1/", "/v1beta1/")).json()["clusterTelemetry"]
    assert telemetry == {"type": "DISABLED"}
    config = {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "APISERVER"]}}
    on = updated(http, desiredMonitoringConfig=config)
    assert on["loggingConfig"]["componentConfig"]["enableComponents"] == ["SYSTEM_COMPONENTS", "WORKLOADS"]
    assert (on["loggingService"], on["monitoringService"]) == (
        "logging.googleapis.com/kubernetes",
        "monitoring.googleapis.com/kubernetes",
    )


def test_logging_alone_may_be_off(http: TestClient) -> None:
    create(http)
    off = updated(http, desiredLoggingService="none")
    assert (off["loggingService"], off["monitoringService"]) == (
        "none",
        "monitoring.googleapis.com/kubernetes",
    )


def test_labels_are_set_by_an_update(http: TestClient) -> None:
    """containercluster@2026-06-03-657786"""
    body = {"resourceLabels": {"a": "b"}, "labelFingerprint": create(http)["labelFingerprint"]}
    operation = send(http, "POST", f"{CLUSTER}:setResourceLabels", body)
    assert operation["operationType"] == "UPDATE_CLUSTER"


def test_a_clusters_first_count_stays_when_its_default_pool_goes(http: TestClient) -> None:
    made = create(http, nodePools=[], initialNodeCount=1, nodeConfig={"machineType": "e2-small"})
    assert made["initialNodeCount"] == 1
    send(http, "POST", f"{CLUSTER}/nodePools", {"nodePool": FIXED})
    send(http, "DELETE", f"{CLUSTER}/nodePools/default-pool")
    assert http.get(CLUSTER).json()["initialNodeCount"] == 1


def test_a_cluster_made_with_pools_has_no_first_count(http: TestClient) -> None:
    """mock-testdata-clusters-crud@2025-09-19-e37027"""
    assert "initialNodeCount" not in create(http)


SWAP: dict[str, Any] = {"linuxNodeConfig": {"swapConfig": {"bootDiskProfile": {"swapSizePercent": 10}}}}
REGISTRY: dict[str, Any] = {"hosts": [{"host": "https://r", "client": [{"key": {}}]}], "server": "r"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (SWAP, "Swap is disabled, no other swapConfig fields can be set."),
        ({"containerdConfig": {"registryHosts": [REGISTRY]}}, "The cert field in client is required."),
        ({"kubeletConfig": {"cpuManagerPolicy": "bogus"}}, "cpu_manager_policy"),
        ({"kubeletConfig": {"podPidsLimit": "10"}}, "pod_pids_limit"),
        ({"kubeletConfig": {"imageGcLowThresholdPercent": 90}}, "image_gc_low_threshold_percent"),
        (
            {"kubeletConfig": {"imageGcLowThresholdPercent": 80, "imageGcHighThresholdPercent": 70}},
            "must be below",
        ),
        ({"kubeletConfig": {"cpuCfsQuotaPeriod": "2s"}}, "cpu_cfs_quota_period"),
        ({"kubeletConfig": {"cpuCfsQuotaPeriod": "soon"}}, "cpu_cfs_quota_period"),
    ],
)
def test_settings_of_nodes_that_can_not_be_are_refused(http: TestClient, config: Any, words: str) -> None:
    create(http)
    pool = {"name": "n", "config": {"machineType": "e2-small", **config}}
    assert words in refused(http.post(f"{CLUSTER}/nodePools", json={"nodePool": pool}))["message"]
    assert words in refused(http.put(f"{CLUSTER}/nodePools/default-pool", json=config))["message"]


def test_settings_of_nodes_that_can_be_are_taken(http: TestClient) -> None:
    """containernodepool-kubeletconfig@2026-08-22-cb2ca7"""
    create(http)
    kubelet = {
        "cpuManagerPolicy": "static", "cpuCfsQuotaPeriod": "100ms", "podPidsLimit": "1024",
        "imageGcLowThresholdPercent": 50, "imageGcHighThresholdPercent": 70,
    }  # fmt: skip
    send(http, "PUT", f"{CLUSTER}/nodePools/default-pool", {"kubeletConfig": kubelet})
    found = http.get(f"{CLUSTER}/nodePools/default-pool").json()["config"]["kubeletConfig"]
    assert found.items() >= kubelet.items()


def test_nodes_that_are_queued_for_come_with_a_taint_and_go_soon(http: TestClient) -> None:
    create(http)
    pool = POOL | {"name": "queued", "queuedProvisioning": {"enabled": True}}
    send(http, "POST", f"{CLUSTER}/nodePools", {"nodePool": pool})
    found = http.get(f"{CLUSTER}/nodePools/queued").json()
    taint = {"key": "cloud.google.com/gke-queued", "value": "true", "effect": "NO_SCHEDULE"}
    assert found["config"]["taints"] == [taint]
    assert found["upgradeSettings"] == {"strategy": "SHORT_LIVED"}
    assert found["autoscaling"]["locationPolicy"] == "ANY"


def endpoints(cluster: dict[str, Any]) -> dict[str, Any]:
    return dict(cluster["controlPlaneEndpointsConfig"]["ipEndpointsConfig"])


def test_private_nodes_enforce_the_private_endpoint(http: TestClient) -> None:
    """containercluster-private-masteripv4cidr@2025-08-14-713b40"""
    private = {"enablePrivateNodes": True, "masterIpv4CidrBlock": "172.16.2.32/28"}
    made = create(http, privateClusterConfig=private)
    assert endpoints(made)["authorizedNetworksConfig"] == {"privateEndpointEnforcementEnabled": True}
    assert endpoints(made)["privateEndpointSubnetwork"].startswith(
        "projects/sandbox-project/regions/us-central1/subnetworks/gke-c-"
    )
    assert endpoints(made)["privateEndpointSubnetwork"].endswith("-pe-subnet")
    assert "privateEndpointSubnetwork" not in made["privateClusterConfig"]
    after = updated(http, desiredMasterAuthorizedNetworksConfig={"enabled": True})
    assert endpoints(after)["authorizedNetworksConfig"] == {
        "enabled": True, "privateEndpointEnforcementEnabled": True,
    }  # fmt: skip


def test_a_private_endpoints_subnetwork_is_shown_by_its_path(http: TestClient) -> None:
    """containercluster-private-privateendpointsubnetwork@2025-08-14-5135d7"""
    path = "projects/sandbox-project/regions/us-central1/subnetworks/s"
    asked = {
        "enabled": True,
        "privateEndpointSubnetwork": f"https://www.googleapis.com/compute/v1/{path}",
    }
    made = create(http, controlPlaneEndpointsConfig={"ipEndpointsConfig": asked})
    assert endpoints(made)["privateEndpointSubnetwork"] == path
    assert made["privateClusterConfig"]["privateEndpointSubnetwork"] == path


def test_global_access_is_shown_only_while_it_is_on(http: TestClient) -> None:
    """containercluster-enablek8stokensviadns@2026-02-10-93609b and the private ones of 2025"""
    create(http)
    for on in (True, False):
        wish = {"ipEndpointsConfig": {"globalAccess": on}}
        found = updated(http, desiredControlPlaneEndpointsConfig=wish)
        assert endpoints(found).get("globalAccess") == (True if on else None)
        shown = found["privateClusterConfig"].get("masterGlobalAccessConfig")
        assert shown == ({"enabled": True} if on else None)


def test_without_ip_endpoints_nobody_is_authorized_to_reach_them(http: TestClient) -> None:
    """containercluster-dnsendpoint-noipendpoint@2025-08-14-5bb706"""
    made = create(http, controlPlaneEndpointsConfig={"ipEndpointsConfig": {"enabled": False}})
    assert "masterAuthorizedNetworksConfig" not in made
    assert set(made["privateClusterConfig"]) == {"publicEndpoint"}


def test_pod_ranges_come_and_go(http: TestClient) -> None:
    """containercluster-ipallocationpolicy-cidr@2025-08-01-be3ccd"""
    create(http)
    updated(http, additionalPodRangesConfig={"podRangeNames": ["one", "two"]})
    found = updated(
        http,
        additionalPodRangesConfig={"podRangeNames": ["three"]},
        removedAdditionalPodRangesConfig={"podRangeNames": ["one"]},
    )
    shown = found["ipAllocationPolicy"]["additionalPodRangesConfig"]
    assert shown["podRangeNames"] == ["two", "three"]
    gone = updated(http, removedAdditionalPodRangesConfig={"podRangeNames": ["two", "three"]})
    assert "additionalPodRangesConfig" not in gone["ipAllocationPolicy"]


def test_there_are_no_tags_to_bind(http: TestClient) -> None:
    """containernodepool-resourcemanagertags@2026-08-19-2db25f"""
    create(http)
    config = {"machineType": "e2-small", "resourceManagerTags": {"tags": {"tagKeys/1": "tagValues/2"}}}
    error = refused(http.post(f"{CLUSTER}/nodePools", json={"nodePool": {"name": "n", "config": config}}))
    assert (error["code"], "or it may not exist" in error["message"]) == (403, True)


def test_workload_identity_is_told_by_its_older_names_too(http: TestClient) -> None:
    """gkebackuprestore-minimal@2025-04-08-9dd6e7"""
    create(http, workloadIdentityConfig={"workloadPool": "sandbox-project.svc.id.goog"})
    found = http.get(CLUSTER.replace("/v1/", "/v1beta1/")).json()["workloadIdentityConfig"]
    assert found == {
        "workloadPool": "sandbox-project.svc.id.goog",
        "identityNamespace": "sandbox-project.svc.id.goog",
        "identityProvider": f"https://container.googleapis.com{CLUSTER}",
    }


def test_an_ai_zone_is_a_zone(http: TestClient) -> None:
    base = BASE.replace("us-central1-f", "us-central1-ai1a")
    made = create(http, base)
    assert (made["location"], made["locations"]) == ("us-central1-ai1a", ["us-central1-ai1a"])
    send(http, "POST", f"{base}/clusters/c/nodePools", {"nodePool": FIXED}, base)
