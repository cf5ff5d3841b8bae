"""The proxy's configuration, checked by HAProxy itself: as rendered, and at work."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.rules import (
    HAPROXY as HAPROXY_METRICS,
)
from haproxy import HAPROXY, Server, free_port, metrics, proxy, until
from serving_role import files_of

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "sandbox": {"serving_propagation_seconds": 5, "serving_concurrency": 2, "serving_queue_length": 4},
    "texts": {"serving_concurrency": "1", "serving_queue_length": "0", "serving_request_timeout": "600"},
    "most": {"serving_proxy_connections": 10_000, "serving_queue_timeout": 600, "serving_drain_seconds": 500},
    "gauges of its load": {"serving_load_seconds": "15"},
    "several models": {"serving_models": [{"name": "m", "uri": "gs://b/m", "versions": [1, 2]}]},
}


def checked(configuration: Path) -> subprocess.CompletedProcess[str]:
    assert HAPROXY, "no haproxy: run tools/setup, or apt-get install haproxy"
    return subprocess.run(
        [HAPROXY, "-c", "-V", "-f", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_haproxy_takes_the_configuration_without_a_warning(variant: str, tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    files = files_of(**VARIANTS[variant])
    (tmp_path / "load.lua").write_text(files.get("load.lua", ""))
    file.write_text(files["haproxy.cfg"].replace("/etc/tfserving/", f"{tmp_path}/"))
    done = checked(file)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in (done.stdout + done.stderr)


@pytest.mark.parametrize(("way", "seconds"), [("LoadBalancer", 65), ("Gateway", 620)])
def test_a_load_balancers_connections_outlive_its_own_patience(way: str, seconds: int) -> None:
    """Google's keeps idle ones for 600 s, which can't be set; the shorter of the two limits closes."""
    text = files_of(serving_service_type=way)["haproxy.cfg"]
    defaults = text.partition("\ndefaults\n")[2].partition("\nbackend ")[0]
    limits = re.findall(r"timeout (?:client|http-keep-alive) (\d+)s", defaults)
    assert [int(limit) for limit in limits] == [seconds, seconds]


def test_this_check_can_fail(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(files_of()["haproxy.cfg"].replace("maxconn 8", "maxcon 8"))
    assert checked(file).returncode == 1


@pytest.fixture
def server() -> Iterator[Server]:
    opened = Server()
    yield opened
    opened.close()


@pytest.fixture
def ports(tmp_path: Path, server: Server) -> Iterator[tuple[int, int]]:
    """The ports for REST and metrics of a proxy with one place at work and one in its queue."""
    text = files_of(serving_concurrency=1, serving_queue_length=1)["haproxy.cfg"]
    with proxy(tmp_path, text, rest=server.port) as found:
        yield found["rest"], found["status"]
        server.released.set()


def ask(port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/v1/models/m:predict", body=b"{}", headers={"X-Request-Id": "r1"})
    return connection


def test_a_full_queue_is_told_at_once_and_those_in_it_are_answered(
    ports: tuple[int, int], server: Server
) -> None:
    rest, status = ports
    waiting = [ask(rest), ask(rest)]
    until(lambda: 'haproxy_backend_current_queue{proxy="rest"} 1' in (metrics(status) or ""))
    refused = ask(rest).getresponse()
    assert refused.status == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.read() == b'{"error": "the queue of this replica is full"}'
    server.released.set()
    for connection in waiting:
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"{}")
        assert answer.headers["X-Request-Id"] == "r1"


@pytest.mark.parametrize(("headers", "kept"), [({}, True), ({"X-Connection": "close"}, False)])
def test_a_connection_stays_unless_its_last_request_is_told(
    ports: tuple[int, int], server: Server, headers: dict[str, str], *, kept: bool
) -> None:
    server.released.set()
    connection = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=20)
    connection.request("POST", "/v1/models/m:predict", body=b"{}", headers=headers)
    answer = connection.getresponse()
    assert answer.read() == b"{}"
    assert answer.will_close is not kept
    assert connection.sock is None or kept
    connection.close()


def test_metrics_are_not_for_users(ports: tuple[int, int]) -> None:
    for path in ("/monitoring/prometheus/metrics", "/", "/metrics"):
        connection = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (404, b'{"error": "no such path"}')
        connection.close()


class Everything(grpc.GenericRpcHandler):
    """A server that has every method and answers what it is asked, as an echo."""

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda request, _: request)


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[grpc.Channel]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Everything()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with (
        proxy(tmp_path, files_of()["haproxy.cfg"], grpc=port) as found,
        grpc.insecure_channel(f"127.0.0.1:{found['grpc']}") as opened,
    ):
        yield opened
    server.stop(None).wait()


RETRY = {
    "maxAttempts": 2,
    "initialBackoff": "0.01s",
    "maxBackoff": "0.01s",
    "backoffMultiplier": 1,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def test_the_metrics_that_alerts_look_at_are_there_from_the_start(tmp_path: Path) -> None:
    """A proxy that has refused nothing yet says so: a series that is not there is no zero to Prometheus."""
    with proxy(tmp_path, files_of()["haproxy.cfg"], rest=free_port()) as ports:
        told = metrics(ports["status"]) or ""
    for name in HAPROXY_METRICS:
        assert f"\n{name}{{" in told, name
    assert '\nhaproxy_frontend_http_responses_total{proxy="rest",code="5xx"} 0' in told
    assert '\nhaproxy_backend_http_requests_total{proxy="grpc_full"} 0' in told


def test_by_grpc_a_full_queue_is_told_in_words_and_with_the_pause_that_clients_keep(tmp_path: Path) -> None:
    """No queue at all: each request is one too many."""
    text = re.sub(
        r"(srv_conn\(grpc/model_server\)|queue\(grpc\)) ge \d+", "always_true", files_of()["haproxy.cfg"]
    )
    policy = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": RETRY}]})
    with (
        proxy(tmp_path, text, grpc=free_port()) as found,
        grpc.insecure_channel(
            f"127.0.0.1:{found['grpc']}", options=[("grpc.service_config", policy)]
        ) as opened,
    ):
        begun = time.monotonic()
        with pytest.raises(grpc.RpcError) as refused:
            opened.unary_unary("/tensorflow.serving.PredictionService/Predict")(b"asked", timeout=60)
        took = time.monotonic() - begun
    assert (refused.value.code(), refused.value.details()) == (
        grpc.StatusCode.UNAVAILABLE, "the queue of this replica is full",
    )  # fmt: skip
    assert took >= 1, "the policy alone would have tried again after 10 ms"


def test_by_grpc_clients_get_predictions_and_status(channel: grpc.Channel) -> None:
    for method in (
        "tensorflow.serving.PredictionService/Predict", "tensorflow.serving.PredictionService/GetModelMetadata",
        "tensorflow.serving.ModelService/GetModelStatus", "grpc.health.v1.Health/Check",
    ):  # fmt: skip
        assert channel.unary_unary(f"/{method}")(b"asked", timeout=20) == b"asked"


@pytest.mark.parametrize(
    "method",
    [
        "tensorflow.serving.ModelService/HandleReloadConfigRequest", "tensorflow.ProfilerService/Profile",
        "tensorflow.serving.PredictionServices/Predict",
    ],
)  # fmt: skip
def test_by_grpc_nobody_changes_what_is_served(channel: grpc.Channel, method: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(f"/{method}")(b"asked", timeout=20)
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
