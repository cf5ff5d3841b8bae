"""The status playbook: its screen, its exit code, its file for machines, and its watch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from kube_in_memory import KubeInMemory

ROOT = Path(__file__).resolve().parents[3]
SPACE = "namespaces/tfserving"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


@pytest.fixture
def kube() -> KubeInMemory:
    """A healthy site."""
    found = KubeInMemory()
    sizes = {"allocatable": {"cpu": "2", "memory": "4Gi"}, "nodeInfo": {"kubeletVersion": "v1.35.0"}}
    found.put("/api/v1/nodes/n-1", {"status": READY | sizes}, labels={})
    found.put(f"/api/v1/{SPACE}/services/image-classifier", {
        "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    })  # fmt: skip
    found.put(f"/apis/apps/v1/{SPACE}/deployments/image-classifier", {
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "image-classifier"}}},
        "status": {"availableReplicas": 1}}, annotations={})  # fmt: skip
    found.put(f"/api/v1/{SPACE}/pods/image-classifier-1", {"spec": {"nodeName": "n-1"}, "status": READY},
              labels={"app": "image-classifier"}, annotations={"mlops.tfserving/model-version": "3"})  # fmt: skip
    for name in ("image-classifier", "other"):
        found.put(f"/apis/autoscaling/v2/{SPACE}/horizontalpodautoscalers/{name}", {
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": name}, "maxReplicas": 1},
            "status": {"currentMetrics": [{"type": "Resource"}]}})  # fmt: skip
    return found


def status(kube: KubeInMemory, folder: Path, **variables: Any) -> tuple[int, str]:
    """Exit code and output."""
    with kube.served(folder) as kubeconfig:
        given = {
            "cluster_existing_kubeconfig": str(kubeconfig),
            "loadtest_reports_dir": str(folder),
            **variables,
        }
        done = subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", "-i", "inventories/existing", "playbooks/status.yml",
             "-e", json.dumps(given)],
            cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                 "ANSIBLE_SHOW_CUSTOM_STATS": "1", "GCP_ACCESS_TOKEN": "t"},
        )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_healthy_site_on_the_screen_and_for_machines(kube: KubeInMemory, tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    code, said = status(kube, tmp_path, status_exit=True, status_file=str(file))
    assert code == 0, said
    assert "health      healthy" in said
    assert "pod         image-classifier-1: version 3, ready, on n-1" in said
    assert "endpoint    http://192.0.2.1:8501/v1/models/image_classifier:predict" in said
    assert "changed=0" in said
    assert '"tfserving_health": "healthy"' in said
    told = json.loads(file.read_text())
    assert (told["health"], told["replicas"]["ready"], told["pods"][0]["version"]) == ("healthy", 1, "3")


def test_a_degraded_one_ends_in_2_after_its_screen_and_only_where_that_is_asked(
    kube: KubeInMemory, tmp_path: Path
) -> None:
    kube.objects["/api/v1/nodes/n-1"]["status"]["conditions"][0]["status"] = "False"
    code, said = status(kube, tmp_path, status_watch=2, status_refresh=1)
    assert code == 2, said
    assert "health      degraded: node n-1 is not ready" in said
    told = re.findall(r"\d\d:\d\d:\d\d degraded: 1 of 1 replicas, 0 of 1 nodes ready", said)
    assert len(told) == 1, "once, of two looks"
    assert status(kube, tmp_path)[0] == 0


def test_one_that_is_down_ends_in_4(kube: KubeInMemory, tmp_path: Path) -> None:
    kube.objects[f"/apis/apps/v1/{SPACE}/deployments/image-classifier"]["status"] = {}
    code, said = status(kube, tmp_path, status_exit="true")
    assert code == 4, said
    assert "health      down: no replica is ready" in said


def test_a_cluster_that_does_not_exist_is_down(tmp_path: Path) -> None:
    """Google knows none of its name: the API in memory, which has nothing at that path."""
    google, file = KubeInMemory(), tmp_path / "status.json"
    with google.served(tmp_path) as kubeconfig:
        endpoint = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        code, said = status(
            google, tmp_path, status_exit=True, status_file=str(file), cluster_existing_kubeconfig="",
            cluster_kubeconfig_path=str(tmp_path / "none"), cluster_api_endpoint=endpoint,
            gcp_project="my-project", gcp_auth_kind="accesstoken",
        )  # fmt: skip
    assert code == 4, said
    assert "health      down: the cluster does not exist" in said
    assert "does not exist (ansible-playbook site.yml creates it)" in said
    assert '"tfserving_health": "down"' in said
    assert json.loads(file.read_text())["health"] == "down"
    assert [path for _, path in google.requests] == [
        "/v1/projects/my-project/locations/us-central1-f/clusters/cluster-1"
    ]
