"""What a rule is, what it finds, and what becomes of it."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ..gcp.errors import BadInput
from ..variables.settings import Settings
from .project import NotKnown, Project

Severity = Literal["error", "warning", "unknown"]


@dataclass(frozen=True)
class Trouble:
    """A contradiction, and the way out of it."""

    message: str
    fix: str


@dataclass(frozen=True)
class Finding:
    """A rule's trouble, or, with severity ``unknown``, why it could not judge."""

    id: str
    severity: Severity
    message: str
    fix: str


Check = Callable[[Settings, Project], Iterable[Trouble]]


@dataclass(frozen=True)
class Rule:
    """One contradiction that is looked for. ``about``: what it is, in a line of documentation."""

    id: str
    severity: Severity
    about: str
    check: Check


def judge(
    rules: Iterable[Rule], settings: Settings, project: Project, ignore: Collection[str]
) -> list[Finding]:
    """All findings of all rules but the ignored ones, errors first."""
    found = [
        finding for rule in rules if rule.id not in ignore for finding in _findings(rule, settings, project)
    ]
    return sorted(found, key=lambda finding: ("error", "warning", "unknown").index(finding.severity))


def _findings(rule: Rule, settings: Settings, project: Project) -> Iterator[Finding]:
    try:
        for trouble in rule.check(settings, project):
            yield Finding(rule.id, rule.severity, trouble.message, trouble.fix)
    except NotKnown as error:
        yield Finding(rule.id, "unknown", error.unread.reason, error.unread.fix)


def refuse_strangers(ids: Iterable[str], ignore: Iterable[str]) -> None:
    """Raises ``BadInput`` for an ignored rule that is not there: a typing error would hide nothing."""
    known = sorted(ids)
    strangers = sorted(set(ignore) - {*known, ""})  # An empty text, as of a survey, is a list with that.
    if strangers:
        raise BadInput(
            f"preflight_ignore: there is no rule {', '.join(strangers)}. There are: {', '.join(known)}."
        )
