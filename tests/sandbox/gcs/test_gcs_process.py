"""The emulated Cloud Storage as a process: killed at any moment, and with objects larger than it may grow."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from gcs_api import UNIT

SERVER = Path(__file__).parent / "gcs_server.py"
MIB = 1 << 20
DATA = hashlib.shake_128(b"seed").digest(6 * MIB + 12345)


class Daemon:
    """A running server, and a session with its owner's token."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(SERVER), str(folder)]
        paths = os.pathsep.join((str(SERVER.parents[3]), str(SERVER.parents[2] / "unit")))
        environment = {**os.environ, "PYTHONPATH": paths}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout
        started = json.loads(self.process.stdout.readline())
        self.url = started["url"]
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {started['token']}"

    def call(self, verb: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(verb, self.url + path, timeout=60, **options)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.session.close()

    def peak_mib(self) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


@contextmanager
def daemon(folder: Path) -> Iterator[Daemon]:
    running = Daemon(folder)
    try:
        yield running
    finally:
        running.kill()


def send_some(server: Daemon, path: str, data: bytes, length: int, headers: dict[str, str]) -> None:
    """Sends the head of a request, and no more of its body than ``length``; the answer is not waited for."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    connection.putrequest("PUT", path)
    for name, value in {**headers, "Content-Length": str(len(data))}.items():
        connection.putheader(name, value)
    connection.endheaders()
    for start in range(0, length, 65_536):
        connection.send(data[start : min(length, start + 65_536)])
    connection.close()


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_there_is_no_half_object_and_the_upload_goes_on(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    folder = tmp_path / "gcs"
    with daemon(folder) as first:
        first.call("POST", "/storage/v1/b?project=sandbox-project", json={"name": "models"})
        where = "/upload/storage/v1/b/models/o"
        first.call("POST", where, params={"uploadType": "media", "name": "old"}, data=DATA)
        begun = first.call("POST", where, params={"uploadType": "resumable", "name": "new"}, json={})
        parts = urlsplit(begun.headers["Location"])
        session = f"{parts.path}?{parts.query}"
        cut = chance.randrange(len(DATA))
        authorization = {"Authorization": str(first.session.headers["Authorization"])}
        send_some(first, session, DATA, cut, authorization)
        # And a whole upload that nobody waits for.
        send_some(first, session, DATA, chance.randrange(cut + 1), authorization)
    with daemon(folder) as second:
        items = second.call("GET", "/storage/v1/b/models/o").json()["items"]
        assert [item["name"] for item in items] == ["old"]
        assert second.call("GET", "/storage/v1/b/models/o/old?alt=media").content == DATA
        asked = second.call("PUT", session, headers={"Content-Range": f"bytes */{len(DATA)}"})
        kept = (
            int(asked.headers.get("Range", "bytes=0--1").rpartition("-")[2]) + 1
            if "Range" in asked.headers
            else 0
        )
        assert asked.status_code == 308
        assert kept % UNIT == 0
        headers = {"Content-Range": f"bytes {kept}-{len(DATA) - 1}/{len(DATA)}"}
        assert second.call("PUT", session, data=DATA[kept:], headers=headers).status_code == 200
        assert second.call("GET", "/storage/v1/b/models/o/new?alt=media").content == DATA
        assert len(list((folder / "content").iterdir())) == 2, "nothing that nobody needs is left"


def test_large_objects_are_never_whole_in_memory(tmp_path: Path) -> None:
    size = 192 * MIB
    block = hashlib.shake_128(b"block").digest(MIB)
    with daemon(tmp_path / "gcs") as server:
        server.call("POST", "/storage/v1/b?project=sandbox-project", json={"name": "models"})
        before = server.peak_mib()
        where = "/upload/storage/v1/b/models/o"
        made = server.call(
            "POST",
            where,
            params={"uploadType": "media", "name": "a"},
            data=(block for _ in range(size // MIB)),
        )
        assert made.json()["size"] == str(size)
        with server.call("GET", "/storage/v1/b/models/o/a?alt=media", stream=True) as answer:
            assert sum(len(piece) for piece in answer.iter_content(MIB)) == size
        body = {"sourceObjects": [{"name": "a"}, {"name": "a"}]}
        assert server.call("POST", "/storage/v1/b/models/o/b/compose", json=body).json()["size"] == str(
            2 * size
        )
        assert server.call("POST", "/storage/v1/b/models/o/b/rewriteTo/b/models/o/c").json()["done"] is True
        assert server.peak_mib() - before < 60
