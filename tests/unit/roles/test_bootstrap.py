"""The cluster role's bootstrap with the unmodified google.cloud collection, through the sandbox's HTTPS proxy."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from emulator import Emulator
from starlette.testclient import TestClient

ROOT = Path(__file__).resolve().parents[3]
PROJECT = "/v1/projects/sandbox-project"
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: mlops.tfserving.cluster
        tasks_from: bootstrap.yml
"""


def play(folder: Path, emulator: Emulator, *arguments: str, **variables: Any) -> str:
    """Runs the role's bootstrap; its output, which ends with the recap."""
    playbook = folder / "play.yml"
    playbook.write_text(PLAY)
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "0",
        "GCP_AUTH_KIND": "accesstoken",
        "GCP_ACCESS_TOKEN": emulator.token,
    }
    with emulator.behind_proxy(folder / "authority") as (proxy, authority):
        given = {
            "cluster_bootstrap_https_proxy": proxy,
            "cluster_bootstrap_ca_bundle": str(authority),
            "gcp_project": "sandbox-project",
            "ansible_python_interpreter": sys.executable,
        }
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-i", "localhost,", "-c", "local",
            "-e", json.dumps(given | variables), *arguments,
        ]  # fmt: skip
        done = subprocess.run(
            command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert emulator.token not in done.stdout
    return done.stdout


def changed(output: str) -> int:
    return int(re.findall(r"changed=(\d+)", output)[-1])


def test_a_project_is_prepared_once(tmp_path: Path, emulator: Emulator, http: TestClient) -> None:
    wanted = {
        "cluster_bootstrap_services": ["container.googleapis.com", "artifactregistry.googleapis.com"],
        "cluster_bootstrap_model_service_account": "model-reader",
        "cluster_bootstrap_node_service_account": "",
        "cluster_bootstrap_address": "endpoint",
        "cluster_location": "us-central1-f",
    }
    assert changed(play(tmp_path, emulator, **wanted)) == 3
    assert http.get(f"{PROJECT}/services/artifactregistry.googleapis.com").json()["state"] == "ENABLED"
    accounts = [
        account["email"].partition("@")[0]
        for account in http.get(f"{PROJECT}/serviceAccounts").json()["accounts"]
    ]
    assert accounts == ["deployer", "model-reader"]
    address = http.get("/compute/v1/projects/sandbox-project/regions/us-central1/addresses/endpoint").json()
    assert address["status"] == "RESERVED"
    assert changed(play(tmp_path, emulator, **wanted)) == 0


def test_what_was_prepared_is_given_back_once(tmp_path: Path, emulator: Emulator, http: TestClient) -> None:
    wanted = {
        "cluster_bootstrap_services": [],
        "cluster_bootstrap_model_service_account": "model-reader",
        "cluster_bootstrap_node_service_account": "",
        "cluster_bootstrap_address": "endpoint",
        "cluster_location": "us-central1-f",
    }
    play(tmp_path, emulator, **wanted)
    assert changed(play(tmp_path, emulator, **wanted, cluster_bootstrap_state="absent")) == 2
    accounts = http.get(f"{PROJECT}/serviceAccounts").json()["accounts"]
    assert [account["email"].partition("@")[0] for account in accounts] == ["deployer"]
    assert changed(play(tmp_path, emulator, **wanted, cluster_bootstrap_state="absent")) == 0
