"""Faults within bodies, over real connections, and clients that get through them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import requests
from emulator import Emulator
from gcs_api import UNIT, UPLOAD, with_bucket

from sandbox.google.faults import PATH

DATA = hashlib.shake_128(b"seed").digest(5 * UNIT + 100)
OBJECT = "/storage/v1/b/models/o/o"
MEDIA = {"path": "alt=media"}


@pytest.fixture
def web(emulator: Emulator, url: str) -> Any:
    with_bucket(emulator)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {emulator.token}"
    session.base = url  # type: ignore[attr-defined]
    return session


def order(web: Any, match: dict[str, Any], **fault: Any) -> None:
    assert web.post(web.base + PATH, json={"match": match, "fault": fault}).status_code == 200


def begin(web: Any) -> str:
    return str(web.post(f"{web.base}{UPLOAD}?uploadType=resumable&name=o", json={}).headers["Location"])


def received(web: Any, session: str) -> int:
    answer = web.put(session, headers={"Content-Range": f"bytes */{len(DATA)}"})
    assert answer.status_code == 308
    return int(answer.headers["Range"].rpartition("-")[2]) + 1 if "Range" in answer.headers else 0


def finish(web: Any, session: str, first: int) -> None:
    headers = {"Content-Range": f"bytes {first}-{len(DATA) - 1}/{len(DATA)}"}
    assert web.put(session, data=DATA[first:], headers=headers).status_code == 200
    assert web.get(f"{web.base}{OBJECT}?alt=media").content == DATA


@pytest.mark.parametrize("fault", [{"status": 503}, {"reset": True}])
@pytest.mark.parametrize("after", [0, 1, UNIT - 1, UNIT, 3 * UNIT + 5])
def test_an_upload_broken_after_so_many_bytes_keeps_whole_units(
    web: Any, fault: dict[str, Any], after: int
) -> None:
    session = begin(web)
    order(web, {"method": "PUT", "path": "upload_id"}, bytes=after, **fault)
    headers = {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}
    if "status" in fault:
        assert web.put(session, data=DATA, headers=headers).status_code == 503
    else:
        with pytest.raises(requests.RequestException):
            web.put(session, data=DATA, headers=headers)
    kept = received(web, session)
    assert kept == after // UNIT * UNIT
    finish(web, session, kept)


def test_a_lost_answer_can_be_asked_for(web: Any) -> None:
    session = begin(web)
    order(web, {"method": "PUT"}, lost_response=True)
    with pytest.raises(requests.RequestException):
        web.put(session, data=DATA)
    made = web.put(session, headers={"Content-Range": f"bytes */{len(DATA)}"})
    assert (made.status_code, made.json()["size"]) == (200, str(len(DATA)))


def test_an_upload_that_stalls_gives_way_to_the_next_request(web: Any) -> None:
    session = begin(web)
    order(web, {"method": "PUT", "path": "upload_id"}, delay=2, bytes=UNIT)
    with pytest.raises(requests.RequestException):
        web.put(session, data=DATA, timeout=0.3)
    finish(web, session, received(web, session))


def test_downloads_that_break_stall_and_lie(web: Any) -> None:
    web.post(f"{web.base}{UPLOAD}?uploadType=media&name=o", data=DATA)
    where = f"{web.base}{OBJECT}?alt=media"
    order(web, MEDIA, reset=True, of="response", bytes=UNIT + 7)
    got = b""
    with pytest.raises(requests.RequestException), web.get(where, stream=True) as answer:
        for piece in answer.iter_content(1024):
            got += piece
    assert DATA.startswith(got)
    rest = web.get(where, headers={"Range": f"bytes={len(got)}-"})
    assert (rest.status_code, got + rest.content) == (206, DATA)

    order(web, MEDIA, corrupt=True, of="response", bytes=1000)
    wrong = web.get(where).content
    assert [i for i in range(len(DATA)) if wrong[i] != DATA[i]] == [1000]

    order(web, MEDIA, delay=0.2, of="response", bytes=1000)
    assert web.get(where, timeout=10).content == DATA
    order(web, MEDIA, delay=30, of="response", bytes=1000)
    with pytest.raises(requests.RequestException):
        web.get(where, timeout=0.3)
    assert web.get(where).content == DATA
