"""The address of an upload gets the token, so it is only believed where it is the service's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import GoogleError
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import Answer, Google
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.storage import Storage
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.upload import SMALL, upload
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock

ENDPOINT, ADDRESS = "https://storage.example", "https://storage.example:443/upload/session"
FOREIGN = ("http://storage.example/steal", "https://other.example/steal", "https://storage.example:444/steal")
STORED = json.dumps({"crc32c": "AAAAAA==", "size": str(SMALL + 1)}).encode()


def storage(asked: list[str], location: str, puts: Iterator[Answer]) -> Storage:
    def transport(method: str, url: str, *, body: Any, headers: Any) -> Answer:
        asked.append(f"{method} {url}")
        return Answer(200, {"location": location}, b"") if method == "POST" else next(puts)

    return Storage(Google(ENDPOINT, transport, Clock(sleep=lambda _: None)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (SMALL + 1))
    return path


def send(file: Path, made: Storage) -> Any:
    return upload(made, "b", "n", file, SMALL + 1, "AAAAAA==", lambda _: None)


@pytest.mark.parametrize("foreign", FOREIGN)
def test_an_address_elsewhere_is_refused(file: Path, foreign: str) -> None:
    asked: list[str] = []
    with pytest.raises(GoogleError, match="the token is not sent there"):
        send(file, storage(asked, foreign, iter(())))
    assert [line.split()[0] for line in asked] == ["POST"]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_remembered_one_is_forgotten(file: Path, cache: Path, foreign: str) -> None:
    asked: list[str] = []
    with pytest.raises(GoogleError):
        send(file, storage(asked, ADDRESS, iter([Answer(403, {}, b"{}")])))
    (memory,) = cache.glob("*.json")
    memory.write_text(json.dumps({"session": foreign}))
    asked.clear()
    send(file, storage(asked, ADDRESS, iter([Answer(200, {}, STORED)])))
    assert not any("steal" in line for line in asked), asked


def test_a_page_of_a_proxy_is_no_end_of_an_upload(file: Path) -> None:
    """How far it is, is asked before anything is sent again."""
    asked: list[str] = []
    page, done = Answer(200, {}, b"<html>"), Answer(200, {}, STORED)
    assert send(file, storage(asked, ADDRESS, iter([page, done])))["size"] == str(SMALL + 1)
    assert [line.split()[0] for line in asked] == ["POST", "PUT", "PUT"]
