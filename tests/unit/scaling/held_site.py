"""A site with an HPA, and the collection with other modules and a load test of its own, for playbooks that set an HPA and give it back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from kube_applied import KubeApplied

ROOT = Path(__file__).resolve().parents[3]
Json = dict[str, Any]
HPA = "/apis/autoscaling/v2/namespaces/tfserving/horizontalpodautoscalers/image-classifier"
CPU = {"container": "tfserving", "name": "cpu"}


def spec(percent: int, most: int = 3) -> Json:
    """An HPA's, as the role makes it, with as many replicas at the most."""
    rules = {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
    quick = {"type": "Pods", "value": 4, "periodSeconds": 15}
    target = {"type": "Utilization", "averageUtilization": percent}
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "image-classifier"},
        "minReplicas": 1, "maxReplicas": most,
        "metrics": [{"type": "ContainerResource", "containerResource": {**CPU, "target": target}}],
        "behavior": {
            "scaleUp": {"policies": [*rules["policies"], quick], "stabilizationWindowSeconds": 0},
            "scaleDown": {**rules, "stabilizationWindowSeconds": 300},
        },
    }  # fmt: skip


class Site(KubeApplied):
    """With an HPA at 60 %, the default. ``forgets``: takes another target without a word and keeps its own."""

    def __init__(self, found: Json | None, cluster: str, *, forgets: bool = False) -> None:
        super().__init__()
        self.forgets = forgets
        self.put("/api/v1/namespaces/kube-system", uid=cluster)
        self.put("/apis/keda.sh/v1alpha1", {"resources": []})
        if found:
            self.put(
                HPA,
                {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": found},
                namespace="tfserving",
            )

    def answer(self, method: str, target: str, body: Json | None) -> tuple[int, Json]:
        if self.forgets and method == "PATCH" and target.startswith(HPA) and "dryRun" not in target and body:
            body = {**body, "spec": {**body["spec"], "metrics": self.objects[HPA]["spec"]["metrics"]}}
        return super().answer(method, target, body)

    @property
    def scaled(self) -> list[tuple[int, int]]:
        """Target and maximum of each HPA that was applied."""
        return [seen(body["spec"]) for path, body in self.applied if path == HPA]


def seen(found: Json) -> tuple[int, int]:
    return found["metrics"][0]["containerResource"]["target"]["averageUtilization"], found["maxReplicas"]


def collection_with(folder: Path, module: str, words: str, tasks: list[Json]) -> Path:
    """The collection with another module and another load test."""
    ours = folder / "collections/ansible_collections/mlops/tfserving"
    for inner in ("", "roles", "plugins", "plugins/modules"):
        (ours / inner).mkdir(parents=True, exist_ok=True)
        for entry in (ROOT / inner).iterdir():
            if entry.name not in ("roles", "plugins", "modules", "loadtest", f"{module}.py", ".git"):
                (ours / inner / entry.name).symlink_to(entry)
    (ours / f"plugins/modules/{module}.py").write_text(f"#!/usr/bin/python\n{words}")
    (ours / "roles/loadtest/tasks").mkdir(parents=True)
    (ours / "roles/loadtest/tasks/main.yml").write_text(yaml.safe_dump(tasks))
    return folder / "collections"


class Played:
    """How it ended: exit code, words, what each load test wrote, and the HPA's target and maximum, each time applied and at the end."""

    def __init__(self, done: subprocess.CompletedProcess[str], site: Site, loaded: list[str]) -> None:
        self.code = done.returncode
        self.said = " ".join((done.stdout + done.stderr).split())
        self.loaded = loaded
        self.scaled = site.scaled
        self.ends = seen(site.objects[HPA]["spec"]) if HPA in site.objects else None


def play(folder: Path, collections: Path, playbook: str, site: Site, inventory: Json, extra: Json) -> Played:
    (folder / "reports/latest").mkdir(parents=True, exist_ok=True)
    written = folder / "written"
    written.write_text("")
    hosts = folder / "inventory"
    (hosts / "group_vars").mkdir(parents=True, exist_ok=True)
    (hosts / "hosts.yml").write_text((ROOT / "inventories/existing/hosts.yml").read_text())
    with site.served(folder) as kubeconfig:
        given = {
            "loadtest_reports_dir": str(folder / "reports"), "cluster_existing_kubeconfig": str(kubeconfig),
            "written_to": str(written), "autoscaling_wait_timeout": 0,
        } | inventory  # fmt: skip
        (hosts / "group_vars/tfserving.yml").write_text(yaml.safe_dump(given))
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", str(hosts), f"playbooks/{playbook}.yml", "-e", json.dumps(extra)],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1",
                 "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
        )  # fmt: skip
    return Played(done, site, written.read_text().splitlines())
