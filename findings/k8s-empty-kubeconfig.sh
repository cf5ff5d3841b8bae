#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# kubernetes.core with kubeconfig: "" asks the cluster of ~/.kube/config.
#
# Good guess:   an option that is given counts: an empty path, as of a variable that was never filled, is a file that does
#               not exist, and the task fails as it does with any other path that leads nowhere.
# What happens: empty is as if it were left out: the module reads ~/.kube/config and asks the cluster of its current
#               context. A path that leads nowhere fails.
# Seen with:    kubernetes.core 6.2.0 (of the package ansible 12.3.0), ansible-core 2.19.14, kubernetes 37.0.2.
# Matters when: a play hands on a kubeconfig's path that an earlier task found, "" for no cluster: what should end, or do
#               nothing, is done to whichever cluster its user looked at last.

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
  tasks:
    - {kubernetes.core.k8s_info: {kind: Namespace, kubeconfig: ""}, register: empty, ignore_errors: true}
    - {kubernetes.core.k8s_info: {kind: Namespace, kubeconfig: /nowhere/config}, register: nowhere, ignore_errors: true}
    - copy:
        dest: "{{ playbook_dir }}/results"
        content: "{{ {'failed': [empty.failed, nowhere.failed], 'found': empty.resources | default([]) | map(attribute='metadata.name')} | to_json }}"
YAML
cat > api.py <<'PY'
import json, os, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

kinds = [{"name": "namespaces", "singularName": "namespace", "namespaced": False, "kind": "Namespace", "verbs": ["get", "list"]}]
answers = {
    "/version": {"major": "1", "minor": "34"},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": kinds},
    "/api/v1/namespaces": {"kind": "NamespaceList", "apiVersion": "v1", "metadata": {}, "items": [{"metadata": {"name": "of-the-home-folder"}}]},
}


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answers[self.path.partition("?")[0]]).encode())

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
home = Path("home")
(home / ".kube").mkdir(parents=True)
(home / ".kube/config").write_text(json.dumps({
    "apiVersion": "v1", "kind": "Config", "current-context": "c",
    "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}],
}))
environment = {name: value for name, value in os.environ.items() if not name.startswith(("K8S_AUTH", "KUBE"))}
done = subprocess.run(["bin/ansible-playbook", "play.yml", "-e", f"ansible_python_interpreter={sys.executable}"],
                      capture_output=True, text=True, env={**environment, "HOME": str(home.resolve())})
if not os.path.exists("results"):
    sys.exit(done.stdout + done.stderr)
results = json.load(open("results"))
print(f"kubeconfig '': failed: {results['failed'][0]}, found: {results['found']}")
print(f"kubeconfig /nowhere/config: failed: {results['failed'][1]}")
sys.exit(0 if results == {"failed": [False, True], "found": ["of-the-home-folder"]} else "CHANGED")
PY
export ANSIBLE_COLLECTIONS_PATH="$work" ANSIBLE_HOME="$work/home-of-ansible" ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false
bin/ansible --version | sed -n 1p
timeout 300 bin/python api.py
