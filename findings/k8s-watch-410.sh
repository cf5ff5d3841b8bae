#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# The Kubernetes Python client's Watch without a resource version ends in silence when its start has expired.
#
# Good guess:   "410 Gone" is retried once and then raised as an ApiException, as the documentation of stream() says.
# What happens: that is so with resource_version=. Without it the 410 that arrives as an event of type ERROR ends the for
#               loop after one request: no event and no exception, as if there were nothing to watch.
# Seen with:    kubernetes 37.0.2.
# Matters when: what watches pods or an autoscaler goes on with "nothing has changed" although it no longer looks.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile kubernetes==37.0.2 || exit 2
timeout 120 "$work/bin/python" - <<'PY'
import json, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from kubernetes import client, watch

requests = []
gone = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old resource version"}


class Api(BaseHTTPRequestHandler):
    """Each watch begins with what an API server says of a resource version that it no longer has."""

    def do_GET(self):
        requests.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
pods = client.CoreV1Api(client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{server.server_port}")))
print("kubernetes", version("kubernetes"))
seen = []
for options in ({"resource_version": "5"}, {}):
    requests.clear()
    try:
        events = list(watch.Watch().stream(pods.list_namespaced_pod, "default", **options))
        end = f"the loop ends with {len(events)} events"
    except client.ApiException as error:
        end = f"ApiException {error.status} {error.reason}"
    seen.append((len(requests), end))
    print(f"stream({options}): {len(requests)} requests, {end}")
sys.exit(0 if seen[0][1].startswith("ApiException 410") and seen[1] == (1, "the loop ends with 0 events") else "CHANGED")
PY
