"""The holding proxy: HAProxy with the role's configuration, an API server of its own, and a replica that starts.

https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/ has what endpoints mean.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.runtime import TF_SERVING
from haproxy import HAPROXY, Server, answering, metrics, proxy, until
from holding import HPA, NAME, SCALE, Api, authority, replica
from serving_role import files_of, render

WAKE_UPS = int(os.environ.get("TFSERVING_WAKE_UPS", "30"))
"""How often a replica is brought; drills.md has what came of a thousand."""
FULL = "there is no replica, and as many requests as may wait for one"
PAUSED = "there is no replica, and none comes by itself, since it was no autoscaler that took the last"
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def free_ports(count: int) -> list[int]:
    """Free at every loopback address, and no two alike."""
    with ExitStack() as probes:
        found = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in found:
            probe.bind(("", 0))
        return [probe.getsockname()[1] for probe in found]


class Held:
    """The proxy under test, and what is around it."""

    def __init__(self, folder: Path, host: str = "kubernetes.default.svc", **variables: Any) -> None:
        self.folder = folder
        self.api = Api(authority(folder, host))
        names = ("rest", "grpc", "status", "api", "far_rest", "far_grpc")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.set_token("first")
        self._start(variables)

    def _start(self, variables: dict[str, Any]) -> None:
        (made,) = [
            one for key, one in render("hold", autoscaling_min_replicas=0, **variables).items()
            if key.startswith("ConfigMap/")
        ]  # fmt: skip
        changes = {
            "bind :8501": f"bind 127.0.0.1:{self.ports['rest']}",
            "bind :8500": f"bind 127.0.0.1:{self.ports['grpc']}",
            "bind :8404": f"bind 127.0.0.1:{self.ports['status']}",
            "127.0.0.1:8402": f"127.0.0.1:{self.ports['api']}",
            "0.0.0.0:8501": f"0.0.0.0:{self.ports['far_rest']}",
            "0.0.0.0:8500": f"0.0.0.0:{self.ports['far_grpc']}",
            "/etc/tfserving": str(self.folder),
            "/var/run/secrets/kubernetes.io/serviceaccount": str(self.folder),
        }
        text, lua = made["data"]["haproxy.cfg"], made["data"]["hold.lua"]
        for old, new in changes.items():
            assert old in text
            text, lua = text.replace(old, new), lua.replace(old, new)
        lua = lua.replace('"127.0.0.1", 8402', f'"127.0.0.1", {self.ports["api"]}')
        (self.folder / "haproxy.cfg").write_text(text)
        (self.folder / "hold.lua").write_text(lua)
        self._begin()

    def again(self) -> None:
        """With the configuration as it now stands in its file."""
        self.process.kill()
        self.process.wait()
        self._begin()

    def _begin(self) -> None:
        assert HAPROXY, "no haproxy: run tools/setup, or apt-get install haproxy"
        place = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.api.port)}
        self.process = subprocess.Popen(
            [HAPROXY, "-db", "-f", str(self.folder / "haproxy.cfg")],
            env=os.environ | place,
            stdout=(self.folder / "log").open("w"),
            stderr=subprocess.STDOUT,
        )

    def set_token(self, token: str) -> None:
        self.api.token = token
        (self.folder / "token").write_text(token)

    def gauge(self, name: str) -> int:
        lines = (metrics(self.ports["status"]) or "").splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))

    def failed(self) -> dict[tuple[str, str], int]:
        """Those that got no answer of a replica, by protocol and reason."""
        found = re.findall(
            r'^tfserving_held_requests_failed_total\{protocol="(\w+)",reason="(\w+)"\} (\d+)$',
            metrics(self.ports["status"]) or "",
            re.MULTILINE,
        )
        assert len(found) == 8, "each is told before there is one, so that the first shows as a rise"
        return {(protocol, reason): int(count) for protocol, reason, count in found if int(count)}

    def ask(self, body: bytes = b"{}", timeout: float = 30) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["rest"], timeout=timeout)
        try:
            connection.request("POST", "/v1/models/m:predict", body=body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, body: bytes = b"\0") -> bytes:
        with grpc.insecure_channel(f"127.0.0.1:{self.ports['grpc']}") as channel:
            return channel.unary_unary(PREDICT)(body, timeout=30)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.api.close()


@pytest.fixture
def variables() -> dict[str, Any]:
    return {}


@pytest.fixture
def held(tmp_path: Path, variables: dict[str, Any]) -> Iterator[Held]:
    made = Held(tmp_path, **variables)
    try:
        with replica(made.api, made.ports["far_rest"], made.ports["far_grpc"]) as early:
            until(lambda: made.api.leads() == [True])
            yield made
            assert early == [], "a replica was asked before it was ready"
    finally:
        made.close()


def test_requests_wait_for_the_replica_that_they_wake(held: Held) -> None:
    """Time after time, by REST and by gRPC, at once and alone; the first answer comes with the replica."""
    late = []
    for number in range(WAKE_UPS):
        held.api.start = random.uniform(0.02, 0.3)
        before = held.api.woken()
        crowd = 1 + number % 4
        begun = time.monotonic()
        with ThreadPoolExecutor(2 * crowd) as pool:
            bodies = [f"{number} {one}".encode() for one in range(crowd)]
            asked = [pool.submit(held.ask, body) for body in bodies if number % 3 != 1]
            called = [pool.submit(held.call, body) for body in bodies if number % 3 != 0]
            assert [one.result() for one in asked] == [(200, body) for body in bodies][: len(asked)]
            assert [one.result() for one in called] == bodies[: len(called)]
        late.append(time.monotonic() - begun - held.api.start)
        until(partial(lambda wanted: held.api.woken() == wanted, before + 1))
        until(lambda: held.api.leads() == [False])
        held.api.to_zero()
        until(lambda: held.api.leads() == [True])
    print(
        f"{WAKE_UPS} wake-ups, 0 lost; beyond the start: median {sorted(late)[len(late) // 2]:.3f} s, most {max(late):.3f} s"
    )
    assert sorted(late)[len(late) * 95 // 100] < 1


def test_a_replica_that_is_taken_before_it_came_is_brought_again(held: Held) -> None:
    """By an autoscaler that looked before anything told it of the request."""
    held.api.start = 1
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(held.ask)
        until(lambda: held.api.woken() == 1)
        held.api.to_zero()
        assert asked.result() == (200, b"{}")
    assert held.api.woken() == 2


def test_nothing_is_woken_by_those_who_were_answered(held: Held) -> None:
    """They came while the first of them woke the replica."""
    held.api.start = 0.5
    with ThreadPoolExecutor() as pool:
        first = pool.submit(held.ask)
        until(lambda: held.api.woken() == 1)
        later = [pool.submit(held.ask) for _ in range(3)]
        assert [one.result() for one in (first, *later)] == [(200, b"{}")] * 4
    until(lambda: held.api.leads() == [False])
    held.api.to_zero()
    until(lambda: held.api.leads() == [True])
    time.sleep(1)
    assert (held.api.replicas, held.api.woken()) == (0, 1)


def test_they_go_straight_to_a_replica_that_is_ready_and_are_asked_to_come_by_the_usual_way(
    held: Held,
) -> None:
    held.ask()
    before = len(held.api.asked)
    connection = http.client.HTTPConnection("127.0.0.1", held.ports["rest"], timeout=20)
    connection.request("GET", "/v1/models/m")
    assert connection.getresponse().getheader("Connection") == "close"
    states: list[grpc.ChannelConnectivity] = []
    with grpc.insecure_channel(f"127.0.0.1:{held.ports['grpc']}") as channel:
        channel.subscribe(states.append)
        for _ in range(3):
            assert channel.unary_unary(PREDICT)(b"x", timeout=20) == b"x"
        until(lambda: grpc.ChannelConnectivity.IDLE in states[1:])
    assert [one for one in held.api.asked[before:] if one[1] == SCALE] == []


@pytest.mark.parametrize("variables", [{"serving_hold_seconds": 2}])
def test_what_waits_too_long_is_told_so(held: Held) -> None:
    held.api.start = 60
    with ThreadPoolExecutor() as pool:
        asked, called = pool.submit(held.ask), pool.submit(held.call)
        status, body = asked.result()
        error = called.exception()
    assert (status, body) == (503, b'{"error": "no replica came in 2 s"}')
    assert isinstance(error, grpc.RpcError)
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "no replica came in 2 s")
    assert held.failed() == {("rest", "late"): 1, ("grpc", "late"): 1}


@pytest.mark.parametrize("variables", [{"serving_hold_requests": 3}])
def test_no_more_wait_than_may(held: Held) -> None:
    held.api.start = 3
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(held.ask) for _ in range(3)] + [pool.submit(held.call) for _ in range(3)]
        until(lambda: held.gauge("tfserving_requests_held") == 6)
        status, body = held.ask()
        assert (status, json.loads(body)) == (503, {"error": FULL})
        with pytest.raises(grpc.RpcError) as refused:
            held.call()
        assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.UNAVAILABLE, FULL)
        assert [one.result() for one in waiting] == [(200, b"{}")] * 3 + [b"\0"] * 3
    assert held.failed() == {("rest", "full"): 1, ("grpc", "full"): 1}


def test_as_many_as_were_held_come_past_the_proxy_of_the_first_replica(tmp_path: Path) -> None:
    """For which they are one client; a hundred at once would be turned away, by its limits for one."""
    made, server = Held(tmp_path), Server()
    behind = tmp_path / "replica"
    behind.mkdir()
    server.released.set()
    try:
        with answering() as (handler, port):
            handler.released.set()
            with proxy(behind, files_of()["haproxy.cfg"], rest=server.port, grpc=port) as ports:
                text = (tmp_path / "haproxy.cfg").read_text()
                for name in ("rest", "grpc"):
                    text = text.replace(f"0.0.0.0:{made.ports['far_' + name]}", f"0.0.0.0:{ports[name]}")
                (tmp_path / "haproxy.cfg").write_text(text)
                made.again()
                made.api.address = "127.0.0.1"
                made.api.start = 2
                until(lambda: "tfserving_replicas 0" in (metrics(made.ports["status"]) or ""))
                with ThreadPoolExecutor(200) as pool:
                    asked = [pool.submit(made.ask, b"x" * 200_000) for _ in range(100)]
                    called = [pool.submit(made.call, b"\0" * 100) for _ in range(100)]
                    assert {one.result()[0] for one in asked} == {200}
                    assert {one.result() for one in called} == {b"\0" * 100}
    finally:
        server.close()
        made.close()


def test_a_pause_by_hand_stays_one(held: Held) -> None:
    held.api.to_zero(by_hpa=False)
    status, body = held.ask()
    assert (status, json.loads(body)) == (503, {"error": PAUSED})
    with pytest.raises(grpc.RpcError) as refused:
        held.call()
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.UNAVAILABLE, PAUSED)
    assert held.api.replicas == 0
    held.api.by_hpa = True
    assert held.ask() == (200, b"{}")
    assert held.failed() == {("rest", "paused"): 1, ("grpc", "paused"): 1}


def behind(made: Held, port: int) -> None:
    """What answers by REST there is the replica."""
    text = (made.folder / "haproxy.cfg").read_text()
    (made.folder / "haproxy.cfg").write_text(
        text.replace(f"0.0.0.0:{made.ports['far_rest']}", f"0.0.0.0:{port}")
    )
    made.again()
    made.api.address = "127.0.0.1"
    until(lambda: "tfserving_replicas 0" in (metrics(made.ports["status"]) or ""))


def test_whose_turn_does_not_come_counts_as_failed(tmp_path: Path) -> None:
    """The first replica is there, and busy with the first request."""
    made, server = Held(tmp_path, serving_hold_seconds=2, serving_concurrency=2), Server()
    try:
        behind(made, server.port)
        with ThreadPoolExecutor() as pool:
            first = pool.submit(made.ask)
            until(lambda: server.working == 1)
            assert made.ask()[0] == 503
            server.released.set()
            assert first.result() == (200, b"{}")
        assert made.failed() == {("rest", "turn"): 1}
    finally:
        server.close()
        made.close()


def test_what_others_failed_is_not_its_own(held: Held) -> None:
    """A path that nobody serves is the client's mistake; who gives up is not refused."""
    connection = http.client.HTTPConnection("127.0.0.1", held.ports["rest"], timeout=20)
    connection.request("GET", "/admin")
    assert connection.getresponse().status == 404
    held.api.start = 2
    with pytest.raises(TimeoutError):
        held.ask(timeout=0.5)
    assert held.ask() == (200, b"{}")
    assert held.failed() == {}


def test_who_reads_the_replicas_reads_it_likewise(held: Held) -> None:
    """One job reads both paths of all pods; an error of one would be a target that is down."""
    text = metrics(held.ports["status"], TF_SERVING.metrics_path)
    assert text == ""


def test_an_hpa_that_says_a_moment_later_that_it_took_the_last_is_believed(held: Held) -> None:
    """It sets the scale, and then its status."""
    held.api.by_hpa = False
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(held.ask)
        until(lambda: ("GET", HPA, 200) in held.api.asked)
        held.api.by_hpa = True
        assert asked.result() == (200, b"{}")


def test_without_an_autoscaler_nothing_is_woken(held: Held) -> None:
    held.api.has_hpa = False
    assert held.ask()[0] == 503
    assert held.api.replicas == 0


def test_what_keda_took_it_brings(held: Held) -> None:
    held.api.owners = [{"kind": "ScaledObject", "name": NAME}]
    assert held.ask() == (200, b"{}")


def test_a_token_that_is_renewed_is_read_anew(held: Held) -> None:
    held.set_token("second")
    assert held.ask() == (200, b"{}")
    until(lambda: held.api.leads() == [False])
    held.set_token("third")
    held.api.cut()  # so that it has to be asked for its slices, too
    held.api.to_zero()
    until(lambda: held.api.leads() == [True])
    assert held.ask() == (200, b"{}")


@pytest.mark.parametrize("fault", [409, 500, 503])
def test_an_answer_of_the_api_server_that_passes_is_asked_for_again(held: Held, fault: int) -> None:
    held.api.faults = [fault]
    assert held.ask() == (200, b"{}")
    assert held.api.faults == []


def test_a_start_may_take_longer_than_lua_may_work(held: Held) -> None:
    """HAProxy ends Lua that has worked for 4 s; waiting is none."""
    held.api.start = 6
    with ThreadPoolExecutor() as pool:
        asked, called = pool.submit(held.ask), pool.submit(held.call)
        assert (asked.result(), called.result()) == ((200, b"{}"), b"\0")


def test_who_gives_up_keeps_no_place(held: Held) -> None:
    """HAProxy 3.0 sees by REST only with the replica that its client has gone, 2.6 at once."""
    held.api.start = 2
    with pytest.raises(TimeoutError):
        held.ask(timeout=0.5)
    assert held.ask() == (200, b"{}")
    until(lambda: held.gauge("tfserving_requests_held") == 0)
    assert held.process.poll() is None


def test_who_gives_up_a_call_waits_no_longer(held: Held) -> None:
    held.api.start = 60
    with grpc.insecure_channel(f"127.0.0.1:{held.ports['grpc']}") as channel:
        with pytest.raises(grpc.RpcError):
            channel.unary_unary(PREDICT)(b"x", timeout=0.5)
        until(lambda: held.gauge("tfserving_requests_held") == 0)


def test_a_body_larger_than_its_buffers_is_kept(held: Held) -> None:
    body = os.urandom(1_000_000)
    assert held.ask(body) == (200, body)
    until(lambda: held.api.leads() == [False])
    held.api.to_zero()
    until(lambda: held.api.leads() == [True])
    assert held.call(body) == body


def test_its_gauges_tell_replicas_and_what_was_asked(held: Held) -> None:
    assert held.gauge("tfserving_replicas") == 0
    assert held.gauge("tfserving_idle_seconds") > 1_000_000, "it was never asked"
    held.ask()
    assert held.gauge("tfserving_replicas") == 1
    before = held.gauge("tfserving_idle_seconds")
    assert before < 20
    time.sleep(2)
    assert held.gauge("tfserving_idle_seconds") > before


def test_without_a_watch_its_view_comes_back(held: Held) -> None:
    held.api.cut()
    assert held.ask() == (200, b"{}")
    until(lambda: held.api.leads() == [False])


def test_no_other_servers_certificate_will_do(tmp_path: Path) -> None:
    """Of the same authority, for another name."""
    made = Held(tmp_path, host="another.default.svc")
    try:
        until(lambda: metrics(made.ports["status"], "/healthz") is not None)
        time.sleep(2)
        assert made.api.asked == [], "the token was given to somebody else"
        assert "200" not in (metrics(made.ports["status"], "/ready") or "")
    finally:
        made.close()
