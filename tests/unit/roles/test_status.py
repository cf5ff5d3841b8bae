"""The status playbook: its screen, its exit code, its file for machines, and its watch."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.known import note
from kube_in_memory import KubeInMemory

ROOT = Path(__file__).resolve().parents[3]
SPACE = "namespaces/tfserving"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


@pytest.fixture
def kube() -> KubeInMemory:
    """A healthy site."""
    found = KubeInMemory()
    sizes = {"allocatable": {"cpu": "2", "memory": "4Gi"}, "nodeInfo": {"kubeletVersion": "v1.35.0"}}
    found.put("/api/v1/nodes/n-1", {"status": copy.deepcopy(READY) | sizes}, labels={})
    found.put(f"/api/v1/{SPACE}/services/image-classifier", {
        "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    })  # fmt: skip
    found.put(f"/apis/apps/v1/{SPACE}/deployments/image-classifier", {
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "image-classifier"}}},
        "status": {"availableReplicas": 1}}, annotations={})  # fmt: skip
    found.put(f"/api/v1/{SPACE}/pods/image-classifier-1", {"spec": {"nodeName": "n-1"}, "status": copy.deepcopy(READY)},
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
                 "ANSIBLE_SHOW_CUSTOM_STATS": "1",
                 **({"GCP_ACCESS_TOKEN": "ya29.token"} if given.get("gcp_auth_kind") == "accesstoken" else {})},
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


def test_a_gateway_that_leads_to_it_counts(kube: KubeInMemory, tmp_path: Path) -> None:
    api, file = "/apis/gateway.networking.k8s.io/v1", tmp_path / "status.json"
    deployment = kube.objects[f"/apis/apps/v1/{SPACE}/deployments/image-classifier"]
    deployment["metadata"]["annotations"]["mlops.tfserving/routes"] = "gateway.networking.k8s.io/v1/HTTPRoute"
    kube.objects[f"/api/v1/{SPACE}/services/image-classifier"]["spec"] = {
        "type": "ClusterIP",
        "clusterIP": "10.1.0.1",
    }
    kube.put(f"{api}/{SPACE}/httproutes/image-classifier", {
        "spec": {"parentRefs": [{"name": "front", "namespace": "infra"}]},
        "status": {"parents": [{"conditions": [{"type": "Accepted", "status": "True"}]}]}})  # fmt: skip
    kube.put(f"{api}/namespaces/infra/gateways/front", {
        "spec": {"listeners": [{"name": "http", "protocol": "HTTP", "port": 80}]},
        "status": {"addresses": [{"value": "10.0.0.5"}], "conditions": [{"type": "Programmed", "status": "True"}]}})  # fmt: skip
    code, said = status(kube, tmp_path, status_exit=True, status_file=str(file))
    assert code == 0, said
    assert "gateway     infra/front: 10.0.0.5, programmed" in said
    assert "endpoint    http://10.0.0.5/v1/models/image_classifier:predict (Gateway infra/front)" in said
    assert json.loads(file.read_text())["gateways"] == [
        {"namespace": "infra", "name": "front", "addresses": ["10.0.0.5"], "programmed": True}
    ]
    del kube.objects[f"{api}/namespaces/infra/gateways/front"]["status"]["addresses"]
    code, said = status(kube, tmp_path, status_exit=True)
    assert code == 4, said
    assert "health      down: Gateway infra/front has no address" in said
    assert "endpoint    no address yet (Gateway infra/front)" in said


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


def test_a_cluster_that_is_being_made_is_told_from_none(tmp_path: Path) -> None:
    google = KubeInMemory()
    google.objects["/v1/projects/my-project/locations/us-central1-f/clusters/cluster-1"] = {
        "name": "cluster-1", "location": "us-central1-f", "status": "PROVISIONING",
    }  # fmt: skip
    with google.served(tmp_path) as kubeconfig:
        endpoint = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        code, said = status(
            google, tmp_path, cluster_existing_kubeconfig="", cluster_kubeconfig_path=str(tmp_path / "none"),
            cluster_api_endpoint=endpoint, gcp_project="my-project", gcp_auth_kind="accesstoken",
        )  # fmt: skip
    assert code == 0, said
    assert "health      down: the cluster can't be reached: Google says that it is PROVISIONING" in said
    assert "cluster     cluster-1 in us-central1-f: can't be reached" in said
    assert "does not exist" not in said


def test_a_node_that_has_told_nothing_yet_hides_no_other(kube: KubeInMemory, tmp_path: Path) -> None:
    kube.put("/api/v1/nodes/n-2", {}, labels={})
    code, said = status(kube, tmp_path)
    assert code == 0, said
    assert "health      degraded: node n-2 is not ready" in said
    assert "node        n-2: not ready, ?, ? CPU, ?" in said


@pytest.mark.parametrize("answers", [True, False], ids=["it answers", "it is gone"])
def test_google_is_asked_only_where_the_kubeconfig_of_a_run_before_leads_nowhere(
    kube: KubeInMemory, tmp_path: Path, answers: bool
) -> None:
    with kube.served(tmp_path) as served:
        content = yaml.safe_load(served.read_text())
        endpoint = content["clusters"][0]["cluster"]["server"]
        # Whoever asks Google with that finds that it is none.
        (tmp_path / "key.json").write_text('{"type": "service_account"}')
        asked = {
            "auth_kind": "serviceaccount", "service_account_contents": None, "service_account_file": str(tmp_path / "key.json"),
            "scopes": ["https://www.googleapis.com/auth/cloud-platform"], "impersonate_service_account": None,
            "impersonate_service_account_delegates": [], "api_endpoint": endpoint, "kubeconfig_endpoint": "ip",
        }  # fmt: skip
        soon = datetime.fromtimestamp(time.time() + 3600, UTC).replace(tzinfo=None)
        (context,) = content["contexts"]
        context["name"] = content["current-context"] = "gke_my-project_us-central1-f_cluster-1"
        extension = {"name": "mlops.tfserving", "extension": note(asked, SimpleNamespace(expiry=soon))}
        context["context"]["extensions"] = [extension]
        if not answers:
            content["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:9"
        file = tmp_path / "before"
        file.write_text(yaml.safe_dump(content))
        code, said = status(
            kube, tmp_path, cluster_existing_kubeconfig="", cluster_kubeconfig_path=str(file), cluster_api_endpoint=endpoint,
            gcp_project="my-project", gcp_auth_kind="serviceaccount", gcp_service_account_file=asked["service_account_file"],
        )  # fmt: skip
    if answers:
        assert code == 0, said
        assert f"kubectl     KUBECONFIG={file}" in said
    else:
        assert code == 2, said
        assert "is not a key as Google hands it out" in said
