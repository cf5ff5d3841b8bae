"""Timelines and reports held against the JSON Schemas that the collection publishes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

ROOT = Path(__file__).resolve().parents[2]


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((ROOT / f"docs/schema/{name}.json").read_text()))


def violations(events: list[dict[str, Any]], report: dict[str, Any]) -> list[str]:
    """What is not as published, in words; as JSON has it, since tuples and keys change on the way."""
    found = []
    for event in json.loads(json.dumps(events)):
        for error in validator("timeline").iter_errors(event):
            # Of all kinds only the line's own says what is wrong.
            context = error.context or []
            others = {one.schema_path[0] for one in context if one.validator == "const"}
            own = [one for one in context if one.schema_path[0] not in others]
            found.append(f"{event['kind']}: {'; '.join(one.message for one in own)}")
    errors = validator("report").iter_errors(json.loads(json.dumps(report)))
    return found + [f"report.json: {'/'.join(map(str, one.path))}: {one.message}" for one in errors]


def of_run(folder: Path) -> list[str]:
    """Of a folder in reports/."""
    lines = (folder / "timeline.jsonl").read_text().splitlines()
    return violations([json.loads(line) for line in lines], json.loads((folder / "report.json").read_text()))
