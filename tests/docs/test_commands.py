"""Every command of the documentation is run, here or by a test that is named, or held against its program's parser."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.cli.playbook import PlaybookCLI
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from emulator import PROJECT, Emulator

from tests.docs.documents import ROOT, Command, commands
from tests.docs.gcloud import FLAGS
from tests.docs.references import variables
from tests.docs.rules import HERE, SANDBOX, TESTED, classified, rule, sandbox_commands

MODEL = ROOT / "tests/unit/saved_model/models/good"
PLAYBOOKS = [c for c in commands() if c.text.startswith("ansible-playbook ")]
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def words(command: Command) -> list[str]:
    return shlex.split(command.text.replace("\\\n", " "))


def test_every_command_is_classified() -> None:
    assert commands()
    assert [str(command) for command in commands() if rule(command) is None] == []


@pytest.mark.parametrize("command", classified(TESTED), ids=lambda c: c.text)
def test_what_another_test_runs_is_there(command: Command) -> None:
    file, text = rule(command).tested  # type: ignore[union-attr]
    assert text in (ROOT / file).read_text()


@pytest.mark.parametrize("command", classified(HERE), ids=lambda c: c.text)
def test_commands_that_need_nothing(command: Command) -> None:
    text = command.text.replace("/models/resnet/1", str(MODEL))
    if text.startswith("ansible localhost"):
        text += f" -e ansible_python_interpreter={sys.executable}"
    elif ".venv/bin/pytest" in text:
        text = text.replace(".venv/bin/pytest", f"{sys.executable} -m pytest --collect-only")
    elif "make " in text:
        text = text.replace("make ", "make --dry-run ")  # the target and all that it needs are there
    done = subprocess.run(
        ["bash", "-ec", text],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", {c.text: c for c in PLAYBOOKS}.values(), ids=lambda c: c.text)
def test_playbooks_know_their_options_and_variables(command: Command) -> None:
    cli = PlaybookCLI(words(command))
    cli.init_parser()
    given = cli.parser.parse_args(words(command)[1:])
    for text in given.extra_vars:
        if not text.startswith("@"):
            names = json.loads(text) if text.startswith("{") else {text.partition("=")[0]: None}
            assert set(names) <= variables(), text


def test_the_playbooks_of_all_commands_with_their_inventories() -> None:
    """One process for each inventory, since most of it is Ansible's start."""
    asked: dict[str, set[str]] = {}
    for command in PLAYBOOKS:
        found = re.findall(r"-i (\S+)", command.text)
        asked.setdefault(found[0] if found else "inventories/sandbox", set()).update(
            word for word in words(command) if re.fullmatch(r"[^@].*\.yml", word)
        )
    assert len(asked) >= 2
    running = [
        subprocess.Popen(
            ["ansible-playbook", "--syntax-check", "-i", inventory, *sorted(playbooks)],
            cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for inventory, playbooks in asked.items()
    ]  # fmt: skip
    for process in running:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output


def check_dev(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Playbooks in check mode with dev's inventory on an emulated project that has nothing, and gets nothing."""
    emulator = Emulator(tmp_path / "gcs")
    with emulator.served() as url:
        google = {
            "GCP_AUTH_KIND": "accesstoken", "GCP_ACCESS_TOKEN": emulator.token, "HOME": str(tmp_path),
            "GKE_API_ENDPOINT": url, "GCS_API_ENDPOINT": url,
        }  # fmt: skip
        done = subprocess.run(
            ["ansible-playbook", "-i", "inventories/dev", *arguments, "--check", "--diff"],
            cwd=ROOT, env=ENVIRONMENT | google, capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
    assert emulator.orchestrator.clusters() == [], "check mode changes nothing"
    assert emulator.token not in done.stdout + done.stderr
    return done


def test_the_playbooks_of_dev_in_check_mode_on_an_empty_project(tmp_path: Path) -> None:
    """As the first run is documented, against the emulated Google; one process for all."""
    documented = [c for c in PLAYBOOKS if "-i inventories/dev" in c.text]
    playbooks = dict.fromkeys(word for c in documented for word in words(c) if word.endswith(".yml"))
    done = check_dev(tmp_path, *playbooks, "-e", f"storage_model_source={MODEL}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "would create" in done.stdout


def test_the_inventory_of_dev_as_it_is_says_what_is_missing(tmp_path: Path) -> None:
    """It names no model: what would be made is shown, and then what to do, as without check mode."""
    done = check_dev(tmp_path, "site.yml")
    assert done.returncode == 2, done.stdout + done.stderr
    assert '"name": "my-project-dev-models-dev"' in done.stdout
    assert "Set storage_model_source to the folder of a SavedModel" in done.stdout + done.stderr
    assert "cannot be converted" not in done.stdout + done.stderr


GCLOUD = [c for c in commands() if c.text.startswith("gcloud ")]


@pytest.mark.parametrize("command", {c.text: c for c in GCLOUD}.values(), ids=lambda c: c.text)
def test_gcloud_has_these_commands_and_flags(command: Command) -> None:
    given = words(command)[1:]
    name = max(
        (known for known in FLAGS if given[: len(known.split())] == known.split()), key=len, default=""
    )
    assert name, "no such command in gcloud.py"
    flags = {word.partition("=")[0] for word in given if word.startswith("--")}
    assert flags <= FLAGS[name]


def installed() -> Any:
    folder = (
        Path(shutil.which("gcloud") or "/").resolve().parents[1]
        if shutil.which("gcloud")
        else Path("/nowhere")
    )
    for place in (folder / "data/cli", Path("/usr/lib/google-cloud-sdk/data/cli")):
        if (place / "gcloud_completions.py").exists():
            return runpy.run_path(str(place / "gcloud_completions.py"))["STATIC_COMPLETION_CLI_TREE"]
    return None


if (TREE := installed()) is not None:  # where gcloud is not installed, there is no such test

    def test_the_flags_in_gcloud_py_are_gclouds() -> None:
        for name, flags in FLAGS.items():
            node = TREE
            for word in name.split():
                node = node["commands"][word]
            assert flags <= set(node["flags"]) | set(TREE["flags"]), name

    # Of the preparation of a project what is emulated, by gcloud itself.
    EMULATED = r"gcloud (services enable|(iam service-accounts|projects) (create t|create g|add-iam)).*"

    def test_a_project_is_prepared_as_the_first_cluster_needs_it(tmp_path: Path) -> None:
        emulator = Emulator(tmp_path / "gcs")
        (tmp_path / "token").write_text(emulator.token)
        here = [c.text for c in GCLOUD if c.page == "docs/first-cluster.md"]
        steps = [text for text in here if re.fullmatch(EMULATED, text, re.DOTALL)]
        with emulator.served() as url:
            google = {
                "HOME": str(tmp_path), "PROJECT": PROJECT, "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
                "CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
                "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(tmp_path / "token"),
                **{
                    f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}": f"{url}/"
                    for api in ("SERVICEUSAGE", "IAM", "CLOUDRESOURCEMANAGER")
                },
            }  # fmt: skip
            script = "\n".join(["set -e", *steps])
            done = subprocess.run(
                ["bash", "-c", script], cwd=ROOT, env={"PATH": os.environ["PATH"], **google},
                capture_output=True, text=True, check=False, timeout=240,
            )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert len(steps) == 6
        google_says = TestClient(emulator.app, headers={"Authorization": f"Bearer {emulator.token}"})
        deployer, nodes = (
            f"{name}@{PROJECT}.iam.gserviceaccount.com" for name in ("tfserving-deployer", "gke-nodes-dev")
        )
        project = google_says.post(f"/v1/projects/{PROJECT}:getIamPolicy", json={}).json()["bindings"]
        assert {(b["role"], *b["members"]) for b in project} == {
            (f"projects/{PROJECT}/roles/tfservingDeployer", f"serviceAccount:{deployer}"),
            ("roles/container.defaultNodeServiceAccount", f"serviceAccount:{nodes}"),
        }
        account = google_says.post(f"/v1/projects/{PROJECT}/serviceAccounts/{nodes}:getIamPolicy").json()[
            "bindings"
        ]
        assert account == [
            {"role": "roles/iam.serviceAccountUser", "members": [f"serviceAccount:{deployer}"]}
        ]


def test_what_runs_on_the_sandbox_is_whole() -> None:
    scripts = sandbox_commands()
    assert len(scripts) >= 5
    for script in scripts:
        assert subprocess.run(["bash", "-n", "-c", script], check=False).returncode == 0, script
        assert not re.search(r"teardown|down\b|--purge", script), "none takes away what is there"
    assert {c.text for c in classified(SANDBOX)} >= {"kubectl get nodes", "gcloud container clusters list"}
