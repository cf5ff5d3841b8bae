"""Pages of a list of objects: prefixes, globs, offsets and where the next page begins. Pure.

https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..google.errors import GoogleError, invalid

Json = dict[str, Any]
Entry = tuple[str, int]
"""Name and generation of an object."""

MAX_RESULTS = 1000


@dataclass(frozen=True)
class Page:
    """Entries in the order of their names, common prefixes, and the token of the next page, if there is one."""

    entries: list[Entry]
    prefixes: list[str]
    token: str | None


@dataclass(frozen=True)
class Query:
    """What is asked for. Names are compared as UTF-8, as the service does."""

    prefix: str = ""
    delimiter: str = ""
    glob: str = ""
    start: str = ""
    end: str = ""
    token: str = ""
    limit: int = MAX_RESULTS
    trailing: bool = False

    @classmethod
    def of(cls, params: Json) -> Query:
        """Raises ``GoogleError`` 400."""
        glob, delimiter = params.get("matchGlob", ""), params.get("delimiter", "")
        if glob and delimiter not in ("", "/"):
            raise invalid("matchGlob can't be combined with a delimiter other than '/'.")
        if params.get("includeFoldersAsPrefixes") and delimiter != "/":
            raise invalid("includeFoldersAsPrefixes needs the delimiter '/'.")
        for name in ("filter",):
            if params.get(name):
                raise GoogleError(501, f"not emulated here: {name}")
        return cls(
            prefix=params.get("prefix", ""),
            delimiter=delimiter,
            glob=glob,
            start=params.get("startOffset", ""),
            end=params.get("endOffset", ""),
            token=params.get("pageToken", ""),
            limit=min(params.get("maxResults") or MAX_RESULTS, MAX_RESULTS),
            trailing=bool(params.get("includeTrailingDelimiter")),
        )

    @property
    def first(self) -> str:
        """No name before this one can be wanted."""
        return max(self.prefix, self.start, _position(self.token)[0] if self.token else "", key=str.encode)


def page(entries: Iterable[Entry], query: Query) -> Page:
    """``entries``: all that may be wanted, ordered by the bytes of the name, then by generation."""
    after = _position(query.token) if query.token else ("", -1)
    pattern = glob_pattern(query.glob) if query.glob else None
    found: list[Entry] = []
    prefixes: list[str] = []
    last = after
    for name, generation in entries:
        if not _wanted(name, query) or (pattern and not pattern.fullmatch(name)):
            continue
        cut = name.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
        group = name[: cut + len(query.delimiter)] if cut >= 0 else None
        if group is not None and group not in prefixes[-1:] and not _passed((group, 0), after):
            if len(found) + len(prefixes) >= query.limit:
                return Page(found, prefixes, _token(last))
            prefixes.append(group)
            last = (group, 0)
        # An object that ends where its group does may be shown beside the group.
        shown = group is None or (query.trailing and name == group)
        if shown and not _passed((name, generation), after):
            if len(found) + len(prefixes) >= query.limit:
                return Page(found, prefixes, _token(last))
            found.append((name, generation))
            last = (name, generation)
    return Page(found, prefixes, None)


def _wanted(name: str, query: Query) -> bool:
    text = name.encode()
    return (
        name.startswith(query.prefix)
        and text >= query.start.encode()
        and (not query.end or text < query.end.encode())
    )


def _passed(entry: Entry, after: Entry) -> bool:
    return (entry[0].encode(), entry[1]) <= (after[0].encode(), after[1])


def _token(entry: Entry) -> str:
    return base64.urlsafe_b64encode(json.dumps(entry).encode()).decode()


def _position(token: str) -> Entry:
    try:
        name, generation = json.loads(base64.urlsafe_b64decode(token))
        return str(name), int(generation)
    except (binascii.Error, ValueError, TypeError):
        raise invalid(f"Invalid page token: '{token}'.") from None


def glob_pattern(glob: str) -> re.Pattern[str]:
    """``*`` and ``?`` stop at a slash, ``**`` does not; ``[abc]``, ``[a-z]``, ``[!x]`` and ``{one,other}`` work."""
    pattern, position, depth = "", 0, 0
    while position < len(glob):
        character = glob[position]
        if glob.startswith("**", position):
            pattern += ".*"
            position += 1
        elif character == "*":
            pattern += "[^/]*"
        elif character == "?":
            pattern += "[^/]"
        elif character == "[" and (end := glob.find("]", position + 2)) > 0:
            inside = glob[position + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            inside = f"^{inside[1:]}" if inside[0] in "!^" else inside
            pattern += f"[{inside}]"
            position = end
        elif character == "{":
            depth += 1
            pattern += "(?:"
        elif character == "}" and depth:
            depth -= 1
            pattern += ")"
        elif character == "," and depth:
            pattern += "|"
        else:
            if character == "\\" and position + 1 < len(glob):
                position += 1
            pattern += re.escape(glob[position])
        position += 1
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error:
        raise invalid(f"Invalid glob: '{glob}'.") from None
