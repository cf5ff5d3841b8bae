"""A workflow's rollback undoes what the workflow did, where its load test failed, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from kube_in_memory import KubeInMemory

ROOT = Path(__file__).resolve().parents[3]
DEPLOYMENT = "/apis/apps/v1/namespaces/tfserving/deployments/image-classifier"
SITE = {"tfserving_model_version": "3", "tfserving_replaced_version": "2"}
VERDICTS = {
    "invalid": (SITE | {"tfserving_verdict": "invalid"}, "load test is invalid, not fail, and says nothing about version 3."),
    "no verdict": (SITE, "load test is not known, not fail"),
    "nothing new": ({"tfserving_model_version": "3", "tfserving_verdict": "fail"}, "this workflow brought no other version; 3 ran"),
    "another since": (
        SITE | {"tfserving_model_version": "4", "tfserving_verdict": "fail"}, "version 3 runs, and this workflow brought 4.",
    ),
    # It goes on, to the version that the site replaced; that the model is in an image here ends it.
    "fail": (SITE | {"tfserving_verdict": "fail"}, "The model is in a image: name the version to return to there"),
    "by hand": ({"rollback_version": 1, "tfserving_verdict": "invalid"}, "The model is in a image"),
}  # fmt: skip


def test_only_a_failed_load_test_of_what_this_workflow_brought(tmp_path: Path) -> None:
    kube = KubeInMemory()
    marks = {"annotations": {"mlops.tfserving/model-version": "3"}}
    kube.put(DEPLOYMENT, {"spec": {"template": {"metadata": marks}}}, labels={"app": "image-classifier"})
    kinds = {"Deployment": "deployments", "ReplicaSet": "replicasets"}
    kube.put(
        "/apis/apps/v1", {"resources": [{"name": n, "kind": k, "namespaced": True} for k, n in kinds.items()]}
    )
    with kube.served(tmp_path) as kubeconfig:
        for name, (handed_on, words) in VERDICTS.items():
            given: dict[str, Any] = {
                "cluster_existing_kubeconfig": str(kubeconfig),
                "awx_workflow_job_id": 7,
                **handed_on,
            }
            done = subprocess.run(
                [Path(sys.executable).parent / "ansible-playbook", "-i", "inventories/existing", "playbooks/rollback.yml",
                 "-e", json.dumps(given)],
                cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
                env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
            )  # fmt: skip
            assert done.returncode == 2, name
            assert words in " ".join((done.stdout + done.stderr).split()), (name, done.stdout)
    assert {method for method, _ in kube.requests} == {"GET"}
