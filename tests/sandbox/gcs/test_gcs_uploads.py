"""The emulated Cloud Storage API: how contents come in."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from emulator import Emulator
from gcs_api import (
    OBJECTS,
    UNIT,
    UPLOAD,
    ask,
    at,
    begin,
    client,
    multipart,
    put,
    read,
    reason,
    send,
    with_bucket,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

DATA = bytes(range(251)) * 5000


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@pytest.fixture
def http(emulator: Emulator) -> TestClient:
    return with_bucket(emulator)


@pytest.mark.parametrize(
    "promise",
    [
        {"metadata": {"crc32c": "AAAAAA=="}},
        {"metadata": {"md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg=="}},
        {"headers": {"X-Goog-Hash": "crc32c=AAAAAA=="}},
        {"headers": {"X-Goog-Hash": "md5=1B2M2Y8AsgTpgAmY7PhCfg=="}},
        {"headers": {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}},
    ],
)
def test_a_wrong_checksum_leaves_nothing(http: TestClient, promise: dict[str, Any], tmp_path: Path) -> None:
    http.headers.update(promise.get("headers", {}))
    answer = multipart(http, {"name": "o", **promise.get("metadata", {})}, b"hello")
    assert reason(answer) == (400, "invalid")
    assert "doesn't match calculated" in answer.json()["error"]["message"]
    session = begin(http, "o", promise.get("metadata"))
    assert reason(send(http, session, b"hello", 0, 5)) == (400, "invalid")
    assert ask(http, session).status_code == 404
    assert http.get(OBJECTS).json() == {"kind": "storage#objects"}
    assert list((tmp_path / "gcs/content").iterdir()) == []


def test_right_checksums_are_accepted(http: TestClient) -> None:
    headers = {"X-Goog-Hash": f"crc32c={crc32c(DATA)},md5={md5(DATA)}"}
    made = http.post(f"{UPLOAD}?uploadType=media&name=o", content=DATA, headers=headers)
    assert made.json()["md5Hash"] == md5(DATA)
    session = begin(http, "p", {"crc32c": crc32c(DATA), "md5Hash": md5(DATA)})
    assert send(http, session, DATA, 0, len(DATA)).json()["crc32c"] == crc32c(DATA)


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("data", [b"", b"a\r\n--b", b"\r\n--b1\r\n", b"--b0", b"\n" * 100_000, DATA])
def test_both_parts_of_a_multipart_upload_arrive(http: TestClient, newline: str, data: bytes) -> None:
    made = multipart(http, {"name": "m", "metadata": {"k": "v"}}, data, newline).json()
    assert (made["contentType"], made["metadata"], made["crc32c"]) == ("text/plain", {"k": "v"}, crc32c(data))
    assert read(http, "m") == data


@pytest.mark.parametrize(
    "body", [b"", b"--b0\r\n\r\nno json\r\n--b0\r\n\r\nx\r\n--b0--", b"--b0\r\n\r\n{}\r\n--b0\r\n\r\nx"]
)
def test_a_multipart_upload_that_is_none(http: TestClient, body: bytes) -> None:
    headers = {"Content-Type": "multipart/related; boundary=b0"}
    answer = http.post(f"{UPLOAD}?uploadType=multipart&name=o", content=body, headers=headers)
    assert answer.status_code == 400
    assert http.get(at("o")).status_code == 404


def test_a_resumable_upload_goes_on_where_it_stopped(http: TestClient) -> None:
    session, size = begin(http, "big"), len(DATA)
    answer = send(http, session, DATA[:UNIT], 0, size)
    assert (answer.status_code, answer.headers["range"]) == (308, f"bytes=0-{UNIT - 1}")
    for total in (size, "*"):
        asked = ask(http, session, total)
        assert (asked.status_code, asked.headers["range"]) == (308, f"bytes=0-{UNIT - 1}")
    assert http.get(at("big")).status_code == 404, "nothing is there before the end"
    made = send(http, session, DATA[UNIT:], UNIT, size)
    assert made.json()["size"] == str(size)
    assert ask(http, session, size).json() == made.json()
    assert read(http, "big") == DATA


def test_a_resumable_upload_survives_the_daemon(http: TestClient, tmp_path: Path) -> None:
    session, size = begin(http, "big", {"crc32c": crc32c(DATA)}, ifGenerationMatch=0), len(DATA)
    assert "range" not in ask(http, session, size).headers
    send(http, session, DATA[: 2 * UNIT], 0, size)
    # A daemon that is killed while it writes leaves more than whole units.
    (file,) = (tmp_path / "gcs/content").iterdir()
    with file.open("ab") as half:
        half.write(b"half a unit")
    other = client(Emulator(tmp_path / "gcs"))
    assert ask(other, session, size).headers["range"] == f"bytes=0-{2 * UNIT - 1}"
    made = send(other, session, DATA[2 * UNIT :], 2 * UNIT, size)
    assert (made.status_code, made.json()["crc32c"]) == (200, crc32c(DATA))
    assert read(other, "big") == DATA
    last = client(Emulator(tmp_path / "gcs"))
    assert ask(last, session, size).json() == made.json(), (
        "a lost answer can be asked for after a restart, too"
    )


def test_a_resumable_upload_of_unknown_size(http: TestClient) -> None:
    session = begin(http, "o")
    assert send(http, session, DATA[:UNIT], 0, "*").status_code == 308
    made = send(http, session, DATA[UNIT : UNIT + 10], UNIT, UNIT + 10)
    assert made.json()["size"] == str(UNIT + 10)
    empty = begin(http, "empty")
    assert ask(http, empty, 0).json()["size"] == "0"
    whole = begin(http, "whole")
    assert http.put(whole, content=DATA).json()["size"] == str(len(DATA))


@pytest.mark.parametrize("length", [1, UNIT - 1, UNIT + 1])
def test_chunks_are_multiples_of_256_kib(http: TestClient, length: int) -> None:
    session = begin(http, "o")
    answer = send(http, session, DATA[:length], 0, 10 * UNIT)
    assert answer.status_code == 400
    assert "262144" in answer.json()["error"]["message"]
    assert "range" not in ask(http, session).headers


def test_bytes_that_are_there_already_are_not_taken_twice(http: TestClient) -> None:
    session, size = begin(http, "o"), len(DATA)
    send(http, session, DATA[: 2 * UNIT], 0, size)
    made = send(http, session, DATA[UNIT:], UNIT, size)
    assert made.json()["crc32c"] == crc32c(DATA)
    gap = begin(http, "p")
    assert send(http, gap, DATA[UNIT:], UNIT, size).status_code == 503


def test_headers_that_make_no_sense(http: TestClient) -> None:
    session = begin(http, "o")
    for header in ("bytes 5-4/10", "bytes 0-9/5", "octets 0-1/2", "bytes 0-1"):
        assert http.put(session, content=b"x", headers={"Content-Range": header}).status_code == 400
    short = http.put(session, content=b"x", headers={"Content-Range": "bytes 0-9/10"})
    assert (short.status_code, short.json()["error"]["message"]) == (400, "1 bytes came, 10 were announced.")


def test_clients_that_take_308_for_a_redirection(http: TestClient) -> None:
    session = begin(http, "o")
    headers = {"Content-Range": "bytes */*", "X-GUploader-No-308": "yes"}
    answer = http.put(session, headers=headers)
    assert (answer.status_code, answer.headers["x-http-status-code-override"]) == (200, "308")


def test_an_upload_can_be_cancelled(http: TestClient, tmp_path: Path) -> None:
    session = begin(http, "o")
    send(http, session, DATA[:UNIT], 0, "*")
    assert http.delete(session).status_code == 499
    assert ask(http, session).status_code == 499
    assert list((tmp_path / "gcs/content").iterdir()) == []


def test_an_unknown_upload_must_begin_anew(http: TestClient) -> None:
    assert http.put(f"{UPLOAD}?uploadType=resumable&upload_id=forgotten", content=b"x").status_code == 404


def test_an_old_upload_has_expired(tmp_path: Path) -> None:
    import sandbox.gcs.store as module
    from sandbox.app import make_app

    emulator = Emulator(tmp_path / "unused")
    moment = [1_700_000_000.0]
    store = module.Store(tmp_path / "gcs", now=lambda: moment[0])
    emulator.app = make_app(emulator.orchestrator, store, emulator.tokens)
    http = with_bucket(emulator)
    session = begin(http, "o")
    moment[0] += 8 * 86_400
    assert reason(ask(http, session)) == (410, "uploadExpired")


def test_preconditions_hold_at_the_end_of_an_upload_and_at_its_beginning(http: TestClient) -> None:
    slow = begin(http, "o", ifGenerationMatch=0)
    assert put(http, "o", b"first").status_code == 200
    refused = http.post(
        UPLOAD, params={"uploadType": "resumable", "name": "o", "ifGenerationMatch": 0}, json={}
    )
    assert reason(refused) == (412, "conditionNotMet")
    assert reason(send(http, slow, b"second", 0, 6)) == (412, "conditionNotMet")
    assert read(http, "o") == b"first"


def test_what_comes_first_may_name_the_type(http: TestClient) -> None:
    headers = {"X-Upload-Content-Type": "image/png"}
    made = http.post(f"{UPLOAD}?uploadType=resumable", json={"name": "o"}, headers=headers)
    session = made.headers["location"].partition("testserver")[2]
    assert send(http, session, b"x", 0, 1).json()["contentType"] == "image/png"


@pytest.mark.parametrize("prefix", ["/upload", "/resumable/upload", "/upload/resumable"])
def test_the_paths_of_uploads(http: TestClient, prefix: str) -> None:
    made = http.post(f"{prefix}/storage/v1/b/models/o?uploadType=resumable&name=o", json={})
    location = made.headers["location"]
    assert http.put(location, content=b"x").json()["name"] == "o"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 4), max_size=4), st.integers(0, UNIT), st.lists(st.integers(0, 5), max_size=4))
def test_any_division_of_an_upload_gives_the_same_object(
    http: TestClient, units: list[int], rest: int, again: list[int]
) -> None:
    """Some chunks are sent once more from an earlier byte, as clients do after a lost answer."""
    data = hashlib.shake_128(json.dumps([units, rest]).encode()).digest(sum(units) * UNIT + rest)
    session, sent = begin(http, "o"), 0
    for index, count in enumerate(units):
        back = min(sent, (again[index] if index < len(again) else 0) * UNIT)
        end = sent + count * UNIT
        if end == len(data):
            break
        answer = send(http, session, data[sent - back : end], sent - back, len(data))
        assert answer.headers["range"] == f"bytes=0-{end - 1}"
        sent = end
    made = send(http, session, data[sent:], sent, len(data)) if data[sent:] else ask(http, session, len(data))
    assert (made.status_code, made.json()["crc32c"]) == (200, crc32c(data))
    assert read(http, "o") == data
