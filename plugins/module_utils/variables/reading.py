"""What is wrong with the serving role's variables: one entry for each mistake, found all at once.

Values come as a playbook has them. Those given on the command line are texts (``-e serving_threads=2``), and count as
the numbers and truth values that they stand for.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..k8s.quantities import quantity

_TRUE = {"true", "yes", "on", "1", "y", "t"}
_FALSE = {"false", "no", "off", "0", "n", "f", ""}
_SHOWN = 80  # characters of a value in a message


@dataclass(frozen=True)
class Problem:
    """A variable, its value, why it can't be, and what to write instead."""

    variable: str
    value: Any
    reason: str
    remedy: str

    def __str__(self) -> str:
        shown = repr(self.value)
        shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
        return f"{self.variable} is {shown}: {self.reason}. {self.remedy}."


class Variables:
    """The role's variables, read with their type; what has another one becomes a problem, and reads as None."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.problems: list[Problem] = []

    def refuse(self, variable: str, reason: str, remedy: str, *, value: Any = None) -> None:
        """``value`` is the variable's own unless it is a part of one."""
        shown = self.given.get(variable) if value is None else value
        self.problems.append(Problem(variable, shown, reason, remedy))

    def text(self, variable: str) -> str:
        """A text; empty where there is none."""
        value = self.given.get(variable)
        return "" if value is None else str(value)

    def flag(self, variable: str) -> bool:
        value = self.given.get(variable)
        text = str(value).lower()
        if text not in _TRUE | _FALSE and value is not None:
            self.refuse(variable, "it is neither true nor false", "Write true or false")
        return text in _TRUE

    def number(
        self, variable: str, least: float = 0, most: float | None = None, *, unit: str = ""
    ) -> float | None:
        """A number of at least ``least``; None where it is none."""
        try:
            found = float(self.given.get(variable) or 0)
        except (TypeError, ValueError):
            self.refuse(variable, "it is not a number", f"Write {_range(least, most, unit)}")
            return None
        if not least <= found <= (float("inf") if most is None else most):
            self.refuse(variable, "it is out of range", f"Write {_range(least, most, unit)}")
            return None
        return found

    def integer(
        self, variable: str, least: int = 0, most: int | None = None, *, unit: str = ""
    ) -> int | None:
        """A whole number of at least ``least``; None where it is none."""
        found = whole(self.given.get(variable))
        if found is None:
            self.refuse(variable, "it is not a whole number", f"Write {_range(least, most, unit)}")
        elif found < least or (most is not None and found > most):
            self.refuse(variable, "it is out of range", f"Write {_range(least, most, unit)}")
            return None
        return found

    def listing(self, variable: str) -> list[Any]:
        value = self.given.get(variable)
        if value is None or isinstance(value, (list, tuple)):
            return list(value or [])
        self.refuse(variable, "it is not a list", "Write its elements as a list, [first, second]")
        return []

    def mapping(self, variable: str) -> dict[str, Any]:
        value = self.given.get(variable)
        if value is None or isinstance(value, Mapping):
            return dict(value or {})
        self.refuse(variable, "it is not a dictionary", "Write it as {key: value}")
        return {}

    def amount(self, variable: str, least: str, example: str) -> Fraction | None:
        """A Kubernetes quantity of at least ``least``; None where it is none."""
        text = self.text(variable)
        try:
            found = quantity(text)
        except ValueError:
            self.refuse(variable, "it is not a quantity of Kubernetes", f"Write one such as {example}")
            return None
        if found < quantity(least):
            self.refuse(
                variable, f"no container starts with less than {least}", f"Write one such as {example}"
            )
            return None
        return found


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


def _range(least: float, most: float | None, unit: str) -> str:
    of = f" {unit}" if unit else ""
    return f"{least:g}{of} or more" if most is None else f"{least:g} to {most:g}{of}"
