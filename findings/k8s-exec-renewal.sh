#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# The Kubernetes Python client never renews an exec plugin's certificate, and may renew its token at each request.
#
# Good guess:   what the plugin gives is kept until its expirationTimestamp, and then the plugin is run again.
# What happens: a certificate is kept for the life of the client, however long ago it expired. A token that is good for
#               less than five minutes is fetched anew before every request.
# Seen with:    kubernetes 37.0.2.
# Matters when: a run is longer than its certificate, or the plugin is slow and gives short tokens.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile kubernetes==37.0.2 || exit 2
timeout 120 "$work/bin/python" - "$work" <<'PY'
import json, sys, threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

from kubernetes import client, config

work = Path(sys.argv[1])


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []}')

    def log_message(self, *args):
        pass


def runs(minutes, status):
    """Of the plugin: when the kubeconfig is loaded, and in five requests after that."""
    expiry = f"{datetime.now(timezone.utc) + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    (work / "answer.json").write_text(json.dumps({**credential, "status": {**status, "expirationTimestamp": expiry}}))
    (work / "runs").write_text("")
    script = f"echo run >> {work}/runs; cat {work}/answer.json"
    plugin = {"apiVersion": credential["apiVersion"], "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}
    named = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {"exec": plugin}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    pods = client.CoreV1Api(config.new_client_from_config_dict(named))
    loading = len((work / "runs").read_text().split())
    for _ in range(5):
        pods.list_namespaced_pod("default")
    return loading, len((work / "runs").read_text().split()) - loading


server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
certificate = dict.fromkeys(("clientCertificateData", "clientKeyData"), "PEM")
print("kubernetes", version("kubernetes"))
seen = []
for name, minutes, status in (("certificate", -1, certificate), ("token", 4, {"token": "t"}), ("token", 10, {"token": "t"})):
    seen.append(runs(minutes, status))
    print(f"{name} that expires in {minutes} minutes: the plugin runs {seen[-1][0]} times at loading, {seen[-1][1]} times in five requests")
sys.exit(0 if [later for _, later in seen] == [0, 5, 0] else "CHANGED")
PY
