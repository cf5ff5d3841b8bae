"""Drill 10: the control plane and then every node become the next minor version of Kubernetes while clients ask."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient

from sandbox.releases import DEFAULT, RELEASES

from .drill import KUBECONFIG, NEW, OLD, Cluster, FromOutside, converge, load_during

Record = Callable[..., None]

POOL = {
    "name": "default-pool",
    "machine_type": "e2-medium",
    "initial_node_count": 1,
    "autoscaling": {"enabled": True, "min_node_count": 1, "max_node_count": 3},
}


@pytest.fixture
def old_cluster(cluster: Cluster) -> Cluster:
    """The drills' cluster before the upgrade; made anew after an earlier one, which nothing takes back."""
    if not cluster.kubelets() <= {f"v{DEFAULT}"}:
        converge("playbooks/teardown.yml", "-e", "teardown_bucket=false")
        converge("playbooks/cluster.yml")
        cluster.api = KubeClient(str(KUBECONFIG))
    return cluster


def test_kubernetes_upgraded_by_surge(old_cluster: Cluster, server: str, run: int, record: Record) -> None:
    record(upgraded(old_cluster, server, "SURGE"), f"Kubernetes {OLD} to {NEW}")


def test_kubernetes_upgraded_by_blue_green(
    old_cluster: Cluster, server: str, run: int, record: Record
) -> None:
    record(upgraded(old_cluster, server, "BLUE_GREEN"), f"Kubernetes {OLD} to {NEW}")


def upgraded(cluster: Cluster, server: str, strategy: str) -> dict[str, Any]:
    """What became of the clients' requests while everything was replaced."""
    pool = POOL | {"version": NEW, "upgrade_settings": {"strategy": strategy}}
    before = set(cluster.nodes())
    results: dict[str, Any] = {}
    with load_during(cluster, server, results, kind=FromOutside):
        converge(
            "playbooks/cluster.yml",
            "-e", f"cluster_min_master_version={NEW}", "-e", json.dumps({"cluster_node_pools": [pool]}),
        )  # fmt: skip
        cluster.wait_for_replicas(server, 2)
    release = f"v{RELEASES[RELEASES.index(DEFAULT) + 1]}"
    assert cluster.api.get("/version")["gitVersion"] == release
    assert cluster.kubelets() == {release}
    assert not before & set(cluster.nodes())
    return results
