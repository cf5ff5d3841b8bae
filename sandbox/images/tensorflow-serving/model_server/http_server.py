"""The HTTP server of the REST API."""

from __future__ import annotations

import gzip
import logging
import socket
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .jsontext import error_body
from .rest import Answer, RestApi

log = logging.getLogger("model_server")


class HttpServer(ThreadingHTTPServer):
    """Serves a ``RestApi``. Of its ``threads`` one belongs to the event loop, the others work on a request each.

    What comes while all of them work waits.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: RestApi, threads: int) -> None:
        self.api = api
        self.gate = threading.Semaphore(max(0, threads - 1))
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news, a mistake in here is."""
        if not isinstance(sys.exception(), ConnectionError):
            log.exception("Error Processing HTTP/REST request from %s", client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpServer
    # One write an answer: headers and body leave in one packet.
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _answer(self) -> None:
        body = self._body()
        try:
            if self.headers.get("Content-Encoding", "").lower() == "gzip":
                body = gzip.decompress(body)
            with self.server.gate:
                answer = self.server.api.handle(self.command, self.path, body)
        except (OSError, EOFError, zlib.error):
            answer = Answer(400, error_body("Request body is not valid gzip data."))
        except Exception as error:
            # A mistake in here is the server's, and no reason to hang up.
            log.exception("Error Processing HTTP/REST request: %s %s", self.command, self.path)
            answer = Answer(500, error_body(f"{type(error).__name__}: {error}"))
        data = answer.body.encode("utf-8", errors="surrogateescape")
        self.send_response_only(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Date", self.date_time_string())
        for name, value in (answer.headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                continue
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """TF Serving does not log requests."""
