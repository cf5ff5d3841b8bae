"""What a role makes of its variables: options of modules with their types, objects, conditions. Nothing is run."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import serving_role  # its import finds the collection for Ansible's templating
import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.check import ARGUMENTS
from ansible_collections.mlops.tfserving.plugins.plugin_utils.connecting import CONNECTION

ROOT = serving_role.ROOT
OURS = "mlops.tfserving."
OMITTED = "<omitted>"
FACTS: dict[str, Any] = {
    "omit": OMITTED,
    "gcp_project": "a-project",
    "ansible_check_mode": False,
    "cluster_reachable": True,
    "storage_published": {"uri": "gs://b/m/1", "version": 1},
    "storage_listed": {"versions": [{"version": 7, "complete": True, "size": 1}]},
    "serving_model_uri": "gs://b/m/7",
    "serving_running": {"resources": []},
    "loadtest_run": "r",
    "loadtest_result": {"run_dir": "/r"},
    "loadtest_prepared": {
        "plan": {"seconds": 60.0, "users": 2}, "bodies": [], "inputs": {}, "config_maps": [], "words": "steps",
    },
}  # fmt: skip
"""What a run would know by then."""


def options_of(role: str) -> dict[str, Any]:
    """The role's variables, as its argument spec describes them."""
    file = ROOT / "roles" / role / "meta/argument_specs.yml"
    return dict(yaml.safe_load(file.read_text())["argument_specs"]["main"]["options"])


def defaults_of(role: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text()))


def made(role: str, **variables: Any) -> dict[str, Any]:
    """By task file, task and option; by template and object."""
    folder, loader = ROOT / "roles" / role, DataLoader()
    known: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        if (folder / part / "main.yml").exists():
            known |= loader.load_from_file(str(folder / part / "main.yml"), trusted_as_template=True)
    found: dict[str, Any] = {}
    for file in sorted((folder / "tasks").glob("*.yml")):
        for task in tasks_of(loader.load_from_file(str(file), trusted_as_template=True)):
            scope = known | task.get("vars", {}) | FACTS | _place(folder) | variables
            templar = Templar(loader=loader, variables=scope)
            found |= _work(templar, task, f"{file.stem}: {task.get('name')}")
    templar = Templar(
        loader=loader,
        variables=known | FACTS | _block_vars(loader, folder) | _place(folder) | variables,
    )
    for template in sorted((folder / "templates").glob("*.yml.j2")):
        text = expression(templar, "{{ lookup('ansible.builtin.template', '" + str(template) + "') }}")
        found[template.name] = list(yaml.safe_load_all(text))
    return found


def _place(folder: Path) -> dict[str, Any]:
    return {"role_path": str(folder), "ansible_search_path": [str(folder)]}


def tasks_of(items: list[dict[str, Any]], given: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Those in blocks, too, with the variables of these."""
    found = []
    for item in items:
        scope = (given or {}) | item.get("vars", {})
        inner = [task for key in ("block", "rescue", "always") for task in item.get(key, [])]
        found += [*tasks_of(inner, scope), {**item, "vars": scope}]
    return found


def _block_vars(loader: DataLoader, folder: Path) -> dict[str, Any]:
    tasks = tasks_of(loader.load_from_file(str(folder / "tasks/main.yml"), trusted_as_template=True))
    return {key: value for task in tasks for key, value in task["vars"].items()}


def _work(templar: Any, task: dict[str, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    conditions = task.get("when", [])
    for condition in conditions if isinstance(conditions, list) else [conditions]:
        found[f"{where}: when {condition}"] = expression(templar, "{{ (" + str(condition) + ") | bool }}")
    for name, arguments in task.items():
        if name.startswith(OURS):
            defaults = task.get("module_defaults", {}).get(name, {})
            # That action reads the role's variables itself.
            own = CONNECTION if name == f"{OURS}cluster_connection" else {}
            given = {option: f"{{{{ {variable} }}}}" for option, variable in own.items()} | (arguments or {})
            found[f"{where}: {name}"] = as_the_module_gets(
                name, {**plain(templar, defaults), **plain(templar, given)}
            )
    return found


def plain(templar: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: expression(templar, item) for key, item in value.items()}
    return expression(templar, value)


def expression(templar: Any, text: Any) -> Any:
    try:
        return templar.template(trust_as_template(text) if isinstance(text, str) else text)
    except AnsibleError as error:
        if "undefined" in str(error) or "has no attribute" in str(error):
            return "<known in a run alone>"
        raise


def as_the_module_gets(action: str, options: dict[str, Any]) -> dict[str, Any]:
    """Typed. Unknown here are options that only a run knows."""
    module = action.removeprefix(OURS)
    spec = _spec(_arguments(module))
    given = {
        name: value
        for name, value in options.items()
        if value not in (OMITTED, "<known in a run alone>") and name in spec
    }
    result = ArgumentSpecValidator({name: {**spec[name], "required": False} for name in given}).validate(
        given
    )
    assert result.error_messages == [], (module, given)
    return dict(result.validated_parameters)


def defaults_of_the_module(action: str) -> dict[str, Any]:
    arguments = _arguments(action.removeprefix(OURS))
    return {name: option["default"] for name, option in arguments.items() if "default" in option}


def _arguments(module: str) -> dict[str, Any]:
    found = importlib.import_module(f"ansible_collections.mlops.tfserving.plugins.modules.{module}")
    return dict(ARGUMENTS if module == "preflight" else found.SPEC["argument_spec"])


def _spec(options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {key: option[key] for key in ("type", "elements", "choices") if key in option}
        | ({"options": _spec(option["options"])} if "options" in option else {})
        for name, option in options.items()
    }
