"""The playbook with the project's own inventories, as a user runs it, against the emulated Google."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator

from sandbox.gke.clusters import Limits

ROOT = Path(__file__).resolve().parents[3]
MODEL = str(ROOT / "tests/unit/saved_model/models/good")


def play(
    emulator: Emulator,
    url: str,
    inventory: str,
    *arguments: str,
    playbook: str = "preflight",
    **variables: Any,
) -> tuple[int, str]:
    """Exit code and output of a playbook with an inventory of the project, pointed at the emulator."""
    given = {
        "gcp_auth_kind": "accesstoken",
        "gcp_service_account_file": "",
        "gcp_project": "sandbox-project",
        "cluster_api_endpoint": url,
        "storage_api_endpoint": url,
        "preflight_api_endpoint": url,
        **variables,
    }
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "0",
        "GCP_ACCESS_TOKEN": emulator.token,
    }
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")), "-i", f"inventories/{inventory}",
        f"playbooks/{playbook}.yml", "-e", json.dumps(given), *arguments,
    ]  # fmt: skip
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert emulator.token not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("inventory", ["sandbox", "dev", "prod"])
def test_the_inventories_have_no_error_and_no_warning(emulator: Emulator, url: str, inventory: str) -> None:
    if inventory == "sandbox":
        emulator.orchestrator.limits = Limits(
            cpu_milli=2000
        )  # The smallest machine that the demo is meant for.
    code, output = play(emulator, url, inventory, storage_model_source=MODEL)
    assert code == 0, output
    assert "preflight: 0 errors, 0 warnings\n" in output, output
    assert "USD an hour" in output
    assert "reaction that needs a node:" in output


def test_a_cluster_of_ones_own_needs_no_project(emulator: Emulator, url: str) -> None:
    code, output = play(emulator, url, "existing", gcp_project="")
    assert code == 0, output
    assert "preflight: 0 errors, 0 warnings, 3 not checked" in output
    assert "a cluster that is given by its kubeconfig can have is not known" in output


def test_everything_is_told_at_once_and_fails_before_anything_is_made(emulator: Emulator, url: str) -> None:
    code, output = play(
        emulator, url, "dev", "--check", playbook="site",
        autoscaling_max_replicas=9, serving_source_ranges=[], cluster_location="us-central1-d",
        loadtest_workers="many", preflight_ignore=["spot-notice"],
    )  # fmt: skip
    assert code == 2
    for rule in ("replicas-exceed-nodes", "source-ranges", "machine-type", "types"):
        assert f"error [{rule}]" in output
    assert "warning [spot-replicas]" in output
    assert "warning [model-missing] bucket sandbox-project-models-dev does not exist" in output
    assert "[spot-notice]" not in output, "it is ignored"
    assert "loadtest_workers" in output
    assert "there are 9 nodes in all" in output
    assert "told above: machine-type, replicas-exceed-nodes, source-ranges, types" in output
    assert "Converge the cluster" not in output
    assert emulator.clusters == []


def test_what_can_not_be_read_hides_nothing_else(emulator: Emulator, url: str) -> None:
    """Neither a text for a quantity nor a pool without a name, nor a template of nothing, ends the look."""
    code, output = play(
        emulator, url, "dev", storage_model_source=MODEL, serving_cpu="many", cluster_name="{{ not_there }}",
        autoscaling_max_replicas=None, serving_batching=-1, cluster_node_pools=[{"machine_type": "e2-standard-5"}], serving_source_ranges=[],
        serving_gate_enabled=None, serving_models=None, serving_image=None,
    )  # fmt: skip
    assert code == 2
    for words in (
        "error [variables] serving_cpu is 'many': it is not a quantity of Kubernetes. Write one such as 3 or 500m.",
        "error [types] cluster_name can't be read",
        "error [types] autoscaling_max_replicas is null, and has to be a number",
        "error [types] serving_gate_enabled is null, and has to be true or false",
        "error [types] serving_image is null, and has to be a text",
        "error [types] serving_models is null, and has to be a list, if empty []",
        "error [cluster-options] cluster_node_pools[0], without a name: missing required arguments: name",
        "error [types] serving_batching is -1: it is a number, and has to be a dictionary.",
        "error [source-ranges]",
        "replicas-exceed-nodes, rollout-room] cluster_node_pools has a mistake",
    ):
        assert words in output


def test_a_rule_that_is_not_there_can_not_be_ignored(emulator: Emulator, url: str) -> None:
    code, output = play(emulator, url, "dev", preflight_ignore=["source-range"])
    assert code == 2
    assert "there is no rule source-range. There are: " in output


def test_a_dry_run_of_an_empty_project_says_what_would_be_made(emulator: Emulator, url: str) -> None:
    code, output = play(
        emulator, url, "dev", "--check", playbook="site", storage_model_source=MODEL, storage_keep_versions=3
    )  # fmt: skip
    assert code == 0, output
    assert "would create namespace tfserving-dev" in output
    assert "gs://sandbox-project-models-dev/models/image_classifier/1" in output
    assert emulator.clusters == []


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, "there is no version of the model to serve. Set storage_model_source to the folder of a SavedModel"),
        ({"storage_model_version": 3}, "has no complete version 3. It has none: set storage_model_version to one"),
    ],
)  # fmt: skip
def test_a_dry_run_without_a_model_ends_in_words(
    emulator: Emulator, url: str, wanted: dict[str, Any], words: str
) -> None:
    """What preflight warned about, and the way out."""
    code, output = play(emulator, url, "dev", "--check", playbook="site", storage_model_source="", **wanted)
    assert code == 2
    assert "warning [model-missing] bucket sandbox-project-models-dev does not exist" in output
    assert words in output
    assert "undefined" not in output
