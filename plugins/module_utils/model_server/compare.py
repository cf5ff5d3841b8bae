"""Whether a prediction is the expected one, and where and by how much it is not.

Pure. What is expected is a part of what may come: of an object only the named keys are compared, of a list
all elements. Numbers may differ by a tolerance, anything else must be the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

EACH = 3
"""So many differences of one output are told one by one; of more, the largest and how many there are."""


@dataclass(frozen=True)
class Tolerance:
    """By how much a number may differ: the larger of an amount and a share of what is expected."""

    absolute: float = 0.0
    relative: float = 0.0

    def allows(self, expected: float, actual: float) -> bool:
        """NaN is the same as NaN, an infinity only as itself; exact for integers of any size."""
        if _is_nan(expected) or _is_nan(actual):
            return _is_nan(expected) and _is_nan(actual)
        if expected == actual:
            return True
        if math.inf in (expected, actual, -expected, -actual):
            return False
        try:
            off = abs(expected - actual)
            if off < math.inf:
                return off <= max(self.absolute, self.relative * abs(expected))
        except OverflowError:  # an integer beyond every float
            pass
        exact = abs(Fraction(expected) - Fraction(actual))
        return exact <= max(Fraction(self.absolute), Fraction(self.relative) * abs(Fraction(expected)))


@dataclass(frozen=True)
class Tolerances:
    """The tolerance of each of a model's outputs, by name; `default` for those not named."""

    default: Tolerance = Tolerance()
    by_output: Mapping[str, Tolerance] = field(default_factory=dict)

    def of(self, output: str | None) -> Tolerance:
        return self.default if output is None else self.by_output.get(output, self.default)


@dataclass(frozen=True)
class Difference:
    """One place that differs. `output` is the model's output it belongs to (None: the only one, unnamed);
    `off` by how much a number does."""

    place: str
    output: str | None
    text: str
    off: float | None = None

    @property
    def sentence(self) -> str:
        by = "" if self.off is None else f" (off by {self.off:.3g})"
        return f"{self.place}: {self.text}{by}"


def compare(expected: Any, actual: Any, tolerances: Tolerances | float = 0.0) -> list[str]:
    """Differences, each as a sentence that begins with its place; an empty list when there are none."""
    if not isinstance(tolerances, Tolerances):
        tolerances = Tolerances(Tolerance(absolute=float(tolerances)))
    return sentences(differences(expected, actual, tolerances))


def differences(expected: Any, actual: Any, tolerances: Tolerances) -> list[Difference]:
    """All places that differ. `$` is the whole answer: rows (a list) or columns."""
    return list(_differences("$", None, expected, actual, tolerances))


def sentences(found: Iterable[Difference]) -> list[str]:
    """Differences as sentences: of an output with many, the largest and the count of the others."""
    groups: dict[str | None, list[Difference]] = {}
    for difference in found:
        groups.setdefault(difference.output, []).append(difference)
    told: list[str] = []
    for output, group in groups.items():
        if len(group) <= EACH:
            told += [difference.sentence for difference in group]
        else:
            worst = max(group, key=lambda difference: -1.0 if difference.off is None else difference.off)
            where = "" if output is None else f" in {output}"
            told.append(f"{worst.sentence}, and {len(group) - 1} more differences{where}")
    return told


def shape(value: Any) -> tuple[int, ...] | None:
    """The shape of nested lists of equal lengths; () of anything else, None where lengths differ."""
    if not isinstance(value, list):
        return ()
    inner = {shape(element) for element in value}
    if len(inner) > 1 or None in inner:
        return None
    [rest] = inner or {()}
    return None if rest is None else (len(value), *rest)


def _differences(
    place: str, output: str | None, expected: Any, actual: Any, tolerances: Tolerances
) -> Iterator[Difference]:
    if isinstance(expected, dict):
        yield from _of_objects(place, output, expected, actual, tolerances)
    elif isinstance(expected, list):
        yield from _of_lists(place, output, expected, actual, tolerances)
    elif is_number(expected) and is_number(actual):
        if not tolerances.of(output).allows(expected, actual):
            text = f"expected {_short(expected)}, got {_short(actual)}"
            yield Difference(place, output, text, _off(expected, actual))
    elif type(expected) is not type(actual) or expected != actual:
        yield Difference(place, output, f"expected {_short(expected)}, got {_short(actual)}")


def _of_objects(
    place: str, output: str | None, expected: dict[str, Any], actual: Any, tolerances: Tolerances
) -> Iterator[Difference]:
    if not isinstance(actual, dict):
        yield Difference(place, output, f"expected an object, got {_short(actual)}")
        return
    for key, value in expected.items():
        # The first name on the way from the root is that of the model's output.
        belongs, inner = str(key) if output is None else output, f"{place}.{key}"
        if key in actual:
            yield from _differences(inner, belongs, value, actual[key], tolerances)
        else:
            yield Difference(inner, belongs, f"missing (there is {_keys(actual)})")


def _of_lists(
    place: str, output: str | None, expected: list[Any], actual: Any, tolerances: Tolerances
) -> Iterator[Difference]:
    if not isinstance(actual, list):
        yield Difference(place, output, f"expected a list, got {_short(actual)}")
        return
    shapes = shape(expected), shape(actual)
    if len(expected) != len(actual):
        yield Difference(
            place, output, f"expected {len(expected)} elements, got {len(actual)}{_shapes(*shapes)}"
        )
    elif None not in shapes and shapes[0] != shapes[1]:
        yield Difference(place, output, f"of another shape{_shapes(*shapes)}")
    else:
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from _differences(f"{place}[{index}]", output, one, other, tolerances)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_nan(value: float) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _off(expected: float, actual: float) -> float:
    try:
        off = float(abs(expected - actual))
    except OverflowError:
        return math.inf
    return math.inf if math.isnan(off) else off


def _shapes(expected: tuple[int, ...] | None, actual: tuple[int, ...] | None) -> str:
    if expected is None or actual is None or max(len(expected), len(actual)) < 2:
        return ""
    return f" (shape {list(actual)}, not {list(expected)})"


def _keys(actual: Mapping[str, Any]) -> str:
    return _short(", ".join(map(str, actual))) if actual else "nothing"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
