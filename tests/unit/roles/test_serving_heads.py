"""What heads that never end can hold of the proxy's memory: the connections of an address times its buffer, and for how long."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from haproxy import metrics, proxy, until
from serving_role import files_of

LARGEST, CONNECTIONS, TIMEOUT = 1_048_576, 12, 10
BUFFER = LARGEST + 20_480
H2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def frames(size: int) -> bytes:
    """A head in HTTP/2 that goes on and on: RFC 9113, HEADERS without END_HEADERS, then CONTINUATION."""

    def frame(kind: int, content: bytes) -> bytes:
        return len(content).to_bytes(3, "big") + bytes([kind, 0]) + (1).to_bytes(4, "big") + content

    return H2 + frame(1, b"a" * 16_384) + b"".join(frame(9, b"a" * 16_384) for _ in range(size // 16_393 - 1))


UNFINISHED = {
    "rest": b"POST /v1/models/m:predict HTTP/1.1\r\nX: " + b"a" * (LARGEST - 50),
    "grpc": frames(LARGEST),
}


def used(status: int) -> int:
    """The least of some looks: each takes buffers itself, and what the one before it took may not be back yet."""
    looks = []
    for _ in range(5):
        found = re.search(r"^haproxy_process_pool_used_bytes (\d+)", metrics(status) or "", re.MULTILINE)
        assert found
        looks.append(int(found[1]))
    return min(looks)


@pytest.mark.parametrize("by", UNFINISHED)
def test_they_hold_so_much_and_so_long(tmp_path: Path, by: str) -> None:
    text = files_of(
        serving_max_request_bytes=LARGEST,
        serving_client_connections=CONNECTIONS,
        serving_client_timeout=TIMEOUT,
    )["haproxy.cfg"]
    with proxy(tmp_path, text) as ports, ExitStack() as stack:
        quiet = used(ports["status"])
        for _ in range(3 * CONNECTIONS):
            with suppress(OSError):  # beyond the limit it is closed
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", ports[by]), 20))
                connection.sendall(UNFINISHED[by])
        # What was sent is read a moment later.
        until(lambda: used(ports["status"]) - quiet > (CONNECTIONS - 1) * BUFFER)
        # Of three times as many connections; the looks themselves take a few buffers, and HTTP/2 one to decode heads in.
        assert used(ports["status"]) - quiet < (CONNECTIONS + 6) * BUFFER
        until(lambda: used(ports["status"]) - quiet < BUFFER)
