"""What playbooks take of their own is declared, means the same as a text, and is refused where not everybody reads it alike."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mlops.tfserving.plugins.action.site_status import ActionModule
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.findings import Finding
from ansible_collections.mlops.tfserving.plugins.plugin_utils.connecting import CONNECTION
from ansible_collections.mlops.tfserving.plugins.plugin_utils.names import of_playbooks, playbook_specs
from ansible_collections.mlops.tfserving.plugins.plugin_utils.role_variables import project_variables
from ansible_collections.mlops.tfserving.plugins.plugin_utils.typed_variables import typed_values
from jinja2 import nodes
from jinja2.nativetypes import NativeEnvironment
from role_work import (
    FACTS,
    OURS,
    ROOT,
    as_the_module_gets,
    defaults_of_the_module,
    expression,
    plain,
    tasks_of,
)
from test_texts import ODD, WORDS, as_text

JINJA = NativeEnvironment()
SPECS = playbook_specs()
OPTIONS = {name: option for options in SPECS.values() for name, option in options.items()}
OF_A_PLAYBOOK = sorted(name for playbook, options in SPECS.items() if playbook != "gcp" for name in options)
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
LISTS_AS_TEXT = ("teardown_also",)
FROM_A_WORKFLOW = {
    "awx_workflow_job_id", "tower_workflow_job_id", "tfserving_verdict", "tfserving_replaced_version", "tfserving_model_version",
}  # fmt: skip
"""What AWX and the jobs before hand on: no person writes that."""

SAMPLES: dict[str, tuple[Any, Any]] = {
    "canary_action": ("promote", "withdraw"),
    "canary_version": (3, 4),
    "promote_version": (3, 4),
    "rollback_version": (3, 4),
    "capacity_slo": (["p95_ms <= 300"], ["p95_ms <= 200"]),
    "capacity_arrivals": ("even", "poisson"),
    "tune_slo": (["p95_ms <= 300"], ["p95_ms <= 200"]),
    "whatif_slo": (["p95_ms <= 300"], ["p95_ms <= 200"]),
    "whatif_settings": ([{"autoscaling_min_replicas": 2}], [{"autoscaling_min_replicas": 3}]),
    "whatif_shape": ({"kind": "constant", "users": 3}, {"kind": "constant", "users": 4}),
    "teardown_also": (["bucket/a", "bucket/b"], ["bucket/a"]),
}
"""Two values of each variable whose type alone does not tell what may be one."""
BY_TYPE: dict[str, tuple[Any, Any]] = {
    "bool": (True, False), "int": (7, 8), "float": (2.5, 7), "str": ("20260131-120000", "b"), "path": ("/a", "/b"),
}  # fmt: skip
KNOWN = FACTS | {
    "inventory_hostname": "site",
    "cluster_connected": {"made_here": True, "exists": True},
    "cluster_name": "c", "cluster_location": "l", "cluster_existing_kubeconfig": "", "cluster_bootstrap_address": "",
    "cluster_bootstrap_node_service_account": "", "cluster_bootstrap_model_service_account": "", "cluster_api_endpoint": "",
    "storage_removed": {"changed": True, "kept": ""},
    "loadtest_slo": [],
    "rollback_found": {"results": [{"resources": []}, {"resources": []}]},
    "capacity_reports": "/r", "capacity_found": {"enough": True, "shape": {}, "seed": 1, "lines": ["said"]},
    "tune_found": {"site": {"namespace": "n", "deployment": "d", "cluster": "c"}, "lines": [], "picture": "", "proposal": {"variables": {"a": 1}}},
}  # fmt: skip


def samples(name: str) -> tuple[Any, Any]:
    return SAMPLES.get(name) or BY_TYPE[OPTIONS[name]["type"]]


def playbook_of(name: str) -> str:
    return next(playbook for playbook, options in SPECS.items() if name in options)


def findings(**given: Any) -> list[Finding]:
    return of_playbooks(Templar(DataLoader(), given), given)


def work(playbook: str, **variables: Any) -> dict[str, Any]:
    """What a playbook does, as far as that is known without a run: conditions, options of modules, words."""
    loader, folder = DataLoader(), ROOT / "playbooks"
    (play,) = loader.load_from_file(str(folder / f"{playbook}.yml"), trusted_as_template=True)
    files = play.get("vars_files", [])
    scope: dict[str, Any] = {}
    for file in [files] if isinstance(files, str) else files:
        scope |= loader.load_from_file(str(folder / file), trusted_as_template=True)
    defaults = play.get("module_defaults", {})
    found: dict[str, Any] = {}
    for where, task in _tasks(loader, folder, play["tasks"], {**scope, **play.get("vars", {})}):
        templar = Templar(loader, {**task["vars"], **KNOWN, **variables})
        found |= dict(_of_a_task(templar, where, task, defaults))
    return found


def _tasks(
    loader: DataLoader, folder: Path, items: Any, given: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for task in tasks_of(items, given):
        yield str(task.get("name")), task
        for word in ("ansible.builtin.import_tasks", "ansible.builtin.include_tasks"):
            file = task.get(word)
            if isinstance(file, str) and file.startswith("tasks/"):
                inner = loader.load_from_file(str(folder / file), trusted_as_template=True)
                for where, one in _tasks(loader, folder, inner, task["vars"]):
                    yield f"{task.get('name')}: {where}", one


def _of_a_task(
    templar: Any, where: str, task: dict[str, Any], defaults: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    asserted = task.get("ansible.builtin.assert", {}).get("that", [])
    for word, conditions in (("when", task.get("when", [])), ("that", asserted)):
        for condition in conditions if isinstance(conditions, list) else [conditions]:
            yield f"{where}: {word} {condition}", expression(templar, f"{{{{ ({condition}) | bool }}}}")
    for name, written in task.items():
        arguments = written
        if name == f"{OURS}site_status":
            # That action reads the variables itself.
            own = {key: of for key, of in ActionModule.VARIABLES.items() if key not in CONNECTION}
            arguments = {option: f"{{{{ {variable} }}}}" for option, variable in own.items()}
        if name.startswith(OURS):
            options = {**plain(templar, defaults.get(name, {})), **plain(templar, arguments or {})}
            yield f"{where}: {name}", defaults_of_the_module(name) | as_the_module_gets(name, options)
        elif name == "ansible.builtin.include_role":
            # What roles get is judged by the roles' own checks, so the same text and number are the same.
            role = [plain(templar, arguments), {key: expression(templar, value) for key, value in task["vars"].items() if key.startswith(("storage_", "serving_"))}]  # fmt: skip
            yield f"{where}: {name}", as_text(role)
        elif name in ("ansible.builtin.debug", "ansible.builtin.set_fact") and "now()" not in str(arguments):
            yield f"{where}: {name}", as_text(plain(templar, arguments))


@pytest.mark.parametrize("name", OF_A_PLAYBOOK)
def test_as_text_it_comes_to_the_same(name: str) -> None:
    first, second = samples(name)
    done = work(playbook_of(name), **{name: first})
    assert done != work(playbook_of(name), **{name: second}), "the playbook looks at it"
    option = OPTIONS[name]
    texts = [first]
    if option["type"] == "bool":
        texts = WORDS[first]
    elif option["type"] in ("int", "float"):
        texts = [str(first)]
    elif name in LISTS_AS_TEXT:
        texts = [", ".join(first), ",".join(first)]
    for text in texts:
        assert findings(**{name: text}) == []
        assert work(playbook_of(name), **{name: text}) == done, text


@pytest.mark.parametrize("name", OPTIONS)
def test_what_would_be_read_otherwise_is_refused(name: str) -> None:
    option = OPTIONS[name]
    odd = list(ODD[option["type"]])
    if name in LISTS_AS_TEXT:
        odd = [value for value in odd if not isinstance(value, str)]
    if option.get("default") == "":
        odd = [value for value in odd if value != ""]
    if "choices" in option:
        odd += ["strat", True]
    if playbook_of(name) != "gcp":
        odd.append(None)
    for value in odd:
        (found,) = findings(**{name: value})
        assert (found.id, found.severity, found.variable) == ("types", "error", name)
        assert name in found.message, "which"
        assert found.hint.endswith("."), "and what would be right"


def test_what_stands_for_nothing_is_nothing() -> None:
    empty = {name: "" for name, option in OPTIONS.items() if option.get("default") == ""}
    assert {
        "promote_version",
        "rollback_version",
        "canary_version",
        "status_file",
        "teardown_also",
    } <= empty.keys()
    assert findings(**empty) == []
    for name in empty:
        assert work(playbook_of(name), **{name: ""}) == work(playbook_of(name)), name


def test_the_defaults_that_are_told_are_the_playbooks() -> None:
    for playbook, options in SPECS.items():
        if playbook == "gcp":
            continue
        (play,) = yaml.safe_load((ROOT / f"playbooks/{playbook}.yml").read_text())
        for name, option in options.items():
            value = play.get("vars", {}).get(name)
            if name in play.get("vars", {}) and "{{" not in str(value):
                assert value == option["default"], name
            if option.get("default") not in (None, ""):
                _, wrong = typed_values(Templar(DataLoader(), {}), {name: option["default"]}, OPTIONS)
                assert wrong == []
                assert work(playbook, **{name: option["default"]}) == work(playbook), name


def test_what_playbooks_look_at_and_nobody_sets_is_declared() -> None:
    roles = {
        name
        for file in ROOT.glob("roles/*/meta/argument_specs.yml")
        for spec in yaml.safe_load(file.read_text())["argument_specs"].values()
        for name in spec["options"]
    }
    texts = {
        path: path.read_text() for path in (ROOT / "playbooks").rglob("*.yml") if path.parent.name != "meta"
    }
    everything = "\n".join([*texts.values(), *(path.read_text() for path in ROOT.glob("roles/*/*/*.yml"))])
    made = {
        *re.findall(r"^ *(?:- )?([a-z]\w+):", everything, re.MULTILINE),
        *re.findall(r"register: (\w+)", everything),
        *re.findall(r"[{,] *(\w+):", everything),
    }
    of_ansible = {
        "ansible_check_mode",
        "ansible_failed_result",
        "omit",
        "item",
        "lookup",
        "query",
        "now",
        "playbook_dir",
    }
    used: set[str] = set()
    for text in texts.values():
        for value in _texts(yaml.safe_load(text)):
            used |= {name.name for name in JINJA.parse(value).find_all(nodes.Name) if name.ctx == "load"}
        for condition in re.findall(r"^ *(?:when|that|until|failed_when): (?!>)(.+)$", text, re.MULTILINE):
            used |= set(re.findall(r"(?<![\w.'])[a-z]\w*_\w+", condition))
    assert len(used) > 60
    assert used - made - roles - OPTIONS.keys() - of_ansible - FROM_A_WORKFLOW == set()
    assert {name for name in OPTIONS if name not in everything} == set()


def _texts(tree: Any) -> Iterator[str]:
    for value in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(value, dict | list):
            yield from _texts(value)
        elif isinstance(value, str):
            yield value


def test_what_pages_and_playbooks_say_with_e_is_declared() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *(ROOT / "playbooks").glob("*.yml")]
    said = {
        name
        for page in pages
        for name in re.findall(r"(?:-e |-e '\{\"|, \")([a-z]\w+)(?==|\": )", page.read_text())
        if name.split("_")[0] in SPECS
    }
    assert len(said) > 15
    assert said - OPTIONS.keys() == set()


@pytest.mark.parametrize(
    ("playbook", "given", "words"),
    [
        ("promote", "promote_version=03", "[types] promote_version is '03': not everybody who reads it takes it for 3. Write 3, if"),
        ("promote", "promote_modle=m", "[unknown-variable] there is no variable promote_modle: no role and no playbook looks at it. Write promote_model, if"),
        ("canary", "canary_action=strat", "[types] value of canary_action must be one of: start, promote, withdraw, got: strat."),
        ("rollback", "rollback_version=v3", "[types] rollback_version is 'v3': it is not a whole number. Write one in plain digits."),
        ("status", "status_watch=abc", "[types] status_watch is 'abc': it is not a whole number."),
        ("status", "status_wach=60", "Write status_watch, if that is meant"),
        ("teardown", "teardown_bucket=nope", "[types] teardown_bucket is 'nope': it is neither true nor false to all who read it."),
        ("capacity", "capacity_minutes=1e1", "[types] capacity_minutes is '1e1': not everybody who reads it takes it for 10."),
        ("tune", "tune_aply=true", "Write tune_apply, if that is meant; if it is your own: preflight_ignore: [unknown-variable:tune_aply]."),
        ("whatif", "whatif_slo='p95_ms <= 300'", """Write it as YAML does, [first, second], or on a command line as JSON: -e '{"whatif_slo": ["p95_ms <= 300"]}'."""),
    ],
)  # fmt: skip
def test_it_is_refused_before_anything_is_asked(
    playbook: str, given: str, words: str, tmp_path: Path
) -> None:
    """Of whoever answers there: nobody does."""
    (tmp_path / "hosts").write_text(
        f"[tfserving]\nsite ansible_connection=local ansible_python_interpreter={sys.executable}\n"
    )
    command = [
        Path(sys.executable).parent / "ansible-playbook",
        "-i",
        str(tmp_path / "hosts"),
        f"playbooks/{playbook}.yml",
    ]
    nowhere = {"cluster_api_endpoint": "http://127.0.0.1:9/", "storage_api_endpoint": "http://127.0.0.1:9/"}
    done = subprocess.run(
        [*command, "-e", json.dumps(nowhere), "-e", given], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2, done.stdout
    assert words in done.stdout.replace("\\", ""), done.stdout
    assert "changed=0" in done.stdout


def test_preflight_judges_them_with_the_roles_variables() -> None:
    given = {"tune_apply": "yep", "gcp_project": ["p"]}
    _values, found = project_variables(
        Templar(DataLoader(), given), given, {"project": "p", "metrics_window_seconds": 30}
    )
    assert {one.variable for one in found if one.id == "types"} == given.keys()


def test_each_is_on_a_page() -> None:
    pages = "\n".join(path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
    assert {name for name in OPTIONS if not re.search(rf"\b{name}\b", pages)} == set()
