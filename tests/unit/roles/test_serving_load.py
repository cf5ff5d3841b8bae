"""What the proxy tells of its load: which of HAProxy's gauges counts what, and the averages of the role's own."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from haproxy import HAPROXY, Calls, Server, answering, metrics, proxy, until
from serving_role import files_of

PREDICT = "/tensorflow.serving.PredictionService/Predict"
IN_FLIGHT, QUEUED, RATE = (f"tfserving_requests_{name}" for name in ("in_flight", "queued", "per_second"))


@pytest.fixture
def rest() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def called() -> Iterator[tuple[Calls, int]]:
    """A model server by gRPC whose predictions wait until they are released."""
    with answering() as found:
        yield found


def configuration(folder: Path, **variables: Any) -> str:
    files = files_of(serving_concurrency=4, **variables)
    if "load.lua" in files:
        (folder / "load.lua").write_text(files["load.lua"])
    return files["haproxy.cfg"].replace("/etc/tfserving/", f"{folder}/")


def ask(port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/models/m:predict", body=b"{}")
    return connection


def gauge(text: str | None, name: str, of: str) -> int:
    (found,) = re.findall(rf'^haproxy_{name}{{proxy="{of}".*}} (\d+)', text or "", re.MULTILINE)
    return int(found)


def test_by_grpc_the_backend_counts_calls_and_the_frontend_connections(
    tmp_path: Path, called: tuple[Calls, int]
) -> None:
    """Ten calls of one client, which has one connection for all of them; four are at work, as the proxy is told."""
    handler, port = called
    with (
        proxy(tmp_path, configuration(tmp_path), grpc=port) as ports,
        grpc.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel,
    ):
        calls = [channel.unary_unary(PREDICT).future(b"\0") for _ in range(10)]
        until(lambda: gauge(metrics(ports["status"]), "backend_current_sessions", "grpc") == 10)
        seen = metrics(ports["status"])
        assert gauge(seen, "frontend_current_sessions", "grpc") == 1
        assert gauge(seen, "backend_current_queue", "grpc") == 6
        assert gauge(seen, "server_current_sessions", "grpc") == 4
        handler.released.set()
        assert [call.result(20) for call in calls] == [b"\0"] * 10
        until(lambda: gauge(metrics(ports["status"]), "backend_current_sessions", "grpc") == 0)
        assert gauge(metrics(ports["status"]), "frontend_current_sessions", "grpc") == 1


def load(port: int) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/load")
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200, text
    connection.close()
    return {name: float(value) for name, value in re.findall(r"^(\w+) ([\d.]+)$", text, re.MULTILINE)}


def test_load_is_averaged_and_has_both_protocols(
    tmp_path: Path, rest: Server, called: tuple[Calls, int]
) -> None:
    handler, port = called
    text = configuration(tmp_path, serving_load_seconds=4)
    with (
        proxy(tmp_path, text, rest=rest.port, grpc=port) as ports,
        grpc.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel,
    ):
        assert load(ports["status"]) == {IN_FLIGHT: 0, QUEUED: 0, RATE: 0}
        full = time.monotonic() + 5  # by then its memory is full of looks at nothing
        until(lambda: time.monotonic() > full)
        asked = [ask(ports["rest"]) for _ in range(6)]
        calls = [channel.unary_unary(PREDICT).future(b"\0") for _ in range(4)]
        until(lambda: load(ports["status"])[IN_FLIGHT] > 0)
        # Three looks of the four that count had none, so what a moment has is not what is told.
        assert load(ports["status"])[IN_FLIGHT] < 10
        until(lambda: load(ports["status"])[IN_FLIGHT] == 10)
        assert load(ports["status"])[QUEUED] == 2
        rest.released.set()
        handler.released.set()
        assert [one.getresponse().status for one in asked] == [200] * 6
        assert [call.result(20) for call in calls] == [b"\0"] * 4
        until(lambda: load(ports["status"])[IN_FLIGHT] == 0)

        begun = time.monotonic()
        for _ in range(60):
            assert ask(ports["rest"]).getresponse().status == 200
            time.sleep(0.05)
        rate = 60 / (time.monotonic() - begun)
        assert load(ports["status"])[RATE] == pytest.approx(rate, rel=0.5)


def test_without_it_there_is_none(tmp_path: Path, rest: Server) -> None:
    files = files_of()
    assert "load.lua" not in files
    with proxy(tmp_path, files["haproxy.cfg"], rest=rest.port) as ports:
        connection = http.client.HTTPConnection("127.0.0.1", ports["status"], timeout=20)
        connection.request("GET", "/load")
        assert connection.getresponse().status == 403


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as opened, suppress(OSError):
        opened.connect(str(path))
        opened.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        return opened.recv(20).startswith(b"HTTP/")
    return False


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGUSR1], ids=["kill", "stop"])
def test_it_keeps_no_pod_from_going(tmp_path: Path, order: signal.Signals) -> None:
    """The proxy ends at once when it is told to and has nothing open; SIGUSR1 is the image's STOPSIGNAL."""
    assert HAPROXY
    text = configuration(tmp_path, serving_load_seconds=4)
    for port in (8500, 8501, 8404):
        text = text.replace(f"bind :{port}", f"bind {tmp_path}/{port}")
    (tmp_path / "haproxy.cfg").write_text(text)
    running = subprocess.Popen(
        [HAPROXY, "-db", "-f", str(tmp_path / "haproxy.cfg")], stdout=subprocess.DEVNULL
    )
    until(lambda: answers(tmp_path / "8404"))
    running.send_signal(order)
    assert running.wait(20) in ((0,) if order == signal.SIGUSR1 else (0, 143, -15))
