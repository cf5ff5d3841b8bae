"""Jobs as AWX runs them: ansible-runner on a private data folder, with what AWX injects, and nothing else.

The layout and the environment are those of AWX 24.6.1 (awx/main/tasks/jobs.py), the Google credential's injector that
of awx-plugins (credentials/injectors.py, ``gce``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
# AWX reads these from the project's ansible.cfg, and puts its own folders around them.
COLLECTIONS = "requirements_collections:.collections:~/.ansible/collections:/usr/share/ansible/collections"
ROLES = "requirements_roles:roles:~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles"


@dataclass
class Job:
    """One that has ended. ``artifacts``: what it hands on; ``changed``: how many tasks changed something."""

    code: int
    output: str
    artifacts: dict[str, Any] = field(default_factory=dict)
    changed: int = 0
    folder: Path = Path()

    def ok(self) -> Job:
        assert self.code == 0, self.output
        return self

    def everything_written(self) -> str:
        """Output and events, as AWX keeps and shows them."""
        return "\n".join(p.read_text() for p in (self.folder / "artifacts").rglob("*") if p.is_file())


def google_credential(key: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """What a credential of the type Google Compute Engine gives a job; its file is in the job's folder."""
    path = folder / "env/tmp_google"
    path.write_text(
        json.dumps(
            {
                "type": "service_account", "private_key": key["private_key"], "client_email": key["client_email"],
                "project_id": key["project_id"], "token_uri": "https://oauth2.googleapis.com/token",
            }
        )
    )  # fmt: skip
    path.chmod(0o600)
    return {
        "GCE_EMAIL": key["client_email"], "GCE_PROJECT": key["project_id"], "GCE_CREDENTIALS_FILE_PATH": str(path),
        "GCP_SERVICE_ACCOUNT_FILE": str(path), "GOOGLE_APPLICATION_CREDENTIALS": str(path),
        "GCP_AUTH_KIND": "serviceaccount", "GCP_PROJECT": key["project_id"], "GCP_ENV_TYPE": "tower",
    }  # fmt: skip


def run_job(
    folder: Path,
    project: Path,
    template: Mapping[str, Any],
    environment: str,
    key: Mapping[str, Any],
    answers: Mapping[str, Any] | None = None,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    timeout: int = 600,
) -> Job:
    """Runs a job template's playbook for an environment.

    ``folder``: a new one for the job. ``project``: a checkout. ``template``: as in awx/job_templates.yml. ``key``: a
    service account's. ``answers``: to the survey, or other extra variables. ``arguments``: more of them for
    ansible-playbook. ``variables``: of the environment, as AWX's setting AWX_TASK_ENV gives them.
    """
    for name in ("env", "inventory", "home"):
        (folder / name).mkdir(parents=True)
    shutil.copytree(project, folder / "project", symlinks=True)
    _write_inventory(folder, environment)
    envvars = {
        **google_credential(key, folder), **(variables or {}),
        "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_RETRY_FILES_ENABLED": "False", "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "ANSIBLE_ROLES_PATH": ROLES,
        "AWX_PRIVATE_DATA_DIR": str(folder), "JOB_ID": "1", "INVENTORY_ID": "1", "HOME": str(folder / "home"),
    }  # fmt: skip
    options = [f"-e @{folder}/env/extravars", *arguments]
    if template.get("job_type") == "check":
        options.append("--check")
    if template.get("diff_mode"):
        options.append("--diff")
    (folder / "env/envvars").write_text(json.dumps(envvars))
    (folder / "env/extravars").write_text(json.dumps({**(answers or {}), "awx_job_id": 1}))
    (folder / "env/settings").write_text(
        json.dumps({"runner_mode": "subprocess", "suppress_ansible_output": False})
    )
    (folder / "env/cmdline").write_text(" ".join(options))
    done = subprocess.run(
        [str(BIN / "ansible-runner"), "run", str(folder), "-p", template["playbook"], "-i", "job"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout,
        env={"PATH": f"{BIN}:{os.environ['PATH']}", "LANG": "C.UTF-8", "HOME": str(folder / "home")},
        start_new_session=True,
    )  # fmt: skip
    stats = [
        event["event_data"]
        for event in map(
            json.loads, (p.read_text() for p in (folder / "artifacts/job/job_events").glob("*.json"))
        )
        if event["event"] == "playbook_on_stats"
    ]
    changed = sum(count for stat in stats for count in stat["changed"].values())
    artifacts = stats[0].get("artifact_data", {}) if stats else {}
    return Job(done.returncode, done.stdout + done.stderr, artifacts, changed, folder)


def run_on_sandbox(
    folder: Path,
    project: Path,
    template: Mapping[str, Any],
    state: Path,
    answers: Mapping[str, Any] | None = None,
    *arguments: str,
) -> Job:
    """Runs a job template's playbook on the sandbox that is up. ``state``: its folder."""
    key = json.loads((state / "service-account.json").read_text())
    # The inventory's golden predictions name a file beside the inventory, where AWX has none.
    return run_job(
        folder, project, template, "sandbox", key, {"serving_golden": [], **(answers or {})}, *arguments,
        variables={"MLOPS_TFSERVING_SANDBOX_STATE": str(state)}, timeout=1800,
    )  # fmt: skip


def _write_inventory(folder: Path, environment: str) -> None:
    """AWX keeps what ansible-inventory says of the source, and gives it to jobs by a script."""
    listed = subprocess.run(
        [str(BIN / "ansible-inventory"), "-i", f"inventories/{environment}/hosts.yml", "--list", "--export"],
        cwd=folder / "project", capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    json.loads(listed)
    script = folder / "inventory/hosts"
    script.write_text(f"#! {sys.executable}\nprint(r'''{listed}''')\n")
    script.chmod(0o700)
