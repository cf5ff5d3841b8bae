"""When two values of an option mean the same, whatever words they come in. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..digits import natural
from .schema import (
    Json,
    Labels,
    Named,
    Raw,
    Record,
    Records,
    Scalar,
    Schema,
    Strings,
    identity,
    is_googles,
    is_googles_item,
)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")


def same(schema: Schema, desired: Any, now: Any) -> bool:
    """Whether what there is, in the option's form, is as wanted."""
    match schema:
        case Scalar(form="resource"):
            return same_resource(desired or "", now or "")
        case Scalar():
            return bool(_plain(schema, desired) == _plain(schema, now))
        case Strings(added=added):
            return set(desired) == {item for item in now or [] if item in desired or item not in added}
        case Labels(googles=googles):
            shown = {k: str(v) for k, v in (now or {}).items()}
            asked = {str(k): str(v) for k, v in desired.items()}
            own = {k for k in shown if k not in asked and is_googles(k, googles)}
            return asked == {k: v for k, v in shown.items() if k not in own}
        case Raw():
            return _subset(desired, now)
        case Record(parts=parts):
            now = now or {}
            return all(
                same(p.schema, desired[p.name], now.get(p.name))
                for p in parts
                if desired.get(p.name) is not None
            )
        case Records():
            return _same_items(schema, desired, now or [])
        case Named(record=inner):
            left = {item["name"]: item for item in now or []}
            return {item["name"] for item in desired} == set(left) and all(
                same(inner, item, left[item["name"]]) for item in desired
            )


def _same_items(schema: Records, desired: list[Json], now: list[Json]) -> bool:
    asked = {identity(schema, item) for item in desired}
    left = [item for item in now if not is_googles_item(schema, item) or identity(schema, item) in asked]
    if len(desired) != len(left):
        return False
    # Those that say most choose first, so that a vague one does not take what only they fit.
    for item in sorted(desired, key=lambda one: -sum(value is not None for value in one.values())):
        fitting = next((i for i, present in enumerate(left) if same(schema.record, item, present)), None)
        if fitting is None:
            return False
        del left[fitting]
    return True


def _plain(schema: Scalar, value: Any) -> Any:
    """A form in which equal means the same; None for what Google would leave out."""
    if value is None or value == "":
        value = schema.default
    if value is None:
        return True if schema.form == "negated" else None
    if schema.type == "int":
        return int(value) or None
    if schema.form == "negated":
        return bool(value)
    if schema.form == "upper":
        return str(value).upper()
    if schema.form == "duration" and (found := _DURATION.fullmatch(str(value))):
        return float(found[1]) or None
    if schema.form == "time":
        return _instant(str(value))
    return value or None


def _instant(text: str) -> Any:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.astimezone(UTC) if moment.tzinfo else moment


def _subset(desired: Any, now: Any) -> bool:
    """Every key that is wanted is there with that value; numbers may be text, falsy may be missing."""
    if isinstance(desired, Mapping):
        return all(_subset(value, (now or {}).get(key)) for key, value in desired.items())
    if isinstance(desired, list):
        items = now or []
        return len(desired) == len(items) and all(map(_subset, desired, items))
    if isinstance(desired, int) and not isinstance(desired, bool) and isinstance(now, str):
        return str(desired) == now
    return bool(desired == now) or (not desired and not now)


def same_resource(desired: str, now: str) -> bool:
    """Whether two of a name, a path and a URL can be the same resource. A project has a name and a number."""
    one, other = _segments(desired), _segments(now)
    if len(one) < 2 or len(other) < 2:
        return one[-1:] == other[-1:]
    numbered = any(path[0] == "projects" and natural(path[1]) is not None for path in (one, other))
    return one[2:] == other[2:] if numbered else one == other


def _segments(text: str) -> list[str]:
    """The path's parts, of a URL from ``projects`` on."""
    parts = [part for part in text.split("/") if part]
    return parts[parts.index("projects") :] if "projects" in parts else parts


def same_range(desired: str, now: str | None) -> bool:
    """Whether a range of addresses is the wanted one; a size alone (/20) is any range of that size."""
    return str(now or "").endswith(desired) if desired.startswith("/") else desired == (now or "")


def restrict(schema: Schema, desired: Any, now: Any) -> Any:
    """What there is, as far as the wanted value speaks of it: for showing the two side by side."""
    if not isinstance(now, Mapping):
        return now
    match schema:
        case Record(parts=parts):
            inner = {p.name: p.schema for p in parts}
            return {key: restrict(inner[key], value, now.get(key)) for key, value in desired.items()}
        case Raw():
            return {key: now.get(key) for key in desired}
        case _:
            return now
