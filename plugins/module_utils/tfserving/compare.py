"""Whether a prediction is the expected one, and where it is not.

Pure. What is expected is a part of what may come: of an object only the named keys are compared, of a list
all elements, numbers within an absolute tolerance.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any


def compare(expected: Any, actual: Any, tolerance: float) -> list[str]:
    """Differences, each as a sentence that begins with its place; an empty list when there are none."""
    return list(_differences("$", expected, actual, tolerance))


def _differences(where: str, expected: Any, actual: Any, tolerance: float) -> Iterator[str]:
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            yield f"{where}: expected an object, got {_short(actual)}"
            return
        for key, value in expected.items():
            if key in actual:
                yield from _differences(f"{where}.{key}", value, actual[key], tolerance)
            else:
                yield f"{where}.{key}: missing"
    elif isinstance(expected, list):
        if not isinstance(actual, list):
            yield f"{where}: expected a list, got {_short(actual)}"
        elif len(expected) != len(actual):
            yield f"{where}: expected {len(expected)} elements, got {len(actual)}"
        else:
            for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
                yield from _differences(f"{where}[{index}]", one, other, tolerance)
    elif not _same(expected, actual, tolerance):
        off = f" (off by {abs(expected - actual):.3g})" if _number(expected) and _number(actual) else ""
        yield f"{where}: expected {_short(expected)}, got {_short(actual)}{off}"


def _same(expected: Any, actual: Any, tolerance: float) -> bool:
    if _number(expected) and _number(actual):
        if math.isnan(expected) or math.isnan(actual):
            return math.isnan(expected) and math.isnan(actual)
        return bool(expected == actual or abs(expected - actual) <= tolerance)
    return type(expected) is type(actual) and bool(expected == actual)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
