"""A pod's TCP port as a socket on this machine, through the API server's port forward.

A UNIX socket in a folder that only this user may enter: nobody else on the machine can use the way to the pod.
Each connection to it becomes one port forward (a WebSocket) of the Kubernetes client.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

CHUNK = 65536
"""Bytes read at a time."""


class Remote(Protocol):
    """One connection to a pod's port."""

    def recv(self, size: int) -> bytes: ...

    def sendall(self, data: bytes) -> None: ...

    def shutdown(self, how: int) -> None: ...

    def close(self) -> None: ...


class ForwardedPort:
    """One connection to a pod's port, from what the Kubernetes client calls a port forward."""

    def __init__(self, forward: Any, port: int) -> None:
        self._forward = forward
        self._port = port
        self._socket = forward.socket(port)

    @property
    def error(self) -> str:
        """What the pod's node said when it could not connect to the port; empty as long as it could."""
        return str(self._forward.error(self._port) or "").strip()

    def recv(self, size: int) -> bytes:
        return bytes(self._socket.recv(size))

    def sendall(self, data: bytes) -> None:
        self._socket.sendall(data)

    def shutdown(self, how: int) -> None:
        self._socket.shutdown(how)

    def close(self) -> None:
        self._socket.close()


Open = Callable[[], Remote]


@contextmanager
def forwarded(open_remote: Open, failed: Callable[[Exception], None]) -> Iterator[str]:
    """The path of a socket that leads to the pod as long as the context lasts.

    `failed` gets the error when a connection to the pod cannot be made; the local one is closed then.
    """
    with tempfile.TemporaryDirectory(prefix="forward-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "socket"
        listener.bind(str(path))
        listener.listen()
        connections: list[Any] = []
        threading.Thread(
            target=_accept, args=(listener, open_remote, failed, connections), daemon=True
        ).start()
        try:
            yield str(path)
        finally:
            # Closing alone does not wake a thread that waits in accept.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for connection in connections:
                _end(connection)


def _accept(
    listener: socket.socket, open_remote: Open, failed: Callable[[Exception], None], connections: list[Any]
) -> None:
    while True:
        try:
            local, _unused = listener.accept()
        except OSError:
            return
        try:
            remote = open_remote()
        except Exception as error:  # noqa: BLE001 - whatever the client raises is told to whoever waits
            failed(error)
            local.close()
            continue
        connections += [local, remote]
        for source, sink in ((local, remote), (remote, local)):
            threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: Any, sink: Any) -> None:
    try:
        while data := source.recv(CHUNK):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        _end(sink)
        _end(source)


def _end(connection: Any) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        connection.close()
