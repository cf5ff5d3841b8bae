"""Objects made of other objects: compose, rewrite, copy, move."""

from __future__ import annotations

import base64
from typing import Any

import google_crc32c
import pytest
from emulator import Emulator
from gcs_api import OBJECTS, at, client, put, read, reason, with_bucket
from starlette.testclient import TestClient

MIB = 1 << 20


@pytest.fixture
def http(emulator: Emulator) -> TestClient:
    return with_bucket(emulator)


def compose(http: TestClient, name: str, sources: list[Any], **query: Any) -> Any:
    body = {
        "sourceObjects": [s if isinstance(s, dict) else {"name": s} for s in sources],
        "destination": {"contentType": "x/y"},
    }
    return http.post(f"{at(name)}/compose", params=query, json=body)


def test_composing(http: TestClient) -> None:
    for name in "abc":
        put(http, name, name.encode() * 10)
    made = compose(http, "all", ["a", "b", "c", "a"], ifGenerationMatch=0).json()
    data = b"a" * 10 + b"b" * 10 + b"c" * 10 + b"a" * 10
    assert read(http, "all") == data
    assert made["crc32c"] == base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
    assert (made["componentCount"], made["contentType"]) == (4, "x/y")
    assert "md5Hash" not in made
    assert compose(http, "all", ["all", "b"]).json()["componentCount"] == 5
    assert read(http, "all") == data + b"b" * 10


def test_composing_has_preconditions(http: TestClient) -> None:
    first = put(http, "a", b"old").json()
    put(http, "a", b"new")
    exact = {"name": "a", "objectPreconditions": {"ifGenerationMatch": first["generation"]}}
    assert reason(compose(http, "all", [exact])) == (412, "conditionNotMet")
    assert reason(compose(http, "all", ["a", "missing"])) == (404, "notFound")
    assert reason(compose(http, "a", ["a"], ifGenerationMatch=0)) == (412, "conditionNotMet")
    assert compose(http, "all", []).status_code == 400
    assert compose(http, "all", ["a"] * 33).status_code == 400
    assert compose(http, "all", ["a"] * 32).json()["componentCount"] == 32


def test_sources_can_go_with_their_composition(http: TestClient) -> None:
    put(http, "a", b"1")
    put(http, "b", b"2")
    body = {"sourceObjects": [{"name": "a"}, {"name": "b"}], "deleteSourceObjects": True}
    http.post(f"{at('ab')}/compose", json=body)
    assert [item["name"] for item in http.get(OBJECTS).json()["items"]] == ["ab"]


def rewrite(
    http: TestClient, source: str, target: str, bucket: str = "models", body: Any = None, **query: Any
) -> Any:
    return http.post(
        f"{at(source)}/rewriteTo{at(target, bucket).removeprefix('/storage/v1')}", params=query, json=body
    )


def test_rewriting_nearby_is_done_at_once(http: TestClient) -> None:
    put(http, "a", b"x" * 100)
    http.patch(at("a"), json={"metadata": {"k": "v"}})
    done = rewrite(http, "a", "b", maxBytesRewrittenPerCall=MIB).json()
    assert (done["done"], done["totalBytesRewritten"], done["objectSize"]) == (True, "100", "100")
    assert done["resource"]["metadata"] == {"k": "v"}
    assert done["resource"]["md5Hash"] == http.get(at("a")).json()["md5Hash"]
    assert rewrite(http, "a", "b", ifGenerationMatch=0).status_code == 412
    assert rewrite(http, "a", "c", ifSourceGenerationMatch=1).status_code == 412
    assert reason(rewrite(http, "missing", "c")) == (404, "notFound")
    other = rewrite(http, "a", "d", body={"contentType": "text/plain"}).json()["resource"]
    assert other["contentType"] == "text/plain"
    assert "metadata" not in other


def test_rewriting_far_away_takes_several_calls_and_ignores_changes_meanwhile(
    http: TestClient, emulator: Emulator
) -> None:
    with_bucket(emulator, "far", location="europe-west4")
    data = bytes(range(256)) * 10240
    put(http, "a", data)
    step: dict[str, Any] = {"maxBytesRewrittenPerCall": MIB, "ifGenerationMatch": 0}
    first = rewrite(http, "a", "b", "far", **step).json()
    assert (first["done"], first["totalBytesRewritten"]) == (False, str(MIB))
    assert "resource" not in first
    put(http, "a", b"changed meanwhile")
    token = first["rewriteToken"]
    assert rewrite(http, "a", "other", "far", rewriteToken=token, **step).status_code == 400
    assert rewrite(http, "a", "b", "far", rewriteToken="made-up", **step).status_code == 400
    again = rewrite(
        http, "a", "b", "far", rewriteToken=token, **{**step, "maxBytesRewrittenPerCall": 2 * MIB}
    )
    assert again.status_code == 400
    second = rewrite(http, "a", "b", "far", rewriteToken=token, **step).json()
    assert second["totalBytesRewritten"] == str(2 * MIB)
    assert http.get(at("b", "far")).status_code == 404, "nothing is there before the end"
    last = rewrite(http, "a", "b", "far", rewriteToken=token, **step).json()
    assert (last["done"], last["resource"]["bucket"]) == (True, "far")
    assert read(http, "b", "far") == data
    assert rewrite(http, "a", "b", "far", rewriteToken=token, **step).status_code in (400, 412)


@pytest.mark.parametrize("step", [0, 1, MIB + 1, -MIB])
def test_steps_of_a_rewrite_are_mebibytes(http: TestClient, step: int) -> None:
    put(http, "a", b"")
    assert rewrite(http, "a", "b", maxBytesRewrittenPerCall=step).status_code == 400


def test_a_rewrite_survives_the_daemon(http: TestClient, emulator: Emulator, tmp_path: Any) -> None:
    with_bucket(emulator, "cold", storageClass="COLDLINE")
    put(http, "a", b"z" * (MIB + 5))
    first = rewrite(http, "a", "b", "cold", maxBytesRewrittenPerCall=MIB).json()
    other = client(Emulator(tmp_path / "gcs"))
    last = rewrite(
        other, "a", "b", "cold", rewriteToken=first["rewriteToken"], maxBytesRewrittenPerCall=MIB
    ).json()
    assert last["resource"]["storageClass"] == "COLDLINE"
    assert read(other, "b", "cold") == b"z" * (MIB + 5)


def test_copying(http: TestClient) -> None:
    put(http, "a/b", b"1")
    made = http.post(f"{at('a/b')}/copyTo/b/models/o/c%2Fd", params={"ifGenerationMatch": 0}).json()
    assert made["name"] == "c/d"
    http.delete(at("a/b"))
    assert read(http, "c/d") == b"1"


def test_moving(http: TestClient) -> None:
    old = put(http, "a/b", b"1").json()
    where = f"{at('a/b')}/moveTo/o/c%2Fd"
    assert http.post(where, params={"ifSourceGenerationMatch": 1}).status_code == 412
    made = http.post(
        where, params={"ifSourceGenerationMatch": old["generation"], "ifGenerationMatch": 0}
    ).json()
    assert (made["name"], made["crc32c"]) == ("c/d", old["crc32c"])
    assert http.get(at("a/b")).status_code == 404
    assert read(http, "c/d") == b"1"
    assert reason(http.post(where)) == (404, "notFound")


def test_reading_rights_are_needed_of_the_source_and_writing_rights_of_the_target(
    http: TestClient, emulator: Emulator
) -> None:
    put(http, "a", b"1")
    with_bucket(emulator, "inbox")
    who = "copier@sandbox-project.iam.gserviceaccount.com"
    copier = client(emulator, who)

    def allow(bucket: str, role: str) -> None:
        body = {"bindings": [{"role": role, "members": [f"serviceAccount:{who}"]}]}
        assert http.put(f"/storage/v1/b/{bucket}/iam", json=body).status_code == 200

    allow("inbox", "roles/storage.objectCreator")
    assert "storage.objects.get" in rewrite(copier, "a", "b", "inbox").json()["error"]["message"]
    allow("models", "roles/storage.objectViewer")
    assert rewrite(copier, "a", "b", "inbox").status_code == 200
    assert "storage.objects.create" in rewrite(copier, "a", "b").json()["error"]["message"]
    assert "storage.objects.move" in http_move(copier).json()["error"]["message"]


def http_move(http: TestClient) -> Any:
    return http.post(f"{at('a')}/moveTo/o/z")
