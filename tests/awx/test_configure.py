"""awx/configure.yml with the modules of awx.awx against AWX's API: what it makes, twice, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from controller import TOKEN, Controller, check_answers
from project import job_templates, playbooks

TEMPLATES = job_templates()
KEY = {
    "client_email": "deployer@p.iam.gserviceaccount.com",
    "project_id": "p",
    "private_key": "-----BEGIN-SECRET-----",
}
FOUND = [*playbooks(), "playbooks/preflight.yml"]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    key = tmp_path / "key.json"
    key.write_text(json.dumps(KEY))
    return {
        "awx_project_url": "https://git.example.com/tfserving.git",
        "awx_execution_environment_image": "registry.example.com/tfserving-ee:1",
        "awx_notification_webhook": "https://hooks.example.com/tfserving",
        "awx_environments": [
            {"name": "dev", "google_credential": "Google dev"},
            {"name": "prod", "google_credential": "Google prod", "service_account_file": str(key)},
        ],
    }


def configure(
    checkout: Path, url: str, settings: dict[str, Any], *arguments: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "CONTROLLER_HOST": url, "CONTROLLER_OAUTH_TOKEN": TOKEN, "ANSIBLE_CONFIG": str(checkout / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "0",
    }  # fmt: skip
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "awx/configure.yml", "-e", json.dumps(settings), *arguments],
        cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def changed(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.findall(r"changed=(\d+)", done.stdout)[-1])


def test_everything_is_made_once(checkout: Path, settings: dict[str, Any]) -> None:
    controller = Controller(FOUND)
    settings["awx_environments"] = settings["awx_environments"][1:]
    with controller.served() as url:
        first = configure(checkout, url, settings)
        assert changed(first) == 10
        assert KEY["private_key"] not in first.stdout + first.stderr
        before = len(controller.writes())
        assert changed(configure(checkout, url, settings)) == 0
        assert len(controller.writes()) == before, "nothing was written again"

    assert {t["name"] for t in controller.objects["job_templates"].values()} == {
        f"{t['name']}: prod" for t in TEMPLATES
    }
    clock = controller.find("schedules", "status: prod, by the clock")
    assert "INTERVAL=15" in clock["rrule"] and clock["enabled"]
    assert check_answers(controller.surveys[clock["unified_job_template"]], clock["extra_data"]) == []
    credential = controller.find("credentials", "Google prod")
    assert credential["inputs"] == {
        "username": KEY["client_email"],
        "project": "p",
        "ssh_key_data": "$encrypted$",
    }
    assert controller.secrets[credential["id"]]["ssh_key_data"] == KEY["private_key"]
    source = controller.find("inventory_sources", "inventories/prod")
    assert (checkout / source["source_path"]).exists()
    assert source["update_on_launch"]
    for template in controller.objects["job_templates"].values():
        assert not template["allow_simultaneous"]
        assert not template["ask_variables_on_launch"], "only the survey's"
        assert template["survey_enabled"] == (template["id"] in controller.surveys)
        told = controller.lists[template["id"], "notification_templates_error"]
        assert controller.names("notification_templates", told) == ["tfserving webhook"]
    assert edges(controller) == {
        ("preflight", "success_nodes", "site"),
        ("site", "success_nodes", "loadtest"),
        ("loadtest", "failure_nodes", "rollback"),
    }
    for node in controller.objects["workflow_job_template_nodes"].values():
        survey = controller.surveys.get(node["unified_job_template"], {"spec": []})
        assert not [q for q in survey["spec"] if q["required"]], "nobody answers in a workflow"


def edges(controller: Controller) -> set[tuple[str, str, str]]:
    return {
        (node["identifier"], edge, follower)
        for node in controller.objects["workflow_job_template_nodes"].values()
        for edge in ("success_nodes", "failure_nodes", "always_nodes")
        for follower in controller.names(
            "workflow_job_template_nodes", controller.lists.get((node["id"], edge), [])
        )
    }


def test_each_environment_has_its_own(checkout: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("users: [{user: {token: SECRET}}]")
    settings["awx_environments"] += [
        {
            "name": "existing",
            "kubeconfig_credential": "Our cluster",
            "kubeconfig_file": str(tmp_path / "kubeconfig"),
        }
    ]
    settings["awx_job_templates"] = [template for template in TEMPLATES if template["name"] == "status"]
    settings["awx_workflow_nodes"] = [{"name": "status"}]
    controller = Controller(FOUND, credentials=["Google dev"])
    with controller.served() as url:
        done = configure(checkout, url, settings)
    assert changed(done) == 11
    assert "SECRET" not in done.stdout + done.stderr
    for name, credential in (("dev", "Google dev"), ("prod", "Google prod"), ("existing", "Our cluster")):
        template = controller.find("job_templates", f"status: {name}")
        used = controller.lists[template["id"], "credentials"]
        assert controller.names("credentials", used) == [credential]
        assert controller.objects["inventories"][template["inventory"]]["name"] == f"tfserving {name}"
        workflow = controller.find("workflow_job_templates", f"deploy and prove: {name}")
        nodes = controller.objects["workflow_job_template_nodes"].values()
        assert [n["unified_job_template"] for n in nodes if n["workflow_job_template"] == workflow["id"]] == [
            template["id"]
        ]
    kind = controller.find("credential_types", "Kubeconfig")
    assert kind["injectors"] == {
        "file": {"template": "{{ kubeconfig }}"},
        "env": {"KUBECONFIG": "{{ tower.filename }}"},
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"awx_project_url": ""}, "Name the Git repository that AWX takes the project from."),
        ({"awx_execution_environment_image": ""}, "ansible-builder build -f execution-environment.yml"),
        ({"awx_environments": [{"name": "staging", "google_credential": "x"}]}, "awx_environments names staging, of which there is no folder"),
        ({"awx_environments": [{"name": "dev", "google_credential": "Google dev"}]}, "AWX has no credential named Google dev."),
        ({"awx_job_templates": [{"name": "x", "playbook": "playbooks/x.yml"}]}, "awx_job_templates names playbooks/x.yml, which this project does not have."),
    ],
)  # fmt: skip
def test_what_can_not_work_is_refused_before_anything_is_made(
    checkout: Path, settings: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    controller = Controller(FOUND)
    with controller.served() as url:
        done = configure(checkout, url, settings | change)
    assert done.returncode != 0
    assert words in " ".join(done.stdout.split())
    assert controller.writes() == []


def test_every_playbook_that_people_run_has_a_job_template() -> None:
    parts = {"autoscaling", "cluster", "monitoring", "serving", "storage"}
    assert {Path(name).stem for name in FOUND if name.startswith("playbooks/")} - parts == {
        Path(template["playbook"]).stem for template in TEMPLATES
    }
