"""A cloud on a loopback port that does what is hard on a module: it repeats secrets, warns, and takes its time.

It is Kubernetes' API and Google's in one. Namespaces are called by the token of who asks, so that a credential plugin of
a kubeconfig can tell in which process it was started.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


class Cloud(ThreadingHTTPServer):
    """``seen``: method and path of every request. Deployment of N replicas: dN, done at the second look."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[str] = []
        self.looks: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str, path: str, credentials: str) -> tuple[int, Json]:
        self.seen.append(f"{method} {path}")
        last = path.rpartition("/")[2]
        if path.startswith("/storage/v1/b/echo") or last == "echo":
            words = f"you sent {credentials}"
            return 400, {"reason": "BadRequest", "message": words, "error": {"code": 400, "message": words}}
        if path == "/api/v1":
            return 200, {"resources": [{"name": "namespaces", "kind": "Namespace", "namespaced": False}]}
        if path == "/api/v1/namespaces":
            return 200, {
                "items": [{"metadata": {"name": credentials.removeprefix("Bearer ")}}],
                "metadata": {"resourceVersion": "1"},
            }
        if path == "/storage/v1/b":
            return 200, {
                "kind": "storage#buckets",
                "items": [{"name": "models-true"}, {"name": "models-false"}],
            }
        if path.startswith("/storage/v1/b/"):
            return (
                (204, {})
                if method == "DELETE"
                else (
                    200,
                    {"kind": "storage#objects"} if last == "o" else {"kind": "storage#bucket", "name": last},
                )
            )
        if "/clusters/" in path:
            return 200, {"name": last, "status": "DEGRADED", "statusMessage": "the network is full"}
        if "/deployments/" in path:
            self.looks[path] += 1
            return 200, _deployment(last, int(last[1:]), done=self.looks[path] > 1)
        return 200, {"items": [], "metadata": {"resourceVersion": "1"}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Cloud

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        status, content = self.server.answer(self.command, path, self.headers.get("Authorization", ""))
        body = b"" if status == 204 else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_DELETE = do_PATCH = do_POST = _answer

    def log_message(self, *_: object) -> None:
        return


def _deployment(name: str, replicas: int, *, done: bool) -> Json:
    ready = replicas if done else 0
    counts = {
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": ready,
        "availableReplicas": ready,
    }
    return {
        "metadata": {"name": name, "uid": name, "generation": 1},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {"spec": {}}},
        "status": {"observedGeneration": 1, **counts},
    }  # fmt: skip


@contextmanager
def cloud() -> Iterator[Cloud]:
    with Cloud() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)
