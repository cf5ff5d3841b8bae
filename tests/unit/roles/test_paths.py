"""A relative path in a variable begins where Ansible is started, for every role and playbook."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.paths import absolute_path
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight import model_size

ROOT = Path(__file__).resolve().parents[3]
PATHS = {
    "cluster_bootstrap_ca_bundle", "cluster_existing_kubeconfig", "cluster_kubeconfig_path", "gcp_service_account_file",
    "loadtest_baseline", "loadtest_payload", "loadtest_reports_dir", "loadtest_shape.file", "serving_golden_file",
    "storage_model_source",
}  # fmt: skip
"""Variables that hold a path on the controller."""


def test_a_path_counts_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert absolute_path("models/../1") == f"{tmp_path}/1"
    assert absolute_path("~/1") == absolute_path("$HOME/1") == "/home/somebody/1"
    assert absolute_path("~nobody-at-all/1") == f"{tmp_path}/~nobody-at-all/1"
    for stays in ("", "/models/1", "gs://bucket/models/1"):
        assert absolute_path(stays) == stays
    assert absolute_path(None) == ""
    (tmp_path / "blob").touch()
    (tmp_path / "model.tar.gz").symlink_to("blob")
    assert absolute_path("model.tar.gz") == f"{tmp_path}/model.tar.gz", "whose name says what it is"


def test_preflight_measures_what_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/saved_model.pb").write_bytes(b"12345")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELS", str(tmp_path))
    assert [model_size.local(source) for source in ("model", "$MODELS/model", "models")] == [5, 5, None]


def test_no_task_has_a_path_as_it_was_given() -> None:
    """But where it is only asked whether there is one, or shown."""
    options = "source|payload|path|reports_dir|service_account_file|kubeconfig_file|kubeconfig|golden_file"
    files = [*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]
    lines = [line for file in files for line in file.read_text().splitlines()]
    found = [line for line in lines if re.match(rf" *(?:{options}): .*\b(?:{'|'.join(PATHS)})\b", line)]
    assert len(found) >= 6
    assert [line for line in found if "| mlops.tfserving.absolute_path" not in line] == []


def test_the_load_test_finds_its_files(tmp_path: Path) -> None:
    """A dry run by a playbook in one folder, started in another."""
    start, plays = tmp_path / "start", tmp_path / "plays"
    (start / "payload").mkdir(parents=True)
    plays.mkdir()
    (start / "payload/one.json").write_text('{"x": 1}')
    (start / "shape.csv").write_text("time,rate\n0,1\n30,4\n")
    variables = {
        "loadtest_payload": "payload", "loadtest_shape": {"kind": "replay", "file": "shape.csv"},
        "cluster_reachable": False,
    }  # fmt: skip
    play = {
        "hosts": "localhost", "gather_facts": False, "connection": "local",
        "vars": {"ansible_python_interpreter": sys.executable, **variables},
        "tasks": [{"ansible.builtin.import_role": {"name": "mlops.tfserving.loadtest"}}],
    }  # fmt: skip
    (plays / "play.yml").write_text(yaml.safe_dump([play]))

    def run(**more: Any) -> str:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "--check",
             "-e", json.dumps(more), str(plays / "play.yml")],
            cwd=start, capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
        return done.stdout + done.stderr

    assert "replay: up to" in run()
    assert f"the payload can't be read: {start}/none" in run(loadtest_payload="none")
