"""An API server on the loopback with pods that serve models, asked by the module's real clients.

Knows what the module needs of Kubernetes' API: pods by selector and name, a Deployment, the REST proxy, and the
port forward (WebSocket, v4.channel.k8s.io: two channels a port, each begun by the port's number). What a pod
answers is set by the test; the shapes and errors are TF Serving's.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from websocket._abnf import ABNF, frame_buffer

Json = dict[str, Any]
Ask = Callable[..., dict[str, Any]]
Predict = Callable[[Json], Any]


@dataclass
class Pod:
    """A pod and its model server: states by model and version, labels, answers by model and version."""

    name: str
    versions: dict[str, dict[str, str]] = field(default_factory=lambda: {"m": {"3": "AVAILABLE"}})
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    predict: Predict = lambda body: [[0.25, 0.75]]
    ready: bool = True
    grpc_port: int = 0
    gone_after: int | None = None

    def as_object(self) -> Json:
        ready = {"type": "Ready", "status": str(self.ready)}
        return {
            "metadata": {
                "name": self.name,
                "namespace": "ns",
                "uid": f"uid-{self.name}",
                "labels": {"app": "w"},
            },
            "spec": {"nodeName": "n1", "containers": [{"name": "m"}]},
            "status": {"phase": "Running", "conditions": [ready]},
        }


class Cluster:
    """The pods, and every request that was made."""

    def __init__(self, *pods: Pod) -> None:
        self.pods = {pod.name: pod for pod in pods}
        self.requests: list[tuple[str, str]] = []
        self.url = ""

    @property
    def kubeconfig(self) -> Json:
        name, user = "cluster-of-the-test", "user-of-the-test"
        return {
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": self.url}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
            "users": [{"name": user, "user": {"token": "secret-token"}}],
        }  # fmt: skip

    @contextmanager
    def served(self) -> Iterator[Cluster]:
        handler = type("Handler", (_Handler,), {"cluster": self})
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

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        if path == "/apis/apps/v1/namespaces/ns/deployments/w":
            return 200, {"metadata": {"name": "w"}, "spec": {"selector": {"matchLabels": {"app": "w"}}}}
        if path == "/api/v1/namespaces/ns/pods":
            found = list(self.pods.values()) if query.get("labelSelector") == ["app=w"] else []
            return 200, {"metadata": {"resourceVersion": "1"}, "items": [pod.as_object() for pod in found]}
        named = re.fullmatch(r"/api/v1/namespaces/ns/pods/([^/:]+)(?::(\d+)/proxy(/.*))?", path)
        pod = self.pods.get(named.group(1)) if named else None
        if named is None or pod is None:
            return 404, {"kind": "Status", "reason": "NotFound", "message": "not found", "code": 404}
        if named.group(3) is None:
            return 200, pod.as_object()
        gone = pod.gone_after == 0
        if gone:
            del self.pods[pod.name]
        elif pod.gone_after is not None:
            pod.gone_after -= 1
        if named.group(2) != "8501" or gone:
            message = "error trying to reach service: dial tcp 10.0.0.1:1: connect: connection refused"
            return 503, {"kind": "Status", "reason": "ServiceUnavailable", "message": message, "code": 503}
        return _model_server(pod, method, unquote(named.group(3)), body)


def _model_server(pod: Pod, method: str, path: str, body: bytes) -> tuple[int, Any]:
    """TF Serving's REST API."""
    asked = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(:predict)?", path)
    if asked is None or (method == "POST") != bool(asked.group(4)):
        return 400, {"error": f"Malformed request: {method} {path}"}
    model, version, label, predict = asked.groups()
    states = pod.versions.get(model, {})
    if label is not None:
        version = pod.labels.get(model, {}).get(label)
        if version is None:
            return 400, {"error": f"Unrecognized servable version label: {label}"}
    if not predict:
        shown = {v: s for v, s in states.items() if version in (None, v)}
        if not shown:
            return 404, {"error": f"Could not find any versions of model {model}"}
        status = {"error_code": "OK", "error_message": ""}
        return 200, {
            "model_version_status": [{"version": v, "state": s, "status": status} for v, s in shown.items()]
        }
    if version is None:
        version = max(states, default=None)
    if version is None or states.get(version) != "AVAILABLE":
        return 404, {"error": f"Servable not found for request: Specific({model}, {version})"}
    request = json.loads(body)
    answer = pod.predict({**request, "model": model, "version": version})
    if isinstance(answer, tuple):
        return answer
    return 200, {"predictions" if "instances" in request else "outputs": answer}


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self._port_forward(url.path, int(parse_qs(url.query)["ports"][0]))
            return
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, method: str) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.cluster.requests.append((method, url.path))
        status, answer = self.cluster.answer(method, url.path, parse_qs(url.query), body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _port_forward(self, path: str, port: int) -> None:
        """As a kubelet's: https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/server/portforward"""
        pod = self.cluster.pods.get(path.split("/")[-2])
        self.cluster.requests.append(("FORWARD", path))
        self.close_connection = True
        if pod is None or "v4.channel.k8s.io" not in self.headers["Sec-WebSocket-Protocol"]:
            self.send_error(404)
            return
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header(
            "Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        )
        self.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
        self.end_headers()
        self.wfile.flush()
        number = port.to_bytes(2, "little")
        self._frame(b"\x00" + number)
        self._frame(b"\x01" + number)
        try:
            inside = socket.create_connection(("127.0.0.1", pod.grpc_port))
        except OSError as error:
            self._frame(b"\x01" + f"error forwarding port {port} to pod: {error}".encode())
            return
        with inside, contextlib.suppress(OSError):
            self._forward(inside)

    def _forward(self, inside: socket.socket) -> None:
        frames = frame_buffer(self.connection.recv, skip_utf8_validation=True)
        while True:
            for source in select.select([self.connection, inside], [], [])[0]:
                if source is inside:
                    data = inside.recv(65536)
                    if not data:
                        return
                    self._frame(b"\x00" + data)
                    continue
                frame = frames.recv_frame()
                if frame.opcode == ABNF.OPCODE_CLOSE:
                    return
                assert frame.data[0] == 0, "only the data channel is written to"
                inside.sendall(frame.data[1:])

    def _frame(self, data: bytes) -> None:
        self.connection.sendall(ABNF(1, 0, 0, 0, ABNF.OPCODE_BINARY, 0, data).format())
