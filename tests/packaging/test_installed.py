"""The installed collection in use: from another folder, by its full name, with several releases of ansible-core."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import yaml
from environments import ROOT
from installation import Google, Installed

MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
MODEL = ROOT / "tests/unit/saved_model/models/good"

# Just enough of each module's options to pass its own checks, so that what is refused is the strange one.
REQUIRED: dict[str, dict[str, Any]] = {
    "gke_cluster": {"name": "c", "location": "l"},
    "gke_cluster_info": {"name": "c", "location": "l"},
    "gke_node_pool": {"name": "p", "cluster": "c", "location": "l"},
    "gcs_bucket": {"name": "b"},
    "cluster_connection": {"existing_kubeconfig": "/none"},
    "gcs_saved_model": {"bucket": "b", "path": "p", "source": "s", "model": "m"},
    "k8s_diff": {"definition": [], "field_manager": "m"},
    "k8s_objects_info": {"kind": "Pod"},
    "tfserving_refusals_info": {"namespace": "n", "label_selector": "app=a"},
    "k8s_rollout": {"name": "n", "namespace": "n"},
    "k8s_lease": {"namespace": "n"},
    "k8s_teardown": {"namespace": "n", "app": "a"},
    "locust_prepare": {"namespace": "n", "run": "r", "state": "absent"},
    "locust_run": {
        "namespace": "n", "service": "s", "run": "r", "workers": 1, "deployment": "d", "reports_dir": "r",
        "load_timeout": 1,
    },
    "preflight": {},
    "saved_model_info": {"path": "p"},
    "scaling_capacity": {"slo": ["p95_ms <= 300"], "reports_dir": "r"},
    "scaling_report": {"run_dir": "r", "workers": 1, "users": 1},
    "scaling_whatif": {"run_dir": "r"},
    "site_leftovers_info": {},
    "site_status": {"existing_kubeconfig": "/none"},
    "site_status_info": {"namespace": "n", "app": "a"},
    "teardown_receipt": {"folder": "r", "state": "begun", "site": {}},
    "tfserving_model": {"namespace": "n", "deployment": "d", "model": "m"},
}  # fmt: skip


def play(
    installed: Installed, tasks: list[dict[str, Any]], env: dict[str, str] | None = None, **more: Any
) -> Any:
    """Each task's result by its name; the play must end well."""
    answers = {task["name"]: f"{{{{ result_{index} }}}}" for index, task in enumerate(tasks)}
    file = installed.home / "answers.json"
    keep = {"name": "keep", "ansible.builtin.copy": {"content": "{{ answers | to_json }}", "dest": str(file)}}
    steps = [{**task, "register": f"result_{index}"} for index, task in enumerate(tasks)]
    written = [
        {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [*steps, {**keep, "vars": {"answers": answers}}],
            **more,
        }
    ]
    (installed.home / "play.yml").write_text(yaml.safe_dump(written))
    installed.ok("ansible-playbook", "-i", "hosts.yml", "play.yml", env=env)
    return json.loads(file.read_text())


def documentation(installed: Installed, kind: str, names: list[str]) -> Any:
    output = installed.ok("ansible-doc", "--json", "-t", kind, *names)
    return json.loads(output[output.index("{\n") :])  # some releases have a warning before it


def test_every_module_and_role_is_documented(installed: Installed) -> None:
    names = [f"mlops.tfserving.{name}" for name in MODULES]
    documents = documentation(installed, "module", names)
    assert set(documents) == set(names)
    for name, document in documents.items():
        assert document["doc"]["short_description"], name
        assert document["examples"], name
        assert "return" in document, name
    roles = [f"mlops.tfserving.{name}" for name in ROLES]
    assert set(documentation(installed, "role", roles)) == set(roles)


def test_every_playbook_is_found_by_its_name_and_lists_its_tasks(installed: Installed) -> None:
    names = [f"mlops.tfserving.{name}" for name in PLAYBOOKS]
    output = installed.ok("ansible-playbook", "-i", "hosts.yml", "--list-tasks", *names)
    assert output.count("TAGS:") > len(names)
    assert "WARNING" not in output


def test_check_mode_of_the_site_on_an_empty_project(installed: Installed, google: Google) -> None:
    command = [
        "ansible-playbook", "-i", "hosts.yml", "mlops.tfserving.site", "--check", "--diff",
        "-e", '{"serving_source_ranges": ["203.0.113.0/24"]}', "-e", "storage_model_source=model", "-e", "loadtest_enabled=true", "-e", "loadtest_payload=payload",
    ]  # fmt: skip
    # Relative paths begin where Ansible is started, and not among the collection's playbooks.
    shutil.copytree(MODEL, installed.home / "model", dirs_exist_ok=True)
    (installed.home / "payload").mkdir(exist_ok=True)
    (installed.home / "payload/one.json").write_text('{"x": 1}')
    output = installed.ok(*command, env=google.env)
    assert "would create" in output
    assert "would run a load test" in output
    assert re.search(r"changed=[1-9]", output)
    assert google.emulator.clusters == []


def test_parts_run_for_real_and_again_without_a_change(installed: Installed, google: Google) -> None:
    command = [
        "ansible-playbook", "-i", "hosts.yml", "mlops.tfserving.cluster", "mlops.tfserving.storage",
        "-e", f"storage_model_source={MODEL}",
    ]  # fmt: skip
    first = installed.ok(*command, env=google.env)
    assert len(re.findall(r"changed=[1-9]", first)) == 2, first
    second = installed.ok(*command, env=google.env)
    assert second.count("changed=0") == 2, second
    assert "DEPRECATION" not in first + second
    kubeconfig = installed.home / ".kube/mlops-tfserving/sandbox-project_us-central1-f_cluster-1.yml"
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    removed = installed.ok(
        "ansible-playbook", "-i", "hosts.yml", "mlops.tfserving.storage", "--check", env=google.env
    )
    assert "changed=0" in removed
    kubeconfig.unlink()


def test_status_looks_for_reports_where_ansible_was_started(installed: Installed, google: Google) -> None:
    folder = installed.home / "reports/20260101-120000"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(
        json.dumps({"verdict": "pass", "requests": {"total": 4711}, "scaling": {}, "environment": {}})
    )
    output = installed.ok("ansible-playbook", "-i", "hosts.yml", "mlops.tfserving.status", env=google.env)
    shutil.rmtree(installed.home / "reports")
    assert "4711 requests" in output
    assert str(installed.home / "reports") in output


def test_defaults_of_the_group_reach_every_module(installed: Installed) -> None:
    assert set(REQUIRED) == set(MODULES), "a row for each module"
    tasks = [
        {"name": name, f"mlops.tfserving.{name}": options, "ignore_errors": True}
        for name, options in REQUIRED.items()
    ]
    env = {"GCP_PROJECT": "p"}
    defaults = {"group/mlops.tfserving.all": {"nobody_knows_this": 1}}
    found = play(installed, tasks, env, module_defaults=defaults)
    for name in MODULES:
        assert re.search(r"Unsupported parameters.*nobody_knows_this", found[name]["msg"]), (
            f"{name}: {found[name]}"
        )


def test_defaults_of_the_groups_are_used(installed: Installed, google: Google) -> None:
    tasks = [
        {"name": "bucket", "mlops.tfserving.gcs_bucket": {"name": "defaults", "location": "US"}},
        {"name": "again", "mlops.tfserving.gcs_bucket": {"name": "defaults", "location": "us"}},
        {
            "name": "cluster",
            "mlops.tfserving.gke_cluster_info": {"name": "none", "location": "us-central1-f"},
        },
        {
            "name": "workload",
            "mlops.tfserving.k8s_rollout": {"name": "a", "namespace": "b"},
            "ignore_errors": True,
        },
    ]
    given = {"project": "sandbox-project", "auth_kind": "accesstoken", "access_token": google.emulator.token}
    defaults = {
        "group/mlops.tfserving.gcp": {**given, "api_endpoint": google.url},
        "group/mlops.tfserving.k8s": {"kubeconfig": "/nowhere/kubeconfig"},
    }
    found = play(installed, tasks, module_defaults=defaults)
    assert (found["bucket"]["changed"], found["again"]["changed"]) == (True, False)
    assert found["cluster"]["exists"] is False
    assert "/nowhere/kubeconfig" in found["workload"]["msg"]


def test_input_that_is_wrong_is_refused_in_words(installed: Installed) -> None:
    cases: dict[str, tuple[str, dict[str, Any], str]] = {
        "missing": ("gke_cluster", {"name": "c"}, "missing required arguments: location"),
        "choice": ("gcs_bucket", {"name": "b", "state": "gone"}, "value of state must be one of"),
        "type": ("scaling_report", {"run_dir": "r", "workers": "two", "users": 1}, "workers"),
        "unknown": ("saved_model_info", {"path": "p", "depth": 3}, "Unsupported parameters"),
        "no model": ("saved_model_info", {"path": "/nowhere"}, "/nowhere"),
        "no project": ("gcs_bucket", {"name": "b"}, "project is not set"),
    }
    tasks = [
        {"name": case, f"mlops.tfserving.{module}": options, "ignore_errors": True}
        for case, (module, options, _) in cases.items()
    ]
    found = play(installed, tasks)
    for case, (_, _, words) in cases.items():
        assert words in found[case]["msg"], f"{case}: {found[case]}"
        assert "Traceback" not in json.dumps(found[case]), case


def test_modules_work_for_real(installed: Installed, google: Google, tmp_path: Path) -> None:
    model = {"bucket": "real", "path": "models/m", "model": "m"}
    tasks = [
        {"name": "info", "mlops.tfserving.saved_model_info": {"path": str(MODEL)}},
        {"name": "bucket", "mlops.tfserving.gcs_bucket": {"name": "real"}},
        {
            "name": "planned",
            "mlops.tfserving.gcs_saved_model": {**model, "source": str(MODEL)},
            "check_mode": True,
        },
        {"name": "published", "mlops.tfserving.gcs_saved_model": {**model, "source": str(MODEL)}},
        {"name": "again", "mlops.tfserving.gcs_saved_model": {**model, "source": str(MODEL)}},
        {"name": "listed", "mlops.tfserving.gcs_saved_model": {**model, "state": "listed"}},
    ]
    found = play(installed, tasks, google.env)
    assert found["info"]["loadable"] is True
    changed = {name: found[name]["changed"] for name in ("planned", "published", "again", "listed")}
    assert changed == {"planned": True, "published": True, "again": False, "listed": False}
    assert [version["version"] for version in found["listed"]["versions"]] == [1]
