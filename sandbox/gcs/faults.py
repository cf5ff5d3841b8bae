"""Faults on demand, in the midst of bodies: what a network and a busy service do to uploads and downloads.

``POST /sandbox/storage/faults`` orders one, ``GET`` lists what is left, ``DELETE`` takes all back; with the token of
the project's owner. See docs/sandbox.md for the fields. Orders are kept in memory.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..google.errors import GoogleError, respond
from ..google.tokens import ACCOUNT, Tokens, caller

PATH = "/sandbox/storage/faults"
_PATIENCE_SECONDS = 0.1
_LOST = "lost"
_KINDS = ("error", "reset", "stall", _LOST, "corrupt")


@dataclass
class Fault:
    """One order.

    ``kind``: ``error`` answers with ``status``, ``reset`` cuts the connection, ``stall`` waits ``seconds`` and goes on,
    ``lost`` does what is asked and cuts the connection instead of answering, ``corrupt`` flips a bit.
    ``bytes``: how much of the body goes through before, of the ``request`` or the ``response`` (``of``).
    ``method``, ``path``: which requests; ``path`` is a pattern that is searched in the decoded path and query.
    ``skip``: how many of these pass first; ``times``: how many are hit.
    """

    kind: str
    of: Literal["request", "response"] = "request"
    bytes: int = 0
    method: str = ""
    path: str = ""
    status: int = 503
    seconds: float = 1.0
    skip: int = 0
    times: int = 1

    def takes(self, method: str, path: str) -> bool:
        """Whether this request is to be hit; counts."""
        if self.times <= 0 or (self.method and self.method != method) or not re.search(self.path, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


def parse(body: Any) -> Fault:
    """Raises ``GoogleError`` 400."""
    kinds: dict[str, type] = {f.name: type(f.default) for f in fields(Fault) if f.name != "kind"}
    try:
        wanted = dict(body)
        unknown = sorted(set(wanted) - {"kind", *kinds})
        if unknown:
            raise ValueError(f"unknown fields: {', '.join(unknown)}")
        fault = Fault(str(wanted.pop("kind", "")), **{k: kinds[k](v) for k, v in wanted.items()})
        re.compile(fault.path)
    except (ValueError, TypeError, re.error) as error:
        raise GoogleError(400, f"This is no fault: {error}", reason="invalid") from None
    if fault.kind not in _KINDS or fault.of not in ("request", "response") or fault.bytes < 0:
        text = f"A fault has a kind ({', '.join(_KINDS)}), is of the request or the response, and bytes from 0 on."
        raise GoogleError(400, text, reason="invalid")
    belongs = {"corrupt": "response", "error": "request"}.get(fault.kind, fault.of)
    if fault.of != belongs:
        raise GoogleError(400, f"A fault of kind {fault.kind} is of the {belongs}.", reason="invalid")
    return fault


class StorageFaults:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens
        self._faults: list[Fault] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == PATH:
            response = await self._administer(Request(scope, receive))
            await response(scope, receive, send)
            return
        target = unquote(f"{scope['path']}?{scope['query_string'].decode('latin-1')}")
        fault = next((f for f in self._faults if f.takes(scope["method"], target)), None)
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await _Hit(fault, receive, send).run(self._app, scope)

    async def _administer(self, request: Request) -> Response:
        try:
            if caller(request.headers, self._tokens) != ACCOUNT:
                raise GoogleError(403, "Only the project's owner orders faults.")
            if request.method == "POST":
                try:
                    body = json.loads(await request.body())
                except ValueError:
                    raise GoogleError(400, "Parse Error", reason="parseError") from None
                self._faults.append(parse(body))
            elif request.method == "DELETE":
                self._faults.clear()
            elif request.method != "GET":
                raise GoogleError(405, f"{PATH} has no {request.method}.", reason="methodNotAllowed")
        except GoogleError as error:
            return respond(error, "/storage/v1")
        left = [fault for fault in self._faults if fault.times > 0]
        return JSONResponse({"faults": [asdict(fault) for fault in left]})


class _Cut(Exception):
    """Ends the application's work on a request whose connection is gone."""


class _Hit:
    """One request with its fault."""

    def __init__(self, fault: Fault, receive: Receive, send: Send) -> None:
        self._fault = fault
        self._receive = receive
        self._send = send
        self._passed = 0
        self._happened = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        fault = self._fault
        if fault.of == "request" and fault.bytes == 0 and fault.kind in ("error", "reset"):
            await self._end(scope)
            return
        receive = self._receiving if fault.of == "request" and fault.kind != _LOST else self._receive
        try:
            await app(scope, receive, self._sending)
        except _Cut:
            return
        except Exception:
            if not self._happened:
                raise
        if fault.kind == _LOST or (
            self._happened and fault.of == "request" and fault.kind in ("error", "reset")
        ):
            await self._end(scope)

    async def _end(self, scope: Scope) -> None:
        if self._fault.kind == "error":
            error = GoogleError(self._fault.status, "Fault ordered.", reason="backendError")
            await respond(error, "/storage/v1")(scope, self._receive, self._send)
        else:
            _reset(self._send)

    async def _stall(self) -> None:
        """Waits, as long as the client does."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._fault.seconds
        while loop.time() < end and not getattr(_connection(self._send), "disconnected", False):
            await asyncio.sleep(min(_PATIENCE_SECONDS, self._fault.seconds))

    async def _receiving(self) -> Message:
        """The request's body up to the fault, and then none, as if the client were gone."""
        if self._happened and self._fault.kind != "stall":
            return {"type": "http.disconnect"}
        message = await self._receive()
        body = message.get("body", b"")
        left = self._fault.bytes - self._passed
        self._passed += len(body)
        if self._happened or message["type"] != "http.request" or len(body) < left:
            return message
        self._happened = True
        if self._fault.kind == "stall":
            await self._stall()
            return message
        return {"type": "http.request", "body": body[:left], "more_body": True}

    async def _sending(self, message: Message) -> None:
        fault = self._fault
        if fault.kind == _LOST or (fault.of == "request" and self._happened and fault.kind != "stall"):
            return
        body = message.get("body", b"")
        left = fault.bytes - self._passed
        if (
            fault.of == "request"
            or message["type"] != "http.response.body"
            or self._happened
            or len(body) < left + 1
        ):
            if fault.of == "response" and message["type"] == "http.response.body":
                self._passed += len(body)
            await self._send(message)
            return
        self._happened = True
        if fault.kind == "corrupt":
            body = body[:left] + bytes([body[left] ^ 1]) + body[left + 1 :]
            await self._send({**message, "body": body})
            return
        await self._send({"type": "http.response.body", "body": body[:left], "more_body": True})
        if fault.kind == "reset":
            # What was sent shall arrive before the end does.
            await asyncio.sleep(0.05)
            _reset(self._send)
            raise _Cut
        await self._stall()
        await self._send({**message, "body": body[left:]})


def _connection(send: Send) -> Any:
    """The server's own object behind ``send``; None under another server than uvicorn."""
    return getattr(send, "__self__", None)


def _reset(send: Send) -> None:
    """Cuts the connection: the peer sees it reset. Only the server that runs this knows the connection."""
    transport = getattr(_connection(send), "transport", None)
    if transport is None:
        raise ConnectionResetError("fault: connection reset")
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
