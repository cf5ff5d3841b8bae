"""What a dry run of the autoscaling role says of a cluster where the serving role has yet to make the Deployment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from kube_in_memory import DISCOVERY, KubeInMemory
from played import run

ROLE = "mlops.tfserving.autoscaling"


def test_room_for_replicas_of_a_deployment_that_comes_in_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the namespace alone it can't be known that there is nothing to compare with: others may have made it."""
    apps = [{"name": "deployments", "kind": "Deployment", "namespaced": True}]
    monkeypatch.setitem(DISCOVERY, "/apis/apps/v1", {"resources": apps})
    world = KubeInMemory()
    world.put("/api/v1/namespaces/tfserving", {"kind": "Namespace", "apiVersion": "v1"})
    with world.served(tmp_path) as kubeconfig:
        cluster = {"kubeconfig": str(kubeconfig), "context": "c"}
        play = {
            "hosts": "localhost", "gather_facts": False, "connection": "local",
            "vars": {"ansible_python_interpreter": sys.executable, "cluster_reachable": True},
            "module_defaults": {"group/mlops.tfserving.k8s": cluster, "group/kubernetes.core.k8s": cluster},
            "tasks": [{"include_role": {"name": ROLE, "tasks_from": "look.yml"}, "vars": {"autoscaling_buffer_replicas": 1}}],
        }  # fmt: skip
        code, output, _counts = run(tmp_path, [play], {}, "--check")
        assert code == 0, output
        assert "would create Deployment image-classifier-buffer: room for 1 more" in " ".join(output.split())
        code, output, _counts = run(tmp_path, [play], {})
    assert code != 0
    assert "apply the serving role first" in " ".join(output.split())
