"""An HTTP server on the loopback that answers badly first: each fault, once or more often, before each answer."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
Answer = Callable[[str, str, dict[str, list[str]], bytes], tuple[int, Any]]
Fault = tuple[int, dict[str, str], bytes] | str

HTML = b"<!doctype html><html><title>Sign in</title></html>"
FAULTS: dict[str, Fault] = {
    "429": (429, {"retry-after": "1"}, b"Too many requests, please try again later.\n"),
    "500": (500, {}, b'{"kind": "Status", "message": "etcdserver: leader changed", "code": 500}'),
    "502": (502, {"content-type": "text/html"}, HTML),
    "503": (503, {"retry-after": "1"}, b'{"error": "the queue of this replica is full"}'),
    "504": (504, {}, b'{"kind": "Status", "reason": "Timeout", "message": "etcd", "code": 504}'),
    "page of a proxy": (200, {"content-type": "text/html"}, HTML),
    "null": (200, {}, b"null"),
    "text": (200, {}, b'"x"'),
    "nothing": (200, {}, b""),
    "half": (200, {"content-length": "999"}, b'{"items": ['),
    "reset": "reset",
}


class Unlucky:
    """``answer``: what is answered in the end; ``times``: how often ``fault`` comes before, to each request."""

    def __init__(
        self, answer: Answer, fault: Fault, times: int = 1, methods: tuple[str, ...] = ("GET",)
    ) -> None:
        self.answer, self.fault, self.times, self.methods = answer, fault, times, methods
        self.asked: Counter[tuple[str, str]] = Counter()
        self.url = ""

    @property
    def kubeconfig(self) -> Json:
        return {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            "users": [{"name": "c", "user": {"token": "secret-token"}}],
        }  # fmt: skip

    @contextmanager
    def served(self, kind: type[_Handler] | None = None) -> Iterator[Unlucky]:
        handler = type("Handler", (kind or _Handler,), {"unlucky": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    unlucky: Unlucky

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        url, whose = urlsplit(self.path), self.unlucky
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whose.asked[self.command, self.path] += 1
        if self.command in whose.methods and whose.asked[self.command, self.path] <= whose.times:
            self._fail(whose.fault)
            return
        status, answer = whose.answer(self.command, url.path, parse_qs(url.query), body)
        self._send(status, {"content-type": "application/json"}, json.dumps(answer).encode())

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

    def _fail(self, fault: Fault) -> None:
        if fault == "silence":
            self.close_connection = True
            self.connection.settimeout(5)
            self.connection.recv(1)
        elif isinstance(fault, str):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RD)
            self.connection.close()
        else:
            self._send(*fault)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
