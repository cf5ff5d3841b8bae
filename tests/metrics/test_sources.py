"""The same site and load with the HPA's metric from a Prometheus and from GKE's adapter, each for real."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.objects import is_true

from tests.drills.drill import KUBECONFIG
from tests.integration.conftest import ROOT, daemon_log, leftovers, playbook, report, sandbox, wait_for

from .both import BOTH, IN_FLIGHT, NAME, NAMESPACE, SideBySide

VARS = f"@{Path(__file__).parent / 'vars.yml'}"
# As inventories/sandbox has them.
MOST, STABILISED = 4, 30
LEFT = (
    "/api/v1/{0}serviceaccounts",
    "/api/v1/{0}configmaps",
    "/api/v1/{0}services",
    "/apis/apps/v1/{0}deployments",
    "/apis/rbac.authorization.k8s.io/v1/{0}roles",
    "/apis/rbac.authorization.k8s.io/v1/{0}rolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/apiregistration.k8s.io/v1/apiservices",
    "/apis/autoscaling.gke.io/v1beta1/{0}autoscalingmetrics",
    "/apis/autoscaling.x-k8s.io/v1beta1/{0}capacitybuffers",
    "/api/v1/{0}podtemplates",
)


@pytest.fixture(scope="module")
def without_stock() -> list[float]:
    """``scheduled`` of the run without room in stock."""
    return []


@pytest.fixture(scope="module", autouse=True)
def machine() -> Iterator[None]:
    """A sandbox with what brings metrics, and nothing of it afterwards."""
    os.environ["MLOPS_TFSERVING_SANDBOX_METRICS"] = "1"
    sandbox("down", "--purge").ok()
    sandbox("up", timeout=3600).ok()
    yield
    sandbox("down", "--purge").ok()
    assert leftovers() == []


def api() -> KubeClient:
    return KubeClient(str(KUBECONFIG))


def hpa() -> dict[str, Any]:
    return api().get(f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{NAME}")


def run(source: str, *more: str) -> None:
    """Site and load test by this source, and again without anything to do."""
    given = ("-e", VARS, "-e", f"autoscaling_metrics_source={source}", *more)
    done = playbook("site.yml", *given, timeout=1800)
    assert done.code == 0, f"{done.output[-6000:]}\n{daemon_log()}"
    assert playbook("site.yml", *given).ok().changed == 0


def load(source: str, *more: str) -> None:
    given = ("-e", VARS, "-e", f"autoscaling_metrics_source={source}", *more)
    done = playbook("playbooks/loadtest.yml", *given, timeout=1500)
    assert done.code == 0, f"{done.output[-6000:]}\n{daemon_log()}"
    assert report()["verdict"] == "pass", report()["checks"]


def ready_nodes() -> list[str]:
    nodes = api().get("/api/v1/nodes")["items"]
    return [node["metadata"]["name"] for node in nodes if is_true(node, "Ready")]


def decided(name: str) -> list[str]:
    """Looks of the last run at which this metric asked for most, in words."""
    looks: list[dict[str, Any]] = report()["scaling"]["looks"]["all"]  # type: ignore[index]
    assert looks
    return [look["words"] for look in looks if re.search(rf"has \d+: {re.escape(name)}: ", look["words"])]


def scheduled() -> float:
    """The longest that a new replica of the last run waited for a place, in seconds."""
    reactions: list[dict[str, Any]] = report()["scaling"]["reactions"]  # type: ignore[index]
    return max(one["phases"].get("schedule", 0.0) for one in reactions if one["direction"] == "out")


def beside() -> list[str]:
    """What of the role's is there beside the HPA and the model server's own."""
    found = []
    for path in LEFT:
        items = api().get(
            path.format(f"namespaces/{NAMESPACE}/"),
            labelSelector="app.kubernetes.io/managed-by=mlops.tfserving",
        )["items"]
        found += [f"{path} {one['metadata']['name']}" for one in items]
    return sorted(found)


def test_by_a_prometheus_of_the_role_s_own(without_stock: list[float]) -> None:
    run("prometheus")
    name = f"{NAME}-in-flight"
    metrics = {one["type"]: one for one in hpa()["status"]["currentMetrics"]}
    assert metrics["External"]["external"]["metric"]["name"] == name
    with SideBySide(api(), BOTH) as seen:
        load("prometheus")
    (ROOT / "reports/sources.json").write_text(json.dumps([vars(one) for one in seen.moments]))
    assert len(seen.moments) >= 30, seen.problems[-3:]
    assert max(one.totals["prometheus"] for one in seen.moments) > 2 * IN_FLIGHT["target"], "there was load"
    assert seen.apart(MOST, STABILISED) == [], "the sources are never more than one replica apart"
    assert decided(name), "the metric decided, and the report says so"
    without_stock.append(scheduled())
    assert name in playbook("playbooks/status.yml", "-e", VARS).ok().output


def test_by_gke_s_adapter_with_room_in_stock(without_stock: list[float]) -> None:
    stock = ("-e", f"autoscaling_buffer_replicas={MOST - 1}")
    run("gke", *stock)
    name = f"autoscaling.gke.io|{NAME}|in-flight"
    assert not any("prometheus" in one or "adapter" in one for one in beside()), "the earlier source is gone"
    metrics = {one["type"]: one for one in hpa()["status"]["currentMetrics"]}
    assert metrics["Pods"]["pods"]["metric"]["name"] == name
    buffers = f"/apis/autoscaling.x-k8s.io/v1beta1/namespaces/{NAMESPACE}/capacitybuffers/{NAME}"
    wait_for(
        lambda: api().get(buffers).get("status", {}).get("replicas") == MOST - 1, 60, "the buffer's status"
    )
    wait_for(lambda: len(ready_nodes()) == 2, 180, "the node for what is in stock")
    load("gke", *stock)
    assert decided(name)
    assert name in playbook("playbooks/status.yml", "-e", VARS).ok().output
    (waited,) = without_stock
    assert scheduled() < waited / 4, f"{scheduled()} s with room in stock, {waited} s without"


def test_nothing_is_left_of_either() -> None:
    given = ("playbooks/autoscaling.yml", "-e", "autoscaling_max_replicas=4")
    assert playbook(*given).ok().changed > 0
    assert playbook(*given).ok().changed == 0
    assert [one["type"] for one in hpa()["spec"]["metrics"]] == ["ContainerResource"]
    assert not any(
        word in one
        for one in beside()
        for word in (
            "prometheus",
            "adapter",
            "autoscalingmetrics",
            "capacitybuffers",
            "podtemplates",
            "apiservices",
        )
    )
