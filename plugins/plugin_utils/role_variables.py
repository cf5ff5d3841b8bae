"""The variables of the collection's roles as a play sees them: inventory and extra vars over the roles' defaults."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROLES = ("cluster", "storage", "serving", "autoscaling", "loadtest")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FOLDER = Path(__file__).resolve().parents[2] / "roles"


def role_variables(loader: Any, templar: Any, task_vars: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Values by name, typed as the roles' argument specs say, and what is wrong with them, a line each.

    A variable with a wrong value has its role's default, so that everything else can be judged.
    """
    defaults = {role: _defaults(loader, FOLDER / role / "defaults/main.yml") for role in ROLES}
    of_all = {name: value for role in ROLES for name, value in defaults[role].items()}
    before, found, problems = templar.available_variables, {}, []
    try:
        for role in ROLES:
            options = _options(FOLDER / role / "meta/argument_specs.yml")
            templar.available_variables = {**of_all, **task_vars, "role_path": str(FOLDER / role)}
            values: dict[str, Any] = {}
            for name, default in defaults[role].items():
                try:
                    values[name] = templar.template(task_vars.get(name, default))
                except AnsibleError as error:
                    problems.append(f"{name} can't be read: {_first_line(error)}")
            # What is empty by default comes from another role's run.
            later = {name: "" for name, value in values.items() if value == "" and name not in task_vars}
            checked, wrong = _checked({k: v for k, v in values.items() if k not in later}, options)
            checked |= later
            problems += [f"{text}: {name}" if name not in text else text for name, text in wrong.items()]
            for name in defaults[role].keys() - checked.keys():
                checked[name] = templar.template(defaults[role][name])
            found.update(checked)
    finally:
        templar.available_variables = before
    return found, problems


def _checked(values: dict[str, Any], options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values of the right type, and by the names of the others what is wrong with them."""
    right: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, value in values.items():
        spec = {
            key: setting for key, setting in options[name].items() if key not in ("description", "default")
        }
        spec["required"] = False
        result = ArgumentSpecValidator({name: spec}).validate({name: value})
        if result.error_messages:
            wrong[name] = "; ".join(result.error_messages)
        else:
            right[name] = result.validated_parameters[name]
    return right, wrong


def _defaults(loader: Any, path: Path) -> dict[str, Any]:
    """A role's defaults. Newer versions of Ansible template nothing that is not said to be trusted."""
    knows_trust = "trusted_as_template" in inspect.signature(loader.load_from_file).parameters
    return dict(loader.load_from_file(str(path), **({"trusted_as_template": True} if knows_trust else {})))


def _options(path: Path) -> dict[str, Any]:
    """A role's argument spec. It holds no templates, so the fastest way to read YAML will do."""
    specs = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 both are safe loaders
    return dict(specs["argument_specs"]["main"]["options"])


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
