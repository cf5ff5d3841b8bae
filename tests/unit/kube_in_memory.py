"""An API server in memory: objects by their path, with resource versions, and lists with label selectors."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from sandbox.gcs.rules import merge

Json = dict[str, Any]
DISCOVERY: Json = {
    "/api/v1": {
        "resources": [
            {"name": "configmaps", "kind": "ConfigMap", "namespaced": True},
            {"name": "namespaces", "kind": "Namespace", "namespaced": False},
        ]
    },
    "/apis/autoscaling/v2": {
        "resources": [
            {"name": "horizontalpodautoscalers", "kind": "HorizontalPodAutoscaler", "namespaced": True}
        ]
    },
}
"""Kinds that are asked for by their names."""


class KubeInMemory:
    """``objects``: what there is. ``requests``: method and path of all that was asked."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.requests: list[tuple[str, str]] = []
        self._version = 0

    def put(self, path: str, body: Json | None = None, **metadata: Any) -> Json:
        """Makes or replaces an object as its last part is called."""
        self._version += 1
        found = dict(body or {})
        name = path.rpartition("/")[2]
        found["metadata"] = {
            **found.get("metadata", {}), **metadata, "name": name, "resourceVersion": str(self._version),
        }  # fmt: skip
        self.objects[path] = found
        return found

    def names(self) -> set[str]:
        """RESOURCE/NAME of all there is, but for the Lease that a run gives back a moment after its end."""
        return {"/".join(path.split("/")[-2:]) for path in self.objects if "/leases/" not in path}

    def answer(self, method: str, target: str, body: Json | None) -> tuple[int, Json]:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        self.requests.append((method, path))
        if method == "GET" and path in DISCOVERY:
            return 200, DISCOVERY[path]
        found = self.objects.get(path)
        if method == "POST":
            path = f"{path}/{(body or {})['metadata']['name']}"
            return (
                _refused(409, "AlreadyExists", path) if path in self.objects else (201, self.put(path, body))
            )
        if found is None:
            listed = self._listed(path, query)
            return (200, listed) if method == "GET" and listed else _refused(404, "NotFound", path)
        if method == "PATCH":
            wanted = (body or {}).get("metadata", {}).get("resourceVersion")
            if wanted and wanted != found["metadata"]["resourceVersion"]:
                return _refused(409, "Conflict", path)
            return 200, self.put(path, merge(found, body or {}))
        if method == "DELETE":
            wanted = ((body or {}).get("preconditions") or {}).get("resourceVersion")
            if wanted and wanted != found["metadata"]["resourceVersion"]:
                return _refused(409, "Conflict", path)
            for gone in [p for p in self.objects if p == path or f"/{path.split('/v1/')[-1]}/" in p]:
                del self.objects[gone]
        return 200, found

    def _listed(self, path: str, query: dict[str, list[str]]) -> Json | None:
        if not path.rpartition("/")[2].endswith("s"):
            return None
        wanted = [
            pair.partition("=") for pair in query.get("labelSelector", [""])[0].split(",") if "=" in pair
        ]
        items = [
            item
            for at, item in self.objects.items()
            if at.rpartition("/")[0] == path
            and all(
                ((item["metadata"].get("labels") or {}).get(key.removesuffix("!")) == value)
                is not key.endswith("!")
                for key, _, value in wanted
            )
        ]
        return {"items": items, "metadata": {"resourceVersion": str(self._version)}}

    @contextmanager
    def served(self, folder: Path) -> Iterator[Path]:
        """By HTTP on loopback; a kubeconfig for it."""
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, answer = world.answer(self.command, self.path, body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_PATCH = do_DELETE = do_GET

            def log_message(self, *_: Any) -> None:
                return

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=http.serve_forever, daemon=True).start()
        file = folder / "kubeconfig"
        file.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{http.server_port}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }))  # fmt: skip
        try:
            yield file
        finally:
            http.shutdown()
            http.server_close()


def _refused(status: int, reason: str, path: str) -> tuple[int, Json]:
    return status, {
        "kind": "Status",
        "status": "Failure",
        "code": status,
        "reason": reason,
        "message": f"{path}: {reason}",
    }
