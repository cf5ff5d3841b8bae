"""Locust for real, a master and workers as processes: what is sent, and how it is counted."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.locust import FILES as RESULTS
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.locust import collect_results
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.payload import Tensor, bodies, for_grpc
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.rest import Servable
from driving import STEPS, Driven
from loopback import UTILS, ModelServer, free_port, passed


def test_counts_are_exact_and_percentiles_within_one_percent_of_locusts_own(
    driven: Callable[..., Driven], server: ModelServer, tmp_path: Path
) -> None:
    server.delay = lambda number: 0.01 + 0.001 * (number * 7919 % 60)
    load = driven(STEPS)
    report = load.run()
    assert passed(report), report["generator"]
    assert report["requests"]["total"] == server.count > 100
    assert collect_results(load.locust, tmp_path, time.sleep) == list(RESULTS)
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


GRPC_SERVER = """
import sys, time, grpc
from concurrent import futures
sys.path.insert(0, sys.argv[1])
import protos
def answer(content, context):
    request = protos.message("PredictRequest")
    request.ParseFromString(content)
    value = request.inputs["x"]
    assert (request.model_spec.name, request.model_spec.version.value) == ("m", 7)
    assert request.model_spec.signature_name == "s"
    assert value.dtype == 19 and [d.size for d in value.tensor_shape.dim] == [1, 2] and list(value.half_val) == [0x3e00, 0x4000]
    made = protos.message("PredictResponse")
    made.outputs["y"].float_val.append(1)
    return made.SerializeToString()
handler = grpc.unary_unary_rpc_method_handler(answer)
server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": handler})])
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
time.sleep(120)
"""


def grpc_body(folder: Path) -> None:
    """What locust_prepare puts beside the locustfile: 16-bit numbers, which no worker could make."""
    known = {"s": {"x": Tensor("DT_HALF", (-1, 2))}}
    files = {"a.json": json.dumps([1.5, 2]).encode()}
    (body,) = for_grpc(bodies(files, signature="s", known=known), Servable("m", 7), known)
    (folder / "body-0").write_bytes(body.content)


def test_grpc_predict_without_tensorflow(driven: Callable[..., Driven], tmp_path: Path) -> None:
    source = textwrap.dedent(GRPC_SERVER)
    process = subprocess.Popen([sys.executable, "-c", source, str(UTILS)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        grpc_body(tmp_path)
        report = driven(STEPS, protocol="grpc", grpc_host=f"127.0.0.1:{port}").run()
        assert passed(report), (report["summary"], report["requests"])
        assert report["requests"]["total"] > 50
        assert report["requests"]["failed"] == 0, report["requests"]
    finally:
        process.kill()
        process.wait()


FULL = """
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
frontend grpc
  bind 127.0.0.1:{port} proto h2
  {refusal}
"""
TEMPLATE = UTILS.parents[1] / "roles/serving/templates/haproxy.cfg.j2"


def our_refusal() -> str:
    """Of a queue that is full, as the role's proxy says it."""
    (line,) = [line.strip() for line in TEMPLATE.read_text().splitlines() if "grpc-status {{ code }}" in line]
    return jinja2.Template(line).render(code=14, words="the queue of this replica is full", again=True)


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [("http-request return status 503 hdr Retry-After 1", "http 503"), (our_refusal(), "grpc UNAVAILABLE")],
)
def test_a_proxy_that_turns_everything_away_is_a_server_that_fails(
    driven: Callable[..., Driven], tmp_path: Path, refusal: str, kind: str
) -> None:
    """As with the queue of every replica full: the run measured something, and what it measured is bad."""
    haproxy = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    assert haproxy, "no haproxy: run tools/setup, or apt-get install haproxy"
    port = free_port()
    (tmp_path / "haproxy.cfg").write_text(FULL.format(port=port, refusal=refusal))
    grpc_body(tmp_path)
    process = subprocess.Popen([haproxy, "-db", "-f", str(tmp_path / "haproxy.cfg")])
    try:
        load = driven(STEPS, protocol="grpc", grpc_host=f"127.0.0.1:{port}")
        report = load.run()
    finally:
        process.kill()
        process.wait()
    requests = report["requests"]
    assert set(requests["errors"]) == {kind}, requests
    assert requests["failed"] == requests["total"] > 20
    assert not any("no request was answered" in problem for problem in report["generator"]["problems"])


def test_a_grpc_server_that_is_not_there_proves_nothing(
    driven: Callable[..., Driven], tmp_path: Path
) -> None:
    grpc_body(tmp_path)
    report = driven(STEPS, protocol="grpc", grpc_host=f"127.0.0.1:{free_port()}").run()
    assert set(report["requests"]["errors"]) == {"connect"}, report["requests"]
    assert report["verdict"] == "invalid"
