"""The proxies of pods, as far as they tell metrics: in HAProxy's words, and as averages for GKE's adapter."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .egress import serving

PORT = 8404
AVERAGED = 15


class Proxies:
    """By address; each has the same part of the requests in flight, unless it is silent or has a word of its own.

    ``silent``: tell nothing. ``said``: what is told instead of a number.
    """

    def __init__(self) -> None:
        self.total = 0.0
        self.silent: set[str] = set()
        self.said: str | None = None
        self._known: list[str] = []
        self._looks: dict[str, deque[float]] = {}
        self._here = ExitStack()
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def __enter__(self) -> Proxies:
        threading.Thread(target=self._look, daemon=True).start()
        self._here.callback(self._stop.set)
        return self

    def __exit__(self, *_: object) -> None:
        self._here.close()

    def _look(self) -> None:
        """Each proxy looks once a second, as roles/serving/templates/load.lua.j2 does."""
        while not self._stop.wait(1):
            with self._lock:
                for address in self._known:
                    self._looks[address].append(self._share())

    def _share(self) -> float:
        return self.total / max(len(self._known), 1)

    @property
    def addresses(self) -> list[str]:
        return list(self._known)

    def be_at(self, addresses: list[str]) -> None:
        """These are the pods there are."""
        with self._lock:
            for address in addresses:
                if address not in self._looks:
                    self._looks[address] = deque(maxlen=AVERAGED)
                    self._here.enter_context(
                        serving(ThreadingHTTPServer((address, PORT), self._handler(address)))
                    )
            self._known = [*addresses]

    def _handler(self, address: str) -> type[BaseHTTPRequestHandler]:
        proxies = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if address in proxies.silent:
                    self.send_error(503)
                    return
                body = proxies.text(address, self.path).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        return Handler

    def text(self, address: str, path: str) -> str:
        if path == "/load":
            looks = list(self._looks[address]) or [self._share()]
            name = "tfserving_requests_in_flight"
            return f"# TYPE {name} gauge\n{name} {self.said or sum(looks) / len(looks)}\n"
        value = self.said or self._share()
        name = "haproxy_backend_current_sessions"
        lines = [
            f'{name}{{proxy="{proxy}"}} {what}'
            for proxy, what in (("rest", value), ("grpc", 0), ("status", 9))
        ]
        return "\n".join([f"# TYPE {name} gauge", *lines, ""])
