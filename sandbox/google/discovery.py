"""Google's own description of an API, as a contract: which requests it takes, and how its answers look.

The documents are those of the package google-api-python-client (``container.v1`` and the like).
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .descriptors import NUMBERS, PRESENCE
from .errors import GoogleError

Json = dict[str, Any]

_SCALARS = {"string": str, "boolean": bool, "integer": int, "number": float}
_WHOLE = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Method:
    """One method: its verb and path (``{name}`` is a parameter), and the names of its request's and answer's schema."""

    id: str
    verb: str
    path: str
    parameters: Mapping[str, Json]
    request: str | None
    response: str | None

    @property
    def in_path(self) -> list[str]:
        """The names of the parameters in its path."""
        return re.findall(r"\{\+?([^}]+)\}", self.path)


@dataclass(frozen=True)
class Violation:
    """What is wrong with a request; ``field`` is the path as Google writes it, in snake_case."""

    field: str
    description: str


def read(name: str) -> Json:
    """Google's document of an API and its version, such as ``container.v1``."""
    folder = importlib.resources.files("googleapiclient.discovery_cache") / "documents"
    return dict(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


@functools.cache
def load(name: str) -> Document:
    """The same, to be asked."""
    return Document(read(name))


class Document:
    """The description of one API in one version. ``known_as``: what its methods' ids begin with, and lose."""

    def __init__(self, raw: Json, known_as: str = "") -> None:
        self.schemas: Json = raw["schemas"]
        # Compute Engine shows every field that is set, be it false or zero.
        self._shows_defaults = raw["name"] == "compute"
        self.package = f"google.{raw['name']}.{raw['version']}"
        self._common = frozenset(raw.get("parameters", {})) | {"$alt", "$.xgafv"}
        base = raw.get("servicePath", "")
        self.methods = [
            Method(
                id=item["id"].removeprefix(known_as),
                verb=item["httpMethod"],
                path=f"/{base}{item.get('flatPath', item['path'])}",
                parameters=item.get("parameters", {}),
                request=item.get("request", {}).get("$ref"),
                response=item.get("response", {}).get("$ref"),
            )
            for item in _methods(raw)
        ]
        # Where no path ends with a verb of its own (``:setX``), a colon may be in a name. Few parameters come first.
        parameter = "([^/:]+)" if any(":" in method.path for method in self.methods) else "([^/]+)"
        self._patterns = [
            (re.compile(parameter.join(map(re.escape, re.split(r"\{[^}]+\}", method.path)))), method)
            for method in sorted(self.methods, key=lambda method: len(method.in_path))
        ]

    def method(self, verb: str, path: str) -> tuple[Method, tuple[str, ...]] | None:
        """The method that a request is for, and the parameters in its path; None: Google has none."""
        for pattern, method in self._patterns:
            match = pattern.fullmatch(path) if method.verb == verb else None
            if match:
                return method, match.groups()
        return None

    def check_query(self, method: Method, names: Iterable[str]) -> None:
        """Refuses query parameters that the method does not have, as Google does."""
        found = [
            Violation(
                name,
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                f"Field '{name}' could not be found in request message.",
            )
            for name in names
            if name not in method.parameters and name not in self._common
        ]
        _refuse(found)

    def parse(self, schema: str, value: Any) -> Json:
        """A request's body in Google's canonical form; raises ``GoogleError`` 400 in Google's words."""
        found = list(self.violations(schema, value))
        _refuse(found)
        return dict(
            self._without_output(schema, self._canonical({"$ref": schema}, value, keep_defaults=True))
        )

    def _without_output(self, schema: str, value: Json) -> Json:
        """A request without the fields that only answers have: Google ignores them."""

        def kept(spec: Json, item: Any) -> Any:
            if "$ref" in spec:
                return self._without_output(spec["$ref"], item)
            if spec["type"] == "array":
                return [kept(spec["items"], inner) for inner in item]
            return item

        properties = self.schemas[schema].get("properties", {})
        return {
            name: kept(properties.get(name, {"type": "any"}), item)
            for name, item in value.items()
            if not properties.get(name, {}).get("readOnly")
        }

    def answer(self, schema: str, value: Json) -> Json:
        """An answer as proto3's JSON is written: no fields that this version lacks, no defaults."""
        return dict(self._canonical({"$ref": schema}, value, keep_defaults=self._shows_defaults))

    def violations(self, schema: str, value: Any) -> Iterator[Violation]:
        """Everything that a value of this schema has and must not have."""
        yield from self._check({"$ref": schema}, value, "")

    # Checking

    def _check(self, spec: Json, value: Any, where: str, owner: str = "") -> Iterator[Violation]:
        if value is None:
            return
        if "$ref" in spec:
            yield from self._check_message(spec["$ref"], value, where)
        elif spec["type"] == "array":
            if not isinstance(value, list):
                yield _invalid(where, self._type_name(spec["items"], where), value)
                return
            for index, item in enumerate(value):
                yield from self._check(spec["items"], item, f"{where}[{index}]", owner)
        elif isinstance(value, list) and spec["type"] != "any":
            yield _not_repeating(where)
        elif spec["type"] == "object":
            if not isinstance(value, dict):
                yield _invalid(where, "Map", value)
                return
            for key, item in value.items():
                yield from self._check(
                    spec.get("additionalProperties", {"type": "any"}), item, f"{where}[{key}]"
                )
        elif spec["type"] != "any" and not _fits(spec, value, owner):
            yield _invalid(where, self._type_name(spec, where), value)

    def _check_message(self, schema: str, value: Any, where: str) -> Iterator[Violation]:
        if isinstance(value, list):
            yield _not_repeating(where)
            return
        if not isinstance(value, dict):
            yield _invalid(where, f"type.googleapis.com/{self.package}.{schema}", value)
            return
        properties = self.schemas[schema].get("properties", {})
        others = self.schemas[schema].get("additionalProperties")
        for name, item in value.items():
            known = _known(properties, name)
            if known is not None:
                spec = properties[known]
                at = f"{where}.{snake(known)}" if where else snake(known)
                yield from self._check(spec, item, at, f"{schema}.{known}")
            elif others is None:
                yield _unknown(name, where)

    def _type_name(self, spec: Json, where: str) -> str:
        if "$ref" in spec:
            return f"type.googleapis.com/{self.package}.{spec['$ref']}"
        if "enum" in spec:
            words = re.sub(r"\[.*?\]", "", where).rpartition(".")[2].split("_")
            return f"type.googleapis.com/{self.package}.{''.join(word.capitalize() for word in words)}"
        plain = {"boolean": "bool", "integer": "int32", "number": "double"}
        kind = str(plain.get(spec["type"], spec["type"]))
        if spec.get("format") in ("int64", "uint64", "uint32", "float"):
            kind = str(spec["format"])
        return f"TYPE_{kind.upper()}"

    # Writing

    def _canonical(self, spec: Json, value: Any, *, keep_defaults: bool, owner: str = "") -> Any:
        if "$ref" in spec:
            return self._canonical_message(spec["$ref"], value, keep_defaults=keep_defaults)
        kind = spec["type"]
        if kind == "array":
            return [
                self._canonical(spec["items"], item, keep_defaults=keep_defaults, owner=owner)
                for item in value
            ]
        if kind == "object":
            inner = spec.get("additionalProperties", {"type": "any"})
            return {k: self._canonical(inner, v, keep_defaults=keep_defaults) for k, v in value.items()}
        if "enum" in spec and isinstance(value, int):
            return spec["enum"][_numbers(spec, owner).index(value)]
        if kind == "integer":
            return int(value)
        if spec.get("format") in ("int64", "uint64"):
            return str(int(value))
        return value

    def _canonical_message(self, schema: str, value: Json, *, keep_defaults: bool) -> Json:
        properties = self.schemas[schema].get("properties", {})
        found: Json = {}
        for name, item in value.items():
            known = _known(properties, name)
            if item is None:
                continue
            if known is None:
                if "additionalProperties" in self.schemas[schema]:
                    found[name] = item
                continue
            owner = f"{schema}.{known}"
            written = self._canonical(properties[known], item, keep_defaults=keep_defaults, owner=owner)
            if keep_defaults or not _is_default(schema, known, properties[known], written):
                found[known] = written
        return found


def snake(name: str) -> str:
    """``nodePools`` as its field is named in the protocol buffer: ``node_pools``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _known(properties: Json, name: str) -> str | None:
    """The property of this name, also by the name that it has in the protocol buffer."""
    if name in properties:
        return name
    first, *rest = name.split("_")
    other = first + "".join(word.capitalize() for word in rest)
    return other if other in properties else None


def _numbers(spec: Json, owner: str) -> list[int]:
    """The numbers of an enum's values, in their order."""
    return list(NUMBERS.get(owner) or range(len(spec["enum"])))


def _fits(spec: Json, value: Any, owner: str) -> bool:
    if "enum" in spec:
        if isinstance(value, int) and not isinstance(value, bool):
            return value in _numbers(spec, owner)
        return value in spec["enum"]
    whole = spec["type"] == "integer" or spec.get("format") in ("int64", "uint64")
    if whole:
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, str) and _WHOLE.fullmatch(value) is not None
        )
    if spec["type"] == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, _SCALARS[spec["type"]])


def _is_default(schema: str, name: str, spec: Json, value: Any) -> bool:
    """Whether proto3's JSON leaves the field out: it holds its type's default and has no presence."""
    if isinstance(value, dict):
        return "$ref" not in spec and not value
    if isinstance(value, list):
        return not value
    if f"{schema}.{name}" in PRESENCE:
        return False
    default = (
        spec["enum"][0] if "enum" in spec else "0" if spec.get("format") in ("int64", "uint64") else None
    )
    return value == default or value in (False, 0, "")


def _methods(resource: Json) -> Iterator[Json]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from _methods(inner)


def _unknown(name: str, where: str) -> Violation:
    at = f" at '{where}'" if where else ""
    return Violation(where, f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')


def _not_repeating(where: str) -> Violation:
    parent, _, name = where.rpartition(".")
    at = f" at '{parent}'" if parent else ""
    text = f'Unknown name "{name}"{at}: Proto field is not repeating, cannot start list.'
    return Violation(parent, f"Invalid JSON payload received. {text}")


def _invalid(where: str, kind: str, value: Any) -> Violation:
    return Violation(where, f"Invalid value at '{where}' ({kind}), {json.dumps(value)}")


def _refuse(found: list[Violation]) -> None:
    if not found:
        return
    detail = {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [
            {"description": v.description} | ({"field": v.field} if v.field else {}) for v in found
        ],
    }
    text = "\n".join(violation.description for violation in found)
    raise GoogleError(400, text, reason="invalid", details=[detail])
