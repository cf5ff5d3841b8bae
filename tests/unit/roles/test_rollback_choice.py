"""A rollback goes to what served last, and says why; what was undone is passed over unless it is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.serving.history import version_before
from kube_in_memory import KubeInMemory

ROOT = Path(__file__).resolve().parents[3]
NAMESPACE = "/apis/apps/v1/namespaces/tfserving"
LABELS = {"app": "image-classifier"}


def replica_set(revision: int, version: str, served: str | None = None) -> dict[str, Any]:
    """As the Deployment's controller leaves it: with the Deployment's own note of the time when it had the pods."""
    notes = {} if served is None else {"mlops.tfserving/served-version": served}
    return {
        "metadata": {"annotations": {"deployment.kubernetes.io/revision": str(revision), **notes}},
        "spec": {"template": {"metadata": {"annotations": {"mlops.tfserving/model-version": version}}}},
    }


HISTORIES: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "the one before": ([replica_set(1, "1", "1"), replica_set(2, "2", "2")], "2", "1"),
    "3 was undone": (
        [replica_set(1, "1", "1"), replica_set(3, "3", "2"), replica_set(4, "2", "2")], "2", "1",
    ),
    "2 was returned from, and had served": ([replica_set(3, "1", "1"), replica_set(2, "2", "2")], "1", "2"),
    "1 came back and was undone": (
        [replica_set(1, "0", "0"), replica_set(4, "1", "2"), replica_set(5, "2", "2")], "2", "0",
    ),
    "3 served with other settings, later undone": (
        [replica_set(1, "3", "3"), replica_set(5, "3", "2"), replica_set(6, "2", "2")], "2", "3",
    ),
    "made before anything was noted": ([replica_set(1, "1"), replica_set(2, "2")], "2", "1"),
    "nothing served but this": ([replica_set(2, "2", "1"), replica_set(3, "1", "1")], "1", ""),
    "a first rollout that was broken off": ([replica_set(1, "1", "none"), replica_set(2, "2", "2")], "2", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_what_served_last(name: str) -> None:
    history, present, before = HISTORIES[name]
    assert version_before(history, present)["version"] == before


BROKEN_OFF = [replica_set(2, "2", "2"), replica_set(3, "1", "2")]
"""From 2 back to 1: killed before 1 was noted."""


@pytest.mark.parametrize(
    ("history", "noted", "asked"),
    [
        (
            HISTORIES["3 was undone"][0], "2",
            [
                ({}, "Version 1 is the last that served before 2. Passed over: 3, rolled out here later and undone"),
                ({"rollback_version": 3}, "Version 3 was named."),
            ],
        ),
        (
            BROKEN_OFF, "2",
            [
                ({}, "a return to it was broken off. Finish that with -e rollback_version=1, or serve 2 again"),
                ({"rollback_version": 1}, "Version 1 was named."),
            ],
        ),
        (
            [replica_set(1, "1", "1"), replica_set(2, "2", "1")], "1",
            [({}, "Version 1 is the last that served before 2.")],
        ),
    ],
    ids=["undone", "a return broken off", "a promotion broken off"],
)  # fmt: skip
def test_the_playbook_says_why_and_takes_what_is_named(
    tmp_path: Path, history: list[dict[str, Any]], noted: str, asked: list[tuple[dict[str, Any], str]]
) -> None:
    kube = KubeInMemory()
    for number, found in enumerate(history):
        kube.put(
            f"{NAMESPACE}/replicasets/r{number}", {"spec": found["spec"]}, labels=LABELS,
            annotations=found["metadata"]["annotations"],
        )  # fmt: skip
    kube.put(
        f"{NAMESPACE}/deployments/image-classifier", {"spec": history[-1]["spec"]}, labels=LABELS,
        annotations={"mlops.tfserving/served-version": noted},
    )  # fmt: skip
    kinds = {"Deployment": "deployments", "ReplicaSet": "replicasets"}
    kube.put(
        "/apis/apps/v1", {"resources": [{"name": n, "kind": k, "namespaced": True} for k, n in kinds.items()]}
    )
    with kube.served(tmp_path) as kubeconfig:
        for given, words in asked:
            done = subprocess.run(
                [Path(sys.executable).parent / "ansible-playbook", "-i", "inventories/existing", "playbooks/rollback.yml",
                 "-e", json.dumps({"cluster_existing_kubeconfig": str(kubeconfig), **given})],
                cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
                env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
            )  # fmt: skip
            # That the model is in an image here ends it, where nothing else did.
            ended = "The model is in a image" in done.stdout
            assert done.returncode == 2 and ended != ("broken off. Finish" in words), done.stdout
            assert words in " ".join(done.stdout.split()), done.stdout
