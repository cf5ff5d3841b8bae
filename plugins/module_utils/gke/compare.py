"""When two values of an option mean the same, whatever words they come in. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .shape import (
    Json,
    Labels,
    Named,
    Raw,
    Record,
    Records,
    Scalar,
    Shape,
    Strings,
    identity,
    is_googles,
    is_googles_item,
)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")


def same(shape: Shape, wanted: Any, now: Any) -> bool:
    """Whether what there is, in the option's form, is as wanted."""
    match shape:
        case Scalar(form="resource"):
            return same_resource(wanted or "", now or "")
        case Scalar():
            return bool(_plain(shape, wanted) == _plain(shape, now))
        case Strings(added=added):
            return set(wanted) == {item for item in now or [] if item in wanted or item not in added}
        case Labels(googles=googles):
            shown = {k: str(v) for k, v in (now or {}).items()}
            asked = {str(k): str(v) for k, v in wanted.items()}
            own = {k for k in shown if k not in asked and is_googles(k, googles)}
            return asked == {k: v for k, v in shown.items() if k not in own}
        case Raw():
            return _subset(wanted, now)
        case Record(parts=parts):
            now = now or {}
            return all(
                same(p.shape, wanted[p.name], now.get(p.name))
                for p in parts
                if wanted.get(p.name) is not None
            )
        case Records():
            return _same_items(shape, wanted, now or [])
        case Named(record=inner):
            left = {item["name"]: item for item in now or []}
            return {item["name"] for item in wanted} == set(left) and all(
                same(inner, item, left[item["name"]]) for item in wanted
            )


def _same_items(shape: Records, wanted: list[Json], now: list[Json]) -> bool:
    asked = {identity(shape, item) for item in wanted}
    left = [item for item in now if not is_googles_item(shape, item) or identity(shape, item) in asked]
    if len(wanted) != len(left):
        return False
    # Those that say most choose first, so that a vague one does not take what only they fit.
    for item in sorted(wanted, key=lambda one: -sum(value is not None for value in one.values())):
        fitting = next((i for i, present in enumerate(left) if same(shape.record, item, present)), None)
        if fitting is None:
            return False
        del left[fitting]
    return True


def _plain(shape: Scalar, value: Any) -> Any:
    """A form in which equal means the same; None for what Google would leave out."""
    if value is None or value == "":
        value = shape.default
    if value is None:
        return True if shape.form == "negated" else None
    if shape.type == "int":
        return int(value) or None
    if shape.form == "negated":
        return bool(value)
    if shape.form == "upper":
        return str(value).upper()
    if shape.form == "duration" and (found := _DURATION.fullmatch(str(value))):
        return float(found[1]) or None
    if shape.form == "time":
        return _instant(str(value))
    return value or None


def _instant(text: str) -> Any:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text
    return moment.astimezone(UTC) if moment.tzinfo else moment


def _subset(wanted: Any, now: Any) -> bool:
    """Every key that is wanted is there with that value; numbers may be text, falsy may be missing."""
    if isinstance(wanted, Mapping):
        return all(_subset(value, (now or {}).get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        items = now or []
        return len(wanted) == len(items) and all(map(_subset, wanted, items))
    if isinstance(wanted, int) and not isinstance(wanted, bool) and isinstance(now, str):
        return str(wanted) == now
    return bool(wanted == now) or (not wanted and not now)


def same_resource(wanted: str, now: str) -> bool:
    """Whether two of a name, a path and a URL can be the same resource. A project has a name and a number."""
    one, other = _segments(wanted), _segments(now)
    if len(one) < 2 or len(other) < 2:
        return one[-1:] == other[-1:]
    numbered = any(path[0] == "projects" and path[1].isdigit() for path in (one, other))
    return one[2:] == other[2:] if numbered else one == other


def _segments(text: str) -> list[str]:
    """The path's parts, of a URL from ``projects`` on."""
    parts = [part for part in text.split("/") if part]
    return parts[parts.index("projects") :] if "projects" in parts else parts


def restrict(shape: Shape, wanted: Any, now: Any) -> Any:
    """What there is, as far as the wanted value speaks of it: for showing the two side by side."""
    if not isinstance(now, Mapping):
        return now
    match shape:
        case Record(parts=parts):
            inner = {p.name: p.shape for p in parts}
            return {key: restrict(inner[key], value, now.get(key)) for key, value in wanted.items()}
        case Raw():
            return {key: now.get(key) for key in wanted}
        case _:
            return now
