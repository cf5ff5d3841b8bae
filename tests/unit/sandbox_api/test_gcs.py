"""The emulated Cloud Storage API, as a client sees it."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from emulator import Emulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from sandbox.api.gcs_store import Store

OBJECTS = "/storage/v1/b/models/o"
UPLOAD = "/upload/storage/v1/b/models/o"


@pytest.fixture
def bucket(http: TestClient) -> TestClient:
    made = http.post(
        "/storage/v1/b?project=sandbox-project", json={"name": "models", "location": "us-central1"}
    )
    assert made.status_code == 200
    return http


def put(http: TestClient, name: str, data: bytes, **query: Any) -> Any:
    return http.post(UPLOAD, params={"uploadType": "media", "name": name, **query}, content=data)


def test_an_object_is_what_was_sent_with_its_checksums(bucket: TestClient) -> None:
    data = b"x" * 700_000
    made = put(bucket, "a/b c", data).json()
    assert made["crc32c"] == base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
    assert made["md5Hash"] == base64.b64encode(hashlib.md5(data).digest()).decode()
    got = bucket.get(f"{OBJECTS}/a%2Fb%20c?alt=media")
    assert got.content == data
    assert f"crc32c={made['crc32c']}" in got.headers["x-goog-hash"]
    part = bucket.get(f"{OBJECTS}/a%2Fb%20c?alt=media", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (
        206,
        data[10:20],
        "bytes 10-19/700000",
    )


def test_preconditions(bucket: TestClient) -> None:
    first = put(bucket, "o", b"1", ifGenerationMatch=0)
    assert first.status_code == 200
    again = put(bucket, "o", b"2", ifGenerationMatch=0)
    assert (again.status_code, again.json()["error"]["errors"][0]["reason"]) == (412, "conditionNotMet")
    assert bucket.get(f"{OBJECTS}/o?alt=media").content == b"1"
    generation = first.json()["generation"]
    second = put(bucket, "o", b"2", ifGenerationMatch=generation).json()
    assert int(second["generation"]) > int(generation)
    assert bucket.get(f"{OBJECTS}/o?ifGenerationNotMatch={second['generation']}").status_code == 304
    assert bucket.delete(f"{OBJECTS}/o?ifGenerationMatch={generation}").status_code == 412
    assert bucket.delete(f"{OBJECTS}/o").status_code == 204
    assert bucket.get(f"{OBJECTS}/o").status_code == 404


def test_a_wrong_checksum_leaves_nothing(bucket: TestClient) -> None:
    boundary = "b0"
    meta = json.dumps({"name": "o", "crc32c": "AAAAAA=="})
    body = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{meta}\r\n--{boundary}\r\nContent-Type: text/plain\r\n\r\nhello\r\n--{boundary}--"
    headers = {"Content-Type": f"multipart/related; boundary={boundary}"}
    answer = bucket.post(f"{UPLOAD}?uploadType=multipart", content=body, headers=headers)
    assert answer.status_code == 400
    assert "doesn't match" in answer.json()["error"]["message"]
    assert bucket.get(OBJECTS).json() == {"kind": "storage#objects"}


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_both_parts_of_a_multipart_upload_arrive(bucket: TestClient, newline: str) -> None:
    body = newline.join(
        [
            "--b",
            "Content-Type: application/json",
            "",
            '{"name": "m"}',
            "--b",
            "Content-Type: text/plain",
            "",
            "a\r\n--bc\n",
            "--b--",
        ]
    )
    headers = {"Content-Type": 'multipart/related; boundary="b"'}
    made = bucket.post(f"{UPLOAD}?uploadType=multipart", content=body, headers=headers).json()
    assert made["contentType"] == "text/plain"


def resumable(http: TestClient, name: str) -> str:
    location = http.post(f"{UPLOAD}?uploadType=resumable&name={name}", json={}).headers["location"]
    return location.partition("8600")[2]


def test_a_resumable_upload_goes_on_where_it_stopped(bucket: TestClient) -> None:
    data = bytes(range(256)) * 4096
    session, size, step = resumable(bucket, "big"), len(data), 256 * 1024
    answer = bucket.put(session, content=data[:step], headers={"Content-Range": f"bytes 0-{step - 1}/{size}"})
    assert (answer.status_code, answer.headers["range"]) == (308, f"bytes=0-{step - 1}")
    asked = bucket.put(session, headers={"Content-Range": f"bytes */{size}"})
    assert (asked.status_code, asked.headers["range"]) == (308, f"bytes=0-{step - 1}")
    assert bucket.get(f"{OBJECTS}/big").status_code == 404, "nothing is there before the end"
    made = bucket.put(
        session, content=data[step:], headers={"Content-Range": f"bytes {step}-{size - 1}/{size}"}
    )
    assert made.json()["size"] == str(size)
    assert bucket.put(session, headers={"Content-Range": f"bytes */{size}"}).json() == made.json()
    assert bucket.get(f"{OBJECTS}/big?alt=media").content == data


def test_an_unknown_upload_must_begin_anew(bucket: TestClient) -> None:
    answer = bucket.put(f"{UPLOAD}?uploadType=resumable&upload_id=forgotten", content=b"x")
    assert answer.status_code == 404


NAMES = st.lists(st.text("ab/c", min_size=1, max_size=4), max_size=12, unique=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES, st.integers(1, 4), st.sampled_from(["", "a", "a/"]), st.sampled_from(["", "/"]))
def test_pages_together_are_the_whole_list(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], limit: int, prefix: str, delimiter: str
) -> None:
    store = Store(tmp_path_factory.mktemp("s"), "http://x")
    store.insert_bucket("p", {"name": "bucket"})
    for name in names:
        store.finish("bucket", name, {}, store.new_upload("bucket"), _ANY)
    whole, prefixes, token = store.objects("bucket", prefix=prefix, delimiter=delimiter)
    assert token is None
    items: list[Any] = []
    folders: list[str] = []
    start: str | None = ""
    while start is not None:
        page, found, start = store.objects(
            "bucket", prefix=prefix, delimiter=delimiter, start=start, limit=limit
        )
        items += page
        folders += found
    assert items == whole
    assert folders == prefixes
    if not delimiter:
        assert [item["name"] for item in whole] == sorted(name for name in names if name.startswith(prefix))


from sandbox.api.gcs_store import Conditions  # noqa: E402

_ANY = Conditions()


def test_buckets(bucket: TestClient) -> None:
    again = bucket.post("/storage/v1/b?project=sandbox-project", json={"name": "models"})
    other = bucket.post("/storage/v1/b?project=other", json={"name": "models"})
    assert (again.status_code, other.status_code) == (409, 409)
    assert "already own" in again.json()["error"]["message"]
    assert "not available" in other.json()["error"]["message"]
    patched = bucket.patch("/storage/v1/b/models?ifMetagenerationMatch=1", json={"labels": {"a": "b"}}).json()
    assert (patched["labels"], patched["metageneration"]) == ({"a": "b"}, "2")
    assert (
        bucket.patch("/storage/v1/b/models?ifMetagenerationMatch=1", json={"labels": None}).status_code == 412
    )
    assert "labels" not in bucket.patch("/storage/v1/b/models", json={"labels": {"a": None}}).json()
    put(bucket, "o", b"")
    assert bucket.delete("/storage/v1/b/models").status_code == 409
    bucket.delete(f"{OBJECTS}/o")
    assert bucket.delete("/storage/v1/b/models").status_code == 204


def test_what_was_stored_outlives_the_daemon(bucket: TestClient, emulator: Emulator, tmp_path: Path) -> None:
    put(bucket, "o", b"kept")
    again = Emulator(tmp_path / "gcs")
    client = TestClient(again.app, headers={"Authorization": f"Bearer {again.token}"})
    assert client.get(f"{OBJECTS}/o?alt=media").content == b"kept"


@pytest.mark.parametrize(
    "path", [f"{OBJECTS}/o/rewriteTo/b/x/o/y", f"{OBJECTS}/o/compose", f"{OBJECTS}?matchGlob=*"]
)
def test_what_is_missing_is_an_error(bucket: TestClient, path: str) -> None:
    assert bucket.get(path).status_code == 501
