"""Broken connections, lost answers, 503s and stalls in both directions lose and corrupt nothing."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator
from objects import Objects
from proxy import Fault, Proxy
from publisher import Publisher, claims, fetch, hashes, stored

KINDS = ["cut-request", "cut-answer", "lose-answer", "unavailable", "stall"]
PLACES = [0.0, 0.02, 0.4, 0.8, 0.999]


@pytest.fixture
def token_server(emulator: Emulator) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"access_token": emulator.token}).encode())

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def publish(proxy: Proxy, emulator: Emulator, tmp_path: Path, model: Path) -> dict[str, Any]:
    return Publisher(proxy.url, emulator.token, tmp_path / "cache", model).result()


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_on_the_way_up(
    emulator: Emulator, objects: Objects, proxy: Proxy, model: Path, tmp_path: Path, kind: str
) -> None:
    wanted = hashes(model)
    publish(proxy, emulator, tmp_path, model)
    sent, received = proxy.sent, proxy.received
    for place in PLACES:
        for name in objects.names("models"):
            objects.delete("models", name)
        total = received if kind == "cut-answer" else sent
        proxy.sent = proxy.received = 0
        proxy.faults = [Fault(kind, int(place * total))]
        done = publish(proxy, emulator, tmp_path, model)
        assert proxy.faults[0].done, "there was something to break"
        assert done.get("version") == 1, done
        assert stored(objects, 1) == wanted
        assert claims(objects) == []


@pytest.mark.parametrize("keep", [17, 60])
def test_answers_that_end_within_their_headers(
    emulator: Emulator,
    objects: Objects,
    proxy: Proxy,
    model: Path,
    tmp_path: Path,
    token_server: str,
    keep: int,
) -> None:
    """Python's http.client takes them for complete answers without a body."""
    publish(proxy, emulator, tmp_path, model)
    received = proxy.received
    for place in range(10):
        for name in objects.names("models"):
            objects.delete("models", name)
        proxy.sent = proxy.received = 0
        proxy.faults = [Fault("cut-answer", received * place // 10, keep=keep)]
        done = publish(proxy, emulator, tmp_path, model)
        assert proxy.faults[0].done
        assert done.get("version") == 1, done
        assert stored(objects, 1) == hashes(model)
        proxy.faults = [Fault("cut-answer", 2**20 * place + 1, keep=keep)]
        proxy.received = 0
        target = tmp_path / f"h{place}/m/1"
        fetched = fetch(proxy.url, target, "gs://models/m/1", token_server)
        assert fetched.returncode == 0, fetched.stderr
        assert hashes(target) == hashes(model)


def test_one_fault_after_the_other_on_the_way_up(
    emulator: Emulator, objects: Objects, proxy: Proxy, model: Path, tmp_path: Path
) -> None:
    chance = random.Random(7)
    size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    proxy.faults = [Fault(chance.choice(KINDS), chance.randrange(size)) for _ in range(8)]
    done = publish(proxy, emulator, tmp_path, model)
    assert done.get("changed"), done
    assert stored(objects, 1) == hashes(model)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_on_the_way_down(
    emulator: Emulator, proxy: Proxy, service: str, model: Path, tmp_path: Path, token_server: str, kind: str,
    objects: Objects,
) -> None:  # fmt: skip
    publish(proxy, emulator, tmp_path, model)
    proxy.sent = proxy.received = 0
    assert fetch(proxy.url, tmp_path / "m/m/1", "gs://models/m/1", token_server).returncode == 0
    sent, received = proxy.sent, proxy.received
    for number, place in enumerate(PLACES):
        proxy.sent = proxy.received = 0
        proxy.faults = [Fault(kind, int(place * (received if kind == "cut-answer" else sent)))]
        target = tmp_path / f"m{number}/m/1"
        done = fetch(proxy.url, target, "gs://models/m/1", token_server)
        assert proxy.faults[0].done, "there was something to break"
        assert done.returncode == 0, done.stderr
        assert hashes(target) == hashes(model)


def test_a_service_that_stays_away_is_told_and_nothing_is_half_there(
    emulator: Emulator, objects: Objects, proxy: Proxy, model: Path, tmp_path: Path, token_server: str
) -> None:
    publish(proxy, emulator, tmp_path, model)
    proxy.faults = [Fault("unavailable", 0) for _ in range(1000)]
    target = tmp_path / "m/m/1"
    done = fetch(proxy.url, target, "gs://models/m/1", token_server, deadline=2)
    assert done.returncode == 1
    assert "HTTP 503" in done.stderr and "given up after" in done.stderr
    assert not target.exists()
