"""Values that Ansible's check of an argument spec takes, and that templates and filters would read otherwise. Pure.

The check converts: it splits a text for a list at its commas and reads ``020`` as 20. But what it makes of a value is seen by
no template: that has the value as it was written, of which a list has letters, and YAML makes 16.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from .findings import Finding
from .rules import RULES

Option = Mapping[str, Any]

_RULE = RULES["types"]
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_WORDS = frozenset({"true", "yes", "on", "1", "false", "no", "off", "0"})
"""Texts that Ansible's filter ``bool`` and its check both know, in all releases."""
_SHOWN = 80  # characters of a value in a message
_DIGITS_MAX = 30


def read_otherwise(variable: str, value: Any, option: Option, place: str = "") -> Iterator[Finding]:
    """What is wrong with a variable's value, its suboptions and elements by their ``place``; nothing where all read it alike.

    What the check refuses by itself is left to that.
    """
    place = place or variable
    kind = option.get("type", "str")
    if value is None or kind == "raw":
        return
    if wrong := _WRONG[kind](place, value, option):
        reason, hint = wrong
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
        yield Finding(_RULE.id, _RULE.severity, f"{place} is {shown}: {reason}", hint, variable, shown)
    elif kind == "list":
        element = (
            {"type": option["elements"], "options": option.get("options")}
            if "elements" in option
            else {"type": "raw"}
        )
        for number, item in enumerate(value):
            yield from read_otherwise(variable, item, element, f"{place}[{number}]")
    elif kind == "dict":
        for name, inner in (option.get("options") or {}).items():
            if name in value:
                yield from read_otherwise(variable, value[name], inner, f"{place}.{name}")


def _whole(_place: str, value: Any, _option: Option) -> tuple[str, str] | None:
    if (isinstance(value, int) and not isinstance(value, bool)) or _is_like(_WHOLE, value):
        return None
    number = _decimal(value)
    return _plain_digits("a whole number", number if number is not None and number == int(number) else None)


def _number(_place: str, value: Any, _option: Option) -> tuple[str, str] | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return None if is_number or _is_like(_NUMBER, value) else _plain_digits("a number", _decimal(value))


def _is_like(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _plain_digits(what: str, meant: Decimal | None) -> tuple[str, str]:
    if meant is None:
        return f"it is not {what}", "Write one in plain digits."
    plain = f"{meant.normalize() + 0:f}"
    return f"not everybody who reads it takes it for {plain}", f"Write {plain}, if that is meant."


def _decimal(value: Any) -> Decimal | None:
    """The number that a value may be meant for, where that has no more digits than people write."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _DIGITS_MAX else None


def _switch(_place: str, value: Any, _option: Option) -> tuple[str, str] | None:
    if isinstance(value, bool) or (isinstance(value, (str, int)) and str(value).lower() in _WORDS):
        return None
    return "it is neither true nor false to all who read it", "Write true or false."


def _list(place: str, value: Any, option: Option) -> tuple[str, str] | None:
    if isinstance(value, (list, tuple)):
        return None
    meant = _json(value, list)
    if meant is None and isinstance(value, str) and option.get("elements") == "str":
        meant = [part for one in value.split(",") if (part := one.strip())]
    return f"it is {_kind(value)}, and has to be a list", _structure(place, meant, "[first, second]", "[…]")


def _dict(place: str, value: Any, _option: Option) -> tuple[str, str] | None:
    if isinstance(value, Mapping):
        return None
    meant = _json(value, dict)
    return f"it is {_kind(value)}, and has to be a dictionary", _structure(
        place, meant, "{key: value}", "{…}"
    )


def _json(value: Any, kind: type) -> Any:
    """What a text is in JSON, of this kind; None where it is not."""
    try:
        found = json.loads(value)
    except (TypeError, ValueError):
        return None
    return found if isinstance(found, kind) else None


def _text(_place: str, value: Any, _option: Option) -> tuple[str, str] | None:
    if not isinstance(value, (list, tuple, Mapping)):
        return None
    return f"it is {_kind(value)}, and has to be a text", "Write one value."


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a dictionary"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return "a text" if isinstance(value, str) else "a number"


def _structure(place: str, meant: Any, example: str, any_such: str) -> str:
    """How a list or dictionary is written, and on a command line, where numbers and lists are texts unless it is JSON."""
    if re.search(r"[.\[]", place):
        return f"Write it as YAML does, {example}."
    shown = json.dumps(meant, ensure_ascii=False)
    if meant is None or len(shown) > _SHOWN or "'" in shown:
        shown = any_such
    return f"Write it as YAML does, {example}, or on a command line as JSON: -e '{{\"{place}\": {shown}}}'."


_WRONG = {
    "int": _whole, "float": _number, "bool": _switch, "list": _list, "dict": _dict, "str": _text, "path": _text,
}  # fmt: skip
