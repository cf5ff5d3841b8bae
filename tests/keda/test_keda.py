"""KEDA for real: the same site and load by its metric, the HPA taken over under load and given back, and down to zero."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
import urllib.request
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.autoscalers import is_kedas
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient

from tests.drills import client
from tests.drills.drill import HERE as DRILLS
from tests.drills.drill import KUBECONFIG, Cluster, converge
from tests.drills.test_from_zero import AT_ONCE, WAKE_UPS, replicas, woken
from tests.integration.conftest import ROOT, Run, leftovers, playbook, sandbox
from tests.metrics.both import (
    IN_FLIGHT,
    NAME,
    NAMESPACE,
    SideBySide,
    gke_total,
    keda_total,
    prometheus_total,
)
from tests.metrics.test_sources import MOST, STABILISED, VARS, beside, decided, hpa, load, run

from .installed import Watched, install

# As the other sources are tried, on the Kubernetes that the sandbox has anyway.
VERSION = ("-e", "cluster_version=")
# KEDA asks the same Prometheus, and GKE's adapter, too, asks the pods.
SOURCES = {"keda": keda_total, "prometheus": prometheus_total, "gke": gke_total}
# More at once than so many replicas have enough CPU for.
AT_MOST, CONNECTIONS = 3, 8
# The HPA looks every 15 s, and lets no recommendation go for 30 more: by then it would have scaled in.
LOOKS_SECONDS = 60
BY_KEDA = ("-e", VARS, *VERSION, "-e", "autoscaling_metrics_source=keda")
BY_CPU = ("-e", VARS, *VERSION, "-e", '{"autoscaling_metrics": [{"type": "cpu"}]}')
TO_ZERO = {
    "autoscaling_min_replicas": 0,
    "autoscaling_max_replicas": 2,
    "autoscaling_idle_seconds": 20,
    "autoscaling_metrics_source": "keda",
    "autoscaling_metrics": [{"type": "cpu"}, {"type": "in_flight", "target": 3}],
    "autoscaling_prometheus_image": "sandbox.local/prometheus:2.53",
}


@pytest.fixture(scope="module", autouse=True)
def machine() -> Iterator[None]:
    """A sandbox with a site by the CPU, and KEDA in its cluster; nothing of it afterwards."""
    os.environ["MLOPS_TFSERVING_SANDBOX_METRICS"] = "keda"
    sandbox("down", "--purge").ok()
    sandbox("up", timeout=3600).ok()
    playbook("site.yml", *BY_CPU, timeout=1800).ok()
    install(api())
    yield
    sandbox("down", "--purge").ok()
    assert leftovers() == []


def api() -> KubeClient:
    return KubeClient(str(KUBECONFIG))


class Asked:
    """Clients of the demo's model, through its load balancer and over a new connection each time, as long as the block lasts."""

    def __init__(self) -> None:
        self.answered, self.failures = 0, list[str]()
        picture = base64.b64encode((ROOT / "roles/loadtest/files/coffee.jpg").read_bytes()).decode()
        body = json.dumps({"signature_name": "serving_preprocess", "instances": [{"b64": picture}]}).encode()
        host = Cluster(KUBECONFIG, NAMESPACE).address(NAME)
        self._request = urllib.request.Request(f"http://{host}:8501/v1/models/image_classifier:predict", body)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CONNECTIONS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                with urllib.request.urlopen(self._request, timeout=60) as answer:
                    assert b"espresso" in answer.read()
                self.answered += 1
            except (OSError, AssertionError) as problem:
                self.failures.append(f"{time.time():.1f} {problem!r}")


def bare(found: dict[str, Any]) -> dict[str, Any]:
    """What an HPA is but for its history."""
    metadata = found["metadata"]
    kept = {
        key: metadata.get(key) or None
        for key in ("uid", "labels", "annotations", "ownerReferences", "finalizers")
    }
    return {"metadata": kept, "spec": found["spec"]}


def noted(name: str, **numbers: Any) -> None:
    """Into reports/keda.json."""
    file = ROOT / "reports/keda.json"
    file.parent.mkdir(exist_ok=True)
    earlier = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**earlier, name: numbers}, indent=1))


def autoscale(*given: str) -> Run:
    return playbook("playbooks/autoscaling.yml", *given).ok()


def test_another_source_of_external_metrics_is_refused() -> None:
    done = playbook(
        "playbooks/autoscaling.yml", "-e", VARS, *VERSION, "-e", "autoscaling_metrics_source=prometheus"
    )
    assert done.code != 0
    assert "come from Service keda/keda-metrics-apiserver" in " ".join(done.output.split())
    assert bare(hpa())["spec"]["metrics"][0]["type"] == "ContainerResource", "nothing was changed"


def test_it_takes_the_hpa_over_under_load_and_gives_it_back() -> None:
    most = ("-e", f"autoscaling_max_replicas={AT_MOST}")
    with Asked() as clients:
        autoscale(*BY_CPU, *most)
        Cluster(KUBECONFIG, NAMESPACE).wait_for_replicas(NAME, AT_MOST)
        before = bare(hpa())
        with Watched(api(), NAMESPACE, NAME) as seen:
            assert autoscale(*BY_KEDA, *most).changed > 0
            assert is_kedas(hpa())
            assert [one["type"] for one in hpa()["spec"]["metrics"]] == ["ContainerResource", "External"]
            time.sleep(LOOKS_SECONDS)
            assert autoscale(*BY_KEDA, *most).changed == 0
            assert autoscale(*BY_CPU, *most).changed > 0
            time.sleep(LOOKS_SECONDS)
            assert autoscale(*BY_CPU, *most).changed == 0
    noted(
        "taken over and given back", looks=seen.looks, replicas=seen.replicas, autoscalers=len(seen.autoscalers),
        answered=clients.answered, failed=len(clients.failures),
    )  # fmt: skip
    assert seen.replicas == [AT_MOST], "as many replicas at each moment"
    assert seen.autoscalers == [before["metadata"]["uid"]], "the same HPA at each moment"
    assert clients.failures == []
    assert bare(hpa()) == before, "as if KEDA had never had it"
    assert left() == []


def test_by_keda_the_same_load_test_passes() -> None:
    run("keda", *VERSION)
    name = "s1-prometheus"
    metrics = {one["type"]: one for one in hpa()["status"]["currentMetrics"]}
    assert metrics["External"]["external"]["metric"]["name"] == name
    with SideBySide(api(), SOURCES) as seen:
        load("keda", *VERSION)
    (ROOT / "reports/sources-keda.json").write_text(json.dumps([vars(one) for one in seen.moments]))
    assert len(seen.moments) >= 30, seen.problems[-3:]
    assert max(one.totals["keda"] for one in seen.moments) > 2 * IN_FLIGHT["target"], "there was load"
    assert seen.apart(MOST, STABILISED) == [], "the sources are never more than one replica apart"
    assert decided(name), "the metric decided, and the report says so"
    assert name in playbook("playbooks/status.yml", "-e", VARS).ok().output


def test_nothing_is_left_of_keda_s() -> None:
    assert autoscale(*BY_CPU).changed > 0
    assert autoscale(*BY_CPU).changed == 0
    assert [one["type"] for one in hpa()["spec"]["metrics"]] == ["ContainerResource"]
    assert left() == []


def left() -> list[str]:
    """What of the role's is there beside the HPA."""
    scaled = api().get("/apis/keda.sh/v1alpha1/scaledobjects")["items"]
    return [one["metadata"]["name"] for one in scaled] + [one for one in beside() if "prometheus" in one]


def asked(cluster: Cluster, seconds: float) -> None:
    """For so long."""
    load = client.Load(
        {
            "protocol": "rest", "host": cluster.address("drill"), "port": 8501, "model": "drill",
            "rate": 4, "connections": 2,
        }
    )  # fmt: skip
    time.sleep(seconds)
    load.end()


@pytest.fixture(scope="module")
def down_to_zero() -> Iterator[Cluster]:
    """The drills' model server, with a ScaledObject that may take its last replica."""
    source = DRILLS / "models/good"
    converge("playbooks/storage.yml", "-e", "storage_model_version=1", "-e", f"storage_model_source={source}")
    given = ("-e", json.dumps(TO_ZERO))
    converge("playbooks/serving.yml", *given)
    converge("playbooks/autoscaling.yml", *given)
    cluster = Cluster(KUBECONFIG)
    # What KEDA has never seen asked it leaves for five minutes; it looks every 30 s.
    asked(cluster, 35)
    yield cluster


def test_answers_from_zero(down_to_zero: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 120.0)  # a start is a part of the answer here
    tallies = {"rest": client.Tally(), "grpc": client.Tally()}
    late = []
    for number in range(WAKE_UPS):
        down_to_zero.wait(lambda: replicas(down_to_zero, "drill") == 0, "KEDA takes the last replica")
        down_to_zero.wait_for_replicas("drill", 0)
        if number == 0:
            assert "changed=0" in converge("playbooks/autoscaling.yml", "-e", json.dumps(TO_ZERO))
            assert "KEDA took the last" in converge("playbooks/status.yml", "-e", json.dumps(TO_ZERO))
        late.append(woken(down_to_zero, "drill", tallies, ("rest", "grpc", "both")[number % 3]))
    results = {name: tally.show() for name, tally in tallies.items()}
    late.sort()
    noted("from zero", wake_ups=WAKE_UPS, results=results, late=late)
    assert sum(one["requests"] for one in results.values()) >= WAKE_UPS * AT_ONCE
    assert all(one["failed"] == 0 for one in results.values()), results
    assert late[-1] < 1, "the first answer comes with the replica"


def test_back_from_zero_nothing_is_left_either(
    down_to_zero: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody asks meanwhile: an HPA by the CPU alone brings no first replica."""
    monkeypatch.setattr(client, "TIMEOUT", 120.0)
    host = down_to_zero.address("drill")
    asked = client.Load(
        {"protocol": "rest", "host": host, "port": 8501, "model": "drill", "rate": 4, "connections": 2}
    )
    try:
        down_to_zero.wait(lambda: len(down_to_zero.ready("drill")) >= 1, "a replica")
        converge("playbooks/serving.yml")
        converge("playbooks/autoscaling.yml")
        assert "changed=0" in converge("playbooks/autoscaling.yml")
    finally:
        counted = asked.end()
    noted("back from zero", **counted)
    assert counted["failed"] == 0, counted
    down_to_zero.wait_for_replicas("drill", 1)
    assert left() == []
