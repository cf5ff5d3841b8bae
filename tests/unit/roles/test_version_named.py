"""The version that a playbook is asked for is what is served, whatever the inventory says, or nothing is changed."""

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
from ansible_collections.mlops.tfserving.plugins.modules import gcs_bucket, gcs_saved_model
from kube_applied import KubeApplied

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "tests/unit/saved_model/models/good"
FOLDER = "gs://models/models/image_classifier"
ELSEWHERE = "gs://others/m"
NAMESPACE = "/apis/apps/v1/namespaces/tfserving"
DEPLOYMENT, CANARY = (f"{NAMESPACE}/deployments/image-classifier{end}" for end in ("", "-canary"))
LABELS = {"app": "image-classifier"}
URI = "mlops.tfserving/model-uri"
# What waits for pods, or asks them.
NOT_HERE = ("rollout.yml", "sweep.yml", "gate.yml", "compare.yml", "clear.yml")


@pytest.fixture(name="bucket")
def _bucket(call: Callable[..., Any], url: str) -> str:
    """Versions 1 to 3 where the model is by default, and elsewhere."""
    for bucket, path in (("models", "models/image_classifier"), ("others", "m")):
        call(gcs_bucket, name=bucket, location="US")
        for version in (1, 2, 3):
            call(gcs_saved_model, bucket=bucket, path=path, source=str(MODEL), version=version)
    return url


@pytest.fixture(name="collections")
def _collections(tmp_path: Path) -> Path:
    """The collection, but for what asks pods."""
    ours = tmp_path / "collections/ansible_collections/mlops/tfserving"
    real = ROOT / "roles/serving/tasks"
    for folder in ("", "roles", "roles/serving", "roles/serving/tasks"):
        (ours / folder).mkdir(parents=True, exist_ok=True)
        for entry in (ROOT / folder).iterdir():
            if entry.name not in ("roles", "serving", "tasks", ".git"):
                (ours / folder / entry.name).symlink_to(entry)
    for name in NOT_HERE:
        (ours / "roles/serving/tasks" / name).unlink()
        (ours / "roles/serving/tasks" / name).write_text(yaml.safe_dump([{"ansible.builtin.meta": "noop"}]))
    # Of the canary what comes after it is applied.
    start = yaml.safe_load((real / "canary_start.yml").read_text())
    (block,) = [task for task in start if "block" in task]
    block["block"] = block["block"][:1]
    (ours / "roles/serving/tasks/canary_start.yml").unlink()
    (ours / "roles/serving/tasks/canary_start.yml").write_text(yaml.safe_dump(start))
    return tmp_path / "collections"


def template(uri: str, **more: Any) -> dict[str, Any]:
    marks = {"mlops.tfserving/model-version": uri.rpartition("/")[2], URI: uri}
    return {"spec": {"template": {"metadata": {"annotations": marks}}, **more}}


def site(running: str = f"{FOLDER}/2", before: str = f"{FOLDER}/1", canary: str = "") -> KubeApplied:
    """2 runs, and 1 served before it."""
    kube = KubeApplied()
    served = "mlops.tfserving/served-version"
    named = {"apiVersion": "apps/v1", "kind": "Deployment"}
    kube.put(
        DEPLOYMENT,
        named | template(running),
        labels=LABELS,
        annotations={served: running[-1]},
        namespace="tfserving",
    )
    for number, uri in enumerate((before, running), 1):
        notes = {"deployment.kubernetes.io/revision": str(number), served: uri[-1]}
        kube.put(f"{NAMESPACE}/replicasets/r{number}", template(uri), labels=LABELS, annotations=notes)
    if canary:
        selector = {"matchLabels": LABELS}
        kube.put(CANARY, named | template(canary, selector=selector), labels=LABELS, namespace="tfserving")
    return kube


class Played:
    """A playbook's end: exit code, words, results handed on, and the addresses of what was applied."""

    def __init__(self, done: subprocess.CompletedProcess[str], kube: KubeApplied) -> None:
        self.code = done.returncode
        self.said = " ".join((done.stdout + done.stderr).split())
        self.served = {
            path: body["spec"]["template"]["metadata"]["annotations"][URI]
            for path, body in kube.applied if path in (DEPLOYMENT, CANARY) and "spec" in body
        }  # fmt: skip
        self.changed = [path for path, _unused in kube.applied]


@pytest.fixture(name="played")
def _played(tmp_path: Path, collections: Path, bucket: str, emulator: Any) -> Callable[..., Played]:
    def run(
        playbook: str,
        inventory: dict[str, Any],
        kube: KubeApplied | None = None,
        *arguments: str,
        **extra: Any,
    ) -> Played:
        kube = kube or site()
        folder = tmp_path / "inventory"
        (folder / "group_vars").mkdir(parents=True, exist_ok=True)
        (folder / "hosts.yml").write_text((ROOT / "inventories/existing/hosts.yml").read_text())
        with kube.served(tmp_path) as kubeconfig:
            given = {
                "gcp_project": "sandbox-project", "gcp_auth_kind": "accesstoken", "storage_bucket": "models",
                "storage_api_endpoint": bucket, "cluster_existing_kubeconfig": str(kubeconfig),
                "serving_source_ranges": ["10.0.0.0/8"], "serving_gate_enabled": False,
            } | inventory  # fmt: skip
            (folder / "group_vars/tfserving.yml").write_text(yaml.safe_dump(given))
            done = subprocess.run(
                [Path(sys.executable).with_name("ansible-playbook"), "-i", str(folder), f"playbooks/{playbook}.yml",
                 "-e", json.dumps(extra), *arguments],
                cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
                env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1",
                     "GCP_ACCESS_TOKEN": emulator.token, "ANSIBLE_SHOW_CUSTOM_STATS": "1",
                     "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
            )  # fmt: skip
        return Played(done, kube)

    return run


INVENTORY = {"serving_model_uri": f"{FOLDER}/2"}
BY_NUMBER = {
    "serving_model_uri": "gs://{{ storage_bucket }}/models/image_classifier/{{ storage_model_version }}"
}
TWO = [
    {"name": "a", "uri": FOLDER, "versions": [2], "labels": {"stable": 2}},
    {"name": "b", "uri": ELSEWHERE, "versions": [1]},
]


@pytest.mark.parametrize(
    ("playbook", "inventory", "extra", "served"),
    [
        pytest.param("promote", INVENTORY, {"promote_version": 3}, f"{FOLDER}/3", id="named"),
        pytest.param("promote", INVENTORY, {}, f"{FOLDER}/3", id="the newest"),
        pytest.param(
            "promote", {"serving_model_uri": f"{ELSEWHERE}/2"}, {"promote_version": 1}, f"{ELSEWHERE}/1",
            id="where the inventory's is, not storage_bucket",
        ),
        pytest.param(
            "promote", INVENTORY, {"promote_version": 1, "serving_model_uri": f"{FOLDER}/1"}, f"{FOLDER}/1",
            id="by both names",
        ),
        pytest.param("promote", {}, {"promote_version": 1}, f"{FOLDER}/1", id="of the bucket"),
        pytest.param("rollback", INVENTORY, {}, f"{FOLDER}/1", id="rolled back"),
        pytest.param(
            "rollback", BY_NUMBER | {"storage_model_version": 2}, {"rollback_version": 3}, f"{FOLDER}/3",
            id="rolled back from an address that is made of others",
        ),
    ],
)  # fmt: skip
def test_it_wins_over_the_inventory(
    played: Callable[..., Played],
    playbook: str,
    inventory: dict[str, Any],
    extra: dict[str, Any],
    served: str,
) -> None:
    end = played(playbook, inventory, **extra)
    assert end.code == 0, end.said
    assert end.served == {DEPLOYMENT: served}
    assert f"Version {served[-1]} is served, from {served}." in end.said
    assert f'"tfserving_model_version": "{served[-1]}"' in end.said
    where = "serving_model_uri says: write this address" if inventory else "storage_model_version says"
    assert where in end.said


def test_a_dry_run_says_what_would_be(played: Callable[..., Played]) -> None:
    end = played("promote", INVENTORY, None, "--check", promote_version=3)
    assert end.code == 0, end.said
    assert end.served == {}
    assert f"Version 3 would be served, from {FOLDER}/3." in end.said


def test_so_does_a_canary(played: Callable[..., Played]) -> None:
    end = played("canary", INVENTORY, canary_version=3)
    assert end.code == 0, end.said
    assert end.served == {CANARY: f"{FOLDER}/3"}
    assert "version 3 gets about" in end.said


def test_and_the_one_of_several(played: Callable[..., Played]) -> None:
    several = {"serving_models": TWO, "serving_promoted": {"b": 3}, "serving_model_uri": f"{FOLDER}/1"}
    end = played("promote", several, promote_model="a", promote_version=3)
    assert end.code == 0, end.said
    assert end.served == {DEPLOYMENT: f"{FOLDER}/3 {ELSEWHERE}/3"}
    assert f"Version 3 of a is served, from {FOLDER}/3." in end.said
    assert "write versions: [3] for a there" in end.said


@pytest.mark.parametrize(
    ("playbook", "inventory", "extra", "words"),
    [
        pytest.param(
            "promote", {}, {"promote_version": 3, "serving_model_uri": f"{FOLDER}/2"},
            f"serving_model_uri is {FOLDER}/2 by an extra variable", id="promote",
        ),
        pytest.param(
            "promote", {}, {"serving_model_uri": f"{FOLDER}/2"}, f"and not {FOLDER}/3, which is the newest. Leave it out", id="newest",
        ),
        pytest.param(
            "rollback", {}, {"serving_model_uri": f"{FOLDER}/2"}, "name the version by rollback_version", id="rollback",
        ),
        pytest.param(
            "canary", INVENTORY, {"canary_version": 3, "serving_model_uri": f"{FOLDER}/1"},
            f"serving_model_uri is {FOLDER}/1 by an extra variable", id="canary",
        ),
        pytest.param(
            "canary", INVENTORY, {"canary_action": "promote", "serving_model_uri": f"{FOLDER}/1"},
            f"that would be served, and not the canary's {FOLDER}/3", id="a canary's promotion",
        ),
        pytest.param(
            "promote", INVENTORY, {"promote_version": 3, "storage_model_version": 1},
            f"Version 3 (promote_version) was looked for in {FOLDER}, where the model is served from, and {FOLDER}/1 was found",
            id="the number",
        ),
        pytest.param(
            "promote", INVENTORY, {"promote_version": 3, "storage_bucket": "others", "storage_model_path": "m"},
            f"{ELSEWHERE}/3 was found", id="the bucket",
        ),
        pytest.param(
            "promote", {"serving_models": TWO}, {"promote_model": "a", "promote_version": 3, "serving_promoted": {"a": 1}},
            "serving_promoted is {'a': 1} by an extra variable", id="of several",
        ),
    ],
)  # fmt: skip
def test_what_an_extra_variable_fixes_is_refused(
    played: Callable[..., Played], playbook: str, inventory: dict[str, Any], extra: dict[str, Any], words: str
) -> None:
    end = played(playbook, inventory, site(canary=f"{FOLDER}/3"), **extra)
    assert end.code == 2, end.said
    assert words in end.said
    assert end.changed == []


def test_a_canary_is_promoted_and_not_what_the_inventory_names(played: Callable[..., Played]) -> None:
    end = played("canary", INVENTORY, site(canary=f"{FOLDER}/3"), canary_action="promote")
    assert end.code == 0, end.said
    assert end.served == {DEPLOYMENT: f"{FOLDER}/3"}
    assert f"Version 3 is served, from {FOLDER}/3." in end.said
