"""Values of variables, templated and held against their declared types."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ..module_utils.variables.arguments import typed
from ..module_utils.variables.findings import Finding
from ..module_utils.variables.texts import read_otherwise

Json = dict[str, Any]

NOT_NULL = {
    "int": "a number", "float": "a number", "bool": "true or false", "list": "a list, if empty []", "dict": "a dictionary, if empty {}",
    "str": "a text", "path": "a path",
}  # fmt: skip
"""What a variable of a type has to be where its default is something: null would be taken for false, nothing or None."""
_TEXT_AS_WELL = ("preflight_ignore", "teardown_also")
"""Lists that everybody reads as a text with commas, too, as of a survey."""
_OF_A_ROLE = "The role's meta/argument_specs.yml"


def typed_values(
    templar: Any,
    raw: Mapping[str, Any],
    options: Json,
    may_be_empty: Iterable[str] = (),
    where: str = _OF_A_ROLE,
) -> tuple[Json, list[Finding]]:
    """Templated values of the right type, and what is wrong with the others. ``where``: what says which are right."""
    right, wrong = Json(), list[Finding]()
    for name, value in raw.items():
        try:
            found = templar.template(value)
        except AnsibleError as error:
            wrong.append(_wrong(name, f"{name} can't be read: {_first_line(error)}", where))
            continue
        if found == "" and name in may_be_empty:
            right[name] = found
            continue
        option = options[name]
        is_text_as_well = name in _TEXT_AS_WELL and isinstance(found, str)
        if odd := [] if is_text_as_well else list(read_otherwise(name, found, option)):
            wrong += odd
            continue
        spec = {key: setting for key, setting in option.items() if key not in ("description", "default")}
        checked, errors = typed({name: found}, {name: {**spec, "required": False}})
        if found is None and spec.get("type") in NOT_NULL and option.get("default") not in (None, ""):
            errors = [f"{name} is null, and has to be {NOT_NULL[spec['type']]}"]
        if errors:
            text = "; ".join(errors)
            wrong.append(_wrong(name, text if name in text else f"{text}: {name}", where))
        else:
            right[name] = checked[name]
    return right, wrong


def misread(templar: Any, variables: Mapping[str, Any], options: Json) -> list[Finding]:
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


def _wrong(name: str, message: str, where: str) -> Finding:
    return Finding("types", "error", message, f"{where} says what it takes.", name)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
