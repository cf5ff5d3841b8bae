"""Faults on demand: what a network and a busy service do to requests, for tests of what clients then do.

``POST /sandbox/faults`` (the sandbox's own, not Google's) with ``{"match": {…}, "fault": {…}}`` orders one: the fields
of ``Rule`` and of ``Fault``. ``GET`` lists what is still to come, ``DELETE`` forgets it. Only the project's owner may.
Orders are kept in memory.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import GoogleError, respond
from .tokens import ACCOUNT, Tokens, caller

PATH = "/sandbox/faults"
# What the operation that the current request begins shall end with.
INJECTED_ERROR: ContextVar[dict[str, Any] | None] = ContextVar("injected_error", default=None)
_PATIENCE_SECONDS = 0.1


@dataclass(frozen=True)
class Fault:
    """What a matching request meets, after ``bytes`` of the body ``of`` the request or the response went through.

    ``delay``: it waits for that many seconds first, or, alone, in the midst of the body.
    ``status``, with ``body`` and ``headers``: it is answered with this, and the rest of it has no effect.
    ``reset``: the connection is reset, and the rest of the request has no effect.
    ``lost_response``: the request has its effect, but the connection is reset instead of its answer.
    ``corrupt``: one bit of the response's body is another.
    ``operation_error``: the GKE operation that it begins ends with this ``{"code", "message", "conditions"}``.
    """

    delay: float = 0
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    lost_response: bool = False
    corrupt: bool = False
    operation_error: dict[str, Any] | None = None
    of: Literal["request", "response"] = "request"
    bytes: int = 0

    def __post_init__(self) -> None:
        if self.of not in ("request", "response") or self.bytes < 0 or not self.delay >= 0:
            raise ValueError("a fault is of the request or the response, and bytes and delay are from 0 on")
        for name, of in (("corrupt", "response"), ("status", "request"), ("lost_response", "request")):
            if getattr(self, name) and self.of != of:
                raise ValueError(f"{name} is of the {of}")

    @property
    def ends(self) -> bool:
        """Whether the request gets no further."""
        return self.reset or self.status is not None


@dataclass
class Rule:
    """Which requests meet a fault: ``times`` of them, after ``nth`` - 1 others that match.

    ``path``: a regular expression that is searched in the path, and in the path with its query, both decoded.
    """

    fault: Fault
    path: str = ""
    method: str = ""
    nth: int = 1
    times: int = 1

    def __post_init__(self) -> None:
        re.compile(self.path)
        if self.nth < 1 or self.times < 1:
            raise ValueError("nth and times are from 1 on")

    def meets(self, method: str, path: str, query: str) -> bool:
        """Whether a request meets the fault; counts it."""
        found = re.search(self.path, path) or re.search(self.path, f"{path}?{query}")
        if self.times < 1 or self.method not in ("", method) or not found:
            return False
        if self.nth > 1:
            self.nth -= 1
            return False
        self.times -= 1
        return True


class Faults:
    """The outermost layer of the application: it sees every request and answer as raw messages."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens
        self._rules: list[Rule] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == PATH:
            await (await self._manage(Request(scope, receive)))(scope, receive, send)
        else:
            query = unquote(scope["query_string"].decode("latin-1"))
            rule = next((r for r in self._rules if r.meets(scope["method"], scope["path"], query)), None)
            if rule is None:
                await self._app(scope, receive, send)
            else:
                self._rules = [rule for rule in self._rules if rule.times > 0]
                await _Hit(rule.fault, receive, send).run(self._app, scope)

    async def _manage(self, request: Request) -> Response:
        """The endpoint by which tests ask for faults."""
        try:
            identity = caller(request.headers, self._tokens)
            if identity != ACCOUNT:
                raise GoogleError(403 if identity else 401, "Only the project's owner orders faults.")
            if request.method == "DELETE":
                self._rules = []
            elif request.method == "POST":
                try:
                    asked = json.loads(await request.body())
                    self._rules.append(Rule(Fault(**asked["fault"]), **asked.get("match", {})))
                except (ValueError, TypeError, KeyError, AttributeError, re.error) as error:
                    raise GoogleError(400, f"No fault is described: {error}") from None
            elif request.method != "GET":
                raise GoogleError(405, f"{PATH} has no {request.method}.", reason="methodNotAllowed")
        except GoogleError as error:
            return respond(error, PATH)
        return JSONResponse({"faults": [asdict(rule) for rule in self._rules]})


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
        if fault.of == "request" and fault.bytes == 0:
            self._happened = True
            await self._wait()
            if fault.ends:
                if fault.reset:
                    # The whole request first, so that the client has only an answer left to wait for.
                    while (await self._receive()).get("more_body", False):
                        pass
                await self._end(scope)
                return
        mark = INJECTED_ERROR.set(fault.operation_error)
        try:
            await app(scope, self._receiving, self._sending)
        except _Cut:
            return
        except Exception:
            if not (self._happened and fault.ends):
                raise
        finally:
            INJECTED_ERROR.reset(mark)
        if fault.lost_response or (fault.of == "request" and fault.ends and self._happened):
            await self._end(scope)

    async def _end(self, scope: Scope) -> None:
        if self._fault.status is None:
            await _reset(self._receive, self._send)
        else:
            await _answer(self._fault, scope["path"])(scope, self._receive, self._send)

    async def _wait(self) -> None:
        """For the fault's delay, as long as the client does."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._fault.delay
        while loop.time() < end and not getattr(_connection(self._send), "disconnected", False):
            await asyncio.sleep(min(_PATIENCE_SECONDS, self._fault.delay))

    async def _receiving(self) -> Message:
        """The request's body up to the fault, and then none, as if the client were gone."""
        fault = self._fault
        if fault.of == "response" or (self._happened and not fault.ends):
            return await self._receive()
        if self._happened:
            return {"type": "http.disconnect"}
        message = await self._receive()
        body = message.get("body", b"")
        left = fault.bytes - self._passed
        self._passed += len(body)
        if message["type"] != "http.request" or len(body) < left:
            return message
        self._happened = True
        await self._wait()
        return {"type": "http.request", "body": body[:left], "more_body": True} if fault.ends else message

    async def _sending(self, message: Message) -> None:
        fault = self._fault
        if fault.lost_response or (fault.of == "request" and fault.ends and self._happened):
            return
        if fault.of == "request" or self._happened or message["type"] != "http.response.body":
            await self._send(message)
            return
        body = message.get("body", b"")
        left = fault.bytes - self._passed
        self._passed += len(body)
        if len(body) <= left:
            await self._send(message)
            return
        self._happened = True
        if fault.corrupt:
            await self._send({**message, "body": body[:left] + bytes([body[left] ^ 1]) + body[left + 1 :]})
            return
        await self._send({"type": "http.response.body", "body": body[:left], "more_body": True})
        await self._wait()
        if fault.reset:
            # What was sent shall arrive before the end does.
            await asyncio.sleep(0.05)
            await _reset(self._receive, self._send)
            raise _Cut
        await self._send({**message, "body": body[left:]})


def _connection(send: Send) -> Any:
    """The server's own object behind ``send``; None under another server than uvicorn."""
    return getattr(send, "__self__", None)


async def _reset(receive: Receive, send: Send) -> None:
    """Cuts the connection so that the client sees a reset, not an end.

    Raises ``ConnectionResetError`` where there is no connection: in a test client in the same process.
    """
    transport = getattr(_connection(send), "transport", None)
    if transport is None:
        raise ConnectionResetError("reset on demand")
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    # Until the server has seen it, too: else it would want to answer.
    while (await receive())["type"] != "http.disconnect":
        pass


def _answer(fault: Fault, path: str) -> Response:
    status = fault.status or 500
    if fault.body is None:
        response: Response = respond(GoogleError(status, "a fault on demand"), path)
    elif isinstance(fault.body, str):
        response = Response(fault.body, status)
    else:
        response = JSONResponse(fault.body, status)
    response.headers.update(fault.headers)
    return response
