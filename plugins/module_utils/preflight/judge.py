"""What a rule about settings and project is, and what becomes of what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..variables.findings import Finding, Severity
from ..variables.settings import Settings
from .project import NotKnown, Project

Said = tuple[str, str]
"""A contradiction, and the way out of it."""

Check = Callable[[Settings, Project], Iterable[Said]]


@dataclass(frozen=True)
class Rule:
    """One contradiction that is looked for. ``about``: what it is, in a line of documentation.

    ``variable``: the one that all its findings are about, if there is one.
    """

    id: str
    severity: Severity
    about: str
    check: Check
    variable: str = ""


def judge(rules: Iterable[Rule], settings: Settings, project: Project) -> list[Finding]:
    """All findings of all rules."""
    return [finding for rule in rules for finding in _findings(rule, settings, project)]


def _findings(rule: Rule, settings: Settings, project: Project) -> Iterator[Finding]:
    try:
        for message, hint in rule.check(settings, project):
            yield Finding(rule.id, rule.severity, message, hint, rule.variable)
    except NotKnown as error:
        yield Finding(rule.id, "unknown", error.unread.reason, error.unread.hint)
