"""What balancing by requests is worth: real proxies before servers that take one request at a time, in turns without and with it.

Four replicas, 32 clients that stay with the replica that their connection leads to, arrivals at random: 56.7 ms a request (spread
25 %), as a small picture classifier on 0.3 CPU. What counts is the share of requests that take longer than 300 ms.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from run import ROOT, entry

sys.path.append(str(ROOT / "tests/unit/roles"))

REPLICAS, CLIENTS, TURNS = 4, 32, 3
SECONDS = 25
SERVICE, SPREAD, SLO = 0.0567, 0.25, 0.3
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
ALONE: dict[str, Any] = {"serving_cpu": "1000", "serving_threads": 1}
"""So many processors that no request ever shares them: nothing is asked, and nothing handed on."""


class OneAtATime:
    """A model server by REST that takes as long as it is said above, and no processor."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._answer, "127.0.0.1", 0))
        self.port = int(self._server.sockets[0].getsockname()[1])
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await _whole(reader)
                await asyncio.sleep(SERVICE * max(0.2, random.gauss(1, SPREAD)))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _end(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


async def _whole(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = LENGTH.search(head)
    await reader.readexactly(int(length[1]) if length else 0)
    return head


async def late(addresses: list[str], rate: float) -> float:
    """The share of requests that are refused or take longer than the SLO, from when they were due."""
    clients = [random.choice(addresses) for _ in range(CLIENTS)]
    idle: list[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = [[] for _ in clients]

    async def ask(client: int, due: float) -> bool:
        opened = idle[client].pop() if idle[client] else await asyncio.open_connection(clients[client], 8501)
        reader, writer = opened
        writer.write(b"POST /v1/models/m:predict HTTP/1.1\r\nHost: m\r\nContent-Length: 2\r\n\r\n{}")
        head = await _whole(reader)
        idle[client].append(opened)
        return b" 200 " not in head[:20] or time.monotonic() - due > SLO

    began = due = time.monotonic()
    asked = []
    while due < began + SECONDS:
        due += random.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        asked.append(asyncio.create_task(ask(random.randrange(CLIENTS), due)))
    found = await asyncio.gather(*asked)
    return sum(found) / len(found)


def measure() -> list[dict[str, Any]]:
    from balanced import replicas

    def of(share: float, variables: dict[str, Any]) -> float:
        with (
            tempfile.TemporaryDirectory() as folder,
            replicas(Path(folder), REPLICAS, OneAtATime, serving_concurrency=1, **variables) as (found, _),
        ):
            return asyncio.run(late([one.address for one in found], share * REPLICAS / SERVICE))

    entries = []
    for share in (0.6, 0.8):
        with_it, without = zip(*((of(share, {}), of(share, ALONE)) for _ in range(TURNS)), strict=True)
        entries.append(
            entry(
                f"beyond {SLO * 1000:.0f} ms with least_requests, replicas busy for {share:.0%}",
                100 * median(with_it), "% of requests", 1.0, "connection", 100 * median(without),
            )
        )  # fmt: skip
    return entries


if __name__ == "__main__":
    print(measure())
