"""The control: the lab's own manifests under drills 1 to 4 lose requests, so the drills can see the difference."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from .drill import HERE, NAMESPACE, Cluster, converge, load_during

Record = Callable[..., None]
_PATHS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
}
_DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/lab"


@pytest.fixture(scope="module")
def deployed(cluster: Cluster) -> Iterator[None]:
    """The lab's objects beside ours, which has one replica meanwhile; a model of their own in the bucket."""
    converge("playbooks/promote.yml", "-e", "promote_version=1", "-e", "serving_gate_enabled=false")
    converge("playbooks/autoscaling.yml", "-e", "autoscaling_min_replicas=1")
    cluster.replicas_between("drill", 1, 1)
    converge(
        "playbooks/storage.yml",
        "-e", "storage_model_path=models/lab", "-e", "storage_model_version=1",
        "-e", f"storage_model_source={HERE / 'models/good'}",
    )  # fmt: skip
    # The lab's pods run as root with everything Kubernetes allows.
    labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    cluster.api.patch(f"/api/v1/namespaces/{NAMESPACE}", labels, content_type="application/merge-patch+json")
    objects = list(yaml.safe_load_all((HERE / "lab.yml").read_text()))
    for item in objects:
        cluster.api.post(_PATHS[item["kind"]].format(NAMESPACE), item)
    yield
    for item in objects:
        cluster.api.delete(f"{_PATHS[item['kind']].format(NAMESPACE)}/{item['metadata']['name']}")
    cluster.wait(lambda: cluster.pods("lab") == [], "the lab's pods are gone")


@pytest.fixture
def lab(cluster: Cluster, deployed: None) -> str:
    """The lab's server with two replicas; its name."""
    cluster.replicas_between("lab", 2, 2)
    cluster.wait_for_replicas("lab", 2)
    cluster.wait(lambda: _has_address(cluster), "an address")
    return "lab"


def test_control_scale_down_by_the_hpa(cluster: Cluster, lab: str, run: int, record: Record) -> None:
    cluster.replicas_between(lab, 4, 4)
    cluster.wait_for_replicas(lab, 4)
    results: dict[str, Any] = {}
    with load_during(cluster, lab, results):
        cluster.replicas_between(lab, 1, 4)
        cluster.wait_for_replicas(lab, 1)
    record(results, "the lab's manifests: 4 to 1 replicas", lossless=False)


def test_control_node_drained_by_the_autoscaler(cluster: Cluster, lab: str, run: int, record: Record) -> None:
    cluster.replicas_between(lab, 4, 4)
    cluster.wait_for_replicas(lab, 4)
    cluster.wait(lambda: len(cluster.nodes()) >= 2, "a second node")
    results: dict[str, Any] = {}
    with load_during(cluster, lab, results):
        cluster.replicas_between(lab, 2, 2)
        cluster.wait(lambda: len(cluster.nodes()) == 1, "the second node is drained and gone")
        cluster.wait_for_replicas(lab, 2)
    record(results, "the lab's manifests: a node goes", lossless=False)


def test_control_new_version_rolled_out(cluster: Cluster, lab: str, run: int, record: Record) -> None:
    results: dict[str, Any] = {}
    with load_during(cluster, lab, results):
        _restart(cluster, {"model-version": "2"})
    record(results, "the lab's manifests: other pods", lossless=False)


def test_control_rollback(cluster: Cluster, lab: str, run: int, record: Record) -> None:
    _restart(cluster, {"model-version": "2"})
    results: dict[str, Any] = {}
    with load_during(cluster, lab, results):
        _restart(cluster, {"model-version": "1"})
    record(results, "the lab's manifests: the former pods again", lossless=False)


def _has_address(cluster: Cluster) -> bool:
    service = cluster.api.get(f"/api/v1/namespaces/{NAMESPACE}/services/lab")
    return bool(service["status"]["loadBalancer"].get("ingress"))


def _restart(cluster: Cluster, annotations: dict[str, str]) -> None:
    """What `kubectl rollout restart` and `kubectl rollout undo` do: another pod template, and so other pods."""
    before = {pod["metadata"]["uid"] for pod in cluster.pods("lab")}
    template = {
        "metadata": {"annotations": {**annotations, "kubectl.kubernetes.io/restartedAt": str(time.time())}}
    }
    cluster.api.patch(
        _DEPLOYMENT, {"spec": {"template": template}}, content_type="application/merge-patch+json"
    )
    cluster.wait(
        lambda: not before & {pod["metadata"]["uid"] for pod in cluster.pods("lab")}, "all pods are new"
    )
    cluster.wait_for_replicas("lab", 2)
