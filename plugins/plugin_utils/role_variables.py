"""The variables of the collection's roles as a play sees them, and what is wrong with them."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ..module_utils.variables.arguments import typed
from ..module_utils.variables.check import CHECKS, judged
from ..module_utils.variables.findings import Finding, kept, names_of_rules
from ..module_utils.variables.rules import NEVER_IGNORED
from ..module_utils.variables.texts import read_otherwise
from ..module_utils.variables.unknown import GOOGLE, PLAYBOOKS
from .names import ROLES, ROOT, defaults_of, environment, options_of, unknown

Json = dict[str, Any]

_NOT_NULL = {
    "int": "a number", "float": "a number", "bool": "true or false", "list": "a list, if empty []", "dict": "a dictionary, if empty {}",
    "str": "a text", "path": "a path",
}  # fmt: skip
"""What a variable of a type has to be where its role's default is something: null would be taken for false, nothing or None."""
_TEXT_AS_WELL = ("preflight_ignore",)
"""Lists that everybody reads as a text with commas, too, as of a survey: ``names_of_rules``."""
_HINT = "The role's meta/argument_specs.yml says what it takes."


def role_findings(role: str, templar: Any, variables: Mapping[str, Any], **facts: Any) -> list[Finding]:
    """What is wrong with a role's variables, but what ``preflight_ignore`` says is not wanted.

    ``facts``: what else the rules know by name, templated.
    """
    options = options_of(role)
    values, wrongs = _read(templar, {name: variables[name] for name in options if name in variables}, options)
    values = {name: option.get("default") for name, option in options.items()} | values | facts
    project = templar.template(variables.get("gcp_project", ""))
    found = [
        *(environment() if role == "cluster" else ()),
        *unknown(variables, [role]),
        *wrongs,
        *_others(judged(values, [role], project=project).findings, wrongs),
        *_read_otherwise(templar, variables, _looked_at(role)),
    ]
    return kept(found, names_of_rules(templar.template(variables.get("preflight_ignore"))), NEVER_IGNORED)


def project_variables(templar: Any, task_vars: Json, options: Json) -> tuple[Json, list[Finding]]:
    """The variables of all roles, typed as their argument specs say, and what is wrong with them.

    Those that the play does not have are the roles' defaults, and so are those of a wrong type, or with a value that
    can't be read: so everything else can be judged. ``options``: those of mlops.tfserving.preflight.
    """
    defaults = {role: defaults_of(role) for role in CHECKS}
    of_all = {name: value for role in CHECKS for name, value in defaults[role].items()}
    before, found = templar.available_variables, Json()
    wrongs = [*environment(), *unknown(task_vars, [*ROLES, *PLAYBOOKS, GOOGLE])]
    wrongs += _read_otherwise(templar, task_vars, options_of("preflight"))
    try:
        for role in CHECKS:
            templar.available_variables = {**of_all, **task_vars, "role_path": str(ROOT / "roles" / role)}
            raw = {name: task_vars.get(name, default) for name, default in defaults[role].items()}
            # What is empty by default comes from another role's run, or is not wanted.
            values, wrong = _read(templar, raw, options_of(role), may_be_empty=set(raw) - set(task_vars))
            wrongs += wrong
            for name in raw.keys() - values.keys():
                values[name] = _default(templar, of_all, name, wrongs)
            found |= values
        window = {"preflight_metrics_window_seconds": options["metrics_window_seconds"]}
        judgement = judged(found | window, project=options["project"] or "", is_final=False)
        told = _others(judgement.findings, wrongs)
        for name in judgement.unreadable:
            found[name] = _default(templar, of_all, name, wrongs)
    finally:
        templar.available_variables = before
    return found, [*wrongs, *told]


def _others(findings: Iterable[Finding], wrongs: Iterable[Finding]) -> list[Finding]:
    """The findings about variables that could be read."""
    told = {wrong.variable for wrong in wrongs}
    return [finding for finding in findings if finding.variable not in told]


def _read(
    templar: Any, raw: Mapping[str, Any], options: Json, may_be_empty: Iterable[str] = ()
) -> tuple[Json, list[Finding]]:
    """Templated values of the right type, and what is wrong with the others."""
    right, wrong = Json(), list[Finding]()
    for name, value in raw.items():
        try:
            found = templar.template(value)
        except AnsibleError as error:
            wrong.append(_wrong(name, f"{name} can't be read: {_first_line(error)}"))
            continue
        if found == "" and name in may_be_empty:
            right[name] = found
            continue
        option = options[name]
        if odd := list(read_otherwise(name, found, option)):
            wrong += odd
            continue
        spec = {key: setting for key, setting in option.items() if key not in ("description", "default")}
        checked, errors = typed({name: found}, {name: {**spec, "required": False}})
        if found is None and spec.get("type") in _NOT_NULL and option.get("default") not in (None, ""):
            errors = [f"{name} is null, and has to be {_NOT_NULL[spec['type']]}"]
        if errors:
            text = "; ".join(errors)
            wrong.append(_wrong(name, text if name in text else f"{text}: {name}"))
        else:
            right[name] = checked[name]
    return right, wrong


def _read_otherwise(templar: Any, variables: Mapping[str, Any], options: Json) -> list[Finding]:
    """What not everybody reads alike, of variables that another role judges, and may yet give a value that can be read."""
    found = list[Finding]()
    for name, option in options.items():
        if name not in variables or name in _TEXT_AS_WELL:
            continue
        try:
            value = templar.template(variables[name])
        except AnsibleError:
            continue
        if value != "":
            found += read_otherwise(name, value, option)
    return found


def _looked_at(role: str) -> Json:
    """The options of other roles whose variables a role looks at."""
    folders = ("defaults", "vars", "tasks", "templates")
    files = (path for folder in folders for path in (ROOT / "roles" / role / folder).glob("*.*"))
    words = set(re.findall(r"\w+", "\n".join(path.read_text(encoding="utf-8") for path in files)))
    return {
        name: option
        for other in ROLES
        if other != role and any(word.startswith(f"{other}_") for word in words)
        for name, option in options_of(other).items()
        if name in words
    }


def _wrong(name: str, message: str) -> Finding:
    return Finding("types", "error", message, _HINT, name)


def _default(templar: Any, defaults: Json, name: str, wrongs: Iterable[Finding]) -> Any:
    """A role's default, with those of what is wrong where it speaks of that."""
    before = templar.available_variables
    wrong = {one.variable for one in wrongs} & defaults.keys()
    templar.available_variables = before | {one: defaults[one] for one in wrong}
    try:
        return templar.template(defaults[name])
    except AnsibleError:  # It speaks of a variable that has a value, but none that it can speak of: null.
        templar.available_variables = before | defaults
        return templar.template(defaults[name])
    finally:
        templar.available_variables = before


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
