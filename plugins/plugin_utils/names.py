"""What a play is asked before anything else: whether its variables have names that somebody looks at, and those that playbooks take of
their own are of their types. Quick to import.
"""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

try:
    from ansible.template import trust_as_template
except ImportError:  # before 2.19, which trusts all

    def trust_as_template(value: str) -> str:
        return value


from ..module_utils.k8s.environment import contradiction
from ..module_utils.plain_yaml import read_yaml
from ..module_utils.variables.findings import Finding, kept, names_of_rules
from ..module_utils.variables.rules import NEVER_IGNORED
from ..module_utils.variables.unknown import GOOGLE, unknown_names
from .typed_variables import NOT_NULL, typed_values

ROOT = Path(__file__).resolve().parents[2]
ROLES = tuple(path.parents[1].name for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")))
_PLAYBOOKS = "playbooks/meta/argument_specs.yml"


def environment() -> list[Finding]:
    """What is wrong with the environment that Ansible's own tasks run in."""
    reason, hint = contradiction(os.environ)
    return [Finding("one-cluster", "error", reason, hint)] if reason else []


def unknown(variables: Iterable[str], owners: Iterable[str]) -> Iterable[Finding]:
    """The names that begin as those of these roles and playbooks do, and are none of theirs."""
    begins = re.compile(rf"(?:{'|'.join(owners)})_")
    suspects = {name for name in map(str, variables) if begins.match(name)}
    concerned = {role for role in ROLES if any(name.startswith(f"{role}_") for name in suspects)}
    # Read as a text, which takes a fraction of the time: no option of an option begins as the roles' variables do.
    told = "\n".join([*map(_specification, concerned), (ROOT / _PLAYBOOKS).read_text(encoding="utf-8")])
    suspects = {name for name in suspects if f" {name}:\n" not in told}
    if not suspects:
        return []
    texts = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("roles/*/tasks", "roles/*/vars", "playbooks")
        for path in ROOT.glob(f"{folder}/**/*.yml")
    )
    suspects = {name for name in suspects if not re.search(rf"\b{re.escape(name)}\b", texts)}
    if not suspects:
        return []
    used = set(re.findall(r"\w+", texts))
    real = {name for role in ROLES if begins.match(f"{role}_") for name in options_of(role)}
    return unknown_names(suspects, real | set(filter(begins.match, _playbook_options())), used)


def of_a_play(variables: Mapping[str, Any], templar: Any, *, asks_a_cluster: bool = True) -> list[Finding]:
    """What is wrong with the names of a play's variables, with those that playbooks take of their own, and with the environment, but what
    ``preflight_ignore`` does not want. ``asks_a_cluster``: whether the environment matters.
    """
    ignore = names_of_rules(templar.template(variables.get("preflight_ignore")))
    found = [
        *(environment() if asks_a_cluster else ()),
        *unknown(variables, owners()),
        *of_playbooks(templar, variables),
    ]
    return kept(found, ignore, NEVER_IGNORED)


def owners() -> list[str]:
    """How names of variables begin: with roles' names, with those of playbooks that have variables of their own, and with gcp."""
    return [*ROLES, *playbook_specs()]


@functools.cache
def playbook_specs() -> dict[str, dict[str, Any]]:
    """The variables that playbooks take of their own, by playbook, and by gcp those that all take."""
    specs = read_yaml((ROOT / _PLAYBOOKS).read_text(encoding="utf-8"))["argument_specs"]
    return {playbook: dict(spec["options"]) for playbook, spec in specs.items()}


def _playbook_options() -> dict[str, Any]:
    return {name: option for options in playbook_specs().values() for name, option in options.items()}


def of_playbooks(templar: Any, variables: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with the values that playbooks take of their own, of whichever playbook they are."""
    options = _playbook_options()
    given = {name: variables[name] for name in options if name in variables}
    empty = [name for name, option in options.items() if option.get("default") == ""]
    values, wrongs = typed_values(templar, given, options, empty, _PLAYBOOKS)
    # Playbooks have the value as it is written, of which a template makes None, and the filter bool false.
    wrongs += [
        Finding("types", "error", f"{name} is null, and has to be {NOT_NULL[options[name]['type']]}", "Or leave it out.", name)
        for name, value in values.items()
        if value is None and not name.startswith(f"{GOOGLE}_")
    ]  # fmt: skip
    return wrongs


def errors_in(findings: Iterable[Finding]) -> list[str]:
    """In words; of variables that have a new name one is warned."""
    findings = list(findings)
    for finding in findings:
        if finding.id == "renamed-variable":
            Display().warning(str(finding))
    return [str(finding) for finding in findings if finding.severity == "error"]


def options_of(role: str) -> dict[str, Any]:
    """A role's variables by its argument spec. It holds no templates, so the fastest way to read YAML will do."""
    specs = read_yaml(_specification(role))
    return dict(specs["argument_specs"]["main"]["options"])


def defaults_of(role: str) -> dict[str, Any]:
    """A role's defaults. Newer versions of Ansible template nothing that is not said to be trusted; their own reader, which also
    notes where each value stands, takes ten times as long.
    """
    text = (ROOT / "roles" / role / "defaults/main.yml").read_text(encoding="utf-8")
    return dict(_trusted(read_yaml(text)))


def _trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _trusted(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_trusted(one) for one in value]
    return trust_as_template(value) if isinstance(value, str) and "{" in value else value


def _specification(role: str) -> str:
    return (ROOT / "roles" / role / "meta/argument_specs.yml").read_text(encoding="utf-8")
