"""The part of the XML API that is emulated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator
from gcs_api import at, client, put, read, with_bucket
from starlette.testclient import TestClient

WHERE = "/models/a/b"
PART = b"x" * (5 << 20)


@pytest.fixture
def http(emulator: Emulator) -> TestClient:
    return with_bucket(emulator)


def begin(http: TestClient) -> str:
    made = http.post(f"{WHERE}?uploads", headers={"x-goog-meta-k": "v"})
    match = re.search("<UploadId>(.*)</UploadId>", made.text)
    assert match, made.text
    return match[1]


def complete(http: TestClient, upload: str, parts: list[tuple[int, str]]) -> Any:
    listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in parts)
    body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
    return http.post(f"{WHERE}?uploadId={upload}", content=body.encode())


def send(http: TestClient, upload: str, number: Any, data: bytes, **headers: str) -> Any:
    return http.put(f"{WHERE}?partNumber={number}&uploadId={upload}", content=data, headers=headers)


def test_parts_in_any_order_make_an_object(http: TestClient, tmp_path: Path) -> None:
    upload = begin(http)
    last, wrong, first = (send(http, upload, n, data) for n, data in ((2, b"end"), (1, b"wrong"), (1, PART)))
    assert http.get(at("a/b")).status_code == 404
    assert (
        "InvalidPart" in complete(http, upload, [(1, wrong.headers["etag"]), (2, last.headers["etag"])]).text
    )
    assert (
        "InvalidPartOrder"
        in complete(http, upload, [(2, last.headers["etag"]), (1, first.headers["etag"])]).text
    )
    assert complete(http, upload, [(1, first.headers["etag"]), (2, last.headers["etag"])]).status_code == 200
    assert read(http, "a/b") == PART + b"end"
    assert http.get(at("a/b")).json()["metadata"] == {"k": "v"}
    assert send(http, upload, 3, b"").status_code == 404
    assert len(list((tmp_path / "gcs/content").iterdir())) == 1


def test_small_parts_and_wrong_sums_are_refused(http: TestClient) -> None:
    upload = begin(http)
    parts = [(n, send(http, upload, n, b"small").headers["etag"]) for n in (1, 2)]
    assert "EntityTooSmall" in complete(http, upload, parts).text
    assert send(http, upload, 1, b"x", **{"X-Goog-Hash": "crc32c=AAAAAA=="}).status_code == 400
    assert send(http, upload, 0, b"x").status_code == 400
    assert send(http, upload, "one", b"x").status_code == 400


def test_an_aborted_upload_leaves_nothing(http: TestClient, tmp_path: Path) -> None:
    upload = begin(http)
    send(http, upload, 1, PART)
    assert http.delete(f"{WHERE}?uploadId={upload}").status_code == 204
    assert list((tmp_path / "gcs/content").iterdir()) == []


def test_parts_outlive_the_daemon(http: TestClient, tmp_path: Path) -> None:
    upload = begin(http)
    etag = send(http, upload, 1, b"kept").headers["etag"]
    other = client(Emulator(tmp_path / "gcs"))
    assert complete(other, upload, [(1, etag)]).status_code == 200
    assert read(other, "a/b") == b"kept"


def test_objects_are_read_under_googles_own_host(http: TestClient, emulator: Emulator) -> None:
    put(http, "a/b", b"0123456789")
    host = {"Host": "storage.googleapis.com"}
    part = http.get(WHERE, headers={**host, "Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert http.head(WHERE, headers=host).headers["content-length"] == "10"
    missing = http.get("/models/missing", headers=host)
    assert (missing.status_code, "<Code>NoSuchKey</Code>" in missing.text) == (404, True)
    stranger = client(emulator, "stranger@sandbox-project.iam.gserviceaccount.com")
    assert stranger.get(WHERE, headers=host).status_code == 403
    assert http.get("/storage/v1/b/models", headers=host).json()["name"] == "models", (
        "the JSON API is there, too"
    )
