"""The emulated Cloud Storage API: buckets and their settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator
from gcs_api import ask, begin, client, put, reason, send, with_bucket
from starlette.testclient import TestClient

BUCKETS = "/storage/v1/b?project=sandbox-project"
MODELS = "/storage/v1/b/models"
OTHER = "deployer@other-project.iam.gserviceaccount.com"


@pytest.fixture
def http(emulator: Emulator) -> TestClient:
    return with_bucket(emulator)


def test_names_are_taken_by_oneself_or_by_somebody_else(http: TestClient, emulator: Emulator) -> None:
    again = http.post(BUCKETS, json={"name": "models"})
    other = client(emulator, OTHER).post("/storage/v1/b?project=other-project", json={"name": "models"})
    assert (reason(again), reason(other)) == ((409, "conflict"), (409, "conflict"))
    assert "you already own it" in again.json()["error"]["message"]
    assert "not available" in other.json()["error"]["message"]


def test_another_projects_bucket_is_closed(http: TestClient, emulator: Emulator) -> None:
    owner = client(emulator, OTHER)
    assert owner.post("/storage/v1/b?project=other-project", json={"name": "theirs"}).status_code == 200
    assert reason(http.get("/storage/v1/b/theirs")) == (403, "forbidden")
    assert reason(http.patch("/storage/v1/b/theirs", json={"labels": {"a": "b"}})) == (403, "forbidden")
    assert "not available" in http.post(BUCKETS, json={"name": "theirs"}).json()["error"]["message"]
    assert reason(owner.get(MODELS)) == (403, "forbidden")
    assert reason(owner.post(BUCKETS, json={"name": "mine-there"})) == (403, "forbidden")
    assert [b["name"] for b in http.get(BUCKETS).json()["items"]] == ["models"]


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "x" * 64,
        "Upper",
        "-a-b",
        "a-b-",
        "goog-models",
        "my-g00gle",
        "127.0.0.1",
        "a..b",
        "with space",
        "ümlaut",
        "",
    ],
)
def test_names_that_no_bucket_may_have(http: TestClient, name: str) -> None:
    assert http.post(BUCKETS, json={"name": name}).status_code == 400


def test_domains_belong_to_their_owners(http: TestClient) -> None:
    assert reason(http.post(BUCKETS, json={"name": "models.example.com"})) == (403, "forbidden")


@pytest.mark.parametrize(
    ("location", "stored", "kind"),
    [
        ("us", "US", "multi-region"),
        ("europe-west4", "EUROPE-WEST4", "region"),
        ("NAM4", "NAM4", "dual-region"),
    ],
)
def test_locations(http: TestClient, location: str, stored: str, kind: str) -> None:
    made = http.post(BUCKETS, json={"name": "placed", "location": location}).json()
    assert (made["location"], made["locationType"]) == (stored, kind)
    layout = http.get("/storage/v1/b/placed/storageLayout").json()
    assert (layout["location"], layout["locationType"]) == (stored, kind)


def test_two_chosen_regions(http: TestClient) -> None:
    placement = {"dataLocations": ["us-central1", "us-east1"]}
    made = http.post(
        BUCKETS, json={"name": "placed", "location": "us", "customPlacementConfig": placement}
    ).json()
    assert (made["locationType"], made["customPlacementConfig"]) == ("dual-region", placement)


@pytest.mark.parametrize(
    "body",
    [
        {"location": "moon-east1"},
        {"location": "us-central1-f"},
        {"storageClass": "FAST"},
        {"labels": {"Upper": "x"}},
        {"labels": {"a": "x" * 64}},
        {"labels": {f"l{i}": "" for i in range(65)}},
        {"labels": "none"},
        {"softDeletePolicy": {"retentionDurationSeconds": "60"}},
        {"softDeletePolicy": {"retentionDurationSeconds": "7776001"}},
        {"retentionPolicy": {"retentionPeriod": "3155760001"}},
        {"lifecycle": {"rule": [{"action": {"type": "Burn"}, "condition": {"age": 1}}]}},
        {"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {}}]}},
        {"lifecycle": {"rule": [{"action": {"type": "SetStorageClass"}, "condition": {"age": 1}}]}},
        {"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": -1}}]}},
        {"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": "old"}}]}},
        {"iamConfiguration": {"publicAccessPrevention": "maybe"}},
        {"versioning": {"enabled": "yes"}},
        {"autoclass": {"enabled": True, "terminalStorageClass": "COLDLINE"}},
        {"rpo": "NOW"},
    ],
)
def test_settings_that_google_refuses(http: TestClient, body: dict[str, Any]) -> None:
    assert http.post(BUCKETS, json={"name": "placed", **body}).status_code == 400
    assert http.get("/storage/v1/b/placed").status_code == 404
    if "location" not in body:
        assert http.patch(MODELS, json=body).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"hierarchicalNamespace": {"enabled": True}},
        {"encryption": {"defaultKmsKeyName": "projects/p/locations/us/keyRings/r/cryptoKeys/k"}},
    ],
)
def test_settings_that_are_not_emulated_are_not_accepted(http: TestClient, body: dict[str, Any]) -> None:
    assert http.post(BUCKETS, json={"name": "placed", **body}).status_code == 501


def test_a_patch_changes_what_it_names(http: TestClient) -> None:
    assert http.get(MODELS, params={"ifMetagenerationNotMatch": 1}).status_code == 304
    first = http.patch(
        MODELS, params={"ifMetagenerationMatch": 1}, json={"labels": {"a": "b", "c": "d"}}
    ).json()
    assert (first["labels"], first["metageneration"]) == ({"a": "b", "c": "d"}, "2")
    assert reason(http.patch(MODELS, params={"ifMetagenerationMatch": 1}, json={})) == (
        412,
        "conditionNotMet",
    )
    second = http.patch(MODELS, json={"labels": {"a": None}, "versioning": {"enabled": True}}).json()
    assert (second["labels"], second["versioning"]) == ({"c": "d"}, {"enabled": True})
    third = http.patch(MODELS, json={"labels": None}).json()
    assert "labels" not in third
    assert third["versioning"] == {"enabled": True}
    assert http.patch(MODELS, json={}).json()["metageneration"] == third["metageneration"]
    assert http.patch(MODELS, json={"location": "eu"}).status_code == 400
    assert http.patch(MODELS, json={"location": "us-CENTRAL1"}).status_code == 200


def test_an_update_resets_what_it_does_not_name(http: TestClient) -> None:
    rule = {"action": {"type": "Delete"}, "condition": {"age": 7}}
    http.patch(MODELS, json={"labels": {"a": "b"}, "lifecycle": {"rule": [rule]}, "storageClass": "NEARLINE"})
    updated = http.put(MODELS, json={"versioning": {"enabled": True}}).json()
    assert updated["storageClass"] == "STANDARD"
    assert not {"labels", "lifecycle"} & set(updated)


def test_access_settings(http: TestClient) -> None:
    assert "acl" in http.patch(MODELS, json={"labels": {"a": "b"}}).json()
    wanted = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
    made = http.patch(MODELS, json={"iamConfiguration": wanted}).json()
    access = made["iamConfiguration"]
    assert access["bucketPolicyOnly"] == access["uniformBucketLevelAccess"]
    assert access["uniformBucketLevelAccess"]["lockedTime"] > made["updated"]
    assert "acl" not in made
    locked = access["uniformBucketLevelAccess"]["lockedTime"]
    again = http.patch(MODELS, json={"labels": {"c": "d"}}).json()["iamConfiguration"]
    assert again["uniformBucketLevelAccess"]["lockedTime"] == locked
    assert reason(http.get(f"{MODELS}/acl")) == (400, "invalid")


def test_pages_of_buckets(http: TestClient) -> None:
    for name in ("aaa", "aab", "zzz"):
        http.post(BUCKETS, json={"name": name})
    names, token = [], ""
    query = {"project": "sandbox-project"}
    while True:
        page = http.get("/storage/v1/b", params={**query, "maxResults": 2, "pageToken": token}).json()
        names += [item["name"] for item in page["items"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert names == ["aaa", "aab", "models", "zzz"]
    assert [
        b["name"] for b in http.get("/storage/v1/b", params={**query, "prefix": "aa"}).json()["items"]
    ] == ["aaa", "aab"]
    assert reason(http.get("/storage/v1/b")) == (400, "required")


def test_a_bucket_goes_with_its_soft_deleted_objects_and_uploads(http: TestClient, tmp_path: Path) -> None:
    done, half = begin(http, "o"), begin(http, "p")
    assert send(http, done, b"x", 0, 1).status_code == 200
    assert http.delete(f"{MODELS}/o/o").status_code == 204
    assert http.delete(MODELS).status_code == 204
    assert ask(http, half).status_code == 404
    assert list((tmp_path / "gcs/content").iterdir()) == []
    assert http.post(BUCKETS, json={"name": "models"}).status_code == 200
    assert "items" not in http.get(f"{MODELS}/o", params={"softDeleted": True}).json()


def test_a_bucket_with_objects_stays(http: TestClient) -> None:
    put(http, "o", b"")
    assert reason(http.delete(MODELS)) == (409, "conflict")
    http.delete(f"{MODELS}/o/o")
    assert http.delete(MODELS, params={"ifMetagenerationMatch": 7}).status_code == 412
    assert http.delete(MODELS).status_code == 204
    assert reason(http.get(MODELS)) == (404, "notFound")
    assert reason(put(http, "o", b"")) == (404, "notFound")


def test_a_regional_bucket_is_not_replicated(http: TestClient) -> None:
    """As Config Connector's real runs with managed folders and pipelines show it."""
    made = http.post(BUCKETS, json={"name": "near", "location": "us-central1"}).json()
    assert (made["locationType"], made["satisfiesPZI"], "rpo" in made) == ("region", True, False)
    everywhere = http.post(BUCKETS, json={"name": "everywhere", "location": "us"}).json()
    assert (everywhere["rpo"], "satisfiesPZI" in everywhere) == ("DEFAULT", False)


def test_new_objects_are_held_where_the_bucket_says_so(http: TestClient) -> None:
    before = put(http, "free", b"x").json()
    assert http.patch(MODELS, json={"defaultEventBasedHold": True}).status_code == 200
    held = put(http, "held", b"x").json()
    assert ("eventBasedHold" in before, held["eventBasedHold"]) == (False, True)
    assert "Event-Based" in http.delete(f"{MODELS}/o/held").json()["error"]["message"]
    assert http.patch(f"{MODELS}/o/held", json={"eventBasedHold": False}).status_code == 200
    assert http.delete(f"{MODELS}/o/held").status_code == 204
