"""What playbooks/tune.yml does with a proposal: proven it stays, else what was before comes back. Roles only write down how they
were called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from kube_in_memory import KubeInMemory

ROOT = Path(__file__).resolve().parents[3]
WHATIF = """
from ansible.module_utils.basic import AnsibleModule
AnsibleModule(dict(run_dir={}, propose={"type": "bool"}, slo={"type": "list"}, prices={"type": "dict"})).exit_json(
    lines=["proposed"], picture="p", run_dir="p", site={"namespace": "tfserving", "deployment": "image-classifier", "cluster": "here"},
    proposal={"variables": {"autoscaling_target_cpu_percent": 70}, "before": {"autoscaling_target_cpu_percent": 50},
              "diff": ["+autoscaling_target_cpu_percent: 70"]})
"""


def tasks(name: str, *more: Any) -> str:
    said = f"echo {name} at {{{{ autoscaling_target_cpu_percent | default('-') }}}} >> {{{{ written_to }}}}"
    return yaml.safe_dump([{"ansible.builtin.shell": said}, *more])


@pytest.fixture(name="collections")
def _collections(tmp_path: Path) -> Path:
    """The collection with another module and two other roles."""
    ours = tmp_path / "collections/ansible_collections/mlops/tfserving"
    for folder in ("", "roles", "plugins", "plugins/modules"):
        (ours / folder).mkdir(parents=True, exist_ok=True)
        for entry in (ROOT / folder).iterdir():
            if entry.name not in (
                "roles",
                "plugins",
                "modules",
                "autoscaling",
                "loadtest",
                "scaling_whatif.py",
                ".git",
            ):
                (ours / folder / entry.name).symlink_to(entry)
    (ours / "plugins/modules/scaling_whatif.py").write_text(f"#!/usr/bin/python\n{WHATIF}")
    fails = {"ansible.builtin.fail": {"msg": "fail: p95_ms <= 300 does not hold"}, "when": "proof_fails"}
    for role, text in {"autoscaling": tasks("scaled"), "loadtest": tasks("loaded", fails)}.items():
        (ours / "roles" / role / "tasks").mkdir(parents=True)
        (ours / "roles" / role / "tasks/main.yml").write_text(text)
    return tmp_path / "collections"


def tuned(
    folder: Path, collections: Path, cluster: str = "here", **variables: Any
) -> tuple[int, str, list[str]]:
    (folder / "reports/latest").mkdir(parents=True, exist_ok=True)
    written = folder / "written"
    written.write_text("")
    kube = KubeInMemory()
    kube.put("/api/v1/namespaces/kube-system", uid=cluster)
    with kube.served(folder) as kubeconfig:
        given = {
            "tune_apply": True, "loadtest_reports_dir": str(folder / "reports"), "cluster_existing_kubeconfig": str(kubeconfig),
            "written_to": str(written), "proof_fails": False,
        } | variables  # fmt: skip
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventories/existing", "playbooks/tune.yml", "-e", json.dumps(given)],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
    return done.returncode, " ".join((done.stdout + done.stderr).split()), written.read_text().splitlines()


def test_what_is_proven_stays(tmp_path: Path, collections: Path) -> None:
    code, said, did = tuned(tmp_path, collections)
    assert code == 0, said
    assert did == ["scaled at 70", "loaded at 70"]


def test_what_is_not_proven_goes_again(tmp_path: Path, collections: Path) -> None:
    code, said, did = tuned(tmp_path, collections, proof_fails=True)
    assert code == 2, said
    assert did == ["scaled at 70", "loaded at 70", "scaled at 50"]
    assert "settings from before" in said and "p95_ms <= 300 does not hold" in said


def test_what_was_measured_elsewhere_is_not_applied(tmp_path: Path, collections: Path) -> None:
    code, said, did = tuned(tmp_path, collections, serving_namespace="prod")
    assert code == 2, said
    assert did == []
    assert "this inventory has image-classifier in prod" in said


def test_nor_what_was_measured_in_another_cluster_by_the_same_names(
    tmp_path: Path, collections: Path
) -> None:
    code, said, did = tuned(tmp_path, collections, cluster="elsewhere")
    assert code == 2, said
    assert did == []
    assert (
        "of the cluster here, and this inventory has image-classifier in tfserving of the cluster elsewhere"
        in said
    )


def test_what_this_run_measures_was_measured_here(tmp_path: Path, collections: Path) -> None:
    code, said, did = tuned(tmp_path, collections, cluster="", tune_measure=True)
    assert code == 0, said
    assert did == ["loaded at -", "scaled at 70", "loaded at 70"]
