"""The variables of the collection's roles as a play sees them, and what is wrong with them."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ..module_utils.variables.check import CHECKS, judged
from ..module_utils.variables.findings import Finding, kept, names_of_rules
from ..module_utils.variables.rules import NEVER_IGNORED
from .names import ROLES, ROOT, defaults_of, environment, of_playbooks, options_of, owners, unknown
from .typed_variables import misread, typed_values

Json = dict[str, Any]


def role_findings(role: str, templar: Any, variables: Mapping[str, Any], **facts: Any) -> list[Finding]:
    """What is wrong with a role's variables, but what ``preflight_ignore`` says is not wanted.

    ``facts``: what else the rules know by name, templated.
    """
    options = options_of(role)
    values, wrongs = typed_values(
        templar, {name: variables[name] for name in options if name in variables}, options
    )
    values = {name: option.get("default") for name, option in options.items()} | values | facts
    project = templar.template(variables.get("gcp_project", ""))
    found = [
        *(environment() if role == "cluster" else ()),
        *unknown(variables, [role]),
        *wrongs,
        *_others(judged(values, [role], project=project).findings, wrongs),
        *misread(templar, variables, _looked_at(role)),
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
    wrongs = [*environment(), *unknown(task_vars, owners()), *of_playbooks(templar, task_vars)]
    wrongs += misread(templar, task_vars, options_of("preflight"))
    try:
        for role in CHECKS:
            templar.available_variables = {**of_all, **task_vars, "role_path": str(ROOT / "roles" / role)}
            raw = {name: task_vars.get(name, default) for name, default in defaults[role].items()}
            # What is empty by default comes from another role's run, or is not wanted.
            values, wrong = typed_values(
                templar, raw, options_of(role), may_be_empty=set(raw) - set(task_vars)
            )
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
