"""An API server on loopback with nothing in it but a way to Locust's master."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

import requests
from loopback import QuietServer


class FakeKube:
    """Lists are empty, watches say nothing; what is behind ``/proxy`` goes to the master."""

    def __init__(self, web_port: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer("GET", None)

            def do_POST(self) -> None:
                self._answer("POST", self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def _answer(self, method: str, body: bytes | None) -> None:
                if "/proxy/" in self.path:
                    url = f"http://127.0.0.1:{web_port}/{self.path.split('/proxy/', 1)[1]}"
                    kind = {"Content-Type": self.headers.get("Content-Type") or ""}
                    try:
                        answer = requests.request(method, url, data=body, headers=kind, timeout=20)
                        self._say(answer.status_code, answer.content)
                    except requests.RequestException as error:
                        self._say(503, str(error).encode())
                elif "watch=true" in urlsplit(self.path).query:
                    time.sleep(0.5)
                    self._say(200, b"")
                else:
                    self._say(200, json.dumps({"metadata": {"resourceVersion": "1"}, "items": []}).encode())

            def _say(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{self._server.server_port}"
        self.kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
