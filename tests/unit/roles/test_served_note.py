"""What served is noted after every pod has answered, at the Deployment, and once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from kube_in_memory import KubeInMemory
from serving_role import render

ROOT = Path(__file__).resolve().parents[3]
DEPLOYMENT = "/apis/apps/v1/namespaces/tfserving/deployments/image-classifier"
NOTE = "mlops.tfserving/served-version"
MARKS = {"mlops.tfserving/model-version": "3", "mlops.tfserving/pod-hash": "h"}
VERBS = ["get", "list", "patch", "create", "delete", "update"]
GROUP = {"groupVersion": "apps/v1", "version": "v1"}
APPS: dict[str, dict[str, Any]] = {
    "/version": {"gitVersion": "v1.33.0", "major": "1", "minor": "33"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "groups": [{"name": "apps", "versions": [GROUP], "preferredVersion": GROUP}]},
    "/apis/apps/v1": {
        "kind": "APIResourceList", "groupVersion": "apps/v1",
        "resources": [{"name": "deployments", "singularName": "deployment", "kind": "Deployment", "namespaced": True, "verbs": VERBS}],
    },
}  # fmt: skip


class Noting(KubeInMemory):
    """Keeps what is applied."""

    def __init__(self) -> None:
        super().__init__()
        self.applied: list[tuple[str, Any]] = []

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        if method == "PATCH":
            self.applied.append((target, body))
        return super().answer(method, target, body)


@pytest.mark.parametrize(
    ("before", "replicas", "gate", "applied"),
    [
        ("none", 1, True, 1),
        ("2", 1, False, 1),
        ("3", 1, True, 0),
        pytest.param("2", 0, True, 1, id="the gate's has answered"),
        pytest.param("2", 0, False, 0, id="nobody has answered"),
    ],
)
def test_it_is_noted_by_an_owner_of_its_own(
    tmp_path: Path, before: str, replicas: int, gate: bool, applied: int
) -> None:
    template = {"metadata": {"annotations": MARKS}}
    kube = Noting()
    for path, found in APPS.items():
        kube.put(path, found)
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"replicas": replicas, "template": template},
    }
    kube.put(DEPLOYMENT, deployment, namespace="tfserving", annotations={NOTE: before})
    play: dict[str, Any] = {
        "hosts": "localhost", "gather_facts": False,
        "vars": {
            "ansible_python_interpreter": sys.executable, "serving_namespace": "tfserving", "serving_name": "image-classifier",
            "serving_gate_enabled": gate,
            "serving_compared": {"objects": [{"kind": "Deployment", "spec": {"template": template}}]},
        },
        "tasks": [{"ansible.builtin.include_role": {"name": "mlops.tfserving.serving", "tasks_from": "vouch.yml"}}],
    }  # fmt: skip
    with kube.served(tmp_path) as kubeconfig:
        groups = ("mlops.tfserving.k8s", "kubernetes.core.k8s")
        play["module_defaults"] = {f"group/{group}": {"kubeconfig": str(kubeconfig)} for group in groups}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local", str(tmp_path / "play.yml")],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(kube.applied) == applied
    for target, body in kube.applied:
        assert target == f"{DEPLOYMENT}?fieldManager=mlops.tfserving-served&force=true"
        assert body["metadata"] == {
            "namespace": "tfserving",
            "name": "image-classifier",
            "annotations": {NOTE: "3"},
        }
        assert "spec" not in body


def test_what_is_noted_stays_when_the_role_applies_again() -> None:
    running = {
        "metadata": {"name": "image-classifier", "annotations": {NOTE: "3"}},
        "spec": {"template": {"metadata": {}}},
    }
    for found, note in (({"resources": [running]}, "3"), ({"resources": []}, "none")):
        (deployment,) = (
            o for o in render("deployment", serving_running=found).values() if o["kind"] == "Deployment"
        )
        assert deployment["metadata"]["annotations"][NOTE] == note
