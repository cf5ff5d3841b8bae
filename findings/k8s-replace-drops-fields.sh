#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# An older Kubernetes Python client that reads an object and writes it back removes what it does not know.
#
# Good guess:   a field that is newer than the client is carried along, or the client says that it does not know it.
# What happens: it is dropped while reading, in silence, and replace_...() sends the object without it.
# Seen with:    kubernetes 31.0.0, which does not know the HPA's tolerance.
# Matters when: a script raises maxReplicas of an autoscaler that somebody gave a tolerance.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile kubernetes==31.0.0 || exit 2
timeout 120 "$work/bin/python" - <<'PY'
import json, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from kubernetes import client

hpa = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "model", "namespace": "models", "resourceVersion": "7"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "model"},
        "maxReplicas": 4,
        "behavior": {"scaleUp": {"tolerance": "500m", "stabilizationWindowSeconds": 30}},
    },
}
sent = []


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(hpa).encode())

    def do_PUT(self):
        sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.do_GET()

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
api = client.AutoscalingV2Api(client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{server.server_port}")))
known = api.read_namespaced_horizontal_pod_autoscaler("model", "models")
known.spec.max_replicas = 6
api.replace_namespaced_horizontal_pod_autoscaler("model", "models", known)
print("kubernetes", version("kubernetes"))
print("read:    ", hpa["spec"]["behavior"]["scaleUp"])
print("replaced:", sent[0]["spec"]["behavior"]["scaleUp"])
sys.exit(0 if sent[0]["spec"]["behavior"]["scaleUp"] == {"stabilizationWindowSeconds": 30} else "CHANGED")
PY
