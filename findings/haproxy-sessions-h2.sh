#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# Ten requests in one HTTP/2 connection are one session of HAProxy's frontend and ten of its backend; maxconn counts ten.
#
# Good guess:   current_sessions means the same in frontend and backend; maxconn, "connections", counts connections.
# What happens: the frontend counts connections (1). The backend counts requests, those in the queue included (10), and
#               a server's maxconn counts requests as well: with maxconn 4 six of the ten wait.
# Seen with:    HAProxy 2.6.12 (Debian); the one on PATH is tried.
# Matters when: a dashboard or an autoscaler takes one gauge for the other: gRPC clients keep one connection each.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
haproxy=$(PATH=$PATH:/usr/sbin command -v haproxy) || { echo 'haproxy is not installed'; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile h2==4.3.0 || exit 2
"$haproxy" -v | sed -n 1p
timeout 120 "$work/bin/python" - "$work" "$haproxy" <<'PY'
import csv, socket, subprocess, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from h2.connection import H2Connection

work, haproxy = Path(sys.argv[1]), sys.argv[2]
answered = threading.Event()


class Slow(BaseHTTPRequestHandler):
    def do_GET(self):
        answered.wait(60)

    def log_message(self, *args):
        pass


def show_stat():
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(work / "admin"))
        admin.sendall(b"show stat\n")
        text = admin.makefile().read()
    return {row["svname"]: row for row in csv.DictReader(text.lstrip("# ").splitlines())}


server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
threading.Thread(target=server.serve_forever, daemon=True).start()
(work / "cfg").write_text(f"""
global
  stats socket {work}/admin
defaults
  mode http
  timeout connect 5s
  timeout client 90s
  timeout server 90s
  timeout queue 90s
listen models
  bind {work}/front proto h2
  server one 127.0.0.1:{server.server_port} maxconn 4
""")
proxy = subprocess.Popen([haproxy, "-db", "-f", work / "cfg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    while not (work / "front").exists() or not (work / "admin").exists():
        time.sleep(0.1)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(work / "front"))
        connection = H2Connection()
        connection.initiate_connection()
        names = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "models")]
        for stream in range(1, 21, 2):
            connection.send_headers(stream, names, end_stream=True)
        client.sendall(connection.data_to_send())
        for _ in range(100):
            rows = show_stat()
            if int(rows["one"]["scur"]) + int(rows["one"]["qcur"]) + int(rows["BACKEND"]["qcur"]) >= 10:
                break
            time.sleep(0.1)
    seen = {name: (int(rows[name]["scur"]), int(rows[name]["qcur"] or 0)) for name in ("FRONTEND", "BACKEND", "one")}
finally:
    answered.set()
    proxy.kill()
    proxy.wait()
for name, (current, queued) in seen.items():
    print(f"{name}: {current} current sessions, {queued} in the queue")
sys.exit(0 if seen["FRONTEND"][0] == 1 and seen["BACKEND"] == (10, 6) and seen["one"][0] == 4 else "CHANGED")
PY
