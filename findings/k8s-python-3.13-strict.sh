#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# On Python 3.13 the Kubernetes client refuses a cluster whose certificate authority has no key usage extension.
#
# Good guess:   whether a kubeconfig works depends on what is in it and on the client's version, not on Python's.
# What happens: since 3.13 Python's default TLS context checks certificates strictly (VERIFY_X509_STRICT). An authority
#               without key usage ends in CERTIFICATE_VERIFY_FAILED; with that flag taken away, as in 3.12, it works.
# Seen with:    kubernetes 37.0.2, Python 3.13.0 (python3.13 has to be on PATH).
# Matters when: an execution environment moves to a newer Python: the message sounds as if the authority were wrong.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
python3.13 --version || exit 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.13 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile kubernetes==37.0.2 || exit 2
# An authority without key usage, and a server certificate of it that lacks nothing.
cd "$work"
printf '[req]\ndistinguished_name=n\n[n]\n[ca]\nbasicConstraints=critical,CA:true\nsubjectKeyIdentifier=hash\n' > ca.cnf
printf 'subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\nkeyUsage=digitalSignature\n' > server.ext
openssl req -x509 -newkey rsa:2048 -nodes -config ca.cnf -extensions ca -subj /CN=authority -keyout ca.key -out ca.crt 2> log
openssl req -newkey rsa:2048 -nodes -config ca.cnf -subj /CN=server -keyout server.key -out server.csr 2>> log
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile server.ext -out server.crt 2>> log
timeout 120 bin/python - <<'PY'
import ssl, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from kubernetes import client


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []}')

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain("server.crt", "server.key")
server.socket = tls.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()


def pods(dropped_flags):
    configuration = client.Configuration(host=f"https://127.0.0.1:{server.server_port}")
    configuration.ssl_ca_cert, configuration.retries = "ca.crt", False
    api = client.ApiClient(configuration)
    context = ssl.create_default_context(cafile="ca.crt")
    context.verify_flags &= ~dropped_flags
    if dropped_flags:
        api.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context
    try:
        return f"{len(client.CoreV1Api(api).list_namespaced_pod('default').items)} pods"
    except Exception as error:
        return str(error)


print("kubernetes", version("kubernetes"))
strict, relaxed = pods(0), pods(ssl.VERIFY_X509_STRICT)
print(f"as it is: {strict}\nwithout VERIFY_X509_STRICT: {relaxed}")
sys.exit(0 if "key usage" in strict and relaxed == "0 pods" else "CHANGED")
PY
