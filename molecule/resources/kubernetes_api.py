"""A real API server and some of its controllers on loopback, for scenarios of roles. No root, no sandbox, no nodes.

    python molecule/resources/kubernetes_api.py FOLDER

Writes FOLDER/kubeconfig, and FOLDER/kubernetes_api.json (process) once it answers; and as it goes FOLDER/written.jsonl,
the API server's own record of what was written of ConfigMaps, Services and Jobs. Ends at SIGTERM, or by itself after a
while, whatever becomes of who started it.

What stands in: pods of Deployments are said to be ready although nothing runs, and the way to them, which the API
server's proxy takes, ends at a model server that answers every question with the version in the pod's annotation.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/loadtest")]

import conftest  # noqa: E402, F401 - makes the collection importable
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError  # noqa: E402
from api_server import ApiServer  # noqa: E402
from background import answer_until_ended, hold_signals, write  # noqa: E402

CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "job-controller",
    "namespace-controller",
    "garbage-collector-controller",
)
VERSION = "mlops.tfserving/model-version"
LOOK_SECONDS = 0.2

EGRESS = {"apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration"}
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "RequestResponse",
            "verbs": ["create", "patch", "update", "delete"],
            "namespaces": ["tfserving"],
            "resources": [
                {"group": "", "resources": ["configmaps", "services"]},
                {"group": "batch", "resources": ["jobs"]},
            ],
        },
        {"level": "None"},
    ],
}


def egress_to(socket: Path) -> dict[str, Any]:
    """Where the API server's proxy connects to, whatever the address of the pod."""
    way = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(socket)}}}
    return {"name": "cluster", "connection": way}


class Pods:
    """What scheduler and kubelets would write of a Deployment's pods; the version of each by its address."""

    def __init__(self, server: ApiServer) -> None:
        self._client = server.client
        self.versions: dict[str, str] = {}

    def follow(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_SECONDS):
            try:
                for pod in self._client.get("/api/v1/pods")["items"]:
                    if pod["status"]["phase"] == "Pending" and self._is_of_deployment(pod):
                        self._comes(pod)
            except KubeError as error:  # it went while it was written of, say
                print(error, file=sys.stderr, flush=True)

    @staticmethod
    def _is_of_deployment(pod: dict[str, Any]) -> bool:
        return any(owner["kind"] == "ReplicaSet" for owner in pod["metadata"].get("ownerReferences", []))

    def _comes(self, pod: dict[str, Any]) -> None:
        number = len(self.versions) + 1
        address = f"10.1.{number // 250}.{number % 250 + 1}"
        self.versions[address] = pod["metadata"].get("annotations", {}).get(VERSION, "")
        conditions = [
            {"type": kind, "status": "True"} for kind in ("Initialized", "ContainersReady", "Ready")
        ]
        meta = pod["metadata"]
        self._client.patch(
            f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/status",
            {
                "status": {
                    "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions
                }
            },
            content_type="application/strategic-merge-patch+json",
        )  # fmt: skip


@contextmanager
def way_to(pods: Pods, socket: Path) -> Iterator[None]:
    """The socket of ``egress_to``: the proxy says to which pod (CONNECT), then it speaks with its model server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        version = ""

        def do_CONNECT(self) -> None:
            self.version = pods.versions.get(self.path.partition(":")[0], "")
            self.send_response(200 if self.version else 502)
            self.end_headers()
            self.close_connection = not self.version

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer()

        def _answer(self) -> None:
            asked = re.search(r"/versions/(\d+)", self.path)
            if asked and asked[1] != self.version:
                self._say(404, {"error": f"Could not find version {asked[1]} of model"})
            elif self.path.endswith("/metadata"):
                inputs = {"x": {"dtype": "DT_STRING", "tensor_shape": {"dim": [{"size": "-1"}]}}}
                signatures = {"serving_preprocess": {"inputs": inputs}}
                self._say(200, {"metadata": {"signature_def": {"signature_def": signatures}}})
            elif self.command == "GET":
                state = {"version": self.version, "state": "AVAILABLE", "status": {"error_code": "OK"}}
                self._say(200, {"model_version_status": [state]})
            else:
                self._say(200, {"predictions": [int(self.version)]})

        def _say(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "kube-apiserver"  # a Unix socket's client has no address

    with ThreadingUnixStreamServer(str(socket), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        yield
        server.shutdown()


def serve(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        own = Path(temporary)
        write(own / "egress.json", EGRESS | {"egressSelections": [egress_to(own / "pods")]})
        write(own / "audit.json", AUDIT)
        server = ApiServer(
            own,
            f"--egress-selector-config-file={own / 'egress.json'}",
            f"--audit-policy-file={own / 'audit.json'}", f"--audit-log-path={folder / 'written.jsonl'}",
        )  # fmt: skip
        stop = threading.Event()
        try:
            pods = Pods(server)
            with way_to(pods, own / "pods"):
                server.start_controllers(*CONTROLLERS)
                threading.Thread(target=pods.follow, args=(stop,), daemon=True).start()
                write(folder / "kubeconfig", server.kubeconfig())
                answer_until_ended(folder / "kubernetes_api.json")
                stop.set()
        finally:
            server.close()


if __name__ == "__main__":
    hold_signals()
    serve(Path(sys.argv[1]))
