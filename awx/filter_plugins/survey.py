"""Surveys of AWX's job templates, made from the argument specifications of roles and playbooks.

A question that is left unanswered changes nothing: the inventory's value counts, or the role's default. So no question
carries a role's default, which AWX would hand over as an extra variable, and which would then beat the inventory.
"""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError

_TYPES = {
    "str": "text",
    "path": "text",
    "int": "integer",
    "float": "float",
    "bool": "multiplechoice",
}
"""A survey's type for each type of an argument; dictionaries and lists can't be asked for."""

_SECRET = re.compile(r"password|secret|token|private_key|credential|contents$")

_KEYS = frozenset({"variable", "question", "required", "min", "max", "default"})


def declared(collection: str) -> dict[str, dict[str, Any]]:
    """The variables of all roles and playbooks in a collection's folder, by their names."""
    found: dict[str, dict[str, Any]] = {}
    for path in (
        *Path(collection).glob("roles/*/meta/argument_specs.yml"),
        Path(collection, "playbooks/meta/argument_specs.yml"),
    ):
        for spec in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            found |= spec["options"]
    return found


def survey_spec(
    questions: Sequence[Mapping[str, Any]], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """AWX's survey specification, or an empty one without questions.

    ``questions``: each names its C(variable), and may have C(question) (its heading), C(min), C(max), C(default) and
    C(required). ``options``: as ``declared`` gives them. Raises ``AnsibleFilterError`` where AWX can't ask it.
    """
    if not questions:
        return {}
    spec = [_question(question, options) for question in questions]
    names = [question["variable"] for question in spec]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AnsibleFilterError(f"asked for twice in one survey: {', '.join(twice)}.")
    return {"name": "", "description": "", "spec": spec}


def _question(question: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    name = str(question.get("variable", ""))
    strange = sorted(set(question) - _KEYS)
    if not name or strange:
        raise AnsibleFilterError(
            f"survey question {name or dict(question)}: {', '.join(strange) or 'variable'} "
            f"{'is not known' if strange else 'is missing'}; a question has {', '.join(sorted(_KEYS))}."
        )
    if name not in options:
        raise AnsibleFilterError(f"survey question {name}: no role and no playbook has such a variable.")
    option = options[name]
    if option.get("no_log") or _SECRET.search(name):
        raise AnsibleFilterError(
            f"survey question {name}: secrets are not asked for, since jobs show their variables; use a credential."
        )
    kind = _kind(name, option)
    default = question.get("default")
    required = bool(question.get("required", False))
    if kind == "text" and default is None and not required and option.get("default") != "":
        raise AnsibleFilterError(
            f"survey question {name}: AWX may hand over an empty text for it, which is not the same as leaving it out. "
            "Require it, or ask for a variable whose default is an empty text."
        )
    made: dict[str, Any] = {
        "question_name": question.get("question", name),
        "question_description": _description(option, default is None and not required),
        "required": required,
        "type": kind,
        "variable": name,
        "min": question.get("min"),
        "max": question.get("max"),
    }
    if kind == "multiplechoice":
        made["choices"] = "\n".join(_choices(option))
    if default is not None:
        made["default"] = _default(name, kind, default, option)
    return made


def _kind(name: str, option: Mapping[str, Any]) -> str:
    if option.get("choices"):
        return "multiplechoice"
    kind = option.get("type", "str")
    if kind not in _TYPES:
        raise AnsibleFilterError(
            f"survey question {name}: AWX can't ask for a {kind}; set it in the inventory."
        )
    return _TYPES[kind]


def _choices(option: Mapping[str, Any]) -> list[str]:
    """AWX has no empty choice: leaving the question out is that."""
    if option.get("type") == "bool":
        return ["true", "false"]
    return [str(choice) for choice in option["choices"] if str(choice)]


def _default(name: str, kind: str, default: Any, option: Mapping[str, Any]) -> Any:
    if kind == "multiplechoice":
        text = str(default).lower() if isinstance(default, bool) else str(default)
        if text not in _choices(option):
            raise AnsibleFilterError(f"survey question {name}: the default {text} is none of its choices.")
        return text
    converted: dict[str, Callable[[Any], Any]] = {"integer": int, "float": float, "text": str}
    try:
        return converted[kind](default)
    except ValueError as error:
        raise AnsibleFilterError(f"survey question {name}: the default {default} is no {kind}.") from error


def _description(option: Mapping[str, Any], may_be_left_out: bool) -> str:
    text = option["description"]
    words = text if isinstance(text, str) else " ".join(text)
    plain = re.sub(r"\b[A-Z]+\(([^)]*)\)", r"\1", words)
    if not may_be_left_out:
        return plain
    default = option.get("default")
    shown = str(default).lower() if isinstance(default, bool) else default
    return f"{plain} Left out: what the inventory says" + (
        "." if default in (None, "") else f", or else {shown}."
    )


class FilterModule:
    """Filters of awx/configure.yml."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"declared": declared, "survey_spec": survey_spec}
