"""One of Google's APIs: finds the method that a request is for, and holds both to Google's description."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .discovery import Document, Json, Method, load
from .errors import GoogleError


@dataclass(frozen=True)
class Call:
    """A request that Google would take. ``path``: the parameters in its path, in their order."""

    path: tuple[str, ...]
    body: Json
    query: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Json]


class Service:
    """An API by its host, in one or more versions, with what is emulated of it by the method's name."""

    def __init__(
        self, host: str, documents: tuple[str, ...], handlers: Mapping[str, Handler], prefix: str = "/v1"
    ) -> None:
        self.host = host
        self._prefix = prefix
        self._documents = documents
        self._handlers = handlers

    def find(self, verb: str, path: str) -> tuple[Document, Method, tuple[str, ...]] | None:
        """The method in Google's description; None: the API has none for this path."""
        if not path.startswith(self._prefix):
            return None
        for name in self._documents:
            document = load(name)
            found = document.method(verb, path)
            if found:
                return document, *found
        return None

    async def answer(self, request: Request, allowed: Callable[[str, str], None]) -> Response | None:
        """The answer to a request; None: it is not for this API. Raises ``GoogleError``.

        ``allowed``: refuses with it a project's call of a method that is not allowed.
        """
        found = self.find(request.method, request.url.path)
        if found is None:
            return None
        document, method, path = found
        project = re.search(r"/projects/([^/:]+)", request.url.path)
        if project:
            allowed(project[1], method.id)
        handler = self._handlers.get(_short(method.id))
        if handler is None:
            raise GoogleError(501, f"not emulated here: {method.id} ({request.method} {request.url.path})")
        document.check_query(method, request.query_params)
        body = document.parse(method.request, await _body(request)) if method.request else {}
        answer = handler(Call(path, body, request.query_params))
        version = document.package.rpartition(".")[2]
        return JSONResponse(
            _versioned(document.answer(method.response, answer), version) if method.response else {}
        )


def _short(method: str) -> str:
    """``container.projects.zones.clusters.get`` and ``…locations.clusters.get`` are both ``clusters.get``."""
    parts = [part for part in method.split(".")[1:] if part not in ("projects", "locations", "zones")]
    return ".".join(parts)


def _versioned(answer: Any, version: str) -> Any:
    """Links name the version that was asked."""
    if isinstance(answer, list):
        return [_versioned(item, version) for item in answer]
    if not isinstance(answer, dict):
        return answer
    links = ("selfLink", "targetLink")
    return {
        key: value.replace("container.googleapis.com/v1/", f"container.googleapis.com/{version}/")
        if key in links
        else _versioned(value, version)
        for key, value in answer.items()
    }


async def _body(request: Request) -> Any:
    try:
        return json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise GoogleError(400, f"Invalid JSON payload received. {error}.", reason="parseError") from None
