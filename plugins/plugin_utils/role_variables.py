"""The variables of the collection's roles as a play sees them: inventory and extra vars over the roles' defaults."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils.preflight.mistakes import Mistake

ROLES = ("cluster", "storage", "serving", "autoscaling", "loadtest")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FOLDER = Path(__file__).resolve().parents[2] / "roles"


def role_variables(
    loader: Any,
    templar: Any,
    task_vars: dict[str, Any],
    judge: Callable[[dict[str, Any]], Iterable[Mistake]] = lambda _unused: (),
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Values by name, typed as the roles' argument specs say, and what is wrong with them, each with the way out.

    A variable of a wrong type, or with a value that can't be read, has its role's default, so that everything else
    can be judged. ``judge`` finds mistakes in variables of the right types.
    """
    defaults = {role: _defaults(loader, FOLDER / role / "defaults/main.yml") for role in ROLES}
    of_all = {name: value for role in ROLES for name, value in defaults[role].items()}
    before, found = templar.available_variables, dict[str, Any]()
    wrongs: list[Mistake] = []
    try:
        for role in ROLES:
            options = _options(FOLDER / role / "meta/argument_specs.yml")
            templar.available_variables = {**of_all, **task_vars, "role_path": str(FOLDER / role)}
            values: dict[str, Any] = {}
            for name, default in defaults[role].items():
                try:
                    values[name] = templar.template(task_vars.get(name, default))
                except AnsibleError as error:
                    wrongs.append(Mistake(name, f"{name} can't be read: {_first_line(error)}"))
            # What is empty by default comes from another role's run.
            later = {name: "" for name, value in values.items() if value == "" and name not in task_vars}
            checked, wrong = _checked({k: v for k, v in values.items() if k not in later}, options)
            checked |= later
            wrongs += [
                Mistake(name, text if name in text else f"{text}: {name}") for name, text in wrong.items()
            ]
            for name in defaults[role].keys() - checked.keys():
                checked[name] = _default(templar, of_all, name, wrongs)
            found.update(checked)
        told = [
            mistake for mistake in judge(found) if mistake.variable not in {one.variable for one in wrongs}
        ]
        for name in {mistake.variable for mistake in told if mistake.unreadable}:
            found[name] = _default(templar, of_all, name, wrongs)
    finally:
        templar.available_variables = before
    return found, [(mistake.message, mistake.fix) for mistake in (*wrongs, *told)]


def _default(templar: Any, defaults: dict[str, Any], name: str, wrongs: Iterable[Mistake]) -> Any:
    """A role's default, with those of what is wrong where it speaks of that."""
    before = templar.available_variables
    templar.available_variables = before | {one.variable: defaults[one.variable] for one in wrongs}
    try:
        return templar.template(defaults[name])
    except AnsibleError:  # It speaks of a variable that has a value, but none that it can speak of: null.
        templar.available_variables = before | defaults
        return templar.template(defaults[name])
    finally:
        templar.available_variables = before


def _checked(values: dict[str, Any], options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values of the right type, and by the names of the others what is wrong with them."""
    right: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, value in values.items():
        spec = {
            key: setting for key, setting in options[name].items() if key not in ("description", "default")
        }
        spec["required"] = False
        try:
            result = ArgumentSpecValidator({name: spec}).validate({name: value})
        except TypeError:  # Ansible looks into a number as if it were a dictionary.
            wrong[name] = f"{name} is {value!r}, and has to be a {spec['type']}"
            continue
        if (
            value is None
            and spec.get("type") in ("int", "float")
            and options[name].get("default") is not None
        ):
            wrong[name] = f"{name} is null, and has to be a number"
        elif result.error_messages:
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
