"""Compares answers field by field, for those that replay recorded traffic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """A field that is missing, too much (extra), or another value, at a path; values as JSON."""

    kind: str
    path: str
    theirs: str
    ours: str


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each field's path with its value; lists of plain values as sets, objects in lists by their place."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    elif isinstance(value, list):
        yield path, json.dumps(sorted(map(str, value)))
    else:
        yield path, json.dumps(value)


def differences(theirs: Any, ours: Any) -> Iterator[Difference]:
    """Every field that is not the same, by path."""
    google, mine = dict(leaves(theirs)), dict(leaves(ours))
    for path in sorted(google.keys() | mine.keys()):
        if path not in mine:
            yield Difference("missing", path, google[path], "")
        elif path not in google:
            yield Difference("extra", path, "", mine[path])
        elif google[path] != mine[path]:
            yield Difference("value", path, google[path], mine[path])
