"""Locust for real: what is under way when its sender has to go. The server's own count is the truth."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils import protos
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import steady_until
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse
from driving import LONG, Driven
from loopback import GOOD, ModelServer, passed
from test_locust_counts import grpc_body

CLOSED = {"kind": "constant", "level": 4, "duration": 6}
OPEN = {"kind": "constant", "model": "open", "level": 20, "duration": 6}
FREEZES = 60
"""Requests after which a server answers none any more."""

PATIENT = """
from locust import FastHttpUser, HttpUser, constant, task

class Patient(HttpUser):
    wait_time = constant(0.05)
    @task
    def ask(self):
        self.client.get("/v1/models/m")

class Looking(FastHttpUser):
    wait_time = constant(0.05)
    @task
    def ask(self):
        with self.client.get("/v1/models/m", catch_response=True) as answer:
            self.client.get("/v1/models/m")
            answer.success()
"""


def frozen(number: int) -> float:
    return 90.0 if number >= FREEZES else 0.02


def later(seconds: float, delay: float) -> Callable[[int], float]:
    """Answers are quick for so long, and then take as long as that."""
    first: list[float] = []

    def takes(_number: int) -> float:
        first.append(time.monotonic())
        return delay if first[-1] - first[0] > seconds else 0.02

    return takes


class GrpcServer:
    def __init__(self) -> None:
        self.count, self._lock, self.over = 0, threading.Lock(), threading.Event()

    def answer(self, _request: bytes, _context: Any) -> bytes:
        with self._lock:
            number, self.count = self.count, self.count + 1
        if number >= FREEZES:
            self.over.wait(90)
        made = protos.message("PredictResponse")
        made.outputs["y"].float_val.append(1)
        return bytes(made.SerializeToString())


@contextmanager
def grpc_server() -> Iterator[tuple[GrpcServer, int]]:
    made = GrpcServer()
    server = grpc.server(futures.ThreadPoolExecutor(64))
    method = {"Predict": grpc.unary_unary_rpc_method_handler(made.answer)}
    service = grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", method)
    server.add_generic_rpc_handlers([service])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield made, port
    finally:
        made.over.set()
        server.stop(0)


@pytest.mark.parametrize("shape", [CLOSED, OPEN], ids=["closed", "open"])
def test_a_server_that_is_frozen_at_the_end_has_failed(
    driven: Callable[..., Driven], server: ModelServer, shape: dict[str, Any]
) -> None:
    server.delay = later(4, 90.0)
    report = driven(shape, timeout=12).run()
    requests = report["requests"]
    assert requests["total"] == server.count > FREEZES
    assert requests["failed"] == server.count - len(server.took) > 0
    assert requests["errors"] == {"timeout": requests["failed"]}
    assert not any("last counts" in problem for problem in report["generator"]["problems"])


@pytest.mark.parametrize("shape", [CLOSED, OPEN], ids=["closed", "open"])
def test_a_grpc_server_that_is_frozen_at_the_end_has_failed(
    driven: Callable[..., Driven], tmp_path: Path, shape: dict[str, Any]
) -> None:
    grpc_body(tmp_path)
    with grpc_server() as (theirs, port):
        report = driven(shape, protocol="grpc", grpc_host=f"127.0.0.1:{port}", timeout=3).run()
        requests = report["requests"]
        assert requests["total"] == theirs.count > FREEZES
        assert requests["errors"] == {"timeout": theirs.count - FREEZES}


@pytest.mark.parametrize("shape", [CLOSED, OPEN], ids=["closed", "open"])
def test_an_answer_that_never_ends_is_no_answer(
    driven: Callable[..., Driven], server: ModelServer, shape: dict[str, Any]
) -> None:
    """Each byte comes in time, so that no socket's timeout ends it: whoever waits for it is killed in the end."""
    server.drip = lambda number: 1.0 if number >= FREEZES else 0.0
    server.answer = lambda number: (200, b'{"predictions": [1]}' + b" " * 60)
    report = driven(shape, timeout=2).run()
    requests = report["requests"]
    assert requests["total"] == server.count > FREEZES
    assert requests["errors"] == {"unanswered": server.count - FREEZES}
    assert requests["examples"] == {"unanswered": "not answered when the test ended"}


def test_users_of_ones_own_leave_nothing_uncounted(
    driven: Callable[..., Driven], server: ModelServer, tmp_path: Path
) -> None:
    """HttpUser has no timeout of its own; a request within another one's `with` is one more."""
    server.delay = frozen
    (tmp_path / "own_locustfile.py").write_text(PATIENT)
    load = driven({**CLOSED, "level": 6}, timeout=2, own=True)
    load.own("mine.py")
    report = load.run()
    requests = report["requests"]
    assert requests["total"] == server.count > FREEZES
    assert requests["errors"] == {"unanswered": server.count - FREEZES}


@pytest.mark.parametrize("shape", [LONG, {**OPEN, "duration": 60}], ids=["closed", "open"])
def test_an_interruption_loses_nothing_that_is_under_way(
    driven: Callable[..., Driven], server: ModelServer, shape: dict[str, Any]
) -> None:
    server.delay = frozen
    load = driven(shape, timeout=12)
    load.enough = lambda _loads: server.count >= FREEZES + 4
    report = load.run()
    seen = server.count
    assert report["requests"]["total"] == seen
    assert report["requests"]["errors"] == {"timeout": seen - FREEZES}
    time.sleep(0.5)
    assert server.count == seen, "the load has stopped"


def test_who_is_told_to_go_is_waited_for_as_long_as_an_answer_may_take(
    driven: Callable[..., Driven], server: ModelServer
) -> None:
    server.delay = later(5, 13.0)
    report = driven(CLOSED, timeout=16).run()
    assert report["requests"]["total"] == server.count
    assert report["requests"]["failed"] == 0, "each was answered in time"
    assert max(server.took) > 13_000
    assert passed(report), report["generator"]


def test_users_who_wait_for_their_last_answer_are_told_apart(
    driven: Callable[..., Driven], server: ModelServer
) -> None:
    server.delay = lambda number: 5.0 if number >= FREEZES else 0.02
    load = driven({"kind": "constant", "level": 4, "duration": 5, "ramp_down": 3}, timeout=8)
    report = load.run()
    assert report["requests"]["total"] == server.count
    assert report["requests"]["failed"] == 0
    leaving = [event["leaving"] for event in load.timeline.events if event["kind"] == "load"]
    assert 0 < max(leaving) <= 4
    assert leaving[-1] == 0


RAMP_DOWN = {"kind": "constant", "level": 4, "duration": 6, "ramp_down": 6, "spawn_rate": 4}


def test_what_was_asked_under_load_failed_under_load(
    driven: Callable[..., Driven], server: ModelServer
) -> None:
    """It is lost by a timeout when the load has long begun to go."""
    server.delay = later(4, 90.0)
    load = driven(RAMP_DOWN, timeout=9)
    report = load.run()
    requests = report["requests"]
    assert requests["failed_steady"] == requests["failed"] == 4
    moments = [event["t"] for event in load.timeline.events if event["kind"] == "load" and event["failures"]]
    assert min(moments) > steady_until(load.timeline.events)
    check = analyse(
        load.timeline.events, slo=["failed == 0 while steady"], workers=2, users=4, environment={}
    )["checks"][0]
    assert (check["value"], check["ok"]) == (4, False)


def test_what_was_asked_in_the_ramp_down_is_told_apart(
    driven: Callable[..., Driven], server: ModelServer
) -> None:
    slow = later(8, 1.0)
    server.answer = lambda number: (503, b"full") if slow(number) == 1.0 else (200, GOOD)
    report = driven(RAMP_DOWN).run()
    requests = report["requests"]
    assert requests["failed_steady"] == 0 < requests["failed"]
    assert requests["errors"] == {"http 503": requests["failed"]}


def test_what_is_refused_at_once_was_not_in_time(driven: Callable[..., Driven], server: ModelServer) -> None:
    server.answer = lambda number: (503, b"full") if number % 10 else (200, GOOD)
    server.delay = lambda number: 0.0 if number % 10 else 0.2
    load = driven(CLOSED)
    requests = load.run()["requests"]
    assert requests["failed"] == sum(number % 10 > 0 for number in range(server.count)) > 50
    assert requests["p50_ms"] is requests["p95_ms"] is None
    assert requests["p95_answered_ms"] >= 200
    loads = [event for event in load.timeline.events if event["kind"] == "load" and event["rate"] > 0]
    assert all(event["p95_ms"] is None for event in loads)
