"""The metadata server of GKE's nodes (169.254.169.254), as pods with Workload Identity see it.

It listens inside each node's network and tells a pod by its source address. A pod gets tokens of the Google service
account that its Kubernetes service account is annotated with, of the Kubernetes service account itself where there is
no annotation, and of the node's service account where the cluster has no Workload Identity or the pod shares the
node's network. Whether the Google account lets the Kubernetes one act for it is not checked.
Contract: https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..google.projects import project_number, workload_identity
from ..google.tokens import ACCOUNT, PROJECT, Tokens

ADDRESS = ("169.254.169.254", 80)
DELAY_VARIABLE = "MLOPS_TFSERVING_SANDBOX_METADATA_DELAY"
EDITOR_VARIABLE = "MLOPS_TFSERVING_SANDBOX_EDITOR_GRANT"
ANNOTATION = "iam.gke.io/gcp-service-account"
_CLONE_NEWNET = 0x40000000
_ACCOUNTS = "/computeMetadata/v1/instance/service-accounts/"
_POOL = re.compile(r"principal://.*/workloadIdentityPools/([^/]+)/subject/.*")


@dataclass(frozen=True)
class Workload:
    """A pod that asks. ``google_account``: its service account's annotation, empty without one."""

    namespace: str
    account: str
    google_account: str = ""
    workload_identity: bool = True
    host_network: bool = False
    uid: str = ""


FindWorkload = Callable[[str], Workload | None]
"""The workload at an address of the node's network."""


def node_account(project: str) -> str:
    """The account of nodes that were given none of their own: Compute Engine's default."""
    return f"{project_number(project)}-compute@developer.gserviceaccount.com"


def identity_of(workload: Workload) -> str:
    """Whom a workload's token names."""
    if workload.host_network or not workload.workload_identity:
        return node_account(PROJECT)
    if workload.google_account:
        return workload.google_account
    return workload_identity(PROJECT, workload.namespace, workload.account)


def workload_of(
    pod: dict[str, Any], account: dict[str, Any], *, has_workload_identity: bool = True
) -> Workload:
    """``pod`` and ``account``: the Pod and its ServiceAccount as Kubernetes has them."""
    return Workload(
        namespace=pod["metadata"]["namespace"],
        account=pod["spec"].get("serviceAccountName", "default"),
        google_account=account.get("metadata", {}).get("annotations", {}).get(ANNOTATION, ""),
        workload_identity=has_workload_identity,
        host_network=pod["spec"].get("hostNetwork", False),
        uid=pod["metadata"].get("uid", ""),
    )


def answer(path: str, identity: str, tokens: Tokens) -> str | None:
    """The text at a path of the metadata server for a pod with this identity; None: nothing is there."""
    path, _, query = path.partition("?")
    # A Kubernetes service account has no address of its own: its pool stands for it.
    match = _POOL.fullmatch(identity)
    email = match[1] if match else identity
    fixed = {
        "/": "computeMetadata/\n",
        "/computeMetadata/v1/project/project-id": PROJECT,
        "/computeMetadata/v1/project/numeric-project-id": project_number(PROJECT),
        _ACCOUNTS: f"default/\n{email}/\n",
    }
    if path in fixed:
        return fixed[path]
    account, _, what = path.removeprefix(_ACCOUNTS).partition("/")
    if not path.startswith(_ACCOUNTS) or account not in ("default", email):
        return None
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    if what == "token":
        if email == ACCOUNT:
            # On Google a pod needs a grant on the account that it names; on the project's owner it gets none.
            return None
        return json.dumps(tokens.issue(identity))
    if what == "" and "recursive=true" in query:
        return json.dumps({"aliases": ["default"], "email": email, "scopes": scopes})
    return {
        "": "aliases\nemail\nscopes\ntoken\n",
        "email": email,
        "scopes": "\n".join(scopes) + "\n",
        "aliases": "default\n",
    }.get(what)


class MetadataServer:
    """The listeners of all nodes.

    ``delay_seconds``: for so long after a pod's first request its requests are not answered, as happens on GKE while
    the node's metadata server does not know the new pod yet. ``now``: seconds, of any clock that never goes back.
    """

    def __init__(
        self, tokens: Tokens, delay_seconds: float = 0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._tokens = tokens
        self._delay_seconds = delay_seconds
        self._now = now
        self._first_seen: dict[str, float] = {}
        self._servers: dict[str, ThreadingHTTPServer] = {}

    def listen_in(self, node: str, namespace: Path, find: FindWorkload) -> None:
        """Starts answering inside a node's network namespace."""
        self.listen_on(node, _socket_in(namespace), find)

    def listen_on(self, node: str, listener: socket.socket, find: FindWorkload) -> None:
        server = _server(listener, self, find)
        self._servers[node] = server
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def is_ready_for(self, workload: Workload) -> bool:
        """Whether the workload is known by now."""
        now = self._now()
        return now - self._first_seen.setdefault(workload.uid, now) >= self._delay_seconds

    def answer(self, path: str, workload: Workload) -> str | None:
        return answer(path, identity_of(workload), self._tokens)

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


def _server(listener: socket.socket, metadata: MetadataServer, find: FindWorkload) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Metadata-Flavor") != "Google":
                self._reply(403, "Missing Metadata-Flavor:Google header.")
                return
            workload = find(self.client_address[0])
            if workload is not None and not metadata.is_ready_for(workload):
                self._reset()
                return
            text = metadata.answer(self.path, workload) if workload else None
            if text is None:
                self._reply(404, "Not Found")
            else:
                self._reply(200, text)

        def _reset(self) -> None:
            """Ends the connection without an answer."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

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
