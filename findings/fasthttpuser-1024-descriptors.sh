#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# Locust's FastHttpUser opens a connection for every request once its worker has more than 1024 file descriptors.
#
# Good guess:   keep-alive works for the 2,000th user of a worker as for the first: Locust raises the limit of open files
#               by itself, and gevent uses epoll, so that select()'s limit of 1024 is of no concern.
# What happens: before a kept connection is used again, the pool of connections asks select() whether it was closed.
#               For descriptors of 1024 and more that raises ValueError, which the pool takes for "closed".
# Seen with:    locust 2.47.0, geventhttpclient 2.6.1, gevent 26.9.0.
# Matters when: a test has many users to a worker: it measures TCP connects, and each request may meet another replica.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
ulimit -n 4096 || exit 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile locust==2.47.0 geventhttpclient==2.6.1 gevent==26.9.0 || exit 2
timeout 120 "$work/bin/python" - <<'PY'
from gevent import monkey

monkey.patch_all()
import sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from locust import FastHttpUser
from locust.env import Environment

connections, users = set(), []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        connections.add(self.client_address)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def requests(number):
    connections.clear()
    FastHttpUser.host = f"http://127.0.0.1:{server.server_port}"
    user = FastHttpUser(Environment(user_classes=[FastHttpUser]))
    users.append(user)  # its connection stays open
    for _ in range(number):
        user.client.get("/")
    return len(connections)


print(*(f"{name} {version(name)}" for name in ("locust", "geventhttpclient", "gevent")))
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
few = requests(20)
files = [open("/dev/null") for _ in range(1100)]
many = requests(20)
print(f"connections of 20 requests, one after the other: {few}; with 1,100 other files open: {many}")
sys.exit("CHANGED" if (few, many) != (1, 20) else 0)
PY
