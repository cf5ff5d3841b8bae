"""Clients that mean no good, or no better: each does one of the things below, and counts whether that was refused.

``python3 hostile.py CONFIG_JSON``, as client.py. Everything is harmless by itself: just beyond a limit of the proxy's.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable

from client import Grpc, Load, Tally, serve, turn

PREDICT = "POST /v1/models/{model}:predict HTTP/1.1"
LARGEST, DEEPEST = 1_048_576, 16
"""The role's defaults."""


def connected(config: dict) -> socket.socket:
    return socket.create_connection((config["host"], 8501), 20)


def status(opened: socket.socket) -> str:
    """The answer's; empty where the connection ended without one."""
    try:
        return opened.recv(1000).decode(errors="replace")[9:12]
    except OSError:
        return ""


def request(config: dict, body: bytes, line: str = PREDICT) -> bytes:
    head = f"{line.format(**config)}\r\nHost: m\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def asked(config: dict, data: bytes, *expected: str) -> str | None:
    with connected(config) as opened:
        try:
            opened.sendall(data)
        except OSError:
            return None  # Refused before it was sent.
        found = status(opened)
    return None if found in ("", *expected) else f"HTTP {found}"


def slow_body(config: dict) -> str | None:
    with connected(config) as opened:
        opened.sendall(request(config, b"x" * 100)[:-90])
        opened.settimeout(1)
        for _ in range(60):
            try:
                found = opened.recv(1000)[9:12].decode()
                return None if found in ("408", "") else f"HTTP {found}"
            except TimeoutError:
                opened.sendall(b"x")
    return "still there after a minute"


def idle_connection(config: dict) -> str | None:
    with connected(config) as opened:
        opened.settimeout(30)
        found = status(opened)
    return None if found in ("408", "") else f"HTTP {found}"


def too_large(config: dict) -> str | None:
    return asked(config, request(config, b"[" + b" " * LARGEST + b"]"), "413")


def too_deep(config: dict) -> str | None:
    levels = DEEPEST + 1
    return asked(config, request(config, b"[" * levels + b"]" * levels), "400")


def wrong_path(config: dict) -> str | None:
    return asked(config, request(config, b"", "GET /v1//models/{model} HTTP/1.1"), "404")


def wrong_method(config: dict) -> str | None:
    return asked(config, request(config, b"", "DELETE /v1/models/{model} HTTP/1.1"), "405")


def given_up(config: dict) -> str | None:
    with connected(config) as opened:
        opened.sendall(request(config, b'{"instances": [3.0]}'))
    return None


def many_streams(config: dict) -> str | None:
    """More calls at once than a connection may have, and given up, too."""
    client = Grpc({**config, "port": 8500}, Tally())
    calls = [client.call.future(client.request, timeout=5) for _ in range(120)]
    time.sleep(0.05)
    for call in calls:
        call.cancel()
    client.channel.close()
    return None


# How many of a hundred each is.
KINDS: dict[Callable[[dict], str | None], int] = {
    slow_body: 6, idle_connection: 20, too_large: 6, too_deep: 20, wrong_path: 15, wrong_method: 14, given_up: 18, many_streams: 1,
}  # fmt: skip


def run(kind: Callable[[dict], str | None], config: dict, tally: Tally, stop: threading.Event) -> None:
    pause = 100 / KINDS[kind] / config["rate"]

    def once() -> None:
        started = time.monotonic()
        try:
            problem = kind(config)
        except OSError:
            problem = None  # Not let in at all.
        tally.add(time.monotonic() - started, problem and f"{kind.__name__}: {problem}")

    while not stop.wait(pause):
        if turn(time.time()) != "disturbed":
            continue
        threading.Thread(target=once, daemon=True).start()


class Hostile(Load):
    def __init__(self, config: dict) -> None:
        self.tally, self.stop = Tally(), threading.Event()
        for kind in KINDS:
            threading.Thread(target=run, args=(kind, config, self.tally, self.stop), daemon=True).start()


if __name__ == "__main__":
    load = Hostile(json.loads(sys.argv[1]))
    serve(load.tally, load.stop)
    load.stop.wait()
    time.sleep(600)
