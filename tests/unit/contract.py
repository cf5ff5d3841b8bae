"""Holds every answer that a test gets from the emulator to Google's own description of the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.google.discovery import Document, load

DOCUMENTS = (
    "container.v1", "container.v1beta1", "serviceusage.v1", "iam.v1", "compute.v1", "cloudresourcemanager.v1",
)  # fmt: skip
_ERROR = {"code", "message", "errors", "status", "details"}


class Contract:
    """A layer around the application; ``broken`` tells each answer that Google would not give."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.broken: list[str] = []
        self.checked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watch = _Watch(send)
        await self._app(scope, receive, watch)
        found = described(scope["method"], scope["path"])
        if found and watch.complete:
            self.checked += 1
            where = f"{scope['method']} {scope['path']} -> {watch.status}"
            self.broken += [
                f"{where}: {line}" for line in _problems(*found, watch.status, b"".join(watch.body))
            ]


class _Watch:
    """Passes messages on, and keeps them. Has the connection of ``send``, so that faults can cut it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.__self__ = getattr(send, "__self__", None)
        self.status = 0
        self.body: list[bytes] = []
        self.complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body.append(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        await self._send(message)


def described(verb: str, path: str) -> tuple[Document, str] | None:
    """The document that has the method of a request, and the schema of its answer."""
    if not path.startswith(("/v1", "/compute/v1/")):
        return None
    for name in DOCUMENTS:
        found = load(name).method(verb, path)
        if found and found[0].response:
            return load(name), found[0].response
    return None


def _problems(document: Document, schema: str, status: int, body: bytes) -> Iterator[str]:
    answer: Any = json.loads(body)
    if status == 200:
        for violation in document.violations(schema, answer):
            yield violation.description
        if document.answer(schema, answer) != answer:
            yield f"not as proto3's JSON is written: {json.dumps(answer)[:500]}"
    elif status != 304:
        error = answer.get("error", {}) if isinstance(answer, dict) else {}
        if error.get("code") != status or not error.get("message") or set(error) - _ERROR:
            yield f"not an error in Google's form: {json.dumps(answer)[:500]}"
