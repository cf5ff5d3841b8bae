"""Where Google has no cluster of that name, or none that can be reached, no playbook goes to another one, such as that of ~/.kube/config."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kube_in_memory import KubeInMemory

ROOT = Path(__file__).resolve().parents[3]
Json = dict[str, Any]
CLUSTER = "/v1/projects/my-project/locations/us-central1-f/clusters/cluster-1"
MISSING = "cluster cluster-1 in us-central1-f of project my-project does not exist, and nothing was asked of any other."
LIMITS = {"capacity_confirmed": True, "capacity_slo": ["p95_ms <= 300"]}
Play = Callable[..., tuple[int, str]]


@pytest.fixture
def others() -> KubeInMemory:
    """The cluster that the user's own kubeconfig leads to."""
    return KubeInMemory()


@pytest.fixture
def google() -> KubeInMemory:
    return KubeInMemory()


@pytest.fixture
def play(others: KubeInMemory, google: KubeInMemory, tmp_path: Path) -> Play:
    def run(playbook: str, *arguments: str, **variables: Any) -> tuple[int, str]:
        for name in ("google", "home/.kube"):
            (tmp_path / name).mkdir(parents=True)
        with google.served(tmp_path / "google") as at_google, others.served(tmp_path) as at_others:
            shutil.copy(at_others, tmp_path / "home/.kube/config")
            endpoint = yaml.safe_load(at_google.read_text())["clusters"][0]["cluster"]["server"]
            given = {
                "cluster_existing_kubeconfig": "", "cluster_kubeconfig_path": str(tmp_path / "none"),
                "cluster_api_endpoint": endpoint, "gcp_project": "my-project", "gcp_auth_kind": "accesstoken",
                "loadtest_reports_dir": str(tmp_path / "reports"), "autoscaling_wait_timeout": 2, **variables,
            }  # fmt: skip
            done = subprocess.run(
                [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventories/existing", f"playbooks/{playbook}.yml",
                 "-e", json.dumps(given), *arguments],
                cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
                env={**os.environ, "HOME": str(tmp_path / "home"), "GCP_ACCESS_TOKEN": "ya29.token", "ANSIBLE_NOCOLOR": "1",
                     "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
            )  # fmt: skip
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


@pytest.mark.parametrize(
    ("playbook", "variables"), [("autoscaling", {}), ("loadtest", {}), ("capacity", LIMITS)]
)
def test_a_playbook_ends_before_it_asks_another(
    play: Play, others: KubeInMemory, playbook: str, variables: Json
) -> None:
    code, said = play(playbook, **variables)
    assert (code, others.requests) == (2, []), said
    assert MISSING in said
    assert "have playbooks/site.yml create it" in said


def test_nor_is_one_asked_in_a_dry_run(play: Play, others: KubeInMemory) -> None:
    code, said = play("autoscaling", "--check")
    assert (code, others.requests) == (0, []), said
    assert "would create" in said


def test_of_one_that_is_being_made_that_is_told(
    play: Play, others: KubeInMemory, google: KubeInMemory
) -> None:
    google.objects[CLUSTER] = {"name": "cluster-1", "location": "us-central1-f", "status": "PROVISIONING"}
    code, said = play("autoscaling")
    assert (code, others.requests) == (2, []), said
    assert "can't be reached: Google says that it is PROVISIONING" in said
    assert "does not exist" not in said
