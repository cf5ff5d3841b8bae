#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# kubernetes.core.k8s_info with wait: true and a selector that matches nothing waits to the end, and succeeds.
#
# Good guess:   a selector that matches nothing is an empty list, and the answer comes at once; or the task fails after
#               wait_timeout, as it does for an object that never gets the condition.
# What happens: the module asks again and again for the whole wait_timeout and then succeeds with resources: [].
# Seen with:    kubernetes.core 6.2.0 (of the package ansible 12.3.0), ansible-core 2.19.14, kubernetes 37.0.2.
# Matters when: a role waits "until the pods with this label are ready": a mistyped label makes it slow and green.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile ansible-core==2.19.14 kubernetes==37.0.2 || exit 2
"$work/bin/pip" download --quiet --no-deps ansible==12.3.0 || exit 2
unzip -q ansible-12.3.0-*.whl 'ansible_collections/kubernetes/core/*'
cat > play.yml <<'YAML'
- hosts: localhost
  gather_facts: false
  module_defaults:
    kubernetes.core.k8s_info: {host: "http://127.0.0.1:{{ port }}", api_key: none, kind: Pod, namespace: models, wait: true, wait_timeout: 6, wait_sleep: 1}
  tasks:
    - {kubernetes.core.k8s_info: {label_selectors: [app=mistyped]}, register: nothing, ignore_errors: true}
    - {kubernetes.core.k8s_info: {label_selectors: [app=there]}, register: never_ready, ignore_errors: true}
    - copy:
        dest: "{{ playbook_dir }}/results"
        content: "{{ {'failed': [nothing.failed, never_ready.failed], 'resources': nothing.resources | default(none)} | to_json }}"
YAML
cat > api.py <<'PY'
import json, os, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

groups = {"kind": "APIGroupList", "apiVersion": "v1", "groups": []}
verbs = {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get", "list", "watch"]}
pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "one", "namespace": "models"}, "status": {"phase": "Pending"}}
fixed = {
    "/version": {"major": "1", "minor": "34"},
    "/apis": groups,
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [verbs]},
}
lists = {"app=mistyped": [], "app=there": []}


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        answer = fixed.get(url.path)
        if answer is None:
            selector = parse_qs(url.query).get("labelSelector", [""])[0]
            lists.setdefault(selector, []).append(1)
            answer = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod] * (selector != "app=mistyped")}
        body = answer if url.path != "/api/v1/namespaces/models/pods/one" else pod
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
done = subprocess.run(["bin/ansible-playbook", "play.yml", "-e", f"port={server.server_port}", "-e", f"ansible_python_interpreter={sys.executable}"], capture_output=True, text=True)
if not os.path.exists("results"):
    sys.exit(done.stdout + done.stderr)
results = json.load(open("results"))
asked = len(lists["app=mistyped"])
print(f"nothing matches: asked {asked} times in 6 s, failed: {results['failed'][0]}, resources: {results['resources']}")
print(f"a pod that is never ready: failed: {results['failed'][1]}")
sys.exit(0 if asked > 2 and results == {"failed": [False, True], "resources": []} else "CHANGED")
PY
export ANSIBLE_COLLECTIONS_PATH="$work" ANSIBLE_HOME="$work/home" ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false
bin/ansible --version | sed -n 1p
timeout 300 bin/python api.py
