"""Locust for real, a master and workers as processes: what it counts, and each way in which it could lie."""

from __future__ import annotations

import json
import math
import os
import random
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

from loopback import FILES, Cluster, ModelServer, cluster, config, passed

STEPS = {"max_steps": 2, "step_time": 4, "step_load": 3, "spawn_rate": 6, "ramp_down": 3}
LONG = {"kind": "constant", "level": 4, "duration": 60}


class Driven:
    """A load test with its driver on the tests' clock; `at` does something once some requests were answered."""

    def __init__(self, made: Cluster, folder: Path, shape: dict[str, Any], workers: int) -> None:
        self.cluster = made
        self.plan = plan(shape)
        self.locust = Locust(made.proxy, "n", "s")  # type: ignore[arg-type]
        self.timeline = Timeline(folder / "timeline.jsonl")
        self.interrupt_after = math.inf
        self.enough: Callable[[list[dict[str, Any]]], bool] = lambda loads: False
        self._events: list[tuple[int, Callable[[], None]]] = []
        settings = Settings("n", "m", workers, 60, self.plan.curve.length + 60, 5, self.plan)
        clock = Clock(time.time, time.sleep, cancelled=self._cancelled)
        self.test = LoadTest(self.locust, self.timeline, settings, clock, lambda _: None)

    def at(self, requests: int, action: Callable[[], None]) -> None:
        self._events.append((requests, action))

    def _cancelled(self) -> str | None:
        loads = [e for e in self.timeline.events if e["kind"] == "load"]
        done = loads[-1]["requests"] if loads else 0
        for event in [event for event in self._events if done >= event[0]]:
            self._events.remove(event)
            event[1]()
        begun = next((e["t"] for e in self.timeline.events if e["kind"] == "run"), math.inf)
        if time.time() > begun + self.interrupt_after:
            return "the run was interrupted"
        if loads and self.enough(loads):
            return "the test has seen enough"
        return None

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

    def start(
        shape: dict[str, Any], *, workers: int = 2, host: str | None = None, patience: int = 60, **more: Any
    ) -> Driven:
        settings = config(shape, workers=workers, **more)
        context = cluster(tmp_path, settings, host or server.url, workers=workers, patience=patience)
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
    assert passed(report), report["generator"]
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
    assert passed(report), report["generator"]
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
    assert passed(load.run())
    drawn = [server.bodies[(tmp_path / f"body-{n}").read_bytes()] for n in (0, 1)]
    assert sum(drawn) == 400
    # 300 are expected; five standard deviations are 43.
    assert abs(drawn[0] - 300) < 44
    table = load.locust.fetch(RESULTS["stats.csv"])
    assert table is not None
    assert b"predict a" in table


def test_a_killed_worker_makes_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load = driven(LONG, patience=3)
    load.at(50, load.cluster.workers[0].kill)
    load.enough = lambda loads: loads[-1]["workers"] < 2
    report = load.run()
    assert report["verdict"] == "invalid"
    assert "a worker was lost: 1 of 2" in report["summary"]


def test_all_workers_killed_make_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load = driven(LONG, patience=3)
    load.at(50, lambda: [worker.kill() for worker in load.cluster.workers])
    report = load.run()
    assert report["verdict"] == "invalid", [e for e in load.timeline.events if e["kind"] == "load"]
    assert "when the last worker is gone, Locust stops" in report["summary"]


def test_a_starved_worker_makes_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load, over = driven(LONG), threading.Event()
    load.enough = lambda loads: len(loads) > 8 and loads[-1]["lag_ms"] > 150

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
    assert passed(report), "the server's answers are the server's"
    assert set(errors) == {"answer", "http 500"}
    assert (
        report["requests"]["failed"] == sum(errors.values()) == sum(n % 3 != 2 for n in range(server.count))
    )
    assert "out of cheese" in report["requests"]["examples"]["answer"]


def test_timeouts_are_told_apart(driven: Callable[..., Driven], server: ModelServer) -> None:
    server.delay = lambda number: 1.2 if number % 4 == 0 else 0.0
    report = driven(STEPS, timeout=0.5).run()
    assert set(report["requests"]["errors"]) == {"timeout"}
    assert passed(report), report["generator"]


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
    load = driven({"kind": "constant", "level": 4, "duration": 30})

    def away() -> None:
        load.cluster.proxy.cut = True
        threading.Timer(20, lambda: setattr(load.cluster.proxy, "cut", False)).start()

    load.at(50, away)
    report = load.run()
    assert passed(report), report["generator"]
    assert report["requests"]["total"] == server.count
    assert report["generator"]["gaps"], "that nothing was seen for a while is said"


@pytest.mark.parametrize("part", range(4))
def test_runs_that_are_interrupted_at_any_moment_keep_what_they_have_and_leave_no_load(
    driven: Callable[..., Driven], server: ModelServer, tmp_path: Path, part: int
) -> None:
    """Twenty moments in all; the runs of a part follow each other on one cluster."""
    first, dice = driven(LONG), random.Random(part)
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        load = Driven(first.cluster, folder, LONG, 2)
        before, moment = server.count, dice.uniform(0, 7)
        load.interrupt_after = moment
        report = load.run()
        assert report["verdict"] == "invalid"
        assert "the run was interrupted" in report["summary"]
        seen = server.count
        assert report["requests"]["total"] == seen - before, moment
        time.sleep(0.5)
        assert server.count == seen, "the load has stopped"


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
        assert passed(report), (report["summary"], report["requests"])
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
class Http(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.missing = transport, 0
    def data_received(self, data):
        if not self.missing:
            length = int(re.search(rb"(?i)content-length: *([0-9]+)", data)[1])
            self.missing = length + data.index(b"\\r\\n\\r\\n") + 4
        self.missing -= len(data)
        if not self.missing:
            self.transport.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: 20\\r\\n\\r\\n{"predictions": [1]}')
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


MEASURED = """
import json, os, time
from locust import events
WARM, COUNTED = 50, 500
done = 0
@events.request.add_listener
def count(**_):
    global done, begun
    done += 1
    if done == WARM:
        begun = time.process_time()
    if done == WARM + COUNTED:
        open("measured.json", "w").write(json.dumps((time.process_time() - begun) / COUNTED))
        os._exit(0)
"""


def test_a_worker_core_makes_four_times_the_requests_of_the_labs_tasks(
    tmp_path: Path, trivial_server: str
) -> None:
    """CPU seconds of the client a request: what limits a worker, whatever else runs on the machine."""
    (tmp_path / "body-0").write_bytes(
        json.dumps({"signature_name": "s", "instances": [{"b64": "x" * 81_700}]}).encode()
    )
    shape = {"kind": "constant", "level": 10, "duration": 100, "spawn_rate": 10}
    Cluster.copy_sources(tmp_path, config(shape, workers=1, wait_min=0, wait_max=0))
    (tmp_path / "lab.py").write_text(LABS_TASKS + MEASURED)
    (tmp_path / "ours.py").write_text("from locustfile import Shape, Users\n" + MEASURED)

    def of_a_request(file: str, *more: str) -> float:
        subprocess.run(
            [sys.executable, "-m", "locust", "-f", file, "--headless", f"--host={trivial_server}", *more],
            cwd=tmp_path, check=False, capture_output=True, timeout=120,
        )  # fmt: skip
        return float(json.loads((tmp_path / "measured.json").read_text()))

    # Side by side in turns; what else runs on the machine only adds, so the least is nearest to the truth.
    pairs = [
        (of_a_request("lab.py", "-u", "10", "-r", "10", "-t", "100s"), of_a_request("ours.py"))
        for _ in range(3)
    ]
    theirs, mine = (min(times) for times in zip(*pairs, strict=True))
    assert theirs / mine >= 4, f"{theirs * 1000:.2f} ms against {mine * 1000:.2f} ms of CPU a request"
