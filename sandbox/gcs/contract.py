"""The published contract of the Cloud Storage JSON API: its methods, their parameters, the shape of every body.

It is Google's discovery document ``storage.v1.json``, as the package google-api-python-client brings it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from ..google.discovery import Document, Method, read
from ..google.errors import GoogleError, invalid

Json = dict[str, Any]

_INTEGERS = {
    "int32": (-(2**31), 2**31),
    "uint32": (0, 2**32),
    "int64": (-(2**63), 2**63),
    "uint64": (0, 2**64),
}
_FORMS = {
    "date-time": (
        re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
        "a time (RFC 3339)",
    ),
    "date": (re.compile(r"\d{4}-\d\d-\d\d"), "a date"),
}


class Contract(Document):
    """The description of the JSON API, whose own ways with values are older than those of Google's other APIs."""

    def __init__(self, raw: Json) -> None:
        super().__init__(raw, "storage.")
        self.regions = frozenset(item["location"].upper() for item in raw.get("endpoints", ()))

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]]:
        """The method at a path, as it came below ``/storage/v1/``, and the path's parameters.

        Raises ``GoogleError`` 400, 404.
        """
        found = self.method(verb, f"/storage/v1/{path.strip('/')}")
        if found is None:
            raise GoogleError(404, "Not Found")
        method, values = found
        try:
            return method, dict(
                zip(method.in_path, (unquote(v, errors="strict") for v in values), strict=True)
            )
        except UnicodeDecodeError:
            raise invalid("Bad Request") from None

    def parameters(self, method: Method, path: Mapping[str, str], query: Sequence[tuple[str, str]]) -> Json:
        """The parameters in their types; those the method does not have are ignored, as Google ignores them."""
        found: Json = {}
        for name, text in [*query, *path.items()]:
            schema = method.parameters.get(name)
            if schema is None:
                continue
            value = _parameter(name, schema, text)
            if schema.get("repeated"):
                found.setdefault(name, []).append(value)
            else:
                found[name] = value
        for name, schema in method.parameters.items():
            if schema.get("required") and name not in found:
                raise GoogleError(400, f"Required parameter: {name}", reason="required")
        return found

    def canonical(self, schema: str, value: Any, *, nulls: bool = False) -> Json:
        """A request's body with every value in its published type; fields that are not published are dropped.

        ``nulls``: null stays, as in a patch, where it removes a field. Raises ``GoogleError`` 400.
        """

        def refuse(where: str, expected: str, _: Any) -> None:
            raise invalid(f"Invalid value for: {where or 'body'}: expected {expected}.")

        if not isinstance(value, dict):
            raise GoogleError(400, "Parse Error", reason="parseError")
        return dict(_Walk(self.schemas, refuse, nulls=nulls, strict=False).value({"$ref": schema}, value, ""))

    def problems(self, schema: str, value: Any) -> list[str]:
        """Where a value departs from the published shape, fields that are not published included."""
        found: list[str] = []

        def note(where: str, expected: str, actual: Any) -> None:
            found.append(f"{where}: {actual!r} is not {expected}")

        _Walk(self.schemas, note, nulls=False, strict=True).value({"$ref": schema}, value, schema)
        return found


@dataclass(frozen=True)
class _Walk:
    """Goes through a value beside its schema; ``wrong`` is told of what does not fit: where, expected, actual."""

    schemas: dict[str, Json]
    wrong: Callable[[str, str, Any], None]
    nulls: bool
    strict: bool

    def value(self, schema: Json, value: Any, where: str) -> Any:
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"]]
        kind = schema.get("type", "any")
        if value is None and self.nulls:
            return None
        if kind == "object":
            return self._object(schema, value, where)
        if kind == "array":
            if not isinstance(value, list):
                self.wrong(where, "a list", value)
                return []
            return [
                self.value(schema["items"], item, f"{where}[{index}]") for index, item in enumerate(value)
            ]
        return self._scalar(kind, schema.get("format", ""), value, where)

    def _object(self, schema: Json, value: Any, where: str) -> Json:
        if not isinstance(value, dict):
            self.wrong(where, "an object", value)
            return {}
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        result: Json = {}
        for name, item in value.items():
            inner = known.get(name, others)
            place = f"{where}.{name}" if where else name
            if inner is None and self.strict:
                self.wrong(place, "a published field", item)
            elif inner is not None and (item is not None or self.nulls):
                result[name] = self.value(inner, item, place)
        return result

    def _scalar(self, kind: str, form: str, value: Any, where: str) -> Any:
        if form in _INTEGERS:
            low, high = _INTEGERS[form]
            whole = isinstance(value, int | str) and not isinstance(value, bool)
            if not whole or not re.fullmatch(r"-?\d+", str(value)) or not low <= int(value) < high:
                self.wrong(where, f"a number ({form})", value)
                return value
            return str(value) if kind == "string" else int(value)
        if kind == "boolean" and not isinstance(value, bool):
            self.wrong(where, "true or false", value)
        elif kind == "string" and not isinstance(value, str):
            self.wrong(where, "text", value)
        elif kind == "string" and form in _FORMS and not _FORMS[form][0].fullmatch(value):
            self.wrong(where, _FORMS[form][1], value)
        return value


def _parameter(name: str, schema: Json, text: str) -> Any:
    def refuse(expected: str) -> GoogleError:
        return GoogleError(400, f"Invalid {expected} value: '{text}'.", reason="invalidParameter")

    if schema.get("format") in _INTEGERS:
        low, high = _INTEGERS[schema["format"]]
        if not re.fullmatch(r"-?\d+", text) or not low <= int(text) < high:
            raise refuse("unsigned integer" if low == 0 else "long")
        return int(text)
    if schema["type"] == "boolean":
        if text.lower() not in ("true", "false", ""):
            raise refuse("boolean")
        return text.lower() != "false"
    if "enum" in schema and text not in schema["enum"]:
        allowed = ", ".join(schema["enum"])
        raise GoogleError(
            400, f"Invalid string value: '{text}'. Allowed values: [{allowed}]", reason="invalidParameter"
        )
    return text


@cache
def contract() -> Contract:
    """The contract of the installed document."""
    return Contract(read("storage.v1"))
