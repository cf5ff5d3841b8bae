"""The metadata server of GKE's nodes (169.254.169.254), as pods with Workload Identity see it.

It listens inside each node's network, tells a pod by its source address, and gives it a token of its
service account: ``PROJECT.svc.id.goog[NAMESPACE/NAME]``, or of the Google account that is annotated.
Contract: https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .gcs_store import project_number
from .tokens import PROJECT, Tokens

ADDRESS = ("169.254.169.254", 80)
_ANNOTATION = "iam.gke.io/gcp-service-account"
_CLONE_NEWNET = 0x40000000
_ACCOUNTS = "/computeMetadata/v1/instance/service-accounts/"
FindPod = Callable[[str], dict[str, Any] | None]


def answer(path: str, identity: str, tokens: Tokens) -> str | None:
    """The text at a path of the metadata server for a pod with this identity; None: nothing is there."""
    path = path.partition("?")[0]
    fixed = {
        "/": "computeMetadata/\n",
        "/computeMetadata/v1/project/project-id": PROJECT,
        "/computeMetadata/v1/project/numeric-project-id": project_number(PROJECT),
        _ACCOUNTS: f"default/\n{identity}/\n",
    }
    if path in fixed:
        return fixed[path]
    account, _, what = path.removeprefix(_ACCOUNTS).partition("/")
    if not path.startswith(_ACCOUNTS) or account not in ("default", identity):
        return None
    if what == "token":
        return json.dumps(tokens.issue(identity))
    return {
        "": "aliases\nemail\nscopes\ntoken\n",
        "email": identity,
        "scopes": "https://www.googleapis.com/auth/cloud-platform\n",
        "aliases": "default\n",
    }.get(what)


def identity_of(pod: dict[str, Any]) -> str:
    """Whom a pod's token names."""
    spec, metadata = pod["spec"], pod["metadata"]
    account = spec.get("serviceAccountName", "default")
    annotated = metadata.get("annotations", {}).get(_ANNOTATION)
    return str(annotated or f"{PROJECT}.svc.id.goog[{metadata['namespace']}/{account}]")


class MetadataServer:
    """The listeners of all nodes."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._servers: dict[str, ThreadingHTTPServer] = {}

    def listen_in(self, node: str, namespace: Path, find: FindPod) -> None:
        """Starts answering inside a node's network namespace."""
        server = _server(_socket_in(namespace), self._tokens, find)
        self._servers[node] = server
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def leave(self, node: str) -> None:
        server = self._servers.pop(node, None)
        if server is not None:
            server.shutdown()
            server.server_close()


def _socket_in(namespace: Path) -> socket.socket:
    """A socket belongs to the network namespace that its thread was in when it was made."""
    made: list[socket.socket | OSError] = []

    def make() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = os.open(namespace, os.O_RDONLY)
        try:
            if libc.setns(descriptor, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"can't enter {namespace}")
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(ADDRESS)
            listener.listen(64)
            made.append(listener)
        except OSError as error:
            made.append(error)
        finally:
            os.close(descriptor)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    result = made[0]
    if isinstance(result, OSError):
        raise result
    return result


def _server(listener: socket.socket, tokens: Tokens, find: FindPod) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Metadata-Flavor") != "Google":
                self._reply(403, "Missing Metadata-Flavor:Google header.")
                return
            pod = find(self.client_address[0])
            text = answer(self.path, identity_of(pod), tokens) if pod else None
            if text is None:
                self._reply(404, "Not Found")
            else:
                self._reply(200, text)

        def _reply(self, status: int, text: str) -> None:
            data = text.encode()
            kind = "application/json" if text.startswith("{") else "application/text"
            self.send_response(status)
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(ADDRESS, Handler, bind_and_activate=False)
    server.daemon_threads = True
    server.socket.close()
    server.socket = listener
    return server
