"""Node pools in the emulated GKE: their limits, their size, and nodes that are replaced."""

from __future__ import annotations

from typing import Any

import pytest
from emulator import Emulator
from gke_client import BASE, FIXED, POOL, REGION, begin, create, done, refused, send
from starlette.testclient import TestClient

from sandbox.gke.pool_update import EMULATED
from sandbox.google.discovery import load

POOLS = f"{BASE}/clusters/c/nodePools"
FIXED_POOL = f"{POOLS}/fixed"


def test_pools_come_change_and_go(http: TestClient, emulator: Emulator) -> None:
    create(http)
    operation = send(http, "POST", POOLS, {"nodePool": {**POOL, "name": "more", "initialNodeCount": 2}})
    assert operation["operationType"] == "CREATE_NODE_POOL"
    assert len(emulator.clusters[0].nodes) == 3
    assert [pool["name"] for pool in http.get(POOLS).json()["nodePools"]] == ["default-pool", "more"]
    error = refused(http.post(POOLS, json={"nodePool": {**POOL, "name": "more"}}))
    assert (error["code"], "Already exists" in error["message"]) == (409, True)
    send(http, "DELETE", f"{POOLS}/more")
    assert len(emulator.clusters[0].nodes) == 1
    assert refused(http.get(f"{POOLS}/more"))["message"] == 'Not found: node pool "more" not found.'


@pytest.mark.parametrize(
    ("limits", "shown"),
    [
        ({"enabled": True, "minNodeCount": 0, "maxNodeCount": 5}, {"enabled": True, "maxNodeCount": 5, "locationPolicy": "BALANCED"}),
        ({"enabled": True, "totalMinNodeCount": 1, "totalMaxNodeCount": 5, "locationPolicy": "ANY"}, {"enabled": True, "totalMinNodeCount": 1, "totalMaxNodeCount": 5, "locationPolicy": "ANY"}),
        ({"enabled": False}, None),
    ],
)  # fmt: skip
def test_limits_of_the_autoscaler(http: TestClient, limits: dict[str, Any], shown: Any) -> None:
    create(http)
    send(http, "POST", f"{POOLS}/default-pool:setAutoscaling", {"autoscaling": limits})
    assert http.get(f"{POOLS}/default-pool").json().get("autoscaling") == shown
    by_cluster = {"desiredNodePoolAutoscaling": limits, "desiredNodePoolId": "default-pool"}
    send(http, "PUT", f"{BASE}/clusters/c", {"update": by_cluster})
    assert http.get(f"{POOLS}/default-pool").json().get("autoscaling") == shown


def test_limits_that_contradict_are_refused(http: TestClient) -> None:
    create(http)
    body = {"autoscaling": {"enabled": True, "minNodeCount": 4, "maxNodeCount": 2}}
    assert refused(http.post(f"{POOLS}/default-pool:setAutoscaling", json=body))["code"] == 400


def test_the_autoscaler_sees_limits_of_all_zones_together(http: TestClient, emulator: Emulator) -> None:
    create(http, REGION)
    (state,) = emulator.orchestrator.clusters()[0].pool_states()
    assert (state.min_nodes, state.max_nodes, len(state.nodes)) == (3, 9, 3)


def test_a_size_is_per_zone(http: TestClient, emulator: Emulator) -> None:
    create(http, REGION, nodePools=[FIXED | {"initialNodeCount": 1}])
    path = f"{REGION}/clusters/c/nodePools/fixed"
    assert (
        send(http, "POST", f"{path}:setSize", {"nodeCount": 2}, REGION)["operationType"]
        == "SET_NODE_POOL_SIZE"
    )
    assert len(emulator.clusters[0].nodes) == 6
    send(http, "POST", f"{path}:setSize", {"nodeCount": 0}, REGION)
    assert emulator.clusters[0].nodes == []
    assert "currentNodeCount" not in http.get(f"{REGION}/clusters/c").json()


def test_management_is_set_as_a_whole(http: TestClient) -> None:
    create(http, nodePools=[FIXED], releaseChannel={"channel": "UNSPECIFIED"})
    send(http, "POST", f"{FIXED_POOL}:setManagement", {"management": {"autoRepair": True}})
    assert http.get(FIXED_POOL).json()["management"] == {"autoRepair": True}


def test_in_a_release_channel_google_manages_nodes(http: TestClient) -> None:
    create(http, nodePools=[FIXED])
    partial = {"management": {"autoRepair": True}}
    words = "Auto_upgrade cannot be false when release_channel REGULAR is set."
    assert refused(http.post(f"{FIXED_POOL}:setManagement", json=partial))["message"] == words
    assert (
        refused(http.post(POOLS, json={"nodePool": {**FIXED, "name": "more", **partial}}))["message"] == words
    )
    send(http, "PUT", f"{BASE}/clusters/c", {"update": {"desiredReleaseChannel": {"channel": "UNSPECIFIED"}}})
    send(http, "POST", f"{FIXED_POOL}:setManagement", {"management": {}})
    error = refused(
        http.put(f"{BASE}/clusters/c", json={"update": {"desiredReleaseChannel": {"channel": "STABLE"}}})
    )
    assert (
        error["message"] == "Auto_upgrade and auto_repair cannot be false when release_channel STABLE is set."
    )


def test_a_size_that_can_not_be_had_is_told_and_can_be_mended(http: TestClient, emulator: Emulator) -> None:
    create(http, nodePools=[FIXED])
    emulator.clusters[0].room = 4
    operation = done(http, http.post(f"{FIXED_POOL}:setSize", json={"nodeCount": 6}).json())
    assert operation["nodepoolConditions"][0]["code"] == "GCE_STOCKOUT"
    assert http.get(FIXED_POOL).json()["status"] == "RUNNING_WITH_ERROR"
    send(http, "POST", f"{FIXED_POOL}:setSize", {"nodeCount": 4})
    pool = http.get(FIXED_POOL).json()
    assert (pool["status"], "conditions" in pool) == ("RUNNING", False)


@pytest.mark.parametrize(
    ("body", "field", "shown"),
    [
        ({"labels": {"labels": {"a": "b"}}}, "labels", {"a": "b"}),
        ({"taints": {"taints": [{"key": "a", "value": "b", "effect": "NO_SCHEDULE"}]}}, "taints", [{"key": "a", "value": "b", "effect": "NO_SCHEDULE"}]),
        ({"tags": {"tags": ["t"]}}, "tags", ["t"]),
        ({"machineType": "e2-medium"}, "machineType", "e2-medium"),
        ({"diskSizeGb": "50"}, "bootDisk", {"diskType": "pd-balanced", "sizeGb": "50"}),
        ({"diskType": "pd-ssd"}, "diskType", "pd-ssd"),
        ({"workloadMetadataConfig": {"mode": "GKE_METADATA"}}, "workloadMetadataConfig", {"mode": "GKE_METADATA"}),
        ({"gcfsConfig": {"enabled": True}}, "gcfsConfig", {"enabled": True}),
        ({"gvnic": {"enabled": True}}, "gvnic", {"enabled": True}),
        ({"resourceLabels": {"labels": {"team": "ml"}}}, "resourceLabels", {"team": "ml", "goog-gke-node-pool-provisioning-model": "on-demand"}),
        ({"imageType": "UBUNTU_CONTAINERD"}, "imageType", "UBUNTU_CONTAINERD"),
    ],
)  # fmt: skip
def test_what_a_node_is_changes_by_new_nodes(
    http: TestClient, emulator: Emulator, body: dict[str, Any], field: str, shown: Any
) -> None:
    create(http, nodePools=[FIXED])
    before = list(emulator.clusters[0].nodes)
    operation = send(http, "PUT", FIXED_POOL, body)
    assert operation["operationType"] == "UPGRADE_NODES"
    assert {m["name"]: m["intValue"] for m in operation["progress"]["metrics"]}["NODES_DONE"] == "3"
    pool = http.get(FIXED_POOL).json()
    assert (pool["config"][field], pool["status"]) == (shown, "RUNNING")
    assert len(emulator.clusters[0].nodes) == 3
    assert not set(before) & set(emulator.clusters[0].nodes)


@pytest.mark.parametrize(
    ("settings", "most", "least"),
    [
        ({"maxSurge": 1}, 4, 3),
        ({"maxSurge": 2}, 5, 3),
        ({"maxSurge": 0, "maxUnavailable": 1}, 3, 2),
        ({"strategy": "BLUE_GREEN"}, 6, 3),
    ],
)
def test_nodes_are_replaced_by_the_upgrade_settings(
    http: TestClient, emulator: Emulator, settings: dict[str, Any], most: int, least: int
) -> None:
    create(http, nodePools=[FIXED | {"upgradeSettings": settings}])
    backend = emulator.clusters[0]
    backend.counts.clear()
    send(http, "PUT", FIXED_POOL, {"labels": {"labels": {"a": "b"}}})
    assert (max(backend.counts), min(backend.counts)) == (most, least)
    assert all(spec.labels == {"a": "b"} for spec in backend.specs if spec.name in backend.nodes)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"taints": {"taints": [{"value": "b"}]}}, "needs a key and an effect"),
        ({"upgradeSettings": {"maxSurge": 0, "maxUnavailable": 0}}, "can not both be 0"),
        ({"upgradeSettings": {"maxSurge": 21}}, "20 at most"),
        ({"machineType": "e2-standard-128"}, "Insufficient regional quota"),
        ({"nodeVersion": "1.12"}, "is unsupported"),
        ({"locations": ["europe-west1-b"]}, "is not in region"),
        ({}, "Must specify a field to update."),
    ],
)
def test_updates_of_a_pool_that_google_refuses(http: TestClient, body: dict[str, Any], words: str) -> None:
    create(http, nodePools=[FIXED])
    before = http.get(FIXED_POOL).json()
    assert words in refused(http.put(FIXED_POOL, json=body))["message"]
    assert http.get(FIXED_POOL).json() == before


def test_upgrade_settings_change_no_node(http: TestClient, emulator: Emulator) -> None:
    create(http, nodePools=[FIXED])
    before = list(emulator.clusters[0].nodes)
    operation = send(http, "PUT", FIXED_POOL, {"upgradeSettings": {"strategy": "SURGE", "maxSurge": 3}})
    assert operation["operationType"] == "UPDATE_CLUSTER"
    assert http.get(FIXED_POOL).json()["upgradeSettings"] == {"strategy": "SURGE", "maxSurge": 3}
    assert emulator.clusters[0].nodes == before


def test_every_field_of_google_s_is_emulated_or_refused_by_name(http: TestClient) -> None:
    create(http, nodePools=[FIXED])
    known = load("container.v1").schemas["UpdateNodePoolRequest"]["properties"]
    addresses = {"name", "projectId", "zone", "clusterId", "nodePoolId", "etag"}
    missing = sorted(set(known) - EMULATED - addresses)
    assert missing
    for field in missing:
        value = "x" if "enum" not in known[field] else known[field]["enum"][-1]
        error = refused(http.put(FIXED_POOL, json={field: value}))
        assert (error["code"], field in error["message"]) == (501, True)


def test_an_etag_of_a_pool_guards_its_update(http: TestClient) -> None:
    create(http, nodePools=[FIXED])
    etag = http.get(FIXED_POOL).json()["etag"]
    send(http, "PUT", FIXED_POOL, {"upgradeSettings": {"maxSurge": 3}, "etag": etag})
    error = refused(http.put(FIXED_POOL, json={"upgradeSettings": {"maxSurge": 2}, "etag": etag}))
    assert (error["code"], error["status"]) == (409, "ABORTED")


def test_a_pool_of_which_some_nodes_came_runs_with_an_error(http: TestClient, emulator: Emulator) -> None:
    create(http)
    emulator.clusters[0].room = 3
    operation = done(http, http.post(POOLS, json={"nodePool": FIXED}).json())
    assert operation["nodepoolConditions"][0]["code"] == "GCE_STOCKOUT"
    pool = http.get(FIXED_POOL).json()
    assert (pool["status"], pool["conditions"][0]["code"]) == ("RUNNING_WITH_ERROR", "GCE_STOCKOUT")
    assert len(emulator.clusters[0].nodes) == 3


def test_a_pool_of_which_no_node_came_is_in_error_and_can_be_deleted(
    http: TestClient, emulator: Emulator
) -> None:
    create(http)
    emulator.clusters[0].fails = "Quota 'CPUS' exceeded."
    operation = done(http, http.post(POOLS, json={"nodePool": FIXED}).json())
    assert operation["error"]["code"] == 8
    assert http.get(FIXED_POOL).json()["status"] == "ERROR"
    send(http, "DELETE", FIXED_POOL)
    assert http.get(f"{BASE}/clusters/c").json()["status"] == "RUNNING"


def test_while_a_pool_is_made_the_cluster_is_busy(http: TestClient, emulator: Emulator) -> None:
    emulator.next.hold.clear()
    operation = begin(http)
    assert http.get(f"{BASE}/clusters/c").json()["status"] == "PROVISIONING"
    assert "endpoint" not in http.get(f"{BASE}/clusters/c").json()
    emulator.release()
    done(http, operation)
