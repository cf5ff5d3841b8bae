"""The way to a service, on which each distinct request that may be asked twice meets a fault first, once or more often."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import urllib3
from unlucky import FAULTS, Fault, Unlucky, _Handler

SILENCE = "silence"
KUBERNETES: dict[str, Fault] = {
    "429 without Retry-After": (429, {}, b"Too many requests, please try again later.\n"),
    **{name: FAULTS[name] for name in ("429", "500", "502", "503", "504", "reset", "page of a proxy")},
    "time-out": SILENCE,
    "items: null": (200, {}, b'{"kind": "List", "apiVersion": "v1", "metadata": {}, "items": null}'),
    "an empty list": (200, {}, b'{"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []}'),
    "lost": "lost",
}
"""What is answered instead. ``lost``: the request is done, and its answer is not what comes."""

GOOGLE = {
    **KUBERNETES,
    "items: null": (200, {}, b'{"items": null}'),
    "an empty list": (200, {}, b'{"items": []}'),
}


def may_be_asked_twice(method: str, target: str) -> bool:
    """Reads: dry runs among them, and what is asked of a model."""
    path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
    if "watch" in query:
        return False
    return method == "GET" or "dryRun" in query or (method == "POST" and "/proxy/" in path)


def is_applied(method: str, target: str, body: bytes) -> bool:
    """Writes that may be done twice."""
    return (method == "PATCH" and "fieldManager" in target and "/proxy/" not in target) or (
        method == "DELETE" and b'"preconditions"' in body
    )


class Way(Unlucky):
    """To ``target``, an URL; ``authority``: whom to trust there. ``struck``: how many requests met a fault."""

    def __init__(self, target: str, authority: str | None = None) -> None:
        super().__init__(lambda *_: (500, {}), "reset", 0)
        self.target, self.struck = target.rstrip("/"), 0
        self.faults: dict[str, Fault] = {}
        self.pool = urllib3.PoolManager(maxsize=8, ca_certs=authority, retries=False)
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def begin(self, fault: Fault, times: int) -> None:
        with self._lock:
            self._seen.clear()
            self.fault, self.times = fault, times

    def strikes(self, method: str, target: str, body: bytes) -> bool:
        """Whether this request is one of those before which the fault comes."""
        path, dry = urlsplit(target).path, "dryRun" in target
        meant = (
            is_applied(method, target, body) if self.fault == "lost" else may_be_asked_twice(method, target)
        )
        if not meant:
            return False
        with self._lock:
            self._seen[f"{method} {path} {dry}"] += 1
            strikes = self._seen[f"{method} {path} {dry}"] <= self.times
            self.struck += strikes
        return strikes

    @contextmanager
    def open(self) -> Iterator[Way]:
        with self.served(_Through):
            yield self


class _Through(_Handler):
    unlucky: Way
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        way = self.unlucky
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        strikes = way.strikes(self.command, self.path, body)
        if strikes and way.fault != "lost":
            self._fail(way.fault)
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        answer: Any = way.pool.request(
            self.command, way.target + self.path, body=body or None, headers=headers, redirect=False, decode_content=False,
        )  # fmt: skip
        if strikes:
            self._fail(FAULTS["reset"])
            return
        dropped = ("connection", "content-length", "transfer-encoding")
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in dropped}
        with suppress(ConnectionError):  # who asked has gone, as a module does that was told enough
            self._send(answer.status, kept, answer.data)

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET
