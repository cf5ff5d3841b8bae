"""A proxy between a client and the emulated Cloud Storage that breaks connections where it is told to."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_BLOCK = 65_536


@dataclass
class Fault:
    """Happens once, when so many bytes have passed in all. ``kind``:

    cut-request     the connection is reset while the client sends; the service has what came before
    cut-answer      the answer is cut off in the middle, or after ``keep`` bytes
    lose-answer     the service has done it, and the client never hears
    unavailable     503 instead of what the service would say, the request not passed on
    stall           nothing moves for ``seconds``
    """

    kind: str
    after: int
    seconds: float = 0.3
    keep: int | None = None
    done: bool = False


@dataclass
class Proxy:
    """``sent`` and ``received``: bytes of all clients' requests and of the answers to them. ``watch``: sees ``sent``."""

    target: str
    faults: list[Fault] = field(default_factory=list)
    watch: Callable[[int], None] = lambda sent: None
    sent: int = 0
    received: int = 0

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self._address = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in list(self._open):
            _reset(end)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._address)
            except OSError:
                return
            self._open |= {client, server}
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for work in (self._forward, self._back):
                threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _due(self, kinds: tuple[str, ...], total: int) -> Fault | None:
        for fault in self.faults:
            if not fault.done and fault.kind in kinds and total >= fault.after:
                fault.done = True
                return fault
        return None

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with self._pair(client, server):
            while data := client.recv(_BLOCK):
                with self._lock:
                    self.sent += len(data)
                    fault = self._due(("cut-request", "unavailable", "stall"), self.sent)
                if fault is not None and fault.kind == "unavailable":
                    client.sendall(
                        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )
                    return
                if fault is not None and fault.kind == "cut-request":
                    server.sendall(data[: len(data) // 2])
                    return
                if fault is not None:
                    self._ended.wait(fault.seconds)
                server.sendall(data)
                self.watch(self.sent)
            server.shutdown(socket.SHUT_WR)

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with self._pair(client, server):
            while data := server.recv(_BLOCK):
                with self._lock:
                    self.received += len(data)
                    fault = self._due(("cut-answer",), self.received) or self._due(
                        ("lose-answer",), self.sent
                    )
                if fault is not None and fault.kind == "lose-answer":
                    return
                if fault is not None:
                    data = data[: len(data) // 2 if fault.keep is None else fault.keep]
                client.sendall(data)
                if fault is not None:
                    return
            client.shutdown(socket.SHUT_WR)

    @contextlib.contextmanager
    def _pair(self, *ends: socket.socket) -> Iterator[None]:
        clean = False
        try:
            with contextlib.suppress(OSError):
                yield
                clean = not any(fault.done and fault.kind != "stall" for fault in self.faults)
        finally:
            if not clean:
                for end in ends:
                    _reset(end)
                    self._open.discard(end)


def _reset(end: socket.socket) -> None:
    """Closes so that the other side sees a reset, not an orderly end."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        end.close()
