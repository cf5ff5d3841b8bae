"""Every job template's playbook as AWX runs it: by ansible-runner, with AWX's Google credential and a survey's answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from controller import check_answers
from cryptography.hazmat.primitives import serialization
from emulator import PROJECT, Emulator
from jobs import Job, run_job, run_on_sandbox
from project import ROOT, job_templates
from starlette.testclient import TestClient
from test_survey import OPTIONS, survey

from sandbox.google.tokens import ACCOUNT

TEMPLATES = {template["name"]: template for template in job_templates()}
Run = Callable[..., Job]


def answered(template: Mapping[str, Any]) -> dict[str, Any]:
    """An answer to each question, as AWX takes it."""
    spec = survey.survey_spec(template.get("survey", []), OPTIONS)
    answers = {
        question["variable"]: {
            "integer": question["min"] or 1, "float": float(question["min"] or 1), "text": "",
            "multiplechoice": question.get("choices", "").split("\n")[0],
        }[question["type"]]
        for question in spec.get("spec", [])
    }  # fmt: skip
    assert check_answers(spec, answers) == []
    return answers


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    return Emulator(tmp_path_factory.mktemp("google"))


@pytest.fixture
def run(emulator: Emulator, checkout: Path, tmp_path: Path) -> Iterator[Run]:
    """Runs a job with Google behind a proxy, as its hosts are written into AWX's credential."""
    pem = emulator.tokens._key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    key = {"private_key": pem, "client_email": ACCOUNT, "project_id": PROJECT}
    count = iter(range(100))
    with emulator.behind_proxy(tmp_path / "authority") as (proxy, authority):

        def job(template: Mapping[str, Any], answers: Mapping[str, Any], *arguments: str) -> Job:
            made = run_job(
                tmp_path / f"job-{next(count)}", checkout, template, "dev", key,
                {"gcp_project": PROJECT, **answers}, *arguments,
                variables={"HTTPS_PROXY": proxy, "REQUESTS_CA_BUNDLE": str(authority)},
            )  # fmt: skip
            written = made.everything_written()
            assert pem.splitlines()[1] not in written, "no key in what AWX keeps and shows"
            assert "ya29." not in written, "no token either"
            return made

        yield job


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_job_template_is_understood(run: Run, name: str) -> None:
    template = TEMPLATES[name]
    made = run(template, answered(template), "--list-tasks")
    assert "TAGS" in made.ok().output


def test_a_job_on_the_sandbox_is_understood(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "service-account.json").write_text(
        json.dumps({"private_key": "k", "client_email": ACCOUNT, "project_id": PROJECT})
    )
    made = run_on_sandbox(
        tmp_path / "job", checkout, TEMPLATES["promote"], tmp_path, {"promote_version": 2}, "--list-tasks"
    )
    assert "Serve it" in made.ok().output


def test_the_credential_alone_is_enough_to_make_a_cluster_and_a_bucket(run: Run, checkout: Path) -> None:
    cluster, storage = {"playbook": "playbooks/cluster.yml"}, {"playbook": "playbooks/storage.yml"}
    model = shutil.copytree(
        ROOT / "tests/unit/saved_model/models/good", checkout / "model", dirs_exist_ok=True
    )
    answers = {"storage_model_source": str(model), "storage_model_version": 1}
    assert run(cluster, {}).ok().changed > 0
    assert run(cluster, {}).ok().changed == 0
    assert run(storage, answers).ok().changed > 0
    assert run(storage, answers).ok().changed == 0


def test_one_credential_acts_as_an_environment_s_own_account(run: Run, emulator: Emulator) -> None:
    other = "auditor@prod-project.iam.gserviceaccount.com"
    binding = {"role": "roles/container.viewer", "members": [f"serviceAccount:{other}"]}
    http = TestClient(emulator.app, headers={"Authorization": f"Bearer {emulator.token}"})
    assert (
        http.post("/v1/projects/prod-project/serviceAccounts", json={"accountId": "auditor"}).status_code
        == 200
    )
    policy = {"policy": {"bindings": [binding]}}
    assert http.post("/v1/projects/prod-project:setIamPolicy", json=policy).status_code == 200
    variables = {"gcp_project": "prod-project", "gcp_impersonate_service_account": other}
    made = run({"playbook": "playbooks/cluster.yml"}, variables)
    assert made.code != 0, "an auditor makes no cluster, although the credential's own account might"
    assert (
        'Required "container.clusters.create" permission(s) for "projects/prod-project"'
        in made.output.replace("\\", "")
    )


def test_drift_is_told_and_nothing_is_changed(run: Run, emulator: Emulator, checkout: Path) -> None:
    model = shutil.copytree(
        ROOT / "tests/unit/saved_model/models/good", checkout / "model", dirs_exist_ok=True
    )
    answers = {"storage_model_source": str(model), "cluster_name": "not-there-yet"}
    # As if a load test had been before: what is known is handed on.
    answers["loadtest_report"] = {"verdict": "pass", "summary": "All held."}
    before = len(emulator.clusters)
    made = run(TEMPLATES["drift"], answers).ok()
    assert "would create namespace tfserving" in made.output
    assert made.changed > 0
    assert made.artifacts == {"tfserving_verdict": "pass", "tfserving_summary": "All held."}
    assert len(emulator.clusters) == before


def test_status_and_teardown_where_there_is_nothing(run: Run) -> None:
    nothing = {"cluster_name": "none", "storage_bucket": "sandbox-project-none"}
    assert "none in us-central1-f: does not exist" in run(TEMPLATES["status"], nothing).ok().output
    answers = {"teardown_cluster": "true", "teardown_bucket": "false"}
    assert check_answers(survey.survey_spec(TEMPLATES["teardown"]["survey"], OPTIONS), answers) == []
    made = run(TEMPLATES["teardown"], nothing | answers).ok()
    assert "bucket sandbox-project-none: stays" in made.output
    assert made.changed == 0
