"""Faults on demand: requests that are refused, delayed, cut off or lost, for tests of what clients then do.

``POST /sandbox/faults`` (the sandbox's own, not Google's) with ``{"match": {"method", "path", "nth", "times"},
"fault": {…}}``: the ``nth`` request from now on (default: the next) whose path matches the expression, and
``times`` - 1 more of them, meet the fault. ``GET`` lists what is still to come, ``DELETE`` forgets it.

| fault | what happens |
|---|---|
| ``delay`` | the request waits for that many seconds first |
| ``status``, with ``body`` and ``headers`` | it is answered with this, and has no effect |
| ``reset`` | the connection is reset, and the request has no effect |
| ``lost_response`` | the request has its effect, but the connection is reset instead of its answer |
| ``operation_error`` | the GKE operation that it begins ends with this ``{"code", "message", "conditions"}`` |
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import GoogleError, respond

PATH = "/sandbox/faults"
# What the operation that the current request begins shall end with.
INJECTED_ERROR: ContextVar[dict[str, Any] | None] = ContextVar("injected_error", default=None)


@dataclass(frozen=True)
class Fault:
    """What a matching request meets."""

    delay: float = 0
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    lost_response: bool = False
    operation_error: dict[str, Any] | None = None


@dataclass
class Rule:
    """Which requests meet a fault: ``times`` of them, after ``nth`` - 1 others that match."""

    fault: Fault
    path: str
    method: str = ""
    nth: int = 1
    times: int = 1

    def meets(self, method: str, path: str) -> bool:
        """Whether a request meets the fault; counts it."""
        if self.times < 1 or self.method not in ("", method) or not re.search(self.path, path):
            return False
        if self.nth > 1:
            self.nth -= 1
            return False
        self.times -= 1
        return True


class Faults:
    """The outermost layer of the application: it sees every request and answer as raw messages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.rules: list[Rule] = []

    def add(self, match: dict[str, Any], fault: dict[str, Any]) -> None:
        """Raises ``ValueError`` or ``TypeError`` for what is no fault."""
        re.compile(match.get("path", ""))
        self.rules.append(Rule(Fault(**fault), **{"path": "", **match}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == PATH:
            await self._app(scope, receive, send)
            return
        rule = next((rule for rule in self.rules if rule.meets(scope["method"], scope["path"])), None)
        if rule is None:
            await self._app(scope, receive, send)
        else:
            self.rules = [rule for rule in self.rules if rule.times > 0]
            await self._meet(rule.fault, scope, receive, send)

    async def _meet(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(fault.delay)
        if fault.reset:
            # The whole request first, so that the client has only an answer left to wait for.
            while (await receive()).get("more_body", False):
                pass
            await reset(receive, send)
        elif fault.status is not None:
            await _answer(fault, scope["path"])(scope, receive, send)
        elif fault.lost_response:
            await self._app(scope, receive, _nowhere)
            await reset(receive, send)
        else:
            mark = INJECTED_ERROR.set(fault.operation_error)
            try:
                await self._app(scope, receive, send)
            finally:
                INJECTED_ERROR.reset(mark)

    async def manage(self, request: Request) -> Response:
        """The endpoint by which tests ask for faults."""
        if request.method == "DELETE":
            self.rules = []
        elif request.method == "POST":
            try:
                asked = json.loads(await request.body())
                self.add(asked.get("match", {}), asked["fault"])
            except (ValueError, TypeError, KeyError, AttributeError, re.error) as error:
                raise GoogleError(400, f"No fault is described: {error}") from None
        return JSONResponse({"faults": [asdict(rule) for rule in self.rules]})


async def reset(receive: Receive, send: Send) -> None:
    """Cuts the connection so that the client sees a reset, not an end.

    Raises ``ConnectionResetError`` where there is no connection: in a test client in the same process.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("reset on demand")
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    # Until the server has seen it, too: else it would want to answer.
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nowhere(message: Message) -> None:
    return


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
