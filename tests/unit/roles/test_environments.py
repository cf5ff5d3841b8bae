"""Two environments in one project do not touch each other: names, labels, identities, files, and what is made."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.iam import workload
from ansible_collections.mlops.tfserving.plugins.plugin_utils.role_variables import project_variables
from emulator import Emulator
from starlette.testclient import TestClient

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "tests/unit/saved_model/models/good"
PROJECT = "sandbox-project"
# What an environment makes or writes, by the variable that names it.
NAMES = (
    "cluster_name", "cluster_kubeconfig_path", "cluster_bootstrap_node_service_account",
    "cluster_bootstrap_model_service_account", "storage_bucket", "serving_namespace", "autoscaling_namespace",
    "loadtest_namespace", "loadtest_reports_dir",
)  # fmt: skip


def variables(environment: str) -> dict[str, Any]:
    """The roles' variables with an inventory of the project, in a project that both share."""
    loader = DataLoader()
    inventory = InventoryManager(loader, [str(ROOT / "inventories" / environment)])
    manager = VariableManager(loader, inventory)
    host = inventory.get_host(environment)
    given = {
        **manager.get_vars(host=host), "gcp_project": PROJECT, "playbook_dir": str(ROOT / "playbooks"),
    }  # fmt: skip
    found, problems = project_variables(
        Templar(loader, given), given, {"project": PROJECT, "metrics_window_seconds": 30}
    )
    assert problems == []
    return found


@pytest.fixture(scope="module")
def dev() -> dict[str, Any]:
    return variables("dev")


@pytest.fixture(scope="module")
def prod() -> dict[str, Any]:
    return variables("prod")


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_is_made_has_a_name_of_its_own(
    name: str, dev: dict[str, Any], prod: dict[str, Any]
) -> None:
    assert dev[name]
    assert prod[name]
    assert dev[name] != prod[name]


def test_pods_of_one_environment_are_nobody_to_the_other(dev: dict[str, Any], prod: dict[str, Any]) -> None:
    """Workload Identity knows pods by project, namespace and name alone, whatever their cluster is."""

    def identity(found: dict[str, Any]) -> str:
        reader = {
            "namespace": found["storage_reader_namespace"],
            "service_account": found["storage_reader_name"],
        }
        return workload(reader, PROJECT, "123")

    assert identity(dev) != identity(prod)


def test_labels_tell_whose_it_is(dev: dict[str, Any], prod: dict[str, Any]) -> None:
    for name in ("cluster_resource_labels", "storage_labels"):
        assert (dev[name]["environment"], prod[name]["environment"]) == ("dev", "prod")


def converge(folder: Path, emulator: Emulator, url: str, environment: str, **more: Any) -> int:
    """Cluster and bucket by their playbooks, with the project's inventory; how many tasks changed something."""
    given = {
        "gcp_auth_kind": "accesstoken", "gcp_project": PROJECT, "cluster_api_endpoint": url,
        "storage_api_endpoint": url, "storage_model_source": str(MODEL), **more,
    }  # fmt: skip
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")), "-i", f"inventories/{environment}",
            "playbooks/cluster.yml", "playbooks/storage.yml", "-e", json.dumps(given),
        ],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={
            **os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "HOME": str(folder), "ANSIBLE_FORCE_COLOR": "0",
            "GCP_ACCESS_TOKEN": emulator.token,
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.findall(r"changed=(\d+)", done.stdout)[-1])


def test_environments_side_by_side_leave_each_other_alone(
    emulator: Emulator, url: str, http: TestClient, tmp_path: Path
) -> None:
    def made() -> dict[str, Any]:
        """Everything that there is of dev."""
        clusters = http.get(f"/v1/projects/{PROJECT}/locations/-/clusters").json().get("clusters", [])
        bucket = f"/storage/v1/b/{PROJECT}-models-dev"
        moving = ("etag", "currentNodeCount")
        return {
            "clusters": [
                {key: value for key, value in one.items() if key not in moving}
                for one in clusters
                if one["name"] == "tfserving-dev"
            ],
            "bucket": http.get(bucket).json(),
            "policy": http.get(f"{bucket}/iam").json(),
            "objects": [one["name"] for one in http.get(f"{bucket}/o").json()["items"]],
            "kubeconfig": sorted(file.name for file in (tmp_path / ".kube").rglob("*") if "dev" in file.name),
        }

    assert converge(tmp_path, emulator, url, "dev") > 0
    alone = made()
    assert len(alone["clusters"]) == 1
    assert alone["kubeconfig"]
    assert converge(tmp_path, emulator, url, "prod") > 0
    assert made() == alone
    names = {
        cluster["name"]
        for cluster in http.get(f"/v1/projects/{PROJECT}/locations/-/clusters").json()["clusters"]
    }
    assert names == {"tfserving-dev", "tfserving-prod"}
    readers = [
        binding["members"]
        for environment in ("dev", "prod")
        for binding in http.get(f"/storage/v1/b/{PROJECT}-models-{environment}/iam").json()["bindings"]
        if binding["role"] == "roles/storage.objectViewer"
    ]
    assert [len(members) for members in readers] == [1, 1]
    assert readers[0] != readers[1]
    assert converge(tmp_path, emulator, url, "dev") == 0, "nothing of dev has changed"
