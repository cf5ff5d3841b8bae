"""What is found wrong, by preflight and by the roles, and what of it is not wanted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ..gcp.errors import BadInput

Severity = Literal["error", "warning", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What a rule found, or, with severity ``unknown``, why it could not judge.

    ``variable``: the one that it is about, or a part of it, as ``serving_models[0].uri``; empty where it is about
    several. ``value``: that one's, as it is shown.
    """

    id: str
    severity: Severity
    message: str
    hint: str
    variable: str = ""
    value: str = ""

    def __str__(self) -> str:
        return line(self.id, self.message, self.hint)


def line(ids: str, message: str, hint: str) -> str:
    """A finding in a line, for people."""
    end = "" if message.endswith((".", "?", "!")) else "."
    return f"[{ids}] {message}{end}{f' {hint}' if hint else ''}"


def kept(
    findings: Iterable[Finding], ignore: Collection[str], never_ignored: Collection[str]
) -> list[Finding]:
    """The findings that are wanted, errors first. ``ignore``: names of rules, or of a rule and a variable, ``rule:variable``."""

    def is_ignored(finding: Finding) -> bool:
        variable = re.split(r"[.\[]", finding.variable, maxsplit=1)[0]
        return finding.id not in never_ignored and not {finding.id, f"{finding.id}:{variable}"}.isdisjoint(
            ignore
        )

    desired = [finding for finding in findings if not is_ignored(finding)]
    return sorted(desired, key=lambda finding: ("error", "warning", "unknown").index(finding.severity))


def names_of_rules(ignore: Any) -> list[str]:
    """``preflight_ignore`` as people write it: a list, or a text with commas, as of a survey."""
    parts = ignore.split(",") if isinstance(ignore, str) else ignore or []
    return [name for part in parts if (name := str(part).strip())]


def refuse_unknown(ids: Collection[str], ignore: Iterable[str], never_ignored: Collection[str]) -> None:
    """Raises ``BadInput`` for an ignored rule that is not there, since it would hide nothing, or can't be ignored."""
    named = {name: name.partition(":")[0] for name in ignore if name}
    unknown = sorted(name for name, rule in named.items() if rule not in ids)
    if unknown:
        raise BadInput(
            f"preflight_ignore: there is no rule {', '.join(unknown)}. There are: {', '.join(sorted(ids))}."
        )
    if fixed := sorted(name for name, rule in named.items() if rule in never_ignored):
        raise BadInput(
            f"preflight_ignore: {', '.join(fixed)} can't be ignored, since Ansible or a module would refuse the same"
            " later all the same. Leave it out, and mend what it finds."
        )
