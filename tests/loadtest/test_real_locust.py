"""Locust for real, a master and workers as processes: what it counts, and each way in which it could lie."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.locust import (
    FILES as RESULTS,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.locust import (
    Locust,
    bring_home,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.run import Clock, LoadTest, Settings
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import plan
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.watch import Timeline

sys.path.insert(0, str(Path(__file__).parent))

from loopback import FILES, Cluster, ModelServer, cluster, config

STEPS = {"max_steps": 2, "step_time": 4, "step_load": 3, "spawn_rate": 6, "ramp_down": 3}
LONG = {"kind": "constant", "level": 4, "duration": 60}


class Driven:
    """A load test with its driver on the tests' clock; `at` does something once some requests were answered."""

    def __init__(self, made: Cluster, folder: Path, shape: dict[str, Any], workers: int) -> None:
        self.cluster = made
        self.plan = plan(shape)
        self.locust = Locust(made.proxy, "n", "s")  # type: ignore[arg-type]
        self.timeline = Timeline(folder / "timeline.jsonl")
        self.cancel: str | None = None
        self._events: list[tuple[int, Callable[[], None]]] = []
        settings = Settings("n", "m", workers, 60, self.plan.curve.length + 60, 5, self.plan)
        clock = Clock(time.time, time.sleep, cancelled=self._cancelled)
        self.test = LoadTest(self.locust, self.timeline, settings, clock, lambda _: None)

    def at(self, requests: int, action: Callable[[], None]) -> None:
        self._events.append((requests, action))

    def _cancelled(self) -> str | None:
        done = next((e["requests"] for e in reversed(self.timeline.events) if e["kind"] == "load"), 0)
        for event in [event for event in self._events if done >= event[0]]:
            self._events.remove(event)
            event[1]()
        return self.cancel

    def run(self) -> dict[str, Any]:
        self.test.run()
        return self.report()

    def report(self) -> dict[str, Any]:
        return analyse(
            self.timeline.events, slo={}, workers=self.test._settings.workers, users=self.plan.users,
            environment={},
        )  # fmt: skip


@pytest.fixture
def server() -> Iterator[ModelServer]:
    made = ModelServer()
    yield made
    made.close()


@pytest.fixture
def driven(tmp_path: Path, server: ModelServer) -> Iterator[Callable[..., Driven]]:
    opened = []

    def start(shape: dict[str, Any], *, workers: int = 2, host: str | None = None, **more: Any) -> Driven:
        context = cluster(
            tmp_path, config(shape, workers=workers, **more), host or server.url, workers=workers
        )
        opened.append(context)
        return Driven(context.__enter__(), tmp_path, shape, workers)

    yield start
    for context in opened:
        context.__exit__(None, None, None)


def test_counts_are_exact_and_percentiles_within_one_percent_of_locusts_own(
    driven: Callable[..., Driven], server: ModelServer, tmp_path: Path
) -> None:
    server.delay = lambda number: 0.01 + 0.001 * (number * 7919 % 60)
    load = driven(STEPS)
    report = load.run()
    assert report["verdict"] == "pass", report["generator"]
    assert report["requests"]["total"] == server.count > 100
    assert bring_home(load.locust, tmp_path, time.sleep) == list(RESULTS)
    total = (tmp_path / "stats.csv").read_text().splitlines()[-1].split(",")
    header = (tmp_path / "stats.csv").read_text().splitlines()[0].split(",")
    locusts = dict(zip(header, total, strict=True))
    assert int(locusts["Request Count"]) == server.count
    assert int(locusts["Failure Count"]) == report["requests"]["failed"] == 0
    for name, key in (("50%", "p50_ms"), ("95%", "p95_ms"), ("99%", "p99_ms")):
        ours = report["requests"][key]
        # Locust prints whole milliseconds of large numbers, and ours are rounded to a tenth.
        assert abs(float(locusts[name]) - ours) <= 0.01 * ours + 1.0, name
    # The server's own clock: what a client measures is that and the way.
    took = sorted(server.took)
    assert report["requests"]["p50_ms"] >= 0.99 * took[len(took) // 2]
    expected = math.ceil(server.count / 10)
    assert expected <= server.connections <= expected + 10, "each connection carries ten requests"


def test_the_open_model_sends_what_is_due_and_counts_from_then(
    driven: Callable[..., Driven], server: ModelServer
) -> None:
    # The server stands still for 1.5 s: a closed loop would send nothing meanwhile, and hide it.
    stall = {"until": 0.0}

    def delay(number: int) -> float:
        if number == 60:
            stall["until"] = time.monotonic() + 1.5
        return max(0.0, stall["until"] - time.monotonic())

    server.delay = delay
    load = driven({"kind": "constant", "model": "open", "level": 40, "duration": 6}, max_in_flight=10)
    report = load.run()
    assert report["verdict"] == "pass", report["generator"]
    assert report["requests"]["total"] == server.count == 240
    # Sixty requests were due during the stall; evenly, half of them waited for more than half of it.
    assert report["requests"]["backlog_max"] > 5, "more were due than could be under way"
    assert report["requests"]["p99_ms"] > 1000
    slow = sum(
        count
        for event in load.timeline.events
        if event["kind"] == "load"
        for bucket, count in event["histogram"].items()
        if 1.02 ** int(bucket) > 300
    )
    assert slow >= 40, f"requests that were due while the server stood still waited: {slow}"


def test_several_bodies_are_drawn_by_their_weights(
    driven: Callable[..., Driven], server: ModelServer, tmp_path: Path
) -> None:
    weights = {"a": 3, "b": 1}
    load = driven({"kind": "constant", "model": "open", "level": 100, "duration": 4}, bodies=weights)
    assert load.run()["verdict"] == "pass"
    drawn = [server.bodies[(tmp_path / f"body-{n}").read_bytes()] for n in (0, 1)]
    assert sum(drawn) == 400
    # 300 are expected; five standard deviations are 43.
    assert abs(drawn[0] - 300) < 44
    table = load.locust.fetch(RESULTS["stats.csv"])
    assert table is not None
    assert b"predict a" in table


def test_a_killed_worker_makes_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load = driven({"kind": "constant", "level": 4, "duration": 14})
    load.at(50, load.cluster.workers[0].kill)
    report = load.run()
    assert report["verdict"] == "invalid"
    assert "a worker was lost: 1 of 2" in report["summary"]


def test_all_workers_killed_make_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load = driven({"kind": "constant", "level": 4, "duration": 14})
    load.at(50, lambda: [worker.kill() for worker in load.cluster.workers])
    report = load.run()
    assert report["verdict"] == "invalid", [e for e in load.timeline.events if e["kind"] == "load"]
    assert "worker" in report["summary"]


def test_a_starved_worker_makes_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load, over = driven({"kind": "constant", "level": 4, "duration": 24}), threading.Event()

    def starve() -> None:
        victim = load.cluster.workers[0].pid
        while not over.is_set():
            os.kill(victim, signal.SIGSTOP)
            over.wait(0.25)
            os.kill(victim, signal.SIGCONT)
            over.wait(0.05)

    thread = threading.Thread(target=starve)
    load.at(20, thread.start)
    try:
        report = load.run()
    finally:
        over.set()
    thread.join()
    lags = [event["lag_ms"] for event in load.timeline.events if event["kind"] == "load"]
    assert "starved of CPU" in report["summary"], (lags, report["generator"])
    assert "loadtest_worker_cpu" in report["summary"]


def test_a_restarted_master_makes_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load = driven(LONG)

    def restart() -> None:
        load.cluster.master.kill()
        load.cluster.master.wait()
        load.cluster.master = load.cluster.start_master()

    load.at(50, restart)
    report = load.run()
    assert report["verdict"] == "invalid"
    assert "master was restarted" in report["summary"]
    assert report["requests"]["total"] >= 50, "what was measured is kept"


def test_a_server_that_refuses_connections_proves_nothing(
    driven: Callable[..., Driven], server: ModelServer
) -> None:
    server.close()
    report = driven({"kind": "constant", "level": 2, "duration": 6}).run()
    assert report["verdict"] == "invalid"
    assert "no request was answered at all (connect" in report["summary"]
    assert set(report["requests"]["errors"]) == {"connect"}


def test_a_name_that_is_not_found_proves_nothing(driven: Callable[..., Driven]) -> None:
    report = driven({"kind": "constant", "level": 2, "duration": 6}, host="http://nobody.invalid:8501").run()
    assert report["verdict"] == "invalid"
    assert "did not find the server's name" in report["summary"]


def test_answers_that_are_no_predictions_are_failures(
    driven: Callable[..., Driven], server: ModelServer
) -> None:
    server.answer = lambda number: (
        (200, b'{"error": "out of cheese"}')
        if number % 3 == 0
        else (500, b"no")
        if number % 3 == 1
        else (200, b'{"outputs": 1}')
    )
    report = driven(STEPS).run()
    errors = report["requests"]["errors"]
    assert report["generator"]["valid"], "the server's answers are the server's"
    assert set(errors) == {"answer", "http 500"}
    assert (
        report["requests"]["failed"] == sum(errors.values()) == sum(n % 3 != 2 for n in range(server.count))
    )
    assert "out of cheese" in report["requests"]["examples"]["answer"]


def test_timeouts_are_told_apart(driven: Callable[..., Driven], server: ModelServer) -> None:
    server.delay = lambda number: 1.2 if number % 4 == 0 else 0.0
    report = driven(STEPS, timeout=0.5).run()
    assert set(report["requests"]["errors"]) == {"timeout"}
    assert report["generator"]["valid"]


def test_without_its_driver_the_load_stops(driven: Callable[..., Driven], server: ModelServer) -> None:
    load = driven(LONG, dead_man_seconds=3)
    load.at(30, lambda: setattr(load.cluster.proxy, "cut", True))
    thread = threading.Thread(target=load.test.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not load.cluster.proxy.cut and time.monotonic() < deadline:
        time.sleep(0.1)
    counts: list[int] = []
    while time.monotonic() < deadline + 15:
        counts.append(server.count)
        if len(counts) > 3 and counts[-1] == counts[-4]:
            break
        time.sleep(1)
    assert counts[-1] == counts[-4], "requests still come although nobody has asked the master for long"
    load.cluster.proxy.cut = False
    thread.join(20)
    report = load.report()
    assert report["verdict"] == "invalid"
    assert "the dead man's switch" in report["summary"]
    assert report["requests"]["total"] == server.count, "what was measured is kept"


def test_an_api_server_that_is_away_for_a_while_does_no_harm(
    driven: Callable[..., Driven], server: ModelServer
) -> None:
    load = driven({"kind": "constant", "level": 4, "duration": 20})

    def away() -> None:
        load.cluster.proxy.cut = True
        threading.Timer(9, lambda: setattr(load.cluster.proxy, "cut", False)).start()

    load.at(50, away)
    report = load.run()
    assert report["verdict"] == "pass", report["generator"]
    assert report["requests"]["total"] == server.count
    assert report["generator"]["gaps"], "that nothing was seen for a while is said"


@pytest.mark.parametrize("requests", [1, 60, 150])
def test_an_interrupted_run_keeps_what_it_has_and_leaves_no_load(
    driven: Callable[..., Driven], server: ModelServer, requests: int
) -> None:
    load = driven(LONG)
    load.at(requests, lambda: setattr(load, "cancel", "the run was interrupted"))
    report = load.run()
    assert report["verdict"] == "invalid"
    assert "the run was interrupted" in report["summary"]
    seen = server.count
    time.sleep(1.5)
    assert server.count == seen, "the load has stopped"
    assert report["requests"]["total"] == seen


GRPC_SERVER = """
import sys, time, grpc
from concurrent import futures
sys.path.insert(0, sys.argv[1])
import predict
Request, Response = (predict.message(f"tensorflow.serving.Predict{k}") for k in ("Request", "Response"))
def answer(request, context):
    value = request.inputs["x"]
    assert (request.model_spec.name, request.model_spec.version.value) == ("m", 7)
    assert request.model_spec.signature_name == "s"
    assert value.dtype == 1 and [d.size for d in value.tensor_shape.dim] == [1, 2] and list(value.float_val) == [1.5, 2.0]
    made = Response()
    made.outputs["y"].float_val.append(1)
    return made
handler = grpc.unary_unary_rpc_method_handler(answer, Request.FromString, Response.SerializeToString)
server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": handler})])
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
time.sleep(120)
"""


def test_grpc_predict_without_tensorflow(driven: Callable[..., Driven], tmp_path: Path) -> None:
    source = textwrap.dedent(GRPC_SERVER)
    process = subprocess.Popen([sys.executable, "-c", source, str(FILES)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        (tmp_path / "body-0").write_bytes(
            json.dumps({"signature_name": "s", "instances": [[1.5, 2]]}).encode()
        )
        grpc = {
            "protocol": "grpc", "grpc_host": f"127.0.0.1:{port}", "version": 7,
            "inputs": {"x": {"dtype": "DT_FLOAT", "shape": [-1, 2]}},
        }  # fmt: skip
        report = driven(STEPS, **grpc).run()
        assert report["verdict"] == "pass", (report["summary"], report["requests"])
        assert report["requests"]["total"] > 50
        assert report["requests"]["failed"] == 0, report["requests"]
    finally:
        process.kill()
        process.wait()


LABS_TASKS = """
import json
from locust import HttpUser, constant, task
BODY = json.loads(open("body-0").read())
class TFServingClient(HttpUser):
    wait_time = constant(0)
    @task
    def predict(self):
        with self.client.post("/v1/models/m/versions/1:predict", data=json.dumps(BODY), catch_response=True) as response:
            if "error" in response.json():
                response.failure("error")
"""
TRIVIAL_SERVER = """
import asyncio, re
served = 0
class Http(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.missing = transport, 0
    def data_received(self, data):
        global served
        if not self.missing:
            if data.startswith(b"GET"):
                return self.say(str(served).encode())
            length = int(re.search(rb"(?i)content-length: *([0-9]+)", data)[1])
            self.missing = length + data.index(b"\\r\\n\\r\\n") + 4
        self.missing -= len(data)
        if not self.missing:
            served += 1
            self.say(b'{"predictions": [1]}')
    def say(self, content):
        self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(content), content))
async def main():
    server = await asyncio.get_running_loop().create_server(Http, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@pytest.fixture
def trivial_server() -> Iterator[str]:
    """Its address. A process of its own, so that its work is not the client's."""
    process = subprocess.Popen([sys.executable, "-c", TRIVIAL_SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.wait()


def test_a_worker_core_makes_four_times_the_requests_of_the_labs_tasks(
    tmp_path: Path, trivial_server: str
) -> None:
    """CPU seconds of the client a request: what limits a worker, whatever else runs on the machine."""
    (tmp_path / "body-0").write_bytes(
        json.dumps({"signature_name": "s", "instances": [{"b64": "x" * 81_700}]}).encode()
    )
    (tmp_path / "lab.py").write_text(LABS_TASKS)

    def spent(file: str, *more: str) -> tuple[float, int]:
        before, count = resource.getrusage(resource.RUSAGE_CHILDREN), int(requests.get(trivial_server).text)
        subprocess.run(
            [sys.executable, "-m", "locust", "-f", file, "--headless", f"--host={trivial_server}", *more],
            cwd=tmp_path, check=False, capture_output=True, timeout=60,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return cpu, int(requests.get(trivial_server).text) - count

    def lab(seconds: int) -> tuple[float, int]:
        return spent("lab.py", "-u", "10", "-r", "10", "-t", f"{seconds}s")

    def ours(seconds: int) -> tuple[float, int]:
        shape = {"kind": "constant", "level": 10, "duration": seconds, "spawn_rate": 10}
        Cluster.copy_sources(tmp_path, config(shape, workers=1, wait_min=0, wait_max=0))
        return spent("locustfile.py")

    def of_a_request(run: Callable[[int], tuple[float, int]]) -> float:
        """Between short and long runs, so that Locust's start is no part of it."""
        runs = [(run(2), run(7)) for _ in range(2)]
        cpu = sum(long[0] - short[0] for short, long in runs)
        return cpu / sum(long[1] - short[1] for short, long in runs)

    theirs, mine = of_a_request(lab), of_a_request(ours)
    assert theirs / mine >= 4, f"{theirs * 1000:.2f} ms against {mine * 1000:.2f} ms of CPU a request"
