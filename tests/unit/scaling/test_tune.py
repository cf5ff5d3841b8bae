"""What playbooks/tune.yml does with a proposal: proven it stays, else what was before comes back. The load test only writes down that it
was called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kube_applied import KubeApplied

ROOT = Path(__file__).resolve().parents[3]
Json = dict[str, Any]
WHATIF = """
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.settings import written
module = AnsibleModule(dict(run_dir={}, propose={"type": "bool"}, slo={"type": "list"}, prices={"type": "dict"}, pools={"type": "list"}, metrics={"type": "list"}))
now, was = (written({"autoscaling_target_cpu_percent": value}, module.params["metrics"]) for value in (70, 80))
module.exit_json(
    lines=["proposed"], picture="p", run_dir="p", site={"namespace": "tfserving", "deployment": "image-classifier", "cluster": "here"},
    proposal={"variables": now, "before": was, "diff": [f"+{name}: {value}" for name, value in now.items()]})
"""
"""Proposes 70 % after a run at 80 %."""
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

    def __init__(self, found: Json | None, cluster: str, *, forgets: bool) -> None:
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


@pytest.fixture(name="collections")
def _collections(tmp_path: Path) -> Path:
    """The collection with another module and a load test that only writes down that it was called."""
    ours = tmp_path / "collections/ansible_collections/mlops/tfserving"
    for folder in ("", "roles", "plugins", "plugins/modules"):
        (ours / folder).mkdir(parents=True, exist_ok=True)
        for entry in (ROOT / folder).iterdir():
            if entry.name not in ("roles", "plugins", "modules", "loadtest", "scaling_whatif.py", ".git"):
                (ours / folder / entry.name).symlink_to(entry)
    (ours / "plugins/modules/scaling_whatif.py").write_text(f"#!/usr/bin/python\n{WHATIF}")
    tasks = [
        {"ansible.builtin.shell": "echo beside {{ loadtest_baseline | default('-') }} >> {{ written_to }}"},
        {"ansible.builtin.fail": {"msg": "fail: p95_ms <= 300 does not hold"}, "when": "proof_fails"},
    ]
    (ours / "roles/loadtest/tasks").mkdir(parents=True)
    (ours / "roles/loadtest/tasks/main.yml").write_text(yaml.safe_dump(tasks))
    return tmp_path / "collections"


class Tuned:
    """How it ended: exit code, words, each load test, and the HPA's target and maximum, each time applied and at the end."""

    def __init__(self, done: subprocess.CompletedProcess[str], site: Site, loaded: list[str]) -> None:
        self.code = done.returncode
        self.said = " ".join((done.stdout + done.stderr).split())
        self.loaded = loaded
        self.scaled = site.scaled
        self.ends = seen(site.objects[HPA]["spec"]) if HPA in site.objects else None


@pytest.fixture(name="tuned")
def _tuned(tmp_path: Path, collections: Path) -> Callable[..., Tuned]:
    def run(
        inventory: Json | None = None,
        hpa: Json | None = None,
        cluster: str = "here",
        *,
        forgets: bool = False,
        **extra: Any,
    ) -> Tuned:
        (tmp_path / "reports/latest").mkdir(parents=True, exist_ok=True)
        written = tmp_path / "written"
        written.write_text("")
        site = Site(spec(60) if hpa is None else hpa, cluster, forgets=forgets)
        folder = tmp_path / "inventory"
        (folder / "group_vars").mkdir(parents=True, exist_ok=True)
        (folder / "hosts.yml").write_text((ROOT / "inventories/existing/hosts.yml").read_text())
        with site.served(tmp_path) as kubeconfig:
            given = {
                "loadtest_reports_dir": str(tmp_path / "reports"), "cluster_existing_kubeconfig": str(kubeconfig),
                "written_to": str(written), "proof_fails": False, "autoscaling_wait_timeout": 0,
            } | (inventory or {})  # fmt: skip
            (folder / "group_vars/tfserving.yml").write_text(yaml.safe_dump(given))
            done = subprocess.run(
                [Path(sys.executable).with_name("ansible-playbook"), "-i", str(folder), "playbooks/tune.yml",
                 "-e", json.dumps({"tune_apply": True} | extra)],
                cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
                env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1",
                     "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
            )  # fmt: skip
        return Tuned(done, site, written.read_text().splitlines())

    return run


def test_what_is_proven_stays(tuned: Callable[..., Tuned]) -> None:
    end = tuned()
    assert end.code == 0, end.said
    assert (end.scaled, end.ends) == ([(70, 3)], (70, 3))
    assert end.loaded == ["beside p"]
    assert "+autoscaling_target_cpu_percent: 70" in end.said


def test_what_is_not_proven_goes_again_and_what_was_in_force_comes_back(tuned: Callable[..., Tuned]) -> None:
    """Not the measured run's 80 %, nor the inventory's maximum."""
    end = tuned({"proof_fails": True, "autoscaling_max_replicas": 4}, spec(60, most=8))
    assert end.code == 2, end.said
    assert (end.scaled, end.ends) == ([(70, 4), (60, 8)], (60, 8))
    assert (
        "has its settings from before: {'autoscaling_target_cpu_percent': 60, 'autoscaling_max_replicas': 8}."
        in end.said
    )
    assert "p95_ms <= 300 does not hold" in end.said


def test_what_does_not_come_back_is_told(tuned: Callable[..., Tuned]) -> None:
    end = tuned({"proof_fails": True}, spec(60, most=8), autoscaling_max_replicas=4)
    assert end.code == 2, end.said
    assert end.ends == (60, 4)
    assert (
        "not as it was before: it had {'autoscaling_max_replicas': 8}, and has {'autoscaling_max_replicas': 4}."
        in end.said
    )
    assert "settings from before" not in end.said
    assert "p95_ms <= 300 does not hold" in end.said


OWN = {"autoscaling_metrics": [{"target": 60, "type": "cpu"}]}


def test_the_target_of_the_entry_counts_where_it_has_one(tuned: Callable[..., Tuned]) -> None:
    end = tuned(OWN | {"autoscaling_target_cpu_percent": 50})
    assert end.code == 0, end.said
    assert (end.scaled, end.ends) == ([(70, 3)], (70, 3))
    assert "+autoscaling_metrics: [{'target': 70, 'type': 'cpu'}]" in end.said


def test_and_is_what_comes_back(tuned: Callable[..., Tuned]) -> None:
    end = tuned(OWN | {"proof_fails": True})
    assert end.code == 2, end.said
    assert (end.scaled, end.ends) == ([(70, 3), (60, 3)], (60, 3))
    assert "from before: {'autoscaling_metrics': [{'target': 60, 'type': 'cpu'}]}." in end.said


def test_what_the_autoscaler_has_not_got_is_not_proven(tuned: Callable[..., Tuned]) -> None:
    end = tuned(forgets=True)
    assert end.code == 2, end.said
    assert end.loaded == []
    assert "The autoscaler has not got what was proposed: {'autoscaling_target_cpu_percent': 60}." in end.said


@pytest.mark.parametrize(
    ("inventory", "extra", "words"),
    [
        ({}, {"autoscaling_target_cpu_percent": 50}, "autoscaling_target_cpu_percent is 50 by an extra variable"),
        ({}, OWN, "autoscaling_metrics is [{'target': 60, 'type': 'cpu'}] by an extra variable"),
        ({}, {"loadtest_baseline": "another"}, "loadtest_baseline is another by an extra variable"),
        (
            {"autoscaling_metrics": [{"type": "cpu"}, {"type": "in_flight", "target": 8}]}, {},
            "for an HPA that goes by {type: cpu} alone",
        ),
    ],
)  # fmt: skip
def test_what_would_not_be_applied_is_refused_before_anything_changes(
    tuned: Callable[..., Tuned], inventory: Json, extra: Json, words: str
) -> None:
    end = tuned(inventory, **extra)
    assert end.code == 2, end.said
    assert words in end.said
    assert (end.scaled, end.loaded) == ([], [])


def test_what_could_not_be_given_back_is_not_changed(tuned: Callable[..., Tuned]) -> None:
    two = spec(60)
    end = tuned(hpa={**two, "metrics": two["metrics"] * 2})
    assert end.code == 2, end.said
    assert "goes by something else than a percentage of the CPU" in end.said
    assert (end.scaled, end.loaded) == ([], [])
    missing = tuned(hpa={})
    assert "in namespace tfserving is not there" in missing.said
    assert (missing.scaled, missing.loaded) == ([], [])


def test_what_was_measured_elsewhere_is_not_applied(tuned: Callable[..., Tuned]) -> None:
    end = tuned(serving_namespace="prod")
    assert end.code == 2, end.said
    assert (end.scaled, end.loaded) == ([], [])
    assert "this inventory has image-classifier in prod" in end.said


def test_nor_what_was_measured_in_another_cluster_by_the_same_names(tuned: Callable[..., Tuned]) -> None:
    end = tuned(cluster="elsewhere")
    assert end.code == 2, end.said
    assert (end.scaled, end.loaded) == ([], [])
    assert (
        "of the cluster here, and this inventory has image-classifier in tfserving of the cluster elsewhere"
        in end.said
    )


def test_what_this_run_measures_was_measured_here(tuned: Callable[..., Tuned]) -> None:
    end = tuned(cluster="", tune_measure=True)
    assert end.code == 0, end.said
    assert end.loaded == ["beside -", "beside p"]
    assert end.scaled == [(70, 3)]
