"""Google's own description of the GKE API, and whether a message is what it says."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient

Json = dict[str, Any]


@cache
def schemas() -> Json:
    documents = Path(googleapiclient.__file__).parent / "discovery_cache/documents"
    return dict(json.loads((documents / "container.v1.json").read_text())["schemas"])


def properties(schema: str) -> Json:
    return dict(schemas()[schema]["properties"])


def problems(schema: str, value: Any, where: str = "") -> list[str]:
    """What is wrong with a message that is sent: unknown fields, types, values of enums."""
    if not isinstance(value, dict):
        return [f"{where}: not an object"]
    known, found = properties(schema), []
    for name, item in value.items():
        place = f"{where}.{name}" if where else name
        found += _problems(known[name], item, place) if name in known else [f"{place}: unknown"]
    return found


def _problems(spec: Json, value: Any, where: str) -> list[str]:
    if "$ref" in spec:
        return problems(spec["$ref"], value, where)
    kind, form = spec["type"], spec.get("format", "")
    if kind == "array":
        if not isinstance(value, list):
            return [f"{where}: not a list"]
        return [p for item in value for p in _problems(spec["items"], item, f"{where}.[]")]
    if kind == "object":
        if not isinstance(value, dict):
            return [f"{where}: not an object"]
        inner = spec.get("additionalProperties", {})
        return (
            [p for k, item in value.items() for p in _problems(inner, item, f"{where}.{k}")] if inner else []
        )
    fits = {
        "string": isinstance(value, str) and (form not in ("int64", "uint64") or value.lstrip("-").isdigit()),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        "any": True,
    }[kind]
    if not fits:
        return [f"{where}: {value!r} is no {form or kind}"]
    return (
        [f"{where}: {value!r} is none of {spec['enum']}"]
        if "enum" in spec and value not in spec["enum"]
        else []
    )
