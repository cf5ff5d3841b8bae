"""Requests by pod, from TF Serving's own metrics, at a pace that many pods do not change."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import counters
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.counters import Counters, requests_in
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shares import refused
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.watch import Timeline
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.refusals import (
    in_words,
    refused_in,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.runtime import TF_SERVING

METRICS = b"""# TYPE :tensorflow:serving:request_count counter
:tensorflow:serving:request_count{model_name="m",status="OK"} 41
:tensorflow:serving:request_count{model_name="m",status="INVALID_ARGUMENT"} 1
# TYPE :tensorflow:serving:request_latency histogram
:tensorflow:serving:request_latency_count{model_name="m",API="predict",entrypoint="REST"} 99
"""


def test_all_requests_are_counted_errors_too() -> None:
    assert requests_in(METRICS) == 42
    assert requests_in(b"# nothing yet\n") is None


class Pods:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.proxy = lambda: b""

    def raw(self, method: str, path: str, **_: Any) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        if self.status == 0:
            raise KubeError(0, "NoAnswer", "gone")
        return self.status, {}, METRICS if path.endswith(TF_SERVING.metrics_path) else self.proxy()


def made(tmp_path: Path, count: int, **fields: Any) -> tuple[Counters, Pods, Timeline]:
    timeline, pods = Timeline(tmp_path / "t"), Pods()
    for number in range(count):
        state = {"app": "m", "ready": 1.0, "leaving": False, "metrics_port": 8404, **fields}
        timeline.add("pod", name=f"p{number}", **state)
    return Counters(pods, timeline, "n", "m"), pods, timeline  # type: ignore[arg-type]


def test_a_pod_is_asked_where_it_shows_its_metrics_and_noted_when_they_change(tmp_path: Path) -> None:
    looked, pods, timeline = made(tmp_path, 1)
    looked.first()
    looked.first()
    assert pods.asked[0] == ("/api/v1/namespaces/n/pods/http:p0:8404/proxy/monitoring/prometheus/metrics")
    assert [event["requests"] for event in timeline.events if event["kind"] == "metrics"] == [42]


@pytest.mark.parametrize("status", [0, 404, 503])
def test_a_pod_without_metrics_is_left_out(tmp_path: Path, status: int) -> None:
    looked, pods, timeline = made(tmp_path, 1)
    pods.status = status
    looked.first()
    assert not [event for event in timeline.events if event["kind"] == "metrics"]


def test_pods_that_are_not_of_the_model_or_not_ready_are_not_asked(tmp_path: Path) -> None:
    looked, pods, _ = made(tmp_path, 3, ready=None)
    looked.first()
    assert pods.asked == []


def test_many_pods_are_asked_in_turn_and_no_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "PAUSE_SECONDS", 0.001)
    looked, pods, _ = made(tmp_path, 50)
    stop = threading.Event()
    thread = threading.Thread(target=looked.run, args=(stop,))
    thread.start()
    deadline = time.monotonic() + 10
    while len(pods.asked) < 50 and time.monotonic() < deadline:
        time.sleep(0.005)
    stop.set()
    thread.join()
    assert len(set(pods.asked[:50])) == 50, "nobody twice before everybody once"


PROXY = b"""# TYPE haproxy_frontend_denied_connections_total counter
haproxy_frontend_denied_connections_total{proxy="rest"} 3
haproxy_frontend_denied_connections_total{proxy="status"} 7
# TYPE haproxy_backend_http_requests_total counter
haproxy_backend_http_requests_total{proxy="rest"} 9000
haproxy_backend_http_requests_total{proxy="rest_full"} 8
haproxy_backend_http_requests_total{proxy="grpc_full"} 2
haproxy_backend_http_requests_total{proxy="rest_size"} 0
haproxy_backend_http_requests_total{proxy="clients"} 0
"""


def test_what_the_proxy_refused_is_read_by_the_way_it_was() -> None:
    assert refused_in(PROXY) == {"full": 10, "connections": 3}
    assert in_words(refused_in(PROXY)) == "13 (10 full, 3 connections)"


HOLD = b"""# TYPE tfserving_requests_held gauge
tfserving_requests_held 4
# TYPE tfserving_held_requests_failed_total counter
tfserving_held_requests_failed_total{protocol="rest",reason="late"} 2
tfserving_held_requests_failed_total{protocol="grpc",reason="late"} 1
tfserving_held_requests_failed_total{protocol="rest",reason="full"} 0
"""


def test_what_was_refused_while_there_was_no_replica_has_its_own_ways(tmp_path: Path) -> None:
    """Of the pods that hold requests then, which have no model server."""
    assert refused_in(HOLD) == {"held_late": 3}
    looked, pods, timeline = made(tmp_path, 1, app="m-hold")
    pods.proxy = lambda: HOLD
    looked.first()
    assert [event["counts"] for event in timeline.events if event["kind"] == "refused"] == [{"held_late": 3}]
    assert [event for event in timeline.events if event["kind"] == "metrics"] == []
    other, pods, _ = made(tmp_path, 1, app="n-hold")
    other.first()
    assert pods.asked == []


def test_refusals_are_noted_when_they_change_and_asked_of_proxies_alone(tmp_path: Path) -> None:
    looked, pods, timeline = made(tmp_path, 1)
    told = [PROXY, PROXY, PROXY.replace(b'_size"} 0', b'_size"} 4')]
    pods.proxy = lambda: told.pop(0)
    for _ in range(3):
        looked.first()
    noted = [event["counts"] for event in timeline.events if event["kind"] == "refused"]
    assert noted == [{"full": 10, "connections": 3}, {"full": 10, "connections": 3, "size": 4}]
    bare, pods, _unused = made(tmp_path, 1, metrics_port=8501)
    bare.first()
    assert pods.asked == ["/api/v1/namespaces/n/pods/http:p0:8501/proxy/monitoring/prometheus/metrics"]


def test_only_what_was_refused_during_the_run_is_told() -> None:
    events: list[Any] = [
        {"t": 1.0, "kind": "refused", "name": "a", "counts": {"full": 10}},
        {"t": 2.0, "kind": "run", "deployment": "m"},
        {"t": 3.0, "kind": "refused", "name": "a", "counts": {"full": 12}},
        {"t": 4.0, "kind": "refused", "name": "b", "counts": {"full": 1, "size": 2}},
        {"t": 5.0, "kind": "refused", "name": "a", "counts": {"full": 3}},
    ]
    assert refused(events) == {"full": 2 + 3 + 1, "size": 2}, "one pod's proxy was started anew"
    assert refused(events[:2]) == {}
    assert refused([]) == {}
