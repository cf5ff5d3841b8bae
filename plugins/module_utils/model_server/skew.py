"""Whether pods that should be alike answer alike: which one differs, in what, and by how much.

Pure. What most pods say is the measure; on a tie what the first by name says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..digits import natural
from .compare import Tolerances, differences, is_number, sentences


@dataclass(frozen=True)
class Skew:
    """One pod that differs from `reference` (a pod of the majority) in `subject`."""

    subject: str
    pod: str
    reference: str
    differences: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"{self.subject}: differs from {self.reference}: {'; '.join(self.differences)}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "pod": self.pod,
            "reference": self.reference,
            "differences": list(self.differences),
        }


def skew(subject: str, answers: Mapping[str, Any], tolerances: Tolerances) -> list[Skew]:
    """The pods whose answers differ from those of the majority, beyond the tolerances."""

    def apart(one: Any, other: Any) -> list[str]:
        # Both ways: what only one of them has is a difference, whichever it is.
        found = differences(one, other, tolerances) or differences(other, one, tolerances)
        return sentences(found)

    return _apart(subject, answers, apart)


def version_skew(model: str, versions: Mapping[str, Mapping[str, str]]) -> list[Skew]:
    """The pods in which another set of versions is available than in most."""

    def available(states: Mapping[str, str]) -> list[str]:
        return sorted((version for version, state in states.items() if state == "AVAILABLE"), key=_number)

    def apart(one: list[str], other: list[str]) -> list[str]:
        if one == other:
            return []
        return [f"available are {', '.join(other) or 'none'} instead of {', '.join(one) or 'none'}"]

    return _apart(f"versions of {model}", {pod: available(states) for pod, states in versions.items()}, apart)


def largest_difference(one: Any, other: Any) -> float | None:
    """By how much the numbers of two answers differ most; None where there are none in the same places."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = [(one[key], other[key]) for key in one if key in other]
    elif isinstance(one, list) and isinstance(other, list):
        pairs = list(zip(one, other, strict=False))
    elif is_number(one) and is_number(other):
        found = differences(one, other, Tolerances())
        return found[0].off if found else 0.0
    else:
        return None
    inner = [largest_difference(*pair) for pair in pairs]
    return max((found for found in inner if found is not None), default=None)


def spread(answers: Mapping[str, Any]) -> float | None:
    """By how much the numbers of any pod's answer differ most from the first pod's (by name)."""
    ordered = [answers[pod] for pod in sorted(answers)]
    found = [largest_difference(ordered[0], other) for other in ordered[1:]]
    return max((off for off in found if off is not None), default=None)


def majority(answers: Mapping[str, Any], tolerances: Tolerances) -> str:
    """A pod whose answer most agree with."""
    groups = _groups(answers, lambda one, other: sentences(differences(one, other, tolerances)))
    return max(groups, key=len)[0]


def _apart(subject: str, answers: Mapping[str, Any], apart: Callable[[Any, Any], list[str]]) -> list[Skew]:
    if len(answers) < 2:
        return []
    groups = _groups(answers, apart)
    largest = max(groups, key=len)
    reference = largest[0]
    return [
        Skew(subject, pod, reference, tuple(apart(answers[reference], answers[pod])))
        for group in groups
        if group is not largest
        for pod in group
    ]


def _groups(answers: Mapping[str, Any], apart: Callable[[Any, Any], list[str]]) -> list[list[str]]:
    """Pods whose answers agree with the first of their group, in the order of names."""
    groups: list[list[str]] = []
    for pod in sorted(answers):
        home = next((group for group in groups if not apart(answers[group[0]], answers[pod])), None)
        if home is None:
            groups.append([pod])
        else:
            home.append(pod)
    return groups


def _number(version: str) -> int:
    return natural(version) or 0
