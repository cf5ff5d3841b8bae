"""HAProxy with the role's configuration, on ports of its own, and model servers to put behind it."""

from __future__ import annotations

import http.client
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

HAPROXY = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
USUAL = {"rest": 8501, "grpc": 8500, "status": 8404}
SERVERS = {"rest": 18501, "grpc": 18500}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A model server by REST whose predictions wait until they are released; it remembers what it was asked."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked: list[tuple[str, str, bytes]] = []
        """Method, path and body of every request."""
        self.working = self.most = 0
        """Requests that it works on, and the most that it ever did at once."""
        lock, outer = threading.Lock(), self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                with lock:
                    outer.asked.append((self.command, self.path, self._body()))
                    outer.working += 1
                    outer.most = max(outer.most, outer.working)
                outer.released.wait(20)
                with lock:
                    outer.working -= 1
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_OPTIONS = do_POST

            def _body(self) -> bytes:
                if self.headers["Transfer-Encoding"]:
                    parts = iter(lambda: self.rfile.read(int(self.rfile.readline(), 16) + 2)[:-2], b"")
                    return b"".join(parts)
                return self.rfile.read(int(self.headers["Content-Length"] or 0))

            def log_message(self, *_: Any) -> None:
                return

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()


class Calls(grpc.GenericRpcHandler):
    """A model server by gRPC that has every method, echoes what it is asked once it is released, and counts."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked = self.working = self.most = 0
        self._lock = threading.Lock()

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        with self._lock:
            self.asked += 1
            self.working += 1
            self.most = max(self.most, self.working)
        self.released.wait(20)
        with self._lock:
            self.working -= 1
        return request


@contextmanager
def answering() -> Iterator[tuple[Calls, int]]:
    """Such a server, and its port."""
    handler = Calls()
    server = grpc.server(ThreadPoolExecutor(16), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield handler, port
    finally:
        handler.released.set()
        server.stop(None).wait()


@contextmanager
def proxy(folder: Path, text: str, **places: int) -> Iterator[dict[str, int]]:
    """HAProxy with the configuration, on ports of its own; ``places``: those of a model server, by their usual ones."""
    assert HAPROXY, "no haproxy: run tools/setup, or apt-get install haproxy"
    ports = {"rest": free_port(), "grpc": free_port(), "status": free_port()}
    changes = {f"bind :{usual}": f"bind 127.0.0.1:{ports[name]}" for name, usual in USUAL.items()}
    changes |= {f"127.0.0.1:{SERVERS[name]}": f"127.0.0.1:{port}" for name, port in places.items()}
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "haproxy.cfg").write_text(text)
    process = subprocess.Popen([HAPROXY, "-db", "-f", str(folder / "haproxy.cfg")], stdout=subprocess.DEVNULL)
    until(lambda: metrics(ports["status"]) is not None)
    try:
        yield ports
    finally:
        process.kill()
        process.wait()


def metrics(port: int, path: str = "/metrics") -> str | None:
    """What the proxy tells of itself; None while it does not listen."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except ConnectionError:
        return None
    finally:
        connection.close()


def until(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not seen():
        assert time.monotonic() < deadline, "not seen in 20 s"
        time.sleep(0.02)
