#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# `set weight models/one 50%` in HAProxy takes a server of the usual weight 1 out of service.
#
# Good guess:   half of its share of requests goes to the server from then on, as with any other percentage.
# What happens: the result is a whole number, rounded down: half of 1 is 0, and 0 is no request at all. Half of 3 is 1,
#               150 % of 1 is 1. Nothing is said of it. With weights of 100 it does what it says, up to 256.
# Seen with:    HAProxy 2.6.12 (Debian); the one on PATH is tried.
# Matters when: a new version of a model is to get some percent of the traffic.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
haproxy=$(PATH=$PATH:/usr/sbin command -v haproxy) || { echo 'haproxy is not installed'; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$haproxy" -v | sed -n 1p
timeout 120 python3 - "$work" "$haproxy" <<'PY'
import csv, socket, subprocess, sys, threading, time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

work, haproxy = Path(sys.argv[1]), sys.argv[2]


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def connected(name):
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(work / name))
    return client


def say(command):
    with connected("admin") as admin:
        admin.sendall(command.encode() + b"\n")
        return admin.makefile().read().strip()


def weight(server, asked):
    said = say(f"set weight models/{server} {asked}")
    now = int(say(f"get weight models/{server}").split()[0])
    print(f"set weight models/{server} {asked}: weight {now}, HAProxy says {said!r}")
    return now


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
names = {"one": 1, "other": 1, "three": 3, "hundred": 100}
servers = "\n".join(f"  server {name} 127.0.0.1:{server.server_port} weight {number}" for name, number in names.items())
settings = "global\n  stats socket {0}/admin level admin\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 9s\n  timeout server 9s\n"
(work / "cfg").write_text(settings.format(work) + f"listen models\n  bind {work}/front\n{servers}\n")
proxy = subprocess.Popen([haproxy, "-db", "-f", work / "cfg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    while not (work / "front").exists() or not (work / "admin").exists():
        time.sleep(0.1)
    seen = [weight("hundred", "50%"), weight("three", "50%"), weight("other", "150%"), weight("one", "50%")]
    for _ in range(110):
        request = HTTPConnection("models")
        request.sock = connected("front")
        request.request("GET", "/", headers={"Connection": "close"})
        request.getresponse().read()
    rows = {row["svname"]: int(row["stot"]) for row in csv.DictReader(say("show stat").lstrip("# ").splitlines())}
finally:
    proxy.kill()
    proxy.wait()
print(f"then of 110 requests: one {rows['one']}, other {rows['other']}, three {rows['three']}, hundred {rows['hundred']}")
sys.exit(0 if seen == [50, 1, 1, 0] and rows["one"] == 0 and rows["other"] > 0 else "CHANGED")
PY
