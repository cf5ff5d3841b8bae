"""Makes docs/report-format.md and docs/schema/*.json from the types of the load test's timeline and report.

python tools/report_format.py
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from plugins.module_utils.loadtest import schema  # noqa: E402

Json = dict[str, Any]
PRIMITIVES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
INTRODUCTION = """# What a load test writes for machines

`reports/<run>/timeline.jsonl` has one JSON object a line, each with `t`, `kind` and the fields of its kind;
`reports/<run>/report.json` is one object. Every field that is named here is always there, unless it says otherwise; what
is not known is null. [schema/timeline.json](schema/timeline.json) and [schema/report.json](schema/report.json) say the
same as JSON Schemas (2020-12), the first of a single line.

Made from `plugins/module_utils/loadtest/schema.py` by `python tools/report_format.py`. Timelines of earlier versions are
lifted when they are read (`lift` in `timeline.py` beside it).
"""


def parts(hint: Any) -> tuple[Any, str, str]:
    """A hint's bare type, and the meaning and unit that are written to it."""
    meaning = unit = ""
    if typing.get_origin(hint) is typing.NotRequired:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is typing.Annotated:
        for note in hint.__metadata__:
            if isinstance(note, schema.Unit):
                unit = note.name
            else:
                meaning = note
        hint = hint.__origin__
    for inner in typing.get_args(hint):
        unit = unit or parts(inner)[2]
    return hint, meaning, unit


def fields(kind: type) -> Iterator[tuple[str, Any, bool]]:
    """Name, hint and whether it is always there; of a dataclass also what it derives."""
    hints = typing.get_type_hints(kind, vars(schema), include_extras=True)
    for name, hint in hints.items():
        # `__required_keys__` does not see NotRequired where annotations are kept as text.
        yield name, hint, typing.get_origin(hint) is not typing.NotRequired
    for name, value in vars(kind).items():
        if isinstance(value, property):
            hint = typing.get_type_hints(value.fget, vars(schema), include_extras=True)["return"]
            yield name, typing.Annotated[hint, value.__doc__], True


def is_record(hint: Any) -> bool:
    return isinstance(hint, type) and (typing.is_typeddict(hint) or dataclasses.is_dataclass(hint))


def json_type(hint: Any) -> Json:
    """The JSON Schema of a type."""
    hint = parts(hint)[0]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return {}
    if hint in PRIMITIVES:
        return {"type": PRIMITIVES[hint]}
    if is_record(hint):
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if origin is list:
        return {"type": "array", "items": json_type(inner[0])}
    if origin is dict:
        keys = json_type(inner[0])
        names = {"propertyNames": keys} if "enum" in keys else {}
        return {"type": "object", **names, "additionalProperties": json_type(inner[1])}
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [json_type(one) for one in inner]}
    raise TypeError(f"no JSON for {hint}")


def record(kind: type, more: Json | None = None) -> Json:
    """The JSON Schema of a record."""
    made: Json = dict(more or {})
    always = [*made]
    for name, hint, required in fields(kind):
        _unused, meaning, unit = parts(hint)
        made[name] = {**json_type(hint), "description": f"{meaning} ({unit})" if unit else meaning}
        always += [name] if required else []
    return {
        "type": "object", "description": kind.__doc__, "properties": made, "required": always,
        "additionalProperties": False,
    }  # fmt: skip


def used(*kinds: type) -> dict[str, type]:
    """The records that are inside of others, by name."""
    found: dict[str, type] = {}

    def walk(hint: Any) -> None:
        hint = parts(hint)[0]
        if is_record(hint) and hint.__name__ not in found:
            found[hint.__name__] = hint
            for _unused, inner, _also in fields(hint):
                walk(inner)
        for inner in typing.get_args(hint):
            if not isinstance(inner, str | int):
                walk(inner)

    for kind in kinds:
        for _unused, hint, _also in fields(kind):
            walk(hint)
    return found


def schemas() -> dict[str, Json]:
    """The JSON Schemas by name of file."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    line = record(schema.Line)["properties"]
    lines = [record(kind, {**line, "kind": {"const": name}}) for name, kind in schema.KINDS.items()]
    return {
        "timeline.json": {
            **head, "title": "A line of timeline.jsonl", "oneOf": lines,
            "$defs": {name: record(kind) for name, kind in used(*schema.KINDS.values()).items()},
        },
        "report.json": {
            **head, "title": "report.json of a load test", **record(schema.Report),
            "$defs": {name: record(kind) for name, kind in used(schema.Report).items()},
        },
    }  # fmt: skip


def in_words(hint: Any) -> str:
    """A type for people; records are links to their tables."""
    hint = parts(hint)[0]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if is_record(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    if origin is typing.Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin is list:
        return f"list of {in_words(inner[0])}"
    if origin is dict:
        return "object" if inner[1] is Any else f"{in_words(inner[1])} by {in_words(inner[0])}"
    if origin in (types.UnionType, typing.Union):
        return " or ".join(map(in_words, inner))
    return PRIMITIVES[hint]


def table(kind: type) -> str:
    rows = ["| field | type | unit | |", "|---|---|---|---|"]
    for name, hint, required in fields(kind):
        _unused, meaning, unit = parts(hint)
        rows.append(
            f"| `{name}` | {in_words(hint)}{'' if required else ', may be absent'} | {unit} | {meaning} |"
        )
    return "\n".join(rows)


def page() -> str:
    """docs/report-format.md."""
    text = [INTRODUCTION, f"## Every line of the timeline\n\n{table(schema.Line)}\n", "## Kinds of lines\n"]
    text += [f"### {name}\n\n{kind.__doc__}\n\n{table(kind)}\n" for name, kind in schema.KINDS.items()]
    text += [f"## report.json\n\n{table(schema.Report)}\n", "## Parts\n"]
    inside = used(schema.Report, *schema.KINDS.values())
    text += [
        f"### {name}\n\n{kind.__doc__}\n\n{table(kind)}\n" for name, kind in inside.items() if name != "Gap"
    ]
    return "\n".join(text)


def files() -> dict[Path, str]:
    """Everything that is made, by path in the project."""
    made = {Path("docs/report-format.md"): page()}
    for name, content in schemas().items():
        made[Path("docs/schema") / name] = json.dumps(content, indent=2) + "\n"
    return made


if __name__ == "__main__":
    for path, content in files().items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(content, encoding="utf-8")
