"""What the proxy's look at each request costs: the role's configuration, and the same without its limits, in turns."""

from __future__ import annotations

import re
import socket
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from run import ROOT, entry

sys.path.append(str(ROOT / "tests/unit/roles"))

ROUNDS = 600
LIMIT_MS = 0.3
"""Of a picture's request, at the median."""

# What the role's configuration does to look at requests, line by line.
GUARD = re.compile(
    r"^ *(?:tune\.bufsize|http-request (?:wait-for-body|track-sc|set-var\(txn.allowed)|use_backend rest_(?!full if { srv)|acl ).*\n",
    re.MULTILINE,
)


# A server that takes a body as a whole and answers at once.
SERVER = """
global
  tune.bufsize 200000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend rest
  bind :8501
  http-request wait-for-body time 10s
  http-request return status 200 content-type application/json string '{}'
frontend grpc
  bind :8500
frontend status
  bind :8404
  http-request return status 200
"""


def measure() -> list[dict[str, Any]]:
    from haproxy import proxy
    from serving_role import files_of

    body = b'{"instances": [{"b64": "' + b"QUJD" * 20_500 + b'"}]}'
    request = (
        f"POST /v1/models/m:predict HTTP/1.1\r\nHost: m\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    guarded = files_of()["haproxy.cfg"]
    front, rest = guarded.split("frontend grpc", 1)
    texts = {"guarded": guarded, "bare": GUARD.sub("", front) + "frontend grpc" + rest}
    times: dict[str, list[float]] = {name: [] for name in texts}
    with ExitStack() as stack:

        def started(text: str, **places: int) -> int:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            return stack.enter_context(proxy(folder, text, **places))["rest"]

        server = started(SERVER)
        opened = {
            name: stack.enter_context(socket.create_connection(("127.0.0.1", started(text, rest=server)), 20))
            for name, text in texts.items()
        }
        for connection in opened.values():
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for turn in range(ROUNDS + 50):
            for name in sorted(opened, reverse=turn % 2 == 1):
                began = time.perf_counter()
                opened[name].sendall(request)
                assert opened[name].recv(10_000).startswith(b"HTTP/1.1 200")
                if turn >= 50:
                    times[name].append((time.perf_counter() - began) * 1000)
    with_it, without = (statistics.median(times[name]) for name in ("guarded", "bare"))
    print(f"proxy: p50 of 82 kB {with_it:.2f} ms, without limits {without:.2f} ms")
    return [entry("proxy's limits, p50 of a request of 82 kB", with_it - without, "ms more", LIMIT_MS)]
