"""The schema of options: how a value looks to Ansible and to Google, read and written. Pure.

An option's value is plain data with names in snake_case. Google's form has names in camelCase, int64 as strings,
and leaves out what is false, zero or empty; what it leaves out is here always the same as what it would show.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

Json = dict[str, Any]

OUTPUT_ONLY = frozenset(
    {"duration", "endpoint", "privateEndpoint", "publicEndpoint", "upgradeOptions"}
)  # fmt: skip
"""Fields of messages that are changed by sending them back, which Google fills in and does not take."""


@dataclass(frozen=True)
class Scalar:
    """One value. ``default``: what a missing one means to Google. ``form``: what else is peculiar about it.

    Forms: duration (3600s), time (RFC 3339), resource (a name, a path or a URL), upper (case does not matter),
    int64 (a string in JSON), negated (Google's field says the opposite).
    """

    type: str
    choices: tuple[str, ...] = ()
    default: Any = None
    form: str = ""


@dataclass(frozen=True)
class Strings:
    """A list whose order means nothing. ``added``: what Google puts in by itself, and keeps."""

    choices: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class Labels:
    """Text by text, managed as a whole, except for keys with these beginnings or domains, which are Google's own."""

    googles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Raw:
    """A message in Google's own form. A key that is given is managed, as a whole; the others stay."""


@dataclass(frozen=True)
class Part:
    """A field of a record. ``api``: where Google has it, dotted."""

    name: str
    api: str
    schema: Schema
    required: bool = False


@dataclass(frozen=True)
class Record:
    """Fields, each managed where it is given. ``whole``: sent without what the resource has beside them."""

    parts: tuple[Part, ...]
    whole: bool = False


@dataclass(frozen=True)
class Records:
    """A list of records whose order means nothing. ``key``: fields that tell one from another.

    Items whose key begins with one of ``googles`` are Google's own, where they are not asked for.
    """

    record: Record
    key: tuple[str, ...]
    googles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Named:
    """A list of records with a ``name``, which Google has as a map by that name; managed as a whole."""

    record: Record


Schema: TypeAlias = Scalar | Strings | Labels | Raw | Record | Records | Named

TEXT, NUMBER, INT64, FLAG = Scalar("str"), Scalar("int"), Scalar("int", form="int64"), Scalar("bool")
DURATION, RESOURCE = Scalar("str", form="duration"), Scalar("str", form="resource")


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def part(schema: Schema, api: str = "", *, required: bool = False) -> Part:
    """A field that Google has by another name than its own in camelCase, or that must be given; ``record`` names it."""
    return Part("", api, schema, required)


def record(*, whole: bool = False, **fields: Schema | Part) -> Record:
    """Fields by their names."""
    parts = ((name, field if isinstance(field, Part) else part(field)) for name, field in fields.items())
    return Record(tuple(replace(one, name=name, api=one.api or camel(name)) for name, one in parts), whole)


def choice(*values: str, default: str | None = None) -> Scalar:
    return Scalar("str", values, default)


def argument(schema: Schema, name: str = "") -> Json:
    """The schema as an Ansible argument spec."""
    match schema:
        case Scalar(type=kind, choices=choices):
            found: Json = {"type": kind}
            if choices:
                found["choices"] = list(choices)
            if name.endswith("key") or name.endswith("key_name"):
                found["no_log"] = False  # a name, not a secret
            return found
        case Strings(choices=choices):
            listed: Json = {"type": "list", "elements": "str"}
            return {**listed, "choices": list(choices)} if choices else listed
        case Labels() | Raw():
            return {"type": "dict"}
        case Record(parts=parts):
            return {"type": "dict", "options": _arguments(parts)}
        case Records(record=inner):
            return {"type": "list", "elements": "dict", "options": _arguments(inner.parts)}
        case Named(record=inner):
            own = {"name": {"type": "str", "required": True}}
            return {"type": "list", "elements": "dict", "options": {**own, **_arguments(inner.parts)}}


def _arguments(parts: tuple[Part, ...]) -> Json:
    return {
        p.name: {**argument(p.schema, p.name), **({"required": True} if p.required else {})} for p in parts
    }


def look_up(resource: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for key in path.split("."):
        if not isinstance(resource, Mapping):
            return None
        resource = resource.get(key)
    return resource


def put(resource: Json, path: str, value: Any) -> None:
    """Sets the value at a dotted path."""
    *way, last = path.split(".")
    for key in way:
        resource = resource.setdefault(key, {})
    resource[last] = value


def read(schema: Schema, raw: Any) -> Any:
    """The option's value for what Google shows; None for nothing."""
    if raw is None:
        return None
    match schema:
        case Scalar(type="int"):
            return int(raw)
        case Scalar(form="negated"):
            return not raw
        case Scalar() | Raw():
            return raw
        case Strings():
            return list(raw)
        case Labels():
            return dict(raw)
        case Record(parts=parts):
            found = {p.name: read(p.schema, look_up(raw, p.api)) for p in parts}
            return {name: value for name, value in found.items() if value is not None} or None
        case Records(record=inner):
            return [read(inner, item) or {} for item in raw]
        case Named(record=inner):
            return [{"name": name, **(read(inner, item) or {})} for name, item in raw.items()]


def write(schema: Schema, value: Any, raw: Any = None) -> Any:
    """Google's form of a wanted value; ``raw``: what there is, which keeps what the value does not speak of."""
    match schema:
        case Scalar(form="int64"):
            return str(value)
        case Scalar(form="negated"):
            return not value
        case Scalar():
            return value
        case Strings():
            return list(value)
        case Labels(googles=googles):
            kept = {k: v for k, v in (raw or {}).items() if is_googles(k, googles)}
            return {**kept, **{str(k): str(v) for k, v in value.items()}}
        case Raw():
            return {**(raw or {}), **value}
        case Record(parts=parts, whole=whole):
            return _write_record(parts, value, None if whole else raw)
        case Records(record=inner, googles=googles):
            items = list(raw or [])
            asked = {identity(schema, item) for item in value}
            googles_own = [
                item
                for item in items
                if is_googles_item(schema, found := read(inner, item) or {})
                and identity(schema, found) not in asked
            ]
            return googles_own + [write(inner, item, _find(schema, item, items)) for item in value]
        case Named(record=inner):
            return {
                item["name"]: write(inner, {k: v for k, v in item.items() if k != "name"}) for item in value
            }


def _write_record(parts: tuple[Part, ...], value: Mapping[str, Any], raw: Any) -> Json:
    body: Json = without_output(raw or {})
    for p in parts:
        if value.get(p.name) is not None:
            put(body, p.api, write(p.schema, value[p.name], look_up(raw or {}, p.api)))
    return body


def without_output(raw: Any) -> Any:
    """A copy without what only Google fills in."""
    if isinstance(raw, Mapping):
        return {key: without_output(value) for key, value in raw.items() if key not in OUTPUT_ONLY}
    return [without_output(item) for item in raw] if isinstance(raw, list) else raw


def is_googles(key: str, googles: tuple[str, ...]) -> bool:
    """Whether a key begins with one of these, or, for a domain that begins with a dot, has it."""
    return any(key.startswith(own) or (own.startswith(".") and own in key) for own in googles)


def identity(schema: Records, item: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells an item from others."""
    return tuple(item.get(name) or None for name in schema.key)


def is_googles_item(schema: Records, item: Mapping[str, Any]) -> bool:
    """Whether an item's key is one of Google's own."""
    return is_googles(str(item.get(schema.key[0], "")), schema.googles)


def _find(schema: Records, desired: Mapping[str, Any], items: list[Any]) -> Any:
    """The present item that is the wanted one, or None."""
    same_key = [
        item
        for item in items
        if identity(schema, read(schema.record, item) or {}) == identity(schema, desired)
    ]
    return same_key[0] if len(same_key) == 1 else None


def in_googles_form(value: Any) -> Any:
    """A message of Google's whose fields may be named as all other options are: cpu_manager_policy is cpuManagerPolicy.

    Keys that are no such names, as those of sysctls (net.core.somaxconn), stay.
    """
    if isinstance(value, Mapping):
        return {
            camel(key) if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", key) else key: in_googles_form(item)
            for key, item in value.items()
            if item is not None
        }
    return [in_googles_form(item) for item in value] if isinstance(value, list) else value


def given(value: Any) -> Any:
    """A copy of an option without what was not given (None)."""
    if isinstance(value, Mapping):
        return {key: given(item) for key, item in value.items() if item is not None}
    return [given(item) for item in value] if isinstance(value, list) else value
