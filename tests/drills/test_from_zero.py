"""Drill 12: nobody asks, and the last replica goes; then somebody asks, by REST and by gRPC. No request is lost."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient

from . import client
from .drill import KUBECONFIG, NAMESPACE, NEW, Cluster, converge

Record = Callable[..., None]

WAKE_UPS = int(os.environ.get("DRILL_WAKE_UPS", "10"))
AT_ONCE = 24
GIVEN = {
    "autoscaling_min_replicas": 0,
    "autoscaling_max_replicas": 2,
    "autoscaling_idle_seconds": 20,
    "autoscaling_metrics_source": "prometheus",
    "autoscaling_metrics": [{"type": "in_flight", "target": 3}],
    "autoscaling_prometheus_image": "sandbox.local/prometheus:2.53",
    "autoscaling_adapter_image": "sandbox.local/prometheus-adapter:0.12.0",
}


@pytest.fixture
def down_to_zero(cluster: Cluster) -> Iterator[str]:
    """The model server with an HPA that may take its last replica."""
    if not all(one.startswith(f"v{NEW}.") for one in cluster.kubelets()):
        converge("playbooks/teardown.yml", "-e", "teardown_bucket=false")
        converge("playbooks/cluster.yml", "-e", f"cluster_version={NEW}")
        cluster.api = KubeClient(str(KUBECONFIG))
    given = ("-e", json.dumps(GIVEN))
    converge("playbooks/promote.yml", "-e", "promote_version=1", "-e", "serving_gate_enabled=false", *given)
    converge("playbooks/autoscaling.yml", *given)
    yield "drill"
    converge("playbooks/autoscaling.yml")


def test_answers_from_zero(
    cluster: Cluster, down_to_zero: str, run: int, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 120.0)  # a start is a part of the answer here
    tallies = {"rest": client.Tally(), "grpc": client.Tally()}
    late = []
    for number in range(WAKE_UPS):
        cluster.wait(lambda: replicas(cluster, down_to_zero) == 0, "the HPA takes the last replica")
        cluster.wait_for_replicas(down_to_zero, 0)
        late.append(woken(cluster, down_to_zero, tallies, ("rest", "grpc", "both")[number % 3]))
    results: dict[str, Any] = {name: tally.show() for name, tally in tallies.items()}
    note = f"{WAKE_UPS} wake-ups; the first answer after the replica was ready: median {sorted(late)[len(late) // 2]:.2f} s, most {max(late):.2f} s"
    print(note)
    record(results, note, least=WAKE_UPS * AT_ONCE, wake_ups=WAKE_UPS, first_answer_seconds=sorted(late))
    assert sorted(late)[len(late) // 2] < 1


def woken(cluster: Cluster, name: str, tallies: dict[str, client.Tally], by: str) -> float:
    """Several ask at once, each over a connection of its own; seconds from when the replica was seen ready to the first answer."""
    seen, answered = [], []
    asked = threading.Event()

    def look() -> None:
        while not asked.is_set():
            if cluster.ready(name):
                seen.append(time.monotonic())
                return
            time.sleep(0.1)

    def ask(protocol: str) -> None:
        config = {
            "host": cluster.address(name),
            "port": 8501 if protocol == "rest" else 8500,
            "model": "drill",
        }
        one = {"rest": client.Rest, "grpc": client.Grpc}[protocol](config, tallies[protocol])
        begun = time.monotonic()
        problem = one.ask()
        tallies[protocol].add(time.monotonic() - begun, problem)
        answered.append(time.monotonic())

    watching = threading.Thread(target=look)
    watching.start()
    with ThreadPoolExecutor(2 * AT_ONCE) as pool:
        protocols = [one for one in tallies if by in (one, "both")]
        for done in [pool.submit(ask, one) for one in protocols * AT_ONCE]:
            done.result()
    asked.set()
    watching.join()
    return min(answered) - seen[0] if seen else 0.0


def replicas(cluster: Cluster, name: str) -> int:
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}/scale"
    return int(cluster.api.get(path)["spec"].get("replicas", 0))
