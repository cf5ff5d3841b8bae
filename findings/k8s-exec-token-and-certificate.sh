#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# The Kubernetes Python client drops an exec plugin's client certificate when the plugin also answers with a token.
#
# Good guess:   an ExecCredential may have a token, a certificate with its key, or both, and what it has is used.
# What happens: with both, only the token is taken: the client has no certificate to show. With the certificate alone it
#               has one.
# Seen with:    kubernetes 37.0.2.
# Matters when: a cluster stands behind a proxy that asks for a client certificate beside the token.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile kubernetes==37.0.2 || exit 2
timeout 120 "$work/bin/python" - "$work" <<'PY'
import json, sys
from importlib.metadata import version
from pathlib import Path

from kubernetes import client, config

certificate = dict.fromkeys(("clientCertificateData", "clientKeyData"), "PEM")


def loaded(status):
    """The client's configuration with a plugin that answers with this status."""
    api = "client.authentication.k8s.io/v1"
    answer = Path(sys.argv[1]) / "answer.json"
    answer.write_text(json.dumps({"apiVersion": api, "kind": "ExecCredential", "status": status}))
    plugin = {"apiVersion": api, "command": "cat", "args": [str(answer)], "interactiveMode": "Never"}
    named = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"exec": plugin}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    configuration = client.Configuration()
    config.load_kube_config_from_dict(named, client_configuration=configuration)
    return bool(configuration.cert_file), bool(configuration.api_key)


print("kubernetes", version("kubernetes"))
seen = []
for name, status in (("certificate", certificate), ("token", {"token": "t"}), ("certificate and token", {**certificate, "token": "t"})):
    seen.append(loaded(status))
    print(f"plugin gives {name}: client has a certificate: {seen[-1][0]}, a token: {seen[-1][1]}")
sys.exit(0 if seen == [(True, False), (False, True), (False, True)] else "CHANGED")
PY
