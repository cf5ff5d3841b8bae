#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# Whether a POST of Locust's FastHttpUser is sent twice in silence depends on geventhttpclient, not on Locust.
#
# Good guess:   FastHttpUser has max_retries = 0, so a kept connection that the server closes instead of answering is a
#               failed request, for GET and POST alike, as it is with HttpUser.
# What happens: with geventhttpclient 2.5.1 GET and POST are both sent again on a new connection: the server has them
#               twice, Locust counts one request and no failure. With 2.6.1 only GET is; the POST fails.
# Seen with:    locust 2.47.0, which takes both of geventhttpclient 2.5.1 and 2.6.1.
# Matters when: "no request was lost while a replica went away" is proven with such counts.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
cat > "$work/client.py" <<'PY'
from gevent import monkey

monkey.patch_all()
import json, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from locust import FastHttpUser, HttpUser
from locust.env import Environment

received = []


class ClosesInsteadOfAnswering(BaseHTTPRequestHandler):
    """The first request of all is answered, and each second one of a kind after that."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        received.append(self.command)
        if self.path == "/lost" and len(received) == 2:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), ClosesInsteadOfAnswering)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = {}
for kind in (FastHttpUser, HttpUser):
    for method in ("GET", "POST"):
        received.clear()
        kind.host = f"http://127.0.0.1:{server.server_port}"
        environment = Environment(user_classes=[kind])
        environment.create_local_runner()  # it does the counting
        user = kind(environment)
        user.client.get("/first")  # opens the connection that is kept
        user.client.request(method, "/lost", name="lost")
        entry = environment.stats.get("lost", method)
        seen[f"{kind.__name__} {method}"] = [len(received) - 1, entry.num_requests, entry.num_failures]
print("locust", version("locust"), "geventhttpclient", version("geventhttpclient"))
for name, (there, requests, failures) in seen.items():
    print(f"  {name}: received {there}, counted {requests}, failed {failures}")
json.dump(seen, open(sys.argv[1], "w"))
PY
for release in 2.5.1 2.6.1; do
  "$work/bin/pip" install --quiet --no-compile locust==2.47.0 "geventhttpclient==$release" || exit 2
  timeout 120 "$work/bin/python" "$work/client.py" "$work/$release"
done
"$work/bin/python" - "$work" <<'PY'
import json, sys

old, new = (json.load(open(f"{sys.argv[1]}/{release}")) for release in ("2.5.1", "2.6.1"))
sent_again, failed = [2, 1, 0], [1, 1, 1]
kept = old["FastHttpUser GET"] == old["FastHttpUser POST"] == new["FastHttpUser GET"] == sent_again
sys.exit(0 if kept and new["FastHttpUser POST"] == new["HttpUser GET"] == failed else "CHANGED")
PY
