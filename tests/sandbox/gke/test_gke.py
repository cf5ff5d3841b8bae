"""The emulated GKE API, as a client sees it: the life of a cluster and of operations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from emulator import LIMITS, Emulator
from gke_client import BASE, FIXED, POOL, PROJECT, REGION, begin, create, done, refused, send
from starlette.testclient import TestClient

from sandbox.gke.defaults import VERSION


def test_life_of_a_cluster(http: TestClient, emulator: Emulator) -> None:
    operation = begin(http)
    assert operation["operationType"] == "CREATE_CLUSTER"
    ended = done(http, operation)
    assert "error" not in ended
    assert ended["progress"]["metrics"][0]["name"] == "CLUSTER_CONFIGURING"
    cluster = http.get(f"{BASE}/clusters/c").json()
    assert (cluster["status"], cluster["currentNodeCount"], cluster["endpoint"]) == (
        "RUNNING",
        1,
        "198.18.0.2",
    )
    assert cluster["nodePools"][0]["config"]["diskType"] == "pd-balanced"
    assert http.get(f"{PROJECT}/zones/us-central1-f/clusters/c").json() == cluster
    listed = http.get(f"{PROJECT}/locations/-/clusters").json()["clusters"]
    assert [found["name"] for found in listed] == ["c"]
    send(http, "DELETE", f"{BASE}/clusters/c")
    gone = refused(http.get(f"{BASE}/clusters/c"))
    assert gone["message"] == "Not found: projects/sandbox-project/zones/us-central1-f/clusters/c."
    assert emulator.clusters[0].nodes == []


def test_v1_shows_only_what_v1_has(http: TestClient) -> None:
    cluster = create(http)
    beta = http.get(f"{BASE}/clusters/c".replace("/v1/", "/v1beta1/")).json()
    assert "clusterTelemetry" in beta
    assert "clusterTelemetry" not in cluster
    assert beta["selfLink"] == cluster["selfLink"].replace("/v1/", "/v1beta1/")


def test_a_second_creation_conflicts(http: TestClient) -> None:
    create(http)
    error = refused(http.post(f"{BASE}/clusters", json={"cluster": {"name": "c", "nodePools": [POOL]}}))
    assert (error["code"], error["status"]) == (409, "ALREADY_EXISTS")
    assert error["message"] == "Already exists: projects/sandbox-project/zones/us-central1-f/clusters/c."


def test_a_busy_cluster_refuses_other_operations(http: TestClient, emulator: Emulator) -> None:
    held = emulator.next.hold
    held.clear()
    operation = begin(http)
    answers = [
        http.delete(f"{BASE}/clusters/c"),
        http.put(f"{BASE}/clusters/c", json={"update": {"desiredShieldedNodes": {"enabled": True}}}),
        http.post(f"{BASE}/clusters/c/nodePools", json={"nodePool": FIXED}),
    ]
    held.set()
    for answer in answers:
        error = refused(answer)
        assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
        assert error["details"][-1]["reason"] == "CLUSTER_ALREADY_HAS_OPERATION"
        assert error["message"] == f"Cluster is running incompatible operation {operation['name']}."
    done(http, operation)


@pytest.mark.parametrize(
    ("dies_of", "code", "condition"),
    [
        ("Quota 'IN_USE_ADDRESSES' exceeded. Limit: 8.0 in region us-central1.", 8, "GCE_QUOTA_EXCEEDED"),
        ("GCE_STOCKOUT: the zone does not have enough resources", 8, "GCE_STOCKOUT"),
        ("the kubelet did not start", 13, None),
    ],
)
def test_a_failed_creation_is_done_with_an_error_and_leaves_a_cluster_in_error(
    http: TestClient, emulator: Emulator, dies_of: str, code: int, condition: str | None
) -> None:
    emulator.next.fails = dies_of
    operation = done(http, begin(http))
    assert operation["error"] == {"code": code, "message": dies_of}
    assert operation["statusMessage"] == dies_of
    assert [c["code"] for c in operation.get("clusterConditions", [])] == ([condition] if condition else [])
    cluster = http.get(f"{BASE}/clusters/c").json()
    assert (cluster["status"], cluster["statusMessage"]) == ("ERROR", dies_of)
    assert (
        refused(http.post(f"{BASE}/clusters", json={"cluster": {"name": "c", "nodePools": [POOL]}}))["code"]
        == 409
    )
    for answer in (
        http.put(f"{BASE}/clusters/c", json={"update": {"desiredShieldedNodes": {"enabled": True}}}),
        http.post(f"{BASE}/clusters/c/nodePools", json={"nodePool": FIXED}),
    ):
        assert "can only be deleted" in refused(answer)["message"]
    send(http, "DELETE", f"{BASE}/clusters/c")
    assert create(http)["status"] == "RUNNING"


def test_a_region_has_as_many_nodes_in_each_of_its_zones(http: TestClient, emulator: Emulator) -> None:
    cluster = create(http, REGION, nodePools=[FIXED | {"initialNodeCount": 2}])
    zones = ["us-central1-a", "us-central1-b", "us-central1-c"]
    assert (cluster["locations"], cluster["currentNodeCount"]) == (zones, 6)
    assert sorted(spec.zone for spec in emulator.clusters[0].specs) == sorted(zones * 2)
    assert "/locations/us-central1/" in cluster["selfLink"]
    urls = cluster["nodePools"][0]["instanceGroupUrls"]
    assert [url.split("/zones/")[1].split("/")[0] for url in urls] == zones


def test_locations_of_a_cluster_change_with_its_nodes(http: TestClient, emulator: Emulator) -> None:
    create(http, REGION, nodePools=[FIXED | {"initialNodeCount": 1}])
    zones = ["us-central1-b", "us-central1-f"]
    before = http.get(f"{REGION}/clusters/c").json()["locations"]
    both = http.post(f"{REGION}/clusters/c:setLocations", json={"locations": zones})
    assert "added or removed in one update, not both" in refused(both)["message"]
    union = {"locations": sorted({*before, *zones})}
    send(http, "POST", f"{REGION}/clusters/c:setLocations", union, REGION)
    send(http, "POST", f"{REGION}/clusters/c:setLocations", {"locations": zones}, REGION)
    cluster = http.get(f"{REGION}/clusters/c").json()
    assert (cluster["locations"], cluster["nodePools"][0]["locations"]) == (zones, zones)
    assert cluster["currentNodeCount"] == 2
    assert {
        spec.zone for spec in emulator.clusters[0].specs if spec.name in emulator.clusters[0].nodes
    } == set(zones)


def test_an_autopilot_cluster_has_what_google_decides(http: TestClient) -> None:
    body = {"cluster": {"name": "c", "autopilot": {"enabled": True}}}
    done(http, http.post(f"{REGION}/clusters", json=body).json(), REGION)
    cluster = http.get(f"{REGION}/clusters/c").json()
    assert cluster["autopilot"] == {"enabled": True}
    assert cluster["workloadIdentityConfig"] == {"workloadPool": "sandbox-project.svc.id.goog"}
    assert cluster["autoscaling"]["enableNodeAutoprovisioning"] is True
    error = refused(http.post(f"{REGION}/clusters/c/nodePools", json={"nodePool": FIXED}))
    assert error["message"] == "Autopilot clusters do not support mutating node pools."


def test_a_real_place_refuses_autopilot_and_gpus_and_says_why(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path, replace(LIMITS, autopilot=False, gpus=False))
    http = TestClient(emulator.app, headers={"Authorization": f"Bearer {emulator.token}"})
    answer = http.post(f"{REGION}/clusters", json={"cluster": {"name": "c", "autopilot": {"enabled": True}}})
    assert (answer.status_code, "Create a Standard cluster" in answer.text) == (501, True)
    gpu = {
        "machineType": "n1-standard-4",
        "accelerators": [{"acceleratorType": "nvidia-tesla-t4", "acceleratorCount": "1"}],
    }
    error = refused(
        http.post(f"{BASE}/clusters", json={"cluster": {"name": "c", "nodePools": [FIXED | {"config": gpu}]}})
    )
    assert (error["code"], 'resource "NVIDIA_TESLA_T4_GPUS"' in error["message"]) == (403, True)


def test_a_place_without_real_nodes_may_take_every_machine(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path, replace(LIMITS, any_machine=True))
    http = TestClient(emulator.app, headers={"Authorization": f"Bearer {emulator.token}"})
    cluster = create(http, nodePools=[FIXED | {"config": {"machineType": "a3-megagpu-8g"}}])
    assert (cluster["status"], cluster["currentNodeCount"]) == ("RUNNING", 3)


def test_only_work_on_nodes_can_be_cancelled(http: TestClient, emulator: Emulator) -> None:
    emulator.next.hold.clear()
    operation = begin(http)
    error = refused(http.post(f"{BASE}/operations/{operation['name']}:cancel", json={}))
    emulator.release()
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    done(http, operation)


def test_a_cancelled_upgrade_ends_and_can_be_rolled_back(http: TestClient, emulator: Emulator) -> None:
    create(http, nodePools=[FIXED])
    backend = emulator.clusters[0]
    backend.hold_drain.clear()
    pool = f"{BASE}/clusters/c/nodePools/fixed"
    operation = http.put(pool, json={"labels": {"labels": {"a": "b"}}}).json()
    assert operation["status"] == "PENDING"
    assert http.post(f"{BASE}/operations/{operation['name']}:cancel", json={}).json() == {}
    assert http.get(f"{BASE}/operations/{operation['name']}").json()["status"] == "ABORTING"
    backend.hold_drain.set()
    ended = done(http, operation)
    assert ended["error"]["code"] == 1
    assert http.get(pool).json()["status"] == "RUNNING_WITH_ERROR"
    send(http, "POST", f"{pool}:rollback", {})
    found = http.get(pool).json()
    assert (found["status"], found["config"].get("labels")) == ("RUNNING", None)
    assert refused(http.post(f"{pool}:rollback", json={}))["status"] == "FAILED_PRECONDITION"


def test_operations_are_listed(http: TestClient) -> None:
    create(http)
    listed = http.get(f"{PROJECT}/locations/-/operations").json()["operations"]
    assert [operation["operationType"] for operation in listed] == ["CREATE_CLUSTER"]
    assert http.get(f"{PROJECT}/zones/us-central1-f/operations").json()["operations"] == listed
    assert refused(http.get(f"{BASE}/operations/operation-1"))["message"] == (
        "Not found: projects/sandbox-project/zones/us-central1-f/operations/operation-1."
    )


def test_links_of_an_operation_lead_to_it_and_to_what_it_works_on(http: TestClient) -> None:
    operation = begin(http)
    done(http, operation)
    paths = [
        operation[link].removeprefix("https://container.googleapis.com")
        for link in ("selfLink", "targetLink")
    ]
    assert [http.get(path).json()["name"] for path in paths] == [operation["name"], "c"]


def test_the_server_tells_its_versions(http: TestClient) -> None:
    config = http.get(f"{BASE}/serverConfig").json()
    assert config["defaultClusterVersion"] in config["validMasterVersions"]
    assert http.get(f"{PROJECT}/zones/us-central1-f/serverconfig").json() == config


def test_channels_have_the_versions_that_google_gives_them(http: TestClient) -> None:
    channels = {one["channel"]: one for one in http.get(f"{BASE}/serverConfig").json()["channels"]}
    minors = {
        name: (one["defaultVersion"][:4], [version[:4] for version in one["validVersions"]])
        for name, one in channels.items()
    }
    assert minors == {
        "RAPID": ("1.37", ["1.37", "1.36", "1.35", "1.34"]),
        "REGULAR": ("1.36", ["1.37", "1.36", "1.35", "1.34"]),
        "STABLE": ("1.35", ["1.36", "1.35", "1.34"]),
        "EXTENDED": ("1.36", ["1.37", "1.36", "1.35", "1.34"]),
    }


@pytest.mark.parametrize(
    ("asked", "channel", "version"),
    [
        ("latest", "", "1.37.2-gke.1000000"), ("1.35", "", "1.35.4-gke.1000000"), ("", "", VERSION), ("-", "", VERSION),
        ("1.37", "UNSPECIFIED", "1.37.2-gke.1000000"), ("", "UNSPECIFIED", VERSION), ("", "RAPID", "1.37.2-gke.1000000"),
        ("", "STABLE", "1.35.4-gke.1000000"), ("latest", "STABLE", "1.36.3-gke.1000000"),
        ("1.34.4-gke.1000000", "EXTENDED", "1.34.4-gke.1000000"),
    ],
)  # fmt: skip
def test_versions_are_asked_for_by_name_or_beginning(
    http: TestClient, asked: str, channel: str, version: str
) -> None:
    more = {"releaseChannel": {"channel": channel}} if channel else {}
    assert create(http, initialClusterVersion=asked, **more)["currentMasterVersion"] == version


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("STABLE", 'Master version must be one of "STABLE" channel supported versions [1.34.4-gke.1000000, 1.35.4-gke.1000000, '
         "1.36.3-gke.1000000]."),
        ("UNSPECIFIED", 'Master version "1.38" is unsupported.'),
    ],
)  # fmt: skip
def test_a_version_that_the_channel_lacks_is_refused(http: TestClient, channel: str, words: str) -> None:
    version = "1.37" if channel == "STABLE" else "1.38"
    asked = {
        "name": "c",
        "initialNodeCount": 1,
        "initialClusterVersion": version,
        "releaseChannel": {"channel": channel},
    }
    error = refused(http.post(f"{BASE}/clusters", json={"cluster": asked}))
    assert (error["code"], error["message"]) == (400, words)


def test_what_is_missing_is_an_error_and_never_a_success(http: TestClient) -> None:
    create(http)
    update = {"update": {"desiredFleet": {"project": "p"}}}
    answers: list[tuple[Any, str]] = [
        (http.post(f"{BASE}/clusters/c:completeIpRotation", json={}), "completeIpRotation"),
        (http.put(f"{BASE}/clusters/c", json=update), "desiredFleet"),
        (http.put(f"{BASE}/clusters/c/nodePools/default-pool", json={"image": "x"}), "image"),
    ]
    for answer, words in answers:
        error = refused(answer)
        assert (error["code"], error["status"]) == (501, "UNIMPLEMENTED")
        assert words in error["message"]
    assert http.get("/v1/nowhere").status_code == 404


def test_without_a_valid_token_nothing_is_told(emulator: Emulator) -> None:
    for headers in ({}, {"Authorization": "Bearer forged"}):
        answer = TestClient(emulator.app, headers=headers).get(f"{BASE}/clusters")
        assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
