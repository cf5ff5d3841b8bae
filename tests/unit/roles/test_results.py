"""What a playbook hands on to the next job of a workflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
SERVICE = {
    "kind": "Service", "metadata": {"name": "m", "namespace": "n"},
    "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}, "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}},
}  # fmt: skip
HEADLESS = {
    "kind": "Service",
    "metadata": {"name": "m-pods", "namespace": "n"},
    "spec": {"type": "ClusterIP", "clusterIP": "None"},
}
DEPLOYMENT = {
    "kind": "Deployment",
    "spec": {"template": {"metadata": {"annotations": {"mlops.tfserving/model-version": "3"}}}},
}


def compared(*objects: dict[str, Any], pending: bool = False) -> dict[str, Any]:
    """As k8s_diff gives what it found; ``pending``: all of it differs, and was applied."""
    return {"objects": list(objects), "pending": list(objects) if pending else []}


def handed_on(folder: Path, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each play with these registered variables adds."""
    plays = [
        {
            "hosts": "localhost", "gather_facts": False, "vars": {"ansible_python_interpreter": sys.executable, **case},
            "tasks": [{"ansible.builtin.include_tasks": str(ROOT / "playbooks/tasks/results.yml")}],
        }
        for case in cases
    ]  # fmt: skip
    found = []
    for play in plays:
        (folder / "play.yml").write_text(yaml.safe_dump([play]))
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", "play.yml"],
            cwd=folder, capture_output=True, text=True, check=False, timeout=120,
            env={
                **os.environ, "ANSIBLE_SHOW_CUSTOM_STATS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            },
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(json.loads(done.stdout)["global_custom_stats"])
    return found


def named(version: int) -> dict[str, Any]:
    return {
        "kind": "Deployment", "metadata": {"name": "m"},
        "spec": {"template": {"metadata": {"annotations": {"mlops.tfserving/model-version": str(version)}}}},
    }  # fmt: skip


def noted(version: int, served: str) -> dict[str, Any]:
    return {
        **named(version),
        "metadata": {"name": "m", "annotations": {"mlops.tfserving/served-version": served}},
    }


def test_results(tmp_path: Path) -> None:
    cluster_only = {
        **SERVICE,
        "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1"},
        "status": {"loadBalancer": {}},
    }
    balanced = {**SERVICE, "status": {"loadBalancer": {"ingress": [{"hostname": "m.example.com"}]}}}
    report = {"verdict": "fail", "summary": "3 of 1000 requests failed.", "failed": True}
    assert handed_on(
        tmp_path,
        [
            {"serving_compared": compared(HEADLESS, SERVICE, DEPLOYMENT)},
            {"serving_compared": compared(balanced, DEPLOYMENT), "loadtest_report": report},
            {"serving_compared": compared(cluster_only)},
            {"serving_compared": {"skipped": True}},
            {"serving_compared": compared(named(3), pending=True), "serving_running": {"resources": [named(2)]}},
            {"serving_compared": compared(named(3), pending=True), "serving_running": {"resources": [noted(2, "1")]}},
            {"serving_compared": compared(named(3), pending=True), "serving_running": {"resources": [noted(2, "none")]}},
            {"serving_compared": compared(named(3), pending=True), "serving_running": {"resources": [named(3)]}},
            {"serving_compared": compared(named(3)), "serving_running": {"resources": [named(2)]}},
        ],
    ) == [
        {"tfserving_address": "198.51.100.7", "tfserving_model_version": "3"},
        {
            "tfserving_address": "m.example.com", "tfserving_model_version": "3", "tfserving_verdict": "fail",
            "tfserving_summary": "3 of 1000 requests failed.",
        },
        {"tfserving_address": "10.0.0.1"},
        {},
        {"tfserving_model_version": "3", "tfserving_replaced_version": "2"},
        # The rollout of 2 was broken off: it never served.
        {"tfserving_model_version": "3", "tfserving_replaced_version": "1"},
        {"tfserving_model_version": "3"},
        {"tfserving_model_version": "3"},
        {"tfserving_model_version": "3"},
    ]  # fmt: skip
