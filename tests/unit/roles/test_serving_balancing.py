"""Least-request balancing: replicas with real proxies on loopback addresses of their own, found by a name server."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.errors import BadAnswer
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.golden import Golden
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.rest import (
    THIS_ONE,
    RestModelServer,
    Servable,
)
from balanced import Replica, replicas
from haproxy import until
from serving_role import files_of, pod_of, render

PREDICT = "/tensorflow.serving.PredictionService/Predict"
METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
HEALTH = "/grpc.health.v1.Health/Check"


def working(found: list[Replica]) -> list[int]:
    return [one.rest.working for one in found]


def test_requests_of_one_replica_s_clients_are_shared_by_all(tmp_path: Path) -> None:
    with replicas(tmp_path, 3) as (found, _):
        asked = []
        for number in range(1, 10):
            asked.append(found[0].ask())
            until(lambda number=number: sum(working(found)) == number)  # type: ignore[misc]
        assert working(found) == [3, 3, 3]
        for one in found:
            one.rest.released.set()
        assert [one.getresponse().status for one in asked] == [200] * 9


def test_calls_by_grpc_are_shared_too(tmp_path: Path) -> None:
    with replicas(tmp_path, 3) as (found, _), grpc.insecure_channel(f"{found[0].address}:8500") as channel:
        calls = []
        for number in range(1, 7):
            calls.append(channel.unary_unary(PREDICT).future(b"\0"))
            until(lambda number=number: sum(one.calls.working for one in found) == number)  # type: ignore[misc]
        assert [one.calls.working for one in found] == [2, 2, 2]
        for one in found:
            one.calls.released.set()
        assert [call.result(20) for call in calls] == [b"\0"] * 6


class ApiServer:
    """Passes on what is asked of a pod, as a Kubernetes API server's proxy does."""

    def __init__(self, address: str) -> None:
        self._address = address

    def raw(
        self, method: str, path: str, *, body: bytes | None, headers: dict[str, str], timeout: float
    ) -> tuple[int, Any, bytes]:
        connection = HTTPConnection(self._address, 8501, timeout=timeout)
        connection.request(method, path.partition("/proxy")[2], body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


ROWS = Golden("one", {"signature_name": "serving_default", "instances": [1]})


@pytest.mark.parametrize(
    "look",
    [lambda server: server.versions(Servable("m", 3)), lambda server: server.predict(Servable("m", 3), ROWS)],
    ids=["versions", "predictions"],
)
def test_a_check_is_answered_by_the_replica_that_it_looks_at(
    tmp_path: Path, look: Callable[[RestModelServer], Any]
) -> None:
    """A canary at work must not be taken for the stable replica beside it, which has nothing to do."""
    with replicas(tmp_path, 2) as (found, _), ThreadPoolExecutor() as pool:
        asked = found[0].ask()
        until(lambda: working(found) == [1, 0])
        server = RestModelServer(ApiServer(found[0].address), "s", "p", 8501, 20)  # type: ignore[arg-type]
        looked = pool.submit(look, server)
        until(lambda: sum(working(found)) == 2)
        where = working(found)
        for one in found:
            one.rest.released.set()
        assert isinstance(looked.exception(20), BadAnswer)  # these servers know no model
        assert asked.getresponse().status == 200
        assert where == [2, 0]


@pytest.mark.parametrize(
    "path", ["/v1/models/m", "/v1/models/m/metadata", "/v1/models/m/versions/3/metadata"]
)
def test_what_anybody_asks_about_a_replica_is_answered_by_it(tmp_path: Path, path: str) -> None:
    with replicas(tmp_path, 2) as (found, _):
        asked = [found[0].ask()]
        until(lambda: working(found) == [1, 0])
        asked.append(HTTPConnection(found[0].address, 8501, timeout=30))
        asked[1].request("GET", path)
        until(lambda: sum(working(found)) == 2)
        assert working(found) == [2, 0]
        found[0].rest.released.set()
        assert [one.getresponse().status for one in asked] == [200] * 2


@pytest.mark.parametrize(("method", "said"), [(METADATA, {}), (HEALTH, {}), (PREDICT, THIS_ONE)])
def test_so_it_is_by_grpc(tmp_path: Path, method: str, said: dict[str, str]) -> None:
    with replicas(tmp_path, 2) as (found, _), grpc.insecure_channel(f"{found[0].address}:8500") as channel:
        calls = [channel.unary_unary(PREDICT).future(b"\0")]
        until(lambda: found[0].calls.working == 1)
        calls.append(channel.unary_unary(method).future(b"\0", metadata=tuple(said.items())))
        until(lambda: sum(one.calls.working for one in found) == 2)
        assert [one.calls.working for one in found] == [2, 0]
        found[0].calls.released.set()
        assert [call.result(20) for call in calls] == [b"\0"] * 2


def test_one_that_comes_gets_requests_and_one_that_went_none(tmp_path: Path) -> None:
    with replicas(tmp_path, 3) as (found, names):
        names.addresses.pop()
        until(lambda: all(one.knows() == 2 for one in found[:2]))
        found[2].end()
        asked = [found[0].ask() for _ in range(4)]
        until(lambda: sum(working(found[:2])) == 4)
        for one in found[:2]:
            one.rest.released.set()
        assert [one.getresponse().status for one in asked] == [200] * 4


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_dies_unseen_costs_nobody_a_request(tmp_path: Path, end: signal.Signals) -> None:
    """It is gone, or hangs, and the name server still has it: the replica that was asked keeps what it can't hand on."""
    with replicas(tmp_path, 2) as (found, _):
        found[1].process.send_signal(end)
        asked = [found[0].ask() for _ in range(4)]
        until(lambda: found[0].rest.working == 4)
        found[0].rest.released.set()
        assert [one.getresponse().status for one in asked] == [200] * 4


def test_large_ones_come_back_as_well(tmp_path: Path) -> None:
    """As many as are let in at once, counted once."""
    largest = b'["' + b"x" * 900 + b'"]'
    with replicas(
        tmp_path, 2, serving_max_request_bytes=1024, serving_client_requests=0, serving_client_connections=0
    ) as (found, _):
        asked = [found[0].ask(largest) for _ in range(32)]
        until(lambda: working(found) == [4, 4])
        found[1].end()
        found[0].rest.released.set()
        assert [one.getresponse().status for one in asked] == [200] * 32


def test_one_that_fills_up_meanwhile_gives_it_back(tmp_path: Path) -> None:
    """Sixteen at once all find the other one idle; it has room for four, and the replica that was asked for the rest."""
    with replicas(tmp_path, 2, serving_queue_length=0, serving_concurrency=8) as (found, _):
        found[0].process.send_signal(signal.SIGSTOP)
        asked = [found[0].ask() for _ in range(16)]
        found[0].process.send_signal(signal.SIGCONT)
        until(lambda: sum(working(found)) == 16)
        assert working(found) == [8, 8]
        for one in found:
            one.rest.released.set()
        assert [one.getresponse().status for one in asked] == [200] * 16


def test_nobody_else_can_give_a_replica_requests(tmp_path: Path) -> None:
    with replicas(tmp_path, 2) as (found, _):
        for port in (8511, 8510, 8405):
            with socket.create_connection(
                (found[0].address, port), 20, source_address=("127.0.255.9", 0)
            ) as opened:
                opened.settimeout(20)
                if port == 8511:
                    opened.sendall(
                        b"POST /v1/models/m:predict HTTP/1.1\r\nHost: m\r\nContent-Length: 2\r\n\r\n{}"
                    )
                elif port == 8510:
                    opened.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
                assert b"200" not in opened.recv(1000)
        assert found[0].rest.asked == []


def test_what_replicas_have_open_takes_no_place_of_a_health_check(tmp_path: Path) -> None:
    """Nor do clients, as many as may be connected."""
    with (
        replicas(tmp_path, 2, serving_proxy_connections=40, serving_client_connections=0) as (found, _),
        ExitStack() as stack,
    ):
        for port, number, source in (
            (8501, 40, "127.0.255.9"),
            (8500, 40, "127.0.255.9"),
            (8511, 40, found[1].address),
            (8510, 40, found[1].address),
        ):
            for _unused in range(number):
                opened = socket.create_connection((found[0].address, port), 20, source_address=(source, 0))
                stack.enter_context(opened)
        with urlopen(f"http://{found[0].address}:8404/healthz", timeout=5) as answer:
            assert answer.status == 200


def test_only_the_site_s_pods_reach_these_ports() -> None:
    """The one that goes, too, has answered what others gave it before its model server ends."""
    rules = render("access", serving_balancing="least_requests")["NetworkPolicy/image-classifier"]["spec"][
        "ingress"
    ]
    assert [port["port"] for port in rules[0]["ports"]] == [8500, 8501, 8404]
    assert rules[1]["from"] == [{"podSelector": {"matchLabels": {"app": "image-classifier"}}}]
    assert [port["port"] for port in rules[1]["ports"]] == [8405, 8510, 8511]
    server = pod_of(serving_balancing="least_requests")["spec"]["containers"][0]
    assert ":(2134|2135|213E|213F) " in server["lifecycle"]["preStop"]["exec"]["command"][2]


def test_without_it_nothing_of_it_is_there() -> None:
    assert "peers" not in files_of()["haproxy.cfg"] and "peers.lua" not in files_of()
    assert len(render("access")["NetworkPolicy/image-classifier"]["spec"]["ingress"]) == 1
