"""The emulated Cloud Storage API, as a client sees it: objects, their generations, and what is read of them."""

from __future__ import annotations

import base64
import gzip
import hashlib
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from emulator import Emulator
from gcs_api import OBJECTS, UPLOAD, at, client, put, read, reason, with_bucket
from starlette.testclient import TestClient

from sandbox.app import make_app
from sandbox.gcs.store import Store


@pytest.fixture
def http(emulator: Emulator) -> TestClient:
    return with_bucket(emulator)


def test_an_object_is_what_was_sent_with_its_checksums(http: TestClient) -> None:
    data = b"x" * 3_700_000
    made = put(http, "a/b c", data).json()
    assert made["crc32c"] == base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
    assert made["md5Hash"] == base64.b64encode(hashlib.md5(data).digest()).decode()
    assert (made["metageneration"], made["storageClass"], made["size"]) == ("1", "STANDARD", "3700000")
    got = http.get(at("a/b c"), params={"alt": "media"})
    assert got.content == data
    assert got.headers["x-goog-hash"] == f"crc32c={made['crc32c']},md5={made['md5Hash']}"
    assert (got.headers["etag"], got.headers["x-goog-generation"]) == (made["etag"], made["generation"])
    assert http.get(made["mediaLink"]).content == data


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("10-19", 10, 19),
        ("999990-", 999_990, 999_999),
        ("-5", 999_995, 999_999),
        ("5-99999999", 5, 999_999),
        ("0-", 0, 999_999),
    ],
)
def test_parts_of_an_object(http: TestClient, asked: str, first: int, last: int) -> None:
    data = bytes(range(250)) * 4000
    put(http, "o", data)
    part = http.get(at("o"), params={"alt": "media"}, headers={"Range": f"bytes={asked}"})
    assert (part.status_code, part.content) == (206, data[first : last + 1])
    assert part.headers["content-range"] == f"bytes {first}-{last}/{len(data)}"


def test_a_part_beyond_the_end_is_refused(http: TestClient) -> None:
    put(http, "o", b"12345")
    for asked in ("5-", "9-10", "-0"):
        answer = http.get(at("o"), params={"alt": "media"}, headers={"Range": f"bytes={asked}"})
        assert reason(answer) == (416, "requestedRangeNotSatisfiable")
    put(http, "empty", b"")
    assert read(http, "empty") == b""


def test_preconditions_of_writing(http: TestClient) -> None:
    first = put(http, "o", b"1", ifGenerationMatch=0)
    assert first.status_code == 200
    assert reason(put(http, "o", b"2", ifGenerationMatch=0)) == (412, "conditionNotMet")
    assert read(http, "o") == b"1"
    generation = first.json()["generation"]
    second = put(http, "o", b"2", ifGenerationMatch=generation).json()
    assert int(second["generation"]) > int(generation)
    assert put(http, "o", b"3", ifGenerationNotMatch=second["generation"]).status_code == 412
    assert put(http, "o", b"3", ifMetagenerationMatch=2).status_code == 412
    assert http.delete(at("o"), params={"ifGenerationMatch": generation}).status_code == 412
    assert http.delete(at("o")).status_code == 204
    assert reason(http.get(at("o"))) == (404, "notFound")
    assert http.get(at("o")).json()["error"]["message"] == "No such object: models/o"


def test_preconditions_of_reading(http: TestClient) -> None:
    made = put(http, "o", b"2").json()
    generation = made["generation"]
    assert http.get(at("o"), params={"ifGenerationNotMatch": generation}).status_code == 304
    assert http.get(at("o"), params={"ifGenerationNotMatch": generation, "alt": "media"}).status_code == 304
    assert http.get(at("o"), params={"ifMetagenerationNotMatch": 1}).status_code == 304
    assert http.get(at("o"), params={"ifGenerationMatch": int(generation) + 1}).status_code == 412
    assert http.get(at("o"), params={"ifMetagenerationMatch": 1}).status_code == 200


def test_metadata_is_merged_by_patch_and_replaced_by_update(http: TestClient) -> None:
    put(http, "o", b"1")
    body = {"metadata": {"a": "1", "b": "2"}, "cacheControl": "no-store"}
    changed = http.patch(at("o"), params={"ifMetagenerationMatch": 1}, json=body).json()
    assert (changed["metageneration"], changed["metadata"]) == ("2", {"a": "1", "b": "2"})
    assert http.patch(at("o"), params={"ifMetagenerationMatch": 1}, json=body).status_code == 412
    changed = http.patch(at("o"), json={"metadata": {"a": None, "c": "3"}, "cacheControl": None}).json()
    assert changed["metadata"] == {"b": "2", "c": "3"}
    assert "cacheControl" not in changed
    assert http.get(at("o"), params={"alt": "media"}).headers["x-goog-metageneration"] == "3"
    replaced = http.put(at("o"), json={"contentType": "text/plain"}).json()
    assert "metadata" not in replaced
    assert (replaced["contentType"], replaced["metageneration"]) == ("text/plain", "4")
    assert reason(http.patch(at("o"), json={"metadata": {"a": 1}})) == (400, "invalid")


def test_versions_are_kept_where_the_bucket_keeps_them(http: TestClient) -> None:
    http.patch("/storage/v1/b/models", json={"versioning": {"enabled": True}})
    old, new = put(http, "o", b"old").json(), put(http, "o", b"new").json()
    assert read(http, "o") == b"new"
    assert read(http, "o", generation=old["generation"]) == b"old"
    listed = http.get(OBJECTS, params={"versions": True}).json()["items"]
    assert [item["generation"] for item in listed] == [old["generation"], new["generation"]]
    assert ["timeDeleted" in item for item in listed] == [True, False]
    assert http.delete(at("o")).status_code == 204
    assert http.get(at("o")).status_code == 404
    assert len(http.get(OBJECTS, params={"versions": True}).json()["items"]) == 2
    assert reason(http.delete("/storage/v1/b/models")) == (409, "conflict")
    for item in (old, new):
        assert http.delete(at("o"), params={"generation": item["generation"]}).status_code == 204
    assert http.delete("/storage/v1/b/models").status_code == 204


def test_soft_deleted_objects_can_be_restored(http: TestClient) -> None:
    first = put(http, "o", b"precious").json()
    http.delete(at("o"))
    assert http.get(OBJECTS).json() == {"kind": "storage#objects"}
    (gone,) = http.get(OBJECTS, params={"softDeleted": True}).json()["items"]
    assert gone["generation"] == first["generation"]
    assert gone["softDeleteTime"] < gone["hardDeleteTime"]
    assert http.get(at("o"), params={"generation": first["generation"]}).status_code == 404
    query = {"generation": first["generation"], "ifGenerationMatch": 0}
    back = http.post(f"{at('o')}/restore", params=query).json()
    assert int(back["generation"]) > int(first["generation"])
    assert read(http, "o") == b"precious"
    assert http.post(f"{at('o')}/restore", params=query).status_code == 412


def test_soft_deleted_objects_go_for_good_when_their_time_is_over(tmp_path: Path) -> None:
    moment = [1_700_000_000.0]
    store = Store(tmp_path / "gcs", now=lambda: moment[0])
    emulator = Emulator(tmp_path / "unused")
    emulator.app = make_app(emulator.orchestrator, store, emulator.tokens)
    http = with_bucket(emulator)
    put(http, "o", b"1")
    assert http.delete(at("o")).status_code == 204
    for days, left in ((6.9, 1), (7.1, 0)):
        moment[0] = 1_700_000_000 + days * 86_400
        store.database.purge_expired()
        assert len(list(store.database.scan("models", ("softDeleted",), ""))) == left
        assert len(list((tmp_path / "gcs/content").iterdir())) == left


def test_a_hold_keeps_an_object(http: TestClient) -> None:
    put(http, "o", b"1")
    http.patch(at("o"), json={"temporaryHold": True})
    assert reason(http.delete(at("o"))) == (403, "forbidden")
    assert "Temporary hold" in put(http, "o", b"2").json()["error"]["message"]
    http.patch(at("o"), json={"temporaryHold": False})
    assert http.delete(at("o")).status_code == 204


def test_retention_keeps_an_object_until_its_age_or_as_a_noncurrent_one(http: TestClient) -> None:
    put(http, "o", b"1")
    made = http.patch("/storage/v1/b/models", json={"retentionPolicy": {"retentionPeriod": "3600"}}).json()
    assert made["retentionPolicy"]["retentionPeriod"] == "3600" and made["retentionPolicy"]["effectiveTime"]
    assert reason(http.delete(at("o"))) == (403, "retentionPolicyNotMet")
    assert reason(put(http, "o", b"2")) == (403, "retentionPolicyNotMet")
    assert reason(http.delete(at("o"), params={"ifGenerationMatch": 1})) == (412, "conditionNotMet")
    http.patch("/storage/v1/b/models", json={"versioning": {"enabled": True}})
    generation = http.get(at("o")).json()["generation"]
    assert http.delete(at("o")).status_code == 204
    assert reason(http.delete(at("o"), params={"generation": generation})) == (403, "retentionPolicyNotMet")
    http.patch("/storage/v1/b/models", json={"retentionPolicy": None})
    assert http.delete(at("o"), params={"generation": generation}).status_code == 204


def test_compressed_content_stays_as_it_is_for_those_who_can_read_it(http: TestClient) -> None:
    packed = gzip.compress(b"text" * 1000)
    put(http, "o", packed, contentEncoding="gzip")
    with http.stream("GET", at("o"), params={"alt": "media"}, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert b"".join(answer.iter_raw()) == packed
    plain = http.get(at("o"), params={"alt": "media"}, headers={"Accept-Encoding": "identity"})
    assert plain.content == b"text" * 1000
    assert "content-encoding" not in plain.headers


def test_partial_answers(http: TestClient) -> None:
    put(http, "a", b"1")
    put(http, "b", b"22")
    query = {"fields": "items(name,size),nextPageToken", "maxResults": 1}
    page = http.get(OBJECTS, params=query).json()
    assert page["items"] == [{"name": "a", "size": "1"}]
    assert set(page) == {"items", "nextPageToken"}
    assert http.get(at("a"), params={"fields": "name"}).json() == {"name": "a"}
    assert reason(http.get(at("a"), params={"fields": "items("})) == (400, "invalidParameter")


def test_what_was_stored_outlives_the_daemon(http: TestClient, emulator: Emulator, tmp_path: Path) -> None:
    made = put(http, "o", b"kept").json()
    again = Emulator(tmp_path / "gcs")
    other = client(again)
    assert read(other, "o") == b"kept"
    assert other.get(at("o")).json() == made
    newer = put(other, "o", b"newer").json()
    assert int(newer["generation"]) > int(made["generation"])


def test_leftovers_of_a_killed_daemon_are_swept(http: TestClient, tmp_path: Path) -> None:
    put(http, "o", b"kept")
    folder = tmp_path / "gcs/content"
    (folder / "half-an-upload").write_bytes(b"x" * 100)
    assert read(client(Emulator(tmp_path / "gcs")), "o") == b"kept"
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", f"{OBJECTS}/o/acl", 501),
        ("GET", "/storage/v1/b/models/notificationConfigs", 501),
        ("POST", "/storage/v1/b/models/managedFolders", 501),
        ("POST", f"{OBJECTS}/bulkRestore", 501),
        ("GET", f"{OBJECTS}/a/b", 404),
        ("GET", "/storage/v1/nothing/here", 404),
        ("POST", OBJECTS + "?name=o", 400),
        ("POST", UPLOAD + "?name=o&uploadType=other", 400),
    ],
)
def test_what_is_missing_is_an_error(http: TestClient, verb: str, path: str, status: int) -> None:
    assert http.request(verb, path).status_code == status


@pytest.mark.parametrize("name", ["", "a\nb", ".", "..", "x" * 1025, ".well-known/acme-challenge/x"])
def test_names_that_no_object_may_have(http: TestClient, name: str) -> None:
    assert put(http, name, b"1").status_code == 400


@pytest.mark.parametrize("query", ["ifGenerationMatch=x", "generation=1.5", "projection=most"])
def test_parameters_of_the_wrong_type(http: TestClient, query: str) -> None:
    put(http, "o", b"")
    assert reason(http.get(f"{at('o')}?{query}")) == (400, "invalidParameter")


def test_the_checksum_of_a_composite_object_is_crc32c_alone(http: TestClient) -> None:
    put(http, "a", b"1")
    made: Any = http.post(f"{at('c')}/compose", json={"sourceObjects": [{"name": "a"}]}).json()
    got = http.get(at("c"), params={"alt": "media"})
    assert got.headers["x-goog-hash"] == f"crc32c={made['crc32c']}"
    assert got.headers["x-goog-component-count"] == "1"
