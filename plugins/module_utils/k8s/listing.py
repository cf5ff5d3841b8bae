"""Lists of the API, page by page."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .client import KubeApi

Json = dict[str, Any]

PAGE = 500
"""Objects in one answer of a list."""


def pages(api: KubeApi, path: str, **query: object) -> Iterator[list[Json]]:
    """The objects of a list, each page asked for when it is taken. Raises KubeError."""
    more: str | None = None
    while True:
        answer = api.get(path, **query, limit=PAGE, **({"continue": more} if more else {}))
        yield answer["items"]
        more = (answer.get("metadata") or {}).get("continue")
        if not more:
            return
