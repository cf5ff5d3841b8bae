"""What led to a site and is no longer wanted goes in the run after one that was broken off, too."""

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
from kube_applied import KINDS, KubeApplied, plural
from serving_role import render

ROOT = Path(__file__).resolve().parents[3]
SPACE = "namespaces/tfserving"
DEPLOYMENT = f"/apis/apps/v1/{SPACE}/deployments/image-classifier"
HOLDS = {"autoscaling_min_replicas": 0}
WAYS = {
    "gateway.networking.k8s.io/v1": ("HTTPRoute", "GRPCRoute"),
    "networking.gke.io/v1": ("HealthCheckPolicy", "GCPBackendPolicy"),
    "discovery.k8s.io/v1": ("EndpointSlice",),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding"),
}
"""Kinds beside those of the API in memory."""


class Cluster(KubeApplied):
    """An annotation that its owner no longer applies goes, as by a server-side apply."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for group, kinds in WAYS.items():
            monkeypatch.setitem(KINDS, group, kinds)
        monkeypatch.setattr(
            "kube_applied.RESOURCES", {plural(kind) for kinds in KINDS.values() for kind in kinds}
        )
        super().__init__()
        self.owned: dict[tuple[str, str], set[str]] = {}
        self.removed: list[str] = []

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        path, _unused, query = target.partition("?")
        manager = re.search("fieldManager=([^&]+)", query)
        if method == "PATCH" and manager:
            noted = {**((body or {}).get("metadata", {}).get("annotations") or {})}
            gone = self.owned.get((path, manager[1]), set()) - noted.keys()
            if "dryRun" not in query:
                self.owned[path, manager[1]] = set(noted)
            body = {**body, "metadata": {**body["metadata"], "annotations": {**noted, **dict.fromkeys(gone)}}}
        if method == "DELETE" and "/leases/" not in path:
            self.removed.append("/".join(path.split("/")[-2:]))
        return super().answer(method, target, body)

    def there(self) -> set[str]:
        return {name for name in self.names() if name.split("/")[0] not in ("namespaces", "leases")}


def role_of(folder: Path, rollout: str) -> Path:
    """The collection, with what waits for pods and asks them in place of its rollout."""
    ours = folder / "collections/ansible_collections/mlops/tfserving"
    for part in ("", "roles", "roles/serving", "roles/serving/tasks"):
        (ours / part).mkdir(parents=True, exist_ok=True)
        for entry in (ROOT / part).iterdir():
            if (
                entry.name not in ("roles", "serving", "tasks", ".git")
                and not (ours / part / entry.name).exists()
            ):
                (ours / part / entry.name).symlink_to(entry)
    tasks = ours / "roles/serving/tasks"
    for name, task in (("gate", {"ansible.builtin.meta": "noop"}), ("rollout", json.loads(rollout))):
        (tasks / f"{name}.yml").unlink()
        (tasks / f"{name}.yml").write_text(yaml.safe_dump([task]))
    return folder / "collections"


GOES_ON = '{"ansible.builtin.meta": "noop"}'
FAILS = '{"ansible.builtin.fail": {"msg": "the rollout failed"}}'


def run(
    cluster: Cluster, folder: Path, variables: dict[str, Any], *arguments: str, rollout: str = GOES_ON
) -> tuple[int, int, str]:
    """Exit code, changed tasks, and words of the role's run."""
    play: dict[str, Any] = {
        "hosts": "localhost", "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable, "serving_namespace": "tfserving",
                 "serving_model_uri": "gs://models/m/3", **variables},
        "tasks": [{"ansible.builtin.include_role": {"name": "mlops.tfserving.serving"}}],
    }  # fmt: skip
    collections = role_of(folder, rollout)
    with cluster.served(folder) as kubeconfig:
        groups = ("mlops.tfserving.k8s", "kubernetes.core.k8s")
        play["module_defaults"] = {f"group/{group}": {"kubeconfig": str(kubeconfig)} for group in groups}
        (folder / "play.yml").write_text(yaml.safe_dump([play]))
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local", str(folder / "play.yml"),
             *arguments],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1",
                 "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
        )  # fmt: skip
    said = done.stdout + done.stderr
    changed = re.search(r"changed=(\d+)", said)
    assert changed, said
    return done.returncode, int(changed[1]), said


def site(cluster: Cluster, variables: dict[str, Any], *templates: str) -> set[str]:
    """Puts what the role made with these variables; what of it is to go without them, as RESOURCE/NAME."""
    made = render(
        "config",
        "access",
        "deployment",
        *templates,
        **variables,
        serving_namespace="tfserving",
        serving_model_uri="gs://models/m/3",
    )
    for item in made.values():
        group = item["apiVersion"]
        path = f"/{'apis' if '/' in group else 'api'}/{group}/{SPACE}/{plural(item['kind'])}/{item['metadata']['name']}"
        cluster.put(path, item, uid=f"uid-{path}")
        cluster.owned[path, "mlops.tfserving"] = set(item["metadata"].get("annotations") or {})
    kept = render("config", "access", "deployment", serving_model_uri="gs://models/m/3")
    return {
        f"{plural(item['kind'])}/{item['metadata']['name']}"
        for key, item in made.items() if key not in kept and "mlops.tfserving/part" not in item["metadata"]["labels"]
    }  # fmt: skip


GATEWAY = {
    "serving_service_type": "Gateway",
    "serving_gateway_name": "g",
    "serving_gateway_hostnames": ["x.org"],
}


@pytest.mark.parametrize(
    ("before", "template", "note"),
    [(GATEWAY, "gateway", "routes"), (HOLDS, "hold", "holds")],
    ids=["from a Gateway", "from pods that hold requests"],
)
def test_it_is_known_until_it_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: dict[str, Any], template: str, note: str
) -> None:
    cluster = Cluster(monkeypatch)
    unwanted = site(cluster, before, template)
    assert unwanted
    now = {"serving_service_type": "ClusterIP"}

    code, _changed, said = run(cluster, tmp_path, now, rollout=FAILS)
    assert (code, "the rollout failed" in said) == (2, True), said
    assert unwanted <= cluster.there()

    code, changed, said = run(cluster, tmp_path, now, "--check", "--diff")
    assert (code, changed > 0) == (0, True), said
    assert unwanted <= cluster.there()

    code, changed, said = run(cluster, tmp_path, now)
    assert (code, changed > 0) == (0, True), said
    assert cluster.there() & unwanted == set()
    assert f"mlops.tfserving/{note}" not in {
        key
        for key, value in cluster.objects[DEPLOYMENT]["metadata"]["annotations"].items()
        if value is not None
    }

    code, changed, said = run(cluster, tmp_path, now)
    assert (code, changed) == (0, 0), said
