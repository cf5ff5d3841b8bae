"""Drill 11: what brings the metric that the replicas are there for dies under load. No request is lost, and no replica."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from .drill import NAMESPACE, Cluster, Json, converge, load_during

Record = Callable[..., None]

MOST = 4
# The clients ask some 80 times a second together, of which four replicas may have 48; by their CPU two would do.
GIVEN = {
    "autoscaling_metrics_source": "prometheus",
    "autoscaling_metrics": [{"type": "cpu"}, {"type": "requests", "target": 12}],
    "autoscaling_prometheus_image": "sandbox.local/prometheus:2.53",
    "autoscaling_adapter_image": "sandbox.local/prometheus-adapter:0.12.0",
    "autoscaling_max_replicas": MOST,
}
# The HPA looks every 15 s and lets no recommendation go for 15 more: by then it would have scaled in.
OUTAGE_SECONDS = 60


@pytest.fixture
def by_requests(cluster: Cluster, server: str) -> Iterator[str]:
    """The model server with an HPA that goes by its requests a second."""
    converge("playbooks/autoscaling.yml", "-e", json.dumps(GIVEN))
    yield server
    converge("playbooks/autoscaling.yml")


def test_metric_source_dies_under_load(cluster: Cluster, by_requests: str, run: int, record: Record) -> None:
    faults = {
        "adapter": gone(cluster, f"{by_requests}-metrics-adapter"),
        "Prometheus": gone(cluster, f"{by_requests}-prometheus"),
        "a Prometheus that hangs": hung(),
    }
    results: dict[str, Any] = {}
    with load_during(cluster, by_requests, results):
        for name, fault in faults.items():
            cluster.wait(lambda: wanted(cluster, by_requests) == MOST, f"{MOST} replicas by the metric")
            with fault:
                cluster.wait(lambda: unread(cluster, by_requests), f"without {name} the HPA says so", 120)
                deadline = time.monotonic() + OUTAGE_SECONDS
                while time.monotonic() < deadline:
                    assert wanted(cluster, by_requests) == MOST, f"without {name} a replica went"
                    time.sleep(1)
            cluster.wait(lambda: not unread(cluster, by_requests), f"after {name} the HPA reads on", 120)
            assert wanted(cluster, by_requests) == MOST, f"after {name} a replica went"
    record(results, f"{', '.join(faults)}: {OUTAGE_SECONDS} s each, {MOST} replicas all the time")


def hpa(cluster: Cluster, name: str) -> Json:
    path = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{name}"
    return dict(cluster.api.get(path))


def wanted(cluster: Cluster, name: str) -> int:
    return int(
        cluster.api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}")["spec"]["replicas"]
    )


def unread(cluster: Cluster, name: str) -> bool:
    """Whether the HPA could not read the metric at its last look."""
    conditions = hpa(cluster, name)["status"].get("conditions", [])
    return any(one.get("reason") == "FailedGetExternalMetric" for one in conditions)


@contextmanager
def gone(cluster: Cluster, deployment: str) -> Iterator[None]:
    """Nothing of it runs."""
    scale(cluster, deployment, 0)
    for pod in cluster.pods(deployment):
        cluster.api.delete(
            f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}", {"gracePeriodSeconds": 0}
        )
    yield
    scale(cluster, deployment, 1)
    cluster.wait_for_replicas(deployment, 1)


def scale(cluster: Cluster, deployment: str, replicas: int) -> None:
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{deployment}"
    cluster.api.patch(path, {"spec": {"replicas": replicas}}, content_type="application/merge-patch+json")


@contextmanager
def hung() -> Iterator[None]:
    """Prometheus takes connections and answers nothing, until the kubelet starts it again."""
    (process,) = (
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if (entry / "cmdline").read_bytes().startswith(b"/usr/bin/prometheus\0")
    )
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)
