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
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.watch import Timeline

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

    def raw(self, method: str, path: str, **_: Any) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        if self.status == 0:
            raise KubeError(0, "NoAnswer", "gone")
        return self.status, {}, METRICS


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
