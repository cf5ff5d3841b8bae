"""Partial responses: the query parameter ``fields``, such as ``items(name,size),nextPageToken``. Pure.

Contract: https://cloud.google.com/storage/docs/json_api#partial-response
"""

from __future__ import annotations

import re
from typing import Any

from ..google.errors import GoogleError

Selection = dict[str, "Selection"]
"""What is wanted of an object, by the names of its fields; an empty one wants all. ``*`` is any field."""

_TOKEN = re.compile(r"[A-Za-z0-9_*.-]+|[,/()]")


def parse(text: str) -> Selection:
    """Raises ``GoogleError`` 400."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text.replace(" ", "") or not tokens:
        raise _invalid(text)
    selection, rest = _list(tokens, text)
    if rest:
        raise _invalid(text)
    return selection


def _list(tokens: list[str], text: str) -> tuple[Selection, list[str]]:
    selection: Selection = {}
    while True:
        if not tokens or tokens[0] in ",/()":
            raise _invalid(text)
        name, tokens = tokens[0], tokens[1:]
        inner: Selection = {}
        if tokens[:1] == ["/"]:
            # A path goes on: only its own next name belongs to it.
            inner, tokens = _path(tokens[1:], text)
        elif tokens[:1] == ["("]:
            inner, tokens = _list(tokens[1:], text)
            if tokens[:1] != [")"]:
                raise _invalid(text)
            tokens = tokens[1:]
        selection[name] = _union(selection[name], inner) if name in selection else inner
        if tokens[:1] != [","]:
            return selection, tokens
        tokens = tokens[1:]


def _path(tokens: list[str], text: str) -> tuple[Selection, list[str]]:
    if not tokens or tokens[0] in ",/()":
        raise _invalid(text)
    name, tokens = tokens[0], tokens[1:]
    if tokens[:1] == ["/"]:
        inner, tokens = _path(tokens[1:], text)
        return {name: inner}, tokens
    if tokens[:1] == ["("]:
        inner, tokens = _list(tokens[1:], text)
        if tokens[:1] != [")"]:
            raise _invalid(text)
        return {name: inner}, tokens[1:]
    return {name: {}}, tokens


def _union(one: Selection, other: Selection) -> Selection:
    if not one or not other:
        return {}
    return {
        name: _union(one[name], other[name]) if name in one and name in other else {**one, **other}[name]
        for name in {**one, **other}
    }


def select(value: Any, selection: Selection) -> Any:
    """The part of an answer that is wanted."""
    if not selection:
        return value
    if isinstance(value, list):
        return [select(item, selection) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: select(item, selection.get(name, selection.get("*", {})))
        for name, item in value.items()
        if name in selection or "*" in selection
    }


def _invalid(text: str) -> GoogleError:
    return GoogleError(400, f"Invalid field selection {text}", reason="invalidParameter")
