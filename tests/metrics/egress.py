"""What is beside the API server on loopback: the way to the APIs that it asks, and the one that tells CPU."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from typing import Any

from sandbox.kube.pki import KeyPair

Json = dict[str, Any]


@contextmanager
def way_to(ports: Mapping[str, int], socket_file: Path) -> Iterator[None]:
    """An HTTP proxy on a socket: the address that it is asked for is a port of loopback, if anybody is there."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            head = self.rfile.readline().split()
            while self.rfile.readline().strip():
                pass
            try:
                there = socket.create_connection(("127.0.0.1", ports[head[1].decode()]), timeout=5)
            except (KeyError, OSError):
                self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            with there:
                _pass_on(self.connection, there)

    class Server(ThreadingUnixStreamServer):
        daemon_threads = True
        request_queue_size = 64

    with Server(str(socket_file), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        yield
        server.shutdown()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    to = {one: other, other: one}
    with contextlib.suppress(OSError):  # whoever goes first
        while True:
            for ready in select.select(list(to), [], [], 60)[0]:
                content = ready.recv(65536)
                if not content:
                    return
                to[ready].sendall(content)


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    yield
    server.shutdown()
    server.server_close()


def metrics_api(
    pods: Callable[[], list[Json]], cpu: Callable[[], int], pair: KeyPair, port: int
) -> ThreadingHTTPServer:
    """metrics.k8s.io: these pods' containers use so many mCPU together."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            there = pods() if "/pods" in self.path else []
            usage = {"cpu": f"{cpu() * 1000 // max(len(there), 1)}u", "memory": "100Mi"}
            items = [
                {
                    "metadata": {key: pod["metadata"][key] for key in ("name", "namespace", "labels")},
                    "timestamp": now, "window": "15s", "containers": [{"name": "tfserving", "usage": usage}],
                }
                for pod in there
            ]  # fmt: skip
            kind = {"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1"}
            body = json.dumps({**kind, "metadata": {}, "items": items}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server
