"""Google by https, for clients with hard-coded hosts: a proxy, and a server for whom such a host's name leads here.

The proxy answers ``CONNECT`` for ``googleapis.com`` and its subdomains, the server whoever connects, both with a
certificate of the sandbox's own authority, and hand what then comes to the same application. They lead nowhere else.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from ..kube.pki import Authority

_GOOGLE = re.compile(r"([a-z0-9-]+\.)*googleapis\.com:443", re.IGNORECASE)
# A request for a connection is one line and a few headers.
_MAX_HEADER = 16 * 1024


def make_certificates(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """The server's side of TLS, and the path of the authority's certificate that clients have to trust."""
    authority = Authority(folder)
    names = ["googleapis.com", "*.googleapis.com"]
    pair = authority.issue("googleapis", "googleapis.com", names=names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context, authority.certificate


class HttpsProxy:
    """Serves in the event loop that starts it. ``config``: of the server whose application answers."""

    def __init__(self, config: uvicorn.Config, context: ssl.SSLContext) -> None:
        if not config.loaded:
            config.load()
        self._config = config
        self._context = context
        self._state = ServerState()
        self._servers: list[asyncio.Server] = []

    async def start(self, host: str, port: int) -> int:
        """The port that it listens on; 0 takes a free one."""
        loop = asyncio.get_running_loop()
        return self._listening(await loop.create_server(lambda: _Connect(self), host, port))

    async def start_direct(self, host: str, port: int) -> int:
        """The same for TLS from the first byte on, without a proxy's question before it."""
        loop = asyncio.get_running_loop()
        return self._listening(await loop.create_server(self._protocol, host, port, ssl=self._context))

    def _listening(self, server: asyncio.Server) -> int:
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def _protocol(self) -> asyncio.Protocol:
        """What answers on a connection."""
        protocol_class = cast(Any, self._config.http_protocol_class)
        return cast(
            asyncio.Protocol,
            protocol_class(config=self._config, server_state=self._state, app_state={}),
        )

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for connection in list(self._state.connections):
            cast(Any, connection).transport.abort()
        for server in self._servers:
            await server.wait_closed()

    async def encrypt(self, transport: asyncio.Transport) -> None:
        """Does the server's part of TLS on a connection, and has the application answer on it."""
        protocol = self._protocol()
        loop = asyncio.get_running_loop()
        early = _Early()
        try:
            encrypted = await loop.start_tls(transport, early, self._context, server_side=True)
        except (OSError, ssl.SSLError):
            # Most of all: a client that does not trust the sandbox's authority.
            transport.abort()
            return
        cast(asyncio.Transport, encrypted).set_protocol(protocol)
        protocol.connection_made(cast(asyncio.Transport, encrypted))
        if early.data:
            protocol.data_received(early.data)


class _Early(asyncio.Protocol):
    """Keeps what comes together with the end of the handshake, before there is a transport to answer by."""

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data


class _Connect(asyncio.Protocol):
    """A connection until it is known where it is to lead."""

    def __init__(self, proxy: HttpsProxy) -> None:
        self._proxy = proxy
        self._header = b""
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        self._header += data
        if b"\r\n\r\n" not in self._header:
            if len(self._header) > _MAX_HEADER:
                self._refuse(
                    transport, 431, "Request Header Fields Too Large", "the request's header is too long"
                )
            return
        method, _, rest = self._header.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        target = rest.partition(" ")[0]
        if method != "CONNECT":
            self._refuse(transport, 405, "Method Not Allowed", "this proxy is for https only")
        elif not _GOOGLE.fullmatch(target):
            self._refuse(
                transport, 403, "Forbidden",
                f"{target} is none of Google's APIs, and this sandbox leads nowhere else: unset HTTPS_PROXY, or add "
                "the host to NO_PROXY",
            )  # fmt: skip
        else:
            transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._task = asyncio.get_running_loop().create_task(self._proxy.encrypt(transport))

    @staticmethod
    def _refuse(transport: asyncio.Transport, status: int, reason: str, why: str) -> None:
        body = f"{why}\n".encode()
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        transport.write(head.encode() + body)
        transport.close()
