"""Updates of clusters in the emulated GKE: what each field changes, as GET shows it afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from emulator import Emulator
from gke_client import BASE, FIXED, POOL, REGION, create, done, refused, send
from starlette.testclient import TestClient

from sandbox.gke.update import EMULATED, QUALIFIERS
from sandbox.google.discovery import load
from sandbox.releases import RELEASES, gke_version

CLUSTER = f"{BASE}/clusters/c"
V36, V37 = (gke_version(release) for release in RELEASES[-2:])
UPDATES = [
    ("desiredAddonsConfig", {"gcsFuseCsiDriverConfig": {"enabled": True}}, "addonsConfig.gcsFuseCsiDriverConfig", {"enabled": True}),
    ("desiredBinaryAuthorization", {"evaluationMode": "PROJECT_SINGLETON_POLICY_ENFORCE"}, "binaryAuthorization.evaluationMode", "PROJECT_SINGLETON_POLICY_ENFORCE"),
    ("desiredClusterAutoscaling", {"autoscalingProfile": "OPTIMIZE_UTILIZATION"}, "autoscaling.autoscalingProfile", "OPTIMIZE_UTILIZATION"),
    ("desiredControlPlaneEndpointsConfig", {"dnsEndpointConfig": {"allowExternalTraffic": True}}, "controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic", True),
    ("desiredCostManagementConfig", {"enabled": True}, "costManagementConfig", {"enabled": True}),
    ("desiredDatabaseEncryption", {"state": "ENCRYPTED", "keyName": "k"}, "databaseEncryption.keyName", "k"),
    ("desiredDefaultEnablePrivateNodes", True, "privateClusterConfig.enablePrivateNodes", True),
    ("desiredDnsConfig", {"clusterDns": "CLOUD_DNS"}, "networkConfig.dnsConfig", {"clusterDns": "CLOUD_DNS"}),
    ("desiredEnablePrivateEndpoint", True, "privateClusterConfig.enablePrivateEndpoint", True),
    ("desiredGatewayApiConfig", {"channel": "CHANNEL_STANDARD"}, "networkConfig.gatewayApiConfig.channel", "CHANNEL_STANDARD"),
    ("desiredGcfsConfig", {"enabled": True}, "nodePoolDefaults.nodeConfigDefaults.gcfsConfig", {"enabled": True}),
    ("desiredIntraNodeVisibilityConfig", {"enabled": True}, "networkConfig.enableIntraNodeVisibility", True),
    ("desiredL4ilbSubsettingConfig", {"enabled": True}, "networkConfig.enableL4ilbSubsetting", True),
    ("desiredLoggingConfig", {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]}}, "loggingConfig.componentConfig.enableComponents", ["SYSTEM_COMPONENTS"]),
    ("desiredLoggingService", "none", "loggingService", "none"),
    ("desiredMasterAuthorizedNetworksConfig", {"enabled": True, "cidrBlocks": [{"cidrBlock": "10.0.0.0/8"}]}, "controlPlaneEndpointsConfig.ipEndpointsConfig.authorizedNetworksConfig.cidrBlocks", [{"cidrBlock": "10.0.0.0/8"}]),
    ("desiredMonitoringConfig", {"managedPrometheusConfig": {"enabled": False}}, "monitoringConfig.managedPrometheusConfig", {}),
    ("desiredNodePoolAutoConfigNetworkTags", {"tags": ["a"]}, "nodePoolAutoConfig.networkTags.tags", ["a"]),
    ("desiredNotificationConfig", {"pubsub": {"enabled": True, "topic": "t"}}, "notificationConfig.pubsub.topic", "t"),
    ("desiredPodAutoscaling", {"hpaProfile": "NONE"}, "podAutoscaling.hpaProfile", "NONE"),
    ("desiredPrivateClusterConfig", {"enablePrivateNodes": True}, "networkConfig.defaultEnablePrivateNodes", True),
    ("desiredReleaseChannel", {"channel": "RAPID"}, "releaseChannel.channel", "RAPID"),
    ("desiredSecurityPostureConfig", {"mode": "DISABLED"}, "securityPostureConfig.mode", "DISABLED"),
    ("desiredShieldedNodes", {"enabled": False}, "shieldedNodes", {}),
    ("desiredStackType", "IPV4_IPV6", "ipAllocationPolicy.stackType", "IPV4_IPV6"),
    ("desiredVerticalPodAutoscaling", {"enabled": True}, "verticalPodAutoscaling", {"enabled": True}),
    ("desiredWorkloadIdentityConfig", {"workloadPool": "sandbox-project.svc.id.goog"}, "workloadIdentityConfig.workloadPool", "sandbox-project.svc.id.goog"),
]  # fmt: skip


def at(answer: Any, path: str) -> Any:
    for part in path.split("."):
        answer = answer[part]
    return answer


@pytest.mark.parametrize(("field", "value", "path", "shown"), UPDATES, ids=[update[0] for update in UPDATES])
def test_a_field_is_shown_once_it_is_changed(
    http: TestClient, field: str, value: Any, path: str, shown: Any
) -> None:
    before = create(http)
    operation = send(http, "PUT", CLUSTER, {"update": {field: value}})
    assert operation["operationType"] == "UPDATE_CLUSTER"
    after = http.get(CLUSTER).json()
    assert at(after, path) == shown
    assert after["status"] == "RUNNING"
    assert after["etag"] != before["etag"]


def test_every_field_of_google_s_is_emulated_or_refused_by_name(http: TestClient) -> None:
    create(http)
    known = load("container.v1").schemas["ClusterUpdate"]["properties"]
    missing = sorted(set(known) - EMULATED - set(QUALIFIERS))
    assert missing
    for field in missing:
        kind = known[field].get("type", "object")
        value = {"object": {}, "string": "", "boolean": True}[kind]
        error = refused(http.put(CLUSTER, json={"update": {field: value}}))
        assert (error["code"], field in error["message"]) == (501, True)


@pytest.mark.parametrize(
    ("update", "status", "words"),
    [
        ({}, 400, "Must specify a field to update."),
        ({"desiredShieldedNodes": {}, "desiredPodAutoscaling": {}}, 400, "at most one field"),
        ({"desiredNodePoolId": "default-pool"}, 400, "Must specify a field to update."),
        ({"desiredWorkloadIdentityConfig": {"workloadPool": "other.svc.id.goog"}}, 400, '"sandbox-project.svc.id.goog"'),
        ({"desiredMasterVersion": "1.35"}, 400, "cannot be downgraded"),
        ({"desiredMasterVersion": "1.12"}, 400, 'Master version must be one of "REGULAR" channel supported versions [1.34.4-gke.1000000, '),
        ({"desiredShieldedNodes": {"enabled": True}, "etag": "old"}, 409, "Etag mismatch"),
        ({"desiredNodePoolAutoscaling": {"enabled": True, "maxNodeCount": 5}, "desiredNodePoolId": "no"}, 404, '"no" not found'),
        ({"desiredLocations": ["us-central1-a"]}, 400, 'must contain the cluster\'s zone "us-central1-f"'),
        ({"desiredLocations": ["europe-west1-b"]}, 400, 'zone "europe-west1-b" is not in region "us-central1"'),
    ],
)  # fmt: skip
def test_updates_that_google_refuses(
    http: TestClient, update: dict[str, Any], status: int, words: str
) -> None:
    before = create(http)
    error = refused(http.put(CLUSTER, json={"update": update}))
    assert (error["code"], words in error["message"]) == (status, True), error["message"]
    assert http.get(CLUSTER).json() == before


def test_an_update_has_to_be_there(http: TestClient) -> None:
    create(http)
    assert refused(http.put(CLUSTER, json={}))["message"] == "Must provide an update."


def test_the_control_plane_takes_one_step_at_a_time(http: TestClient) -> None:
    create(http, initialClusterVersion="1.34")
    error = refused(http.post(f"{CLUSTER}:updateMaster", json={"masterVersion": "1.36"}))
    assert (error["code"], "more than one minor version" in error["message"]) == (400, True)


def test_an_etag_that_is_current_is_taken(http: TestClient) -> None:
    etag = create(http)["etag"]
    send(http, "PUT", CLUSTER, {"update": {"desiredShieldedNodes": {"enabled": False}, "etag": etag}})
    error = refused(
        http.put(CLUSTER, json={"update": {"desiredShieldedNodes": {"enabled": True}, "etag": etag}})
    )
    assert (error["code"], error["status"]) == (409, "ABORTED")


def test_both_services_may_change_together(http: TestClient) -> None:
    create(http)
    send(
        http,
        "PUT",
        CLUSTER,
        {"update": {"desiredLoggingService": "none", "desiredMonitoringService": "none"}},
    )
    cluster = http.get(CLUSTER).json()
    assert (cluster["loggingService"], cluster["monitoringService"]) == ("none", "none")


def test_the_methods_of_their_own(http: TestClient) -> None:
    create(http)
    send(http, "POST", f"{CLUSTER}:setLogging", {"loggingService": "none"})
    send(http, "POST", f"{CLUSTER}:setMonitoring", {"monitoringService": "none"})
    send(http, "POST", f"{CLUSTER}:setAddons", {"addonsConfig": {"httpLoadBalancing": {"disabled": True}}})
    cluster = http.get(CLUSTER).json()
    assert (cluster["loggingService"], cluster["monitoringService"]) == ("none", "none")
    assert cluster["addonsConfig"]["httpLoadBalancing"] == {"disabled": True}


def test_the_control_plane_goes_first_and_nodes_follow(http: TestClient, emulator: Emulator) -> None:
    create(http, initialClusterVersion="1.36", nodePools=[FIXED])
    backend = emulator.clusters[0]
    error = refused(
        http.put(f"{CLUSTER}/nodePools/fixed", json={"nodeVersion": "1.37", "imageType": "COS_CONTAINERD"})
    )
    assert "must not have a greater minor version" in error["message"]
    operation = send(http, "POST", f"{CLUSTER}:updateMaster", {"masterVersion": "1.37"})
    assert operation["operationType"] == "UPGRADE_MASTER"
    cluster = http.get(CLUSTER).json()
    assert backend.upgrades == [cluster["currentMasterVersion"]] == [V37]
    assert cluster["currentNodeVersion"] == V36
    assert {spec.version for spec in backend.specs} == {V36}
    before = list(backend.nodes)
    operation = send(
        http, "PUT", CLUSTER, {"update": {"desiredNodeVersion": "-", "desiredNodePoolId": "fixed"}}
    )
    assert operation["operationType"] == "UPGRADE_NODES"
    assert http.get(CLUSTER).json()["currentNodeVersion"] == V37
    assert len(backend.nodes) == 3
    assert not set(before) & set(backend.nodes)
    assert {spec.version for spec in backend.specs if spec.name in backend.nodes} == {V37}


def test_an_upgrade_that_fails_leaves_the_version_and_says_why(http: TestClient, emulator: Emulator) -> None:
    create(http, nodePools=[FIXED])
    emulator.clusters[0].fails = "kube-apiserver ended with 1"
    operation = done(http, http.post(f"{CLUSTER}:updateMaster", json={"masterVersion": "1.37"}).json())
    assert "kube-apiserver ended with 1" in operation["error"]["message"]
    cluster = http.get(CLUSTER).json()
    assert (cluster["currentMasterVersion"], cluster["status"]) == (V36, "RUNNING")


def test_the_version_that_is_there_is_no_upgrade(http: TestClient, emulator: Emulator) -> None:
    create(http)
    send(http, "POST", f"{CLUSTER}:updateMaster", {"masterVersion": "-"})
    assert emulator.clusters[0].upgrades == []


def test_the_control_plane_does_not_leave_its_nodes_more_than_two_minor_versions_behind(
    http: TestClient, emulator: Emulator
) -> None:
    create(http, initialClusterVersion="1.34", nodePools=[FIXED])
    for version in ("1.35", "1.36"):
        send(http, "POST", f"{CLUSTER}:updateMaster", {"masterVersion": version})
    error = refused(http.post(f"{CLUSTER}:updateMaster", json={"masterVersion": "1.37"}))
    assert (error["code"], "within two minor versions of master version" in error["message"]) == (400, True)
    send(http, "PUT", f"{CLUSTER}/nodePools/fixed", {"nodeVersion": "1.36", "imageType": "COS_CONTAINERD"})
    send(http, "POST", f"{CLUSTER}:updateMaster", {"masterVersion": "1.37"})
    assert emulator.clusters[0].upgrades == [gke_version(release) for release in RELEASES[1:]]
    old = {"name": "old", "initialNodeCount": 1, "version": "1.34"}
    error = refused(http.post(f"{CLUSTER}/nodePools", json={"nodePool": old}))
    assert "within two minor versions" in error["message"]


def test_a_new_pool_has_the_control_planes_version(http: TestClient) -> None:
    create(http, initialClusterVersion="1.36", nodePools=[FIXED])
    send(http, "POST", f"{CLUSTER}:updateMaster", {"masterVersion": "1.37"})
    send(http, "POST", f"{CLUSTER}/nodePools", {"nodePool": {"name": "new", "initialNodeCount": 1}})
    assert http.get(f"{CLUSTER}/nodePools/new").json()["version"] == V37
    assert http.get(f"{CLUSTER}/nodePools/fixed").json()["version"] == V36


def test_blue_nodes_take_no_more_pods_once_the_green_ones_are_there(
    http: TestClient, emulator: Emulator
) -> None:
    pool = FIXED | {"upgradeSettings": {"strategy": "BLUE_GREEN"}}
    create(http, initialClusterVersion="1.36", nodePools=[pool])
    backend = emulator.clusters[0]
    blue = list(backend.nodes)
    send(http, "POST", f"{CLUSTER}:updateMaster", {"masterVersion": "1.37"})
    send(http, "PUT", f"{CLUSTER}/nodePools/fixed", {"nodeVersion": "1.37", "imageType": "COS_CONTAINERD"})
    assert sorted(backend.cordoned) == sorted(blue)
    assert max(backend.counts) == 2 * len(blue)
    assert {spec.version for spec in backend.specs if spec.name in backend.nodes} == {V37}


def test_labels_need_the_current_fingerprint(http: TestClient) -> None:
    fingerprint = create(http)["labelFingerprint"]
    path = f"{CLUSTER}:setResourceLabels"
    assert http.post(path, json={"resourceLabels": {"a": "b"}, "labelFingerprint": "old"}).status_code == 412
    operation = send(http, "POST", path, {"resourceLabels": {"a": "b"}, "labelFingerprint": fingerprint})
    assert operation["operationType"] == "UPDATE_CLUSTER"
    assert http.get(CLUSTER).json()["resourceLabels"] == {"a": "b"}


def test_a_maintenance_policy_has_a_version(http: TestClient) -> None:
    create(http)
    path = f"{CLUSTER}:setMaintenancePolicy"
    window = {"dailyMaintenanceWindow": {"startTime": "03:00"}}
    first = http.get(CLUSTER).json()["maintenancePolicy"]["resourceVersion"]
    send(http, "POST", path, {"maintenancePolicy": {"window": window, "resourceVersion": first}})
    policy = http.get(CLUSTER).json()["maintenancePolicy"]
    assert policy["window"]["dailyMaintenanceWindow"] == {"startTime": "03:00", "duration": "PT4H0M0S"}
    error = refused(http.post(path, json={"maintenancePolicy": {"window": {}, "resourceVersion": first}}))
    assert (error["code"], error["status"]) == (409, "ABORTED")
    send(http, "POST", path, {"maintenancePolicy": {}})
    assert "window" not in http.get(CLUSTER).json()["maintenancePolicy"]


@pytest.mark.parametrize(
    ("cluster", "status", "words"),
    [
        ({"name": "Bad_Name"}, 400, "must start with a letter"),
        ({"name": "a" * 41}, 400, "40 characters at most"),
        ({"nodePools": [POOL, POOL]}, 400, "must be unique"),
        ({"initialNodeCount": 1}, 400, "cannot both be specified"),
        ({"nodePools": []}, 400, "initial_node_count must be greater than zero"),
        ({"nodePools": [{**POOL, "config": {"machineType": "e2-standard-128"}}]}, 403, "Insufficient regional quota"),
        ({"nodePools": [{**POOL, "config": {"machineType": "z1-huge-3"}}]}, 400, "does not exist in zone"),
        ({"nodePools": [{**POOL, "autoscaling": {"enabled": True, "minNodeCount": 3, "maxNodeCount": 1}}]}, 400, "min 3, max 1"),
        ({"nodePools": [{**POOL, "autoscaling": {"enabled": True}}]}, 400, "cannot be both set to zero"),
        ({"nodePools": [{**POOL, "autoscaling": {"enabled": True, "maxNodeCount": 3, "totalMaxNodeCount": 4}}]}, 400, "mutually exclusive"),
        ({"nodePools": [{**POOL, "config": {"spot": True, "preemptible": True}}]}, 400, "mutually exclusive"),
        ({"nodePools": [{**POOL, "config": {"taints": [{"key": "a"}]}}]}, 400, "needs a key and an effect"),
        ({"nodePools": [{**POOL, "upgradeSettings": {"maxSurge": 0, "maxUnavailable": 0}}]}, 400, "can not both be 0"),
        ({"resourceLabels": {"sandbox-node-boot-seconds": "soon"}}, 400, "not a number of seconds"),
        ({"resourceLabels": {"Team": "ml"}}, 400, "keys start with a lower-case letter"),
        ({"initialClusterVersion": "1.12"}, 400, 'Master version must be one of "REGULAR" channel supported versions [1.34.4-gke'),
        ({"workloadIdentityConfig": {"workloadPool": "p.svc.id.goog"}}, 400, "only supported identity namespace"),
        ({"autopilot": {"enabled": True}, "nodePools": []}, 400, "must be regional"),
        ({"locations": ["us-central1-a"]}, 400, "must contain the cluster's zone"),
        ({"nodePool": []}, 400, "Invalid JSON payload received. Unknown name \"nodePool\" at 'cluster': Cannot find field."),
        ({"initialNodeCount": "one"}, 400, "Invalid value at 'cluster.initial_node_count' (TYPE_INT32), \"one\""),
        ({"releaseChannel": {"channel": "FAST"}}, 400, "(type.googleapis.com/google.container.v1.Channel), \"FAST\""),
    ],
)  # fmt: skip
def test_clusters_that_google_refuses(
    http: TestClient, cluster: dict[str, Any], status: int, words: str
) -> None:
    error = refused(
        http.post(f"{BASE}/clusters", json={"cluster": {"name": "c", "nodePools": [POOL], **cluster}})
    )
    assert (error["code"], words in error["message"]) == (status, True), error["message"]
    assert http.get(f"{BASE}/clusters").json() == {}


def test_autopilot_has_no_node_pools_of_ones_own(http: TestClient) -> None:
    body = {"cluster": {"name": "c", "autopilot": {"enabled": True}, "nodePools": [{**POOL, "name": "mine"}]}}
    assert (
        "do not support specifying node pools"
        in refused(http.post(f"{REGION}/clusters", json=body))["message"]
    )


def test_a_place_that_is_none_is_refused(http: TestClient) -> None:
    path = f"{BASE}/clusters".replace("us-central1-f", "nowhere")
    error = refused(http.post(path, json={"cluster": {"name": "c", "nodePools": [POOL]}}))
    assert (error["code"], error["message"]) == (
        403, "Permission denied on 'locations/nowhere' (or it may not exist).",
    )  # fmt: skip
