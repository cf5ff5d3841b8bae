"""An API server with so many pods (first argument) in which something is always going on; prints its port.

Objects are as large as real ones (managed fields and all), changes as many as in a busy cluster.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PODS = int(sys.argv[1])
CHANGE_SECONDS, HPA_SECONDS, NODE_SECONDS = 10.0, 15.0, 10.0
VERSIONS = itertools.count(1000)
BUCKETS = "\n".join(
    f':tensorflow:serving:request_latency_bucket{{model_name="m",API="predict",le="{2.0**power}"}} {power * 1000}'
    for power in range(120)
)
METRICS = f'{BUCKETS}\n:tensorflow:serving:request_count{{model_name="m",status="OK"}} %d\n'


def metadata(name: str, **more: Any) -> dict[str, Any]:
    fields = {f"f:field-{number}": {"f:value": {}} for number in range(60)}
    return {
        "name": name, "uid": f"uid-{name}", "resourceVersion": str(next(VERSIONS)), "namespace": "n",
        "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": "m"},
        "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": fields}], **more,
    }  # fmt: skip


def moment() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def conditions(*kinds: str) -> list[dict[str, str]]:
    return [{"type": kind, "status": "True", "lastTransitionTime": moment()} for kind in kinds]


def pod(number: int) -> dict[str, Any]:
    variables = [{"name": f"VARIABLE_{index}", "value": "v" * 30} for index in range(20)]
    return {
        "kind": "Pod", "apiVersion": "v1", "metadata": metadata(f"p{number:03}"),
        "spec": {"nodeName": f"n{number // 10}", "containers": [{"name": "c", "image": "i", "env": variables}]},
        "status": {
            "phase": "Running", "conditions": conditions("PodScheduled", "Initialized", "ContainersReady", "Ready"),
            "containerStatuses": [{"name": "c", "state": {"running": {"startedAt": moment()}}}],
        },
    }  # fmt: skip


def node(number: int) -> dict[str, Any]:
    images = [{"names": [f"registry/image-{index}@sha256:{'0' * 64}"], "sizeBytes": 1} for index in range(30)]
    status = {"conditions": conditions("Ready"), "images": images}
    return {"kind": "Node", "metadata": metadata(f"n{number}"), "spec": {}, "status": status}


def event(number: int) -> dict[str, Any]:
    about = {"kind": "Pod", "name": f"p{number % PODS:03}"}
    made = metadata(f"e{next(VERSIONS)}")
    return {
        "metadata": made,
        "reason": "Unhealthy",
        "message": "m" * 200,
        "involvedObject": about,
        "lastTimestamp": moment(),
    }


def hpa(number: int) -> dict[str, Any]:
    usage = {"containerResource": {"name": "cpu", "current": {"averageUtilization": 50 + number % 9}}}
    spec = {"minReplicas": 1, "maxReplicas": PODS, "metrics": []}
    status = {"currentReplicas": PODS, "desiredReplicas": PODS, "currentMetrics": [usage]}
    return {"metadata": metadata("m"), "spec": spec, "status": status}


def deployment(number: int) -> dict[str, Any]:
    return {
        "metadata": metadata("m"),
        "spec": {"replicas": PODS},
        "status": {"readyReplicas": PODS - number % 2},
    }


# plural: (how one is made, how many there are, seconds between two changes)
KINDS = {
    "pods": (pod, PODS, CHANGE_SECONDS / PODS), "nodes": (node, PODS // 10, NODE_SECONDS / (PODS // 10)),
    "events": (event, PODS, CHANGE_SECONDS / PODS), "horizontalpodautoscalers": (hpa, 1, HPA_SECONDS),
    "deployments": (deployment, 1, CHANGE_SECONDS / PODS),
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if "/proxy/" in url.path:
            self._say((METRICS % (time.time() * 7)).encode())
        elif "watch=true" in url.query:
            self._watch(url.path.rsplit("/", 1)[1])
        else:
            make, count, _ = KINDS[url.path.rsplit("/", 1)[1]]
            items = [make(number) for number in range(count)]
            self._say(json.dumps({"metadata": {"resourceVersion": "1"}, "items": items}).encode())

    def _say(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _watch(self, plural: str) -> None:
        make, count, pause = KINDS[plural]
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in itertools.count():
            time.sleep(pause)
            # What is seen once counts in the objects' own numbers, what changes in those of the changes.
            item = make(number % count if plural in ("pods", "nodes") else number)
            line = json.dumps({"type": "MODIFIED", "object": item}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

    def log_message(self, *_: Any) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
