"""A name server on loopback for one name, the addresses of which a test changes."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_HEADER = struct.Struct("!6H")
_A, _IN, _RESPONSE = 1, 1, 0x8580


class Names:
    """Answers each question of type A with ``addresses``, with a time to live of a second. RFC 1035."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def serve(self) -> None:
        while True:
            try:
                asked, client = self._socket.recvfrom(4096)
            except OSError:
                return
            self._socket.sendto(self._answer(asked), client)

    def _answer(self, asked: bytes) -> bytes:
        number = _HEADER.unpack_from(asked)[0]
        end = asked.index(b"\0", _HEADER.size) + 5
        question = asked[_HEADER.size : end]
        found = self.addresses if struct.unpack("!H", question[-4:-2])[0] == _A else []
        pointer = 0xC000 | _HEADER.size
        records = b"".join(
            struct.pack("!3HIH", pointer, _A, _IN, 1, 4) + socket.inet_aton(address) for address in found
        )
        return _HEADER.pack(number, _RESPONSE, 1, len(found), 0, 0) + question + records

    def close(self) -> None:
        self._socket.close()


@contextmanager
def naming(*addresses: str) -> Iterator[Names]:
    """Such a name server while it is needed."""
    server = Names(*addresses)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
