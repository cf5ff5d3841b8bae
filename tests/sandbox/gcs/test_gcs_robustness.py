"""Whatever is asked: an answer in the form of the API, never a failure of the emulator."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from emulator import Emulator
from gcs_api import client, put, with_bucket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from sandbox.gcs.contract import contract
from sandbox.google.discovery import Method

WORDS = st.sampled_from(
    ["models", "o", "a/b", "nothing", "0", "-1", "1", "true", "full", "..", "\u00fc", "\x00", "%", "x" * 1100]
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**65),
    WORDS,
    st.just([]),
    st.just({}),
    st.just([{"name": "o"}]),
)
NAMES = sorted({name for schema in ("Bucket", "Object", "Policy", "ComposeRequest")
                for name in contract().schemas[schema]["properties"]})  # fmt: skip
BODIES = st.one_of(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), VALUES)


@pytest.fixture
def http(emulator: Emulator) -> TestClient:
    http = with_bucket(emulator)
    put(http, "o", b"1")
    put(http, "a/b", b"2")
    return http


@st.composite
def requests(draw: st.DrawFn) -> tuple[Method, str, dict[str, Any], Any]:
    method = draw(st.sampled_from(contract().methods))
    segments = method.path.removeprefix("/storage/v1/").split("/")
    path = "/".join(quote(draw(WORDS), safe="") if part.startswith("{") else part for part in segments)
    optional = sorted(name for name, schema in method.parameters.items() if schema["location"] == "query")
    names = draw(st.sets(st.sampled_from([*optional, "fields", "alt"]), max_size=4))
    return method, path, {name: draw(WORDS) for name in sorted(names)}, draw(BODIES)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests(), st.booleans())
def test_any_request_of_the_contract(
    http: TestClient, emulator: Emulator, request_: tuple[Method, str, dict[str, Any], Any], upload: bool
) -> None:
    method, path, query, body = request_
    prefix = "/upload/storage/v1/" if upload and method.id == "objects.insert" else "/storage/v1/"
    answer = http.request(method.verb, prefix + path, params=query, json=body)
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    stranger = client(emulator, "stranger@sandbox-project.iam.gserviceaccount.com")
    denied = stranger.request(method.verb, prefix + path, params=query, json=body)
    # Asking what one may do is open to all.
    assert denied.status_code >= 400 or method.id.endswith("testIamPermissions"), denied.text


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["media", "multipart", "resumable", "x"]),
    st.binary(max_size=60),
    st.sampled_from(["multipart/related; boundary=b", "multipart/related", "text/plain", 'x; boundary=""']),
    st.sampled_from(["bytes 0-1/2", "bytes */*", "bytes 1-0/5", "crc", "bytes 0-99999999999999999999/*"]),
    st.sampled_from(["crc32c=x", "md5", "crc32c=AAAAAA==,md5=x", ""]),
)
def test_any_upload(
    http: TestClient, kind: str, body: bytes, content_type: str, place: str, sums: str
) -> None:
    headers = {"Content-Type": content_type, "X-Goog-Hash": sums} if sums else {"Content-Type": content_type}
    query = {"uploadType": kind, "name": "new"}
    answer = http.post("/upload/storage/v1/b/models/o", params=query, content=body, headers=headers)
    assert answer.status_code < 500, answer.text
    if "location" in answer.headers:
        sent = http.put(answer.headers["location"], content=body, headers={"Content-Range": place})
        assert sent.status_code < 500 or sent.status_code == 503, sent.text


@given(
    st.binary(max_size=200), st.sampled_from(["multipart/mixed; boundary=b", "text/plain", "multipart/mixed"])
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_batch(http: TestClient, body: bytes, content_type: str) -> None:
    framed = b"--b\r\n\r\n" + body + b"\r\n--b--"
    answer = http.post("/batch/storage/v1", content=framed, headers={"Content-Type": content_type})
    assert answer.status_code < 500, answer.text
