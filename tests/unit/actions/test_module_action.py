"""Where a module runs makes no difference that anybody sees: real plays, each task in Ansible's process and in its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.progress import VARIABLE, progress
from loopback_cloud import Cloud, cloud

ROOT = Path(__file__).resolve().parents[3]
SECRET = "ya29.never-to-be-seen"  # pragma: allowlist secret
ELSEWHERE = {"environment": {"MARK": "marked"}}
"""A task with an environment has a process of its own."""

# As the process is told that asks for a token: by whom, as whom, and what is in its environment.
WHO = """
if tr '\\0' ' ' < /proc/$PPID/cmdline | grep -q AnsiballZ; then where=process; else where=ansible; fi
printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"}}' \
  "$where,$MARK,$BECAME"
"""
# As `sudo -H -S -n -u root COMMAND`, which not every machine has.
SUDO = '#!/bin/sh\nwhile [ "$1" != -u ]; do shift; done; shift 2; BECAME=root exec "$@"\n'

Json = dict[str, Any]


@dataclass(frozen=True)
class Played:
    """What tasks returned, by their names, and what the terminal shows."""

    results: dict[str, Json]
    output: str


class Stage:
    """A folder with playbooks, apart from where they are started, and a cloud."""

    def __init__(self, folder: Path, server: Cloud) -> None:
        self.folder, self.cloud = folder, server
        (folder / "plays").mkdir()
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.write("kubeconfig", json.dumps(self.kubeconfig(exec=self.asks_who())))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / "plays" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o700)
        return path

    def kubeconfig(self, **user: Any) -> Json:
        return {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.cloud.url}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": user}],
        }  # fmt: skip

    @staticmethod
    def asks_who() -> Json:
        version = "client.authentication.k8s.io/v1"
        return {"apiVersion": version, "command": "sh", "args": ["-c", WHO], "interactiveMode": "Never"}

    def play(self, *tasks: Json, **environment: str) -> Played:
        """Runs tasks; one that fails does not keep the next from being run."""
        named = [
            {**task, "register": f"r{number}", "ignore_errors": True} for number, task in enumerate(tasks)
        ]
        results = "{{ [" + ", ".join(f"r{number}" for number in range(len(tasks))) + "] | to_json }}"
        file = {"content": results, "dest": "{{ playbook_dir }}/results.json", "mode": "0600"}
        play = {
            "hosts": "localhost", "gather_facts": False, "connection": "local",
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": [*named, {"ansible.builtin.copy": file, "no_log": True}],
        }  # fmt: skip
        self.write("play.yml", json.dumps([play]))
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-vvv",
             str(self.folder / "plays/play.yml")],
            cwd=self.folder, capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "TMPDIR": str(self.temporary), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **environment},
        )  # fmt: skip
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        assert "Traceback" not in output
        returned = json.loads((self.folder / "plays/results.json").read_text())
        return Played({task["name"]: one for task, one in zip(tasks, returned, strict=True)}, output)


def both(name: str, module: str, options: Json, **keywords: Any) -> list[Json]:
    """The same task in Ansible's process and in one of its own."""
    task = {f"mlops.tfserving.{module}": options, **keywords}
    return [{"name": name, **task}, {"name": f"{name}, apart", **task, **ELSEWHERE}]


def said(result: Json) -> Json:
    """Without what Ansible itself adds for a module's process."""
    return {name: value for name, value in result.items() if name != "exception"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with cloud() as server:
        yield Stage(tmp_path_factory.mktemp("stage"), server)


@pytest.fixture(scope="module")
def played(stage: Stage) -> Played:
    """Everything in one play, since each takes a second to begin."""
    return stage.play(
        *where_tasks(stage), *alike_tasks(stage), *check_tasks(stage), *progress_tasks(stage), *preflight_tasks(stage),
        ANSIBLE_BECOME_ALLOW_SAME_USER="true",
    )  # fmt: skip


def google(stage: Stage, **options: Any) -> Json:
    given = {"project": "my-project", "auth_kind": "accesstoken", "access_token": SECRET}
    return {**given, "api_endpoint": stage.cloud.url, **options}


def where_tasks(stage: Stage) -> list[Json]:
    sudo = stage.write("sudo", SUDO)
    ask = {"mlops.tfserving.k8s_objects_info": {"kind": "Namespace", "kubeconfig": "kubeconfig"}}
    return [
        {"name": "plain", **ask},
        {"name": "environment", **ask, **ELSEWHERE},
        {"name": "become", **ask, "become": True, "vars": {"ansible_become_exe": str(sudo)}},
        {"name": "async", **ask, "async": 60, "poll": 1},
    ]


def test_a_module_has_a_process_where_that_makes_a_difference(played: Played) -> None:
    """And the path of a kubeconfig counts from the same folder either way: that of the playbook."""
    where = {name: played.results[name] for name in ("plain", "environment", "become", "async")}
    found = {name: result["resources"][0]["metadata"]["name"] for name, result in where.items()}
    assert found == {
        "plain": "ansible,,",
        "environment": "process,marked,",
        "become": "process,,root",
        "async": "process,,",
    }
    assert said(where["plain"]).keys() == said(where["environment"]).keys()


def test_where_a_package_is_missing_the_hosts_python_is_asked(stage: Stage) -> None:
    """Ansible's own Python does not have it; the interpreter of the host may."""
    broken = stage.write("broken/kubernetes/__init__.py", "raise ImportError('none here')").parents[1]
    whole = stage.write("python", f'#!/bin/sh\nunset PYTHONPATH\nexec {sys.executable} "$@"\n')
    ask = {"mlops.tfserving.k8s_objects_info": {"kind": "Namespace", "kubeconfig": "kubeconfig"}}
    found = stage.play(
        {"name": "there", **ask, "vars": {"ansible_python_interpreter": str(whole)}},
        {"name": "nowhere", **ask},
        PYTHONPATH=str(broken),
    ).results
    assert not found["there"]["failed"], found["there"]
    assert found["there"]["resources"][0]["metadata"]["name"] == "process,,", found
    assert found["nowhere"]["failed"]
    assert "Failed to import the required Python library (kubernetes)" in found["nowhere"]["msg"]


IMPORTED = """
import sys
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_NAME = 2.0, "imported"

    def v2_playbook_on_stats(self, stats):
        self._display.display(f"imported: {'kubernetes' in sys.modules}")
"""
"""Runs in the process from which Ansible forks one for each task."""


def test_a_package_that_a_kubeconfig_needs_is_imported_once_for_all_tasks(stage: Stage) -> None:
    """And for no other kubeconfig."""
    folder = stage.write("callbacks/imported.py", IMPORTED).parent
    stage.write("plain", json.dumps(stage.kubeconfig(token=SECRET)))
    for kubeconfig, imported in (("plain", False), ("kubeconfig", True)):
        ask, pods = (
            {"kind": "Namespace", "kubeconfig": kubeconfig},
            {"namespace": "n", "label_selector": "a=b"},
        )
        played = stage.play(
            {"name": "first", "mlops.tfserving.k8s_objects_info": ask},
            {"name": "next", "mlops.tfserving.tfserving_refusals_info": {**pods, "kubeconfig": kubeconfig}},
            ANSIBLE_CALLBACK_PLUGINS=str(folder), ANSIBLE_CALLBACKS_ENABLED="imported",
        )  # fmt: skip
        assert not played.results["first"]["failed"], played.results
        assert f"imported: {imported}" in played.output


def alike(stage: Stage) -> dict[str, tuple[str, Json]]:
    """The cloud repeats what it was sent, and wrong options hold secrets. By name: module and options."""
    kubernetes = {"kubeconfig": stage.kubeconfig(token=SECRET)}
    # YAML's dates are no texts, and JSON has none.
    metadata = "{{ '{name: echo, annotations: {since: 2026-01-31}}' | from_yaml }}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    cluster = {"name": "c", "location": "us-central1-f"}
    key = {"type": "service_account", "private_key": f"-----\n{SECRET}\n-----"}
    text = yaml.safe_dump(kubernetes["kubeconfig"])
    objects = {"kind": "Namespace"}
    return {
        "google repeats": ("gcs_bucket", google(stage, name="echo")),
        "kubernetes repeats": ("k8s_diff", {**kubernetes, "definition": [namespace], "field_manager": "m"}),
        "a warning": ("gke_cluster", google(stage, **cluster)),
        "no choice": ("gcs_bucket", google(stage, name="b", auth_kind=SECRET)),
        "unknown": ("gcs_bucket", google(stage, name="b", colour="red")),
        "missing": ("k8s_diff", {"definition": []}),
        "missing beside a secret": ("k8s_diff", {"definition": [], **kubernetes}),
        "a kubeconfig's text": ("k8s_objects_info", {"kubeconfig": f"# mine\n{text}", **objects}),
        "no such kubeconfig": ("k8s_objects_info", {"kubeconfig": "there/is/none", **objects}),
        "a key of another kind": (
            "gcs_bucket",
            google(stage, name="models-true", service_account_contents=key),
        ),
    }


def alike_tasks(stage: Stage) -> list[Json]:
    # Ansible shows a warning once, wherever it comes from: here is one that only Ansible's process has.
    warns = {"mlops.tfserving.gke_cluster": google(stage, name="warns", location="us-central1-f")}
    pairs = [both(name, module, options) for name, (module, options) in alike(stage).items()]
    return [{"name": "warns", **warns}, *(task for pair in pairs for task in pair)]


def test_the_result_is_the_same_and_holds_no_secret(stage: Stage, played: Played) -> None:
    """Ansible is as talkative as can be."""
    assert SECRET not in played.output
    assert SECRET not in json.dumps(played.results)
    for name in alike(stage):
        assert said(played.results[name]) == said(played.results[f"{name}, apart"]), name
    words = {name: result.get("msg", "") for name, result in played.results.items()}
    assert "you sent Bearer ********" in words["google repeats"]
    assert "you sent Bearer ********" in words["kubernetes repeats"]
    assert "value of auth_kind must be one of: application" in words["no choice"]
    assert "Unsupported parameters for (mlops.tfserving.gcs_bucket) module: colour." in words["unknown"]
    assert words["missing"] == words["missing beside a secret"] == "missing required arguments: field_manager"
    assert "as text: give the file's path, or a dict" in words["a kubeconfig's text"]
    assert f"(a relative path begins in {stage.folder}/plays)" in words["no such kubeconfig"]
    assert words["a key of another kind"].startswith("service_account_contents (or its environment variable)")
    assert played.results["a warning"].get("warnings") == ["c is DEGRADED: the network is full."], (
        played.results["a warning"]
    )
    assert "[WARNING]: warns is DEGRADED: the network is full." in played.output


def check_tasks(stage: Stage) -> list[Json]:
    return [
        task
        for check in (True, False)
        for task in both(
            f"check {check}",
            "gcs_bucket",
            google(stage, name=f"models-{str(check).lower()}", state="absent"),
            check_mode=check,
        )
    ]


def test_check_mode_changes_nothing_and_tells_what_would_change(stage: Stage, played: Played) -> None:
    for apart in ("", ", apart"):
        dry, wet = (said(played.results[f"check {check}{apart}"]) for check in (True, False))
        assert dry["changed"], dry
        assert dry.pop("diff")["before"] == {"name": "models-true", "objects": []}
        assert wet.pop("diff")["before"] == {"name": "models-false", "objects": []}
        assert dry == wet
    deleted = [request for request in stage.cloud.seen if request.startswith("DELETE")]
    assert deleted == ["DELETE /storage/v1/b/models-false"] * 2


def progress_tasks(stage: Stage) -> list[Json]:
    """Deployments of 3 and 4 replicas, and two of 5 and 6 that are nobody's business."""

    def wait(replicas: int, **keywords: Any) -> Json:
        options = {"namespace": "n", "name": f"d{replicas}", "kubeconfig": stage.kubeconfig(token=SECRET)}
        return {"name": f"wait {replicas}", "mlops.tfserving.k8s_rollout": options, **keywords}

    return [wait(3), wait(4, **ELSEWHERE), wait(5, no_log=True), wait(6, **ELSEWHERE, no_log=True)]


def test_progress_is_shown_while_a_module_works_unless_the_task_is_secret(played: Played) -> None:
    shown = [
        line for line in played.output.splitlines() if line.startswith("    ") and " available, " in line
    ]
    for replicas, so_often in ((3, 1), (4, 1), (5, 0), (6, 0)):
        assert played.results[f"wait {replicas}"]["replicas"] == replicas
        assert sum(f"0 of {replicas} available" in line for line in shown) == so_often, shown


def preflight_tasks(stage: Stage) -> list[Json]:
    """It has no module's process ever. One that a survey's empty text tells to ignore nothing."""
    told = {"mlops.tfserving.preflight": {**google(stage), "ignore": ""}}
    given = {"cluster_existing_kubeconfig": "none", "storage_model_path": "my-models"}
    return [
        {"name": "preflight", **told, "vars": {**given, "storage_bucket": "echo"}},
        {"name": "secret preflight", **told, "vars": {**given, "storage_bucket": "echo"}, "no_log": True},
    ]


def test_preflight_tells_no_secret(played: Played) -> None:
    """That no output has the token is asked above."""
    told, secret = (json.dumps(played.results[name]) for name in ("preflight", "secret preflight"))
    assert "you sent Bearer ********" in told
    assert "you sent Bearer ********" in played.output
    assert "my-models" in secret
    assert "my-models" not in played.output.partition("TASK [secret preflight]")[2].partition("TASK [")[0]


def test_nothing_is_left_in_the_folder_for_temporary_files(stage: Stage, played: Played) -> None:
    assert played.results["async"]["resources"], "that one outlives its task"
    assert list(stage.temporary.iterdir()) == []


def test_a_line_of_progress_that_nobody_waits_for_makes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "progress"
    monkeypatch.setenv(VARIABLE, str(file))
    progress("too late")
    assert not file.exists()
    file.write_text("one\n")
    progress("two")
    assert file.read_text() == "one\ntwo\n"
