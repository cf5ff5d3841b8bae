"""The emulated GKE API, as a client sees it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from emulator import Emulator
from starlette.testclient import TestClient

BASE = "/v1/projects/sandbox-project/locations/us-central1-f"
POOL = {
    "name": "default-pool",
    "initialNodeCount": 1,
    "config": {"machineType": "e2-small"},
    "autoscaling": {"enabled": True, "minNodeCount": 1, "maxNodeCount": 3},
}


def done(http: TestClient, operation: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while operation["status"] != "DONE":
        assert time.monotonic() < deadline
        operation = http.get(f"{BASE}/operations/{operation['name']}").json()
    return operation


def create(http: TestClient, **cluster: Any) -> dict[str, Any]:
    body = {"cluster": {"name": "c", "nodePools": [POOL], **cluster}}
    answer = http.post(f"{BASE}/clusters", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_life_of_a_cluster(http: TestClient, emulator: Emulator) -> None:
    operation = create(http)
    assert operation["operationType"] == "CREATE_CLUSTER"
    assert "error" not in done(http, operation)
    cluster = http.get(f"{BASE}/clusters/c").json()
    assert (cluster["status"], cluster["currentNodeCount"], cluster["endpoint"]) == (
        "RUNNING",
        1,
        "198.18.0.2",
    )
    assert cluster["nodePools"][0]["config"]["diskType"] == "pd-balanced"
    assert http.get("/v1/projects/sandbox-project/zones/us-central1-f/clusters/c").json() == cluster
    assert [
        c["name"] for c in http.get("/v1/projects/sandbox-project/locations/-/clusters").json()["clusters"]
    ] == ["c"]
    done(http, http.delete(f"{BASE}/clusters/c").json())
    gone = http.get(f"{BASE}/clusters/c")
    assert gone.status_code == 404
    assert (
        gone.json()["error"]["message"]
        == "Not found: projects/sandbox-project/zones/us-central1-f/clusters/c."
    )
    assert emulator.clusters[0].nodes == []


def test_a_second_creation_conflicts(http: TestClient) -> None:
    done(http, create(http))
    answer = http.post(f"{BASE}/clusters", json={"cluster": {"name": "c", "nodePools": [POOL]}})
    assert (answer.status_code, answer.json()["error"]["status"]) == (409, "ALREADY_EXISTS")


def test_a_busy_cluster_refuses_other_operations(http: TestClient, emulator: Emulator) -> None:
    held = emulator.next.hold
    held.clear()
    operation = create(http)
    answer = http.delete(f"{BASE}/clusters/c")
    held.set()
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (400, "FAILED_PRECONDITION")
    assert error["details"][0]["reason"] == "CLUSTER_ALREADY_HAS_OPERATION"
    assert operation["name"] in error["message"]
    done(http, operation)


def test_a_failed_creation_is_done_with_an_error_and_leaves_a_cluster_in_error(
    http: TestClient, emulator: Emulator
) -> None:
    emulator.next.fails = "GCE_STOCKOUT"
    operation = done(http, create(http))
    assert "GCE_STOCKOUT" in operation["error"]["message"]
    assert http.get(f"{BASE}/clusters/c").json()["status"] == "ERROR"


@pytest.mark.parametrize(
    ("cluster", "status", "words"),
    [
        ({"name": "Bad_Name"}, 400, "must start with a letter"),
        ({"nodePools": [{**POOL, "config": {"machineType": "e2-standard-128"}}]}, 403, "Insufficient regional quota"),
        ({"nodePools": [{**POOL, "config": {"machineType": "z1-huge-3"}}]}, 400, "does not exist in zone"),
        ({"nodePools": [{**POOL, "autoscaling": {"enabled": True, "minNodeCount": 3, "maxNodeCount": 1}}]}, 400, "min 3, max 1"),
        ({"resourceLabels": {"sandbox-node-boot-seconds": "soon"}}, 400, "not a number of seconds"),
        ({"autopilot": {"enabled": True}}, 501, "not emulated"),
    ],
)  # fmt: skip
def test_what_google_refuses_is_refused(
    http: TestClient, cluster: dict[str, Any], status: int, words: str
) -> None:
    answer = http.post(f"{BASE}/clusters", json={"cluster": {"name": "c", "nodePools": [POOL], **cluster}})
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert http.get(f"{BASE}/clusters").json() == {}


def test_pools_come_change_and_go(http: TestClient, emulator: Emulator) -> None:
    done(http, create(http))
    done(
        http,
        http.post(
            f"{BASE}/clusters/c/nodePools", json={"nodePool": {**POOL, "name": "more", "initialNodeCount": 2}}
        ).json(),
    )
    assert len(emulator.clusters[0].nodes) == 3
    limits = {"enabled": True, "minNodeCount": 0, "maxNodeCount": 5}
    done(
        http,
        http.post(f"{BASE}/clusters/c/nodePools/more:setAutoscaling", json={"autoscaling": limits}).json(),
    )
    assert http.get(f"{BASE}/clusters/c/nodePools/more").json()["autoscaling"]["maxNodeCount"] == 5
    done(http, http.delete(f"{BASE}/clusters/c/nodePools/more").json())
    assert len(emulator.clusters[0].nodes) == 1


def test_labels_need_the_current_fingerprint(http: TestClient) -> None:
    done(http, create(http))
    path = f"{BASE}/clusters/c:setResourceLabels"
    assert http.post(path, json={"resourceLabels": {"a": "b"}, "labelFingerprint": "old"}).status_code == 412
    fingerprint = http.get(f"{BASE}/clusters/c").json()["labelFingerprint"]
    done(http, http.post(path, json={"resourceLabels": {"a": "b"}, "labelFingerprint": fingerprint}).json())
    assert http.get(f"{BASE}/clusters/c").json()["resourceLabels"] == {"a": "b"}


def test_what_is_missing_is_an_error_and_never_a_success(http: TestClient) -> None:
    done(http, create(http))
    for method, path in (
        ("PUT", f"{BASE}/clusters/c"), ("PUT", f"{BASE}/clusters/c/nodePools/default-pool"),
        ("POST", f"{BASE}/clusters/c:completeIpRotation"), ("GET", "/v1/projects/sandbox-project/services"),
    ):  # fmt: skip
        assert http.request(method, path, json={}).status_code == 501


def test_without_a_valid_token_nothing_is_told(emulator: Emulator) -> None:
    for headers in ({}, {"Authorization": "Bearer forged"}):
        answer = TestClient(emulator.app, headers=headers).get(f"{BASE}/clusters")
        assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
