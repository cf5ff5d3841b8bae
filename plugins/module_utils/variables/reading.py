"""Variables of roles, read with their type, and what is wrong with them: one finding for each mistake, all at once.

Values come as a playbook has them. Those given on the command line are texts (``-e serving_threads=2``), and count as
the numbers and truth values that they stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ..k8s.quantities import quantity
from .findings import Finding
from .rules import RULES

_TRUE = {"true", "yes", "on", "1", "y", "t"}
_FALSE = {"false", "no", "off", "0", "n", "f", ""}
_SHOWN = 80  # characters of a value in a message


class Variables:
    """Variables by name. What has another type than it is read with becomes a finding, and reads as None.

    ``project``: Google's, empty where it is not known. ``is_final``: whether the roles before have run, so that what
    they hand on is there. ``unreadable``: names of variables whose values nothing can be counted with.
    """

    def __init__(self, given: Mapping[str, Any], *, project: str = "", is_final: bool = True) -> None:
        self.given = given
        self.project = project
        self.is_final = is_final
        self.findings: list[Finding] = []
        self.unreadable: set[str] = set()

    def refuse(
        self,
        variable: str,
        reason: str,
        hint: str,
        *,
        value: Any = None,
        rule: str = "variables",
        readable: bool = True,
    ) -> None:
        """``value`` is the variable's own unless it is a part of one."""
        shown = repr(self.given.get(variable) if value is None else value)
        shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
        if not readable:
            self.unreadable.add(variable)
        self.tell(variable, f"{variable} is {shown}: {reason}", f"{hint}.", rule=rule, value=shown)

    def tell(self, variable: str, message: str, hint: str, *, rule: str, value: str = "") -> None:
        found = Finding(rule, RULES[rule].severity, message, hint, variable, value)
        if found not in self.findings:  # A variable that two rules read is told once.
            self.findings.append(found)

    def text(self, variable: str) -> str:
        """A text; empty where there is none."""
        value = self.given.get(variable)
        return "" if value is None else str(value)

    def flag(self, variable: str) -> bool:
        value = self.given.get(variable)
        if value is not None and str(value).lower() not in _TRUE | _FALSE:
            self.refuse(variable, "it is neither true nor false", "Write true or false", readable=False)
        return is_true(value)

    def number(
        self, variable: str, minimum: float = 0, maximum: float | None = None, *, unit: str = ""
    ) -> float | None:
        """A number of at least ``least``; None where it is none."""
        try:
            found = float(self.given.get(variable) or 0)
        except (TypeError, ValueError):
            self.refuse(
                variable, "it is not a number", f"Write {_range(minimum, maximum, unit)}", readable=False
            )
            return None
        if not minimum <= found <= (float("inf") if maximum is None else maximum):
            self.refuse(variable, "it is out of range", f"Write {_range(minimum, maximum, unit)}")
            return None
        return found

    def integer(
        self, variable: str, minimum: int = 0, maximum: int | None = None, *, unit: str = ""
    ) -> int | None:
        """A whole number of at least ``least``; None where it is none."""
        found = whole(self.given.get(variable))
        if found is None:
            what = f"Write {_range(minimum, maximum, unit)}"
            self.refuse(variable, "it is not a whole number", what, readable=False)
        elif found < minimum or (maximum is not None and found > maximum):
            self.refuse(variable, "it is out of range", f"Write {_range(minimum, maximum, unit)}")
            return None
        return found

    def listing(self, variable: str) -> list[Any]:
        value = self.given.get(variable)
        if value is None or isinstance(value, (list, tuple)):
            return list(value or [])
        self.refuse(
            variable, "it is not a list", "Write its elements as a list, [first, second]", readable=False
        )
        return []

    def mapping(self, variable: str) -> dict[str, Any]:
        value = self.given.get(variable)
        if value is None or isinstance(value, Mapping):
            return dict(value or {})
        self.refuse(variable, "it is not a dictionary", "Write it as {key: value}", readable=False)
        return {}

    def amount(self, variable: str, minimum: str, example: str) -> Fraction | None:
        """A Kubernetes quantity of at least ``least``; None where it is none."""
        try:
            found = quantity(self.text(variable))
        except ValueError:
            what = f"Write one such as {example}"
            self.refuse(variable, "it is not a quantity of Kubernetes", what, readable=False)
            return None
        if found < quantity(minimum):
            self.refuse(
                variable, f"no container starts with less than {minimum}", f"Write one such as {example}"
            )
            return None
        return found


def is_true(value: Any) -> bool:
    """Whether a value stands for true."""
    return str(value).lower() in _TRUE


def whole(value: Any) -> int | None:
    """The whole number that a value stands for, if it is one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _range(minimum: float, maximum: float | None, unit: str) -> str:
    of = f" {unit}" if unit else ""
    return f"{minimum:g}{of} or more" if maximum is None else f"{minimum:g} to {maximum:g}{of}"
