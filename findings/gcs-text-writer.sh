#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# An exception in `with blob.open("w")` leaves half an object in the bucket; with "wb" it leaves none.
#
# Good guess:   the two modes differ in what write() takes, and an upload that an exception ended is given up by both (or
#               by neither).
# What happens: "wb" gives it up. "w" is a text layer around the same writer, which closes it as after a success: what
#               was written until then is uploaded to the end and becomes the object.
# Seen with:    google-cloud-storage 3.17.1.
# Matters when: a manifest or a list is written as text, and readers take what is there for whole.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile google-cloud-storage==3.17.1 || exit 2
timeout 120 "$work/bin/python" - <<'PY'
import json, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

finished = []


class Bucket(BaseHTTPRequestHandler):
    """What is needed of resumable uploads."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer({}, Location=f"http://127.0.0.1:{server.server_port}/session")

    def do_PUT(self):
        finished.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self.answer({"name": "list", "bucket": "models", "size": str(len(finished[-1]))})

    def do_DELETE(self):
        self.answer({})

    def answer(self, body, **headers):
        text = json.dumps(body).encode()
        self.send_response(200)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


def left_by(mode, line):
    """What was uploaded to the end by a block that failed in the middle."""
    finished.clear()
    try:
        with bucket.blob("list").open(mode, checksum=None) as file:
            file.write(line)
            raise RuntimeError("in the middle")
    except RuntimeError:
        return list(finished)


server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = {"api_endpoint": f"http://127.0.0.1:{server.server_port}"}
bucket = storage.Client("project", AnonymousCredentials(), client_options=endpoint).bucket("models")
print("google-cloud-storage", version("google-cloud-storage"))
binary, text = left_by("wb", b"first line\n"), left_by("w", "first line\n")
print(f'open("wb") left {binary}, open("w") left {text}')
sys.exit(0 if (binary, text) == ([], [b"first line\n"]) else "CHANGED")
PY
