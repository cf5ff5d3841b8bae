"""How a request is sent, by REST or gRPC: once.

Bodies come serialised. A connection stays with the pod that it first met, so each one is renewed after some
requests: otherwise new replicas would get no traffic.
"""

from __future__ import annotations

import random
import select
import time
from typing import Any

from failures import Refused, Unanswered
from gevent.monkey import get_original
from geventhttpclient import HTTPClient
from geventhttpclient.connectionpool import ConnectionPool
from geventhttpclient.response import HTTPSocketPoolResponse
from settings import BODIES, CONFIG, GRPC, NAMES, WEIGHTS

DICE = random.Random()  # noqa: S311 - which picture is next is no secret
HEADERS = {"Content-Type": "application/json"}
poll = get_original("select", "poll")

if GRPC:
    import predict


def is_open(_pool: ConnectionPool, sock: Any) -> bool:
    """Whether a kept connection may be used again: nothing can be read of it, least of all its end.

    geventhttpclient asks select(), which knows descriptors below 1,024 only: with more sockets than that each request would
    have a connection of its own.
    """
    if sock is None or sock.fileno() < 0:
        return False
    look = poll()
    look.register(sock.fileno(), select.POLLIN)
    return not look.poll(0)


ConnectionPool._is_socket_alive = is_open
# So often geventhttpclient sends a lost request again in silence, and once more: GET, and before 2.6 POST as well.
ConnectionPool.size = property(lambda self: -1, lambda self, value: None)


class Connection(HTTPClient):
    """One HTTP connection that sends whole requests, headers and all, as they were made once."""

    def whole(self, body: bytes) -> bytes:
        head: str = self._build_request("POST", CONFIG["path"], body, HEADERS)
        return head.encode() + body

    def send(self, request: bytes) -> HTTPSocketPoolResponse:
        pool = self._connection_pool
        sock = pool.get_socket()
        try:
            sock.sendall(request)
        except BaseException:
            pool.release_socket(sock)
            raise
        return HTTPSocketPoolResponse(sock, pool, method="POST")


class Rest:
    """A connection, kept alive; nothing is done for a request that can be done before."""

    requests: tuple[bytes, ...] = ()

    def __init__(self, host: str) -> None:
        self._host = host
        self._connection = self._connect()
        if not Rest.requests:
            Rest.requests = tuple(self._connection.whole(body) for body in BODIES)

    def _connect(self) -> Connection:
        timeout = CONFIG["timeout"]
        made: Connection = Connection.from_url(
            self._host, connection_timeout=timeout, network_timeout=timeout, concurrency=1, insecure=True
        )
        return made

    def reconnect(self) -> None:
        self._connection.close()
        self._connection = self._connect()

    def ask(self, index: int) -> int:
        """The length of the answer. Raises what the socket raises, or Refused."""
        try:
            response = self._connection.send(self.requests[index])
            content, status = bytes(response.read()), response.status_code
        except BaseException:
            # What is left of a broken exchange must not be taken for the next answer.
            self.reconnect()
            raise
        if status != 200:
            raise Refused(f"http {status}", f"HTTP {status}", content)
        if b'"predictions"' not in content and b'"outputs"' not in content:
            raise Refused("answer", "the answer has no predictions", content)
        return len(content)


class Grpc:
    """One channel, kept; bodies are sent as they are."""

    def __init__(self) -> None:
        self._stub = predict.Stub(CONFIG["grpc_host"], CONFIG["grpc_method"])
        self.reconnect = self._stub.reconnect

    def ask(self, index: int) -> int:
        try:
            return self._stub.ask(BODIES[index], CONFIG["timeout"])
        except predict.NoOutputs as error:
            raise Refused("answer", str(error), b"") from error


class Lane:
    """One connection at a time to the model server, renewed after some requests."""

    def __init__(self, environment: Any) -> None:
        self._fire = environment.events.request.fire
        self._client = Grpc() if GRPC else Rest(environment.host)
        self._sent = 0

    def send(self, due: float | None = None) -> None:
        """One request, whose time counts from ``due`` (on time.perf_counter's clock) or from now."""
        index = 0 if len(BODIES) == 1 else DICE.choices(range(len(BODIES)), WEIGHTS)[0]
        begun, wrong, length = time.perf_counter() if due is None else due, None, 0
        try:
            length = self._client.ask(index)
        except Exception as error:  # noqa: BLE001 - whatever it is, the request has failed and is counted
            wrong = error
        except BaseException:
            wrong = Unanswered()
            raise
        finally:
            self._fire(
                request_type="gRPC" if GRPC else "POST", name=NAMES[index], response_length=length, exception=wrong,
                context={}, response_time=1000 * (time.perf_counter() - begun),
            )  # fmt: skip
        self._sent += 1
        if self._sent % CONFIG["requests_per_connection"] == 0:
            self._client.reconnect()
