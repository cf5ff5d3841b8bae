"""How a request is sent, by REST or gRPC, and what its failure is called.

Bodies come serialised. A connection stays with the pod that it first met, so each one is renewed after some
requests: otherwise new replicas would get no traffic.
"""

from __future__ import annotations

import errno
import random
import socket
import time
from typing import Any

from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError, HTTPSocketPoolResponse
from settings import BODIES, CONFIG, GRPC, NAMES, WEIGHTS

DICE = random.Random()  # noqa: S311 - which picture is next is no secret
HEADERS = {"Content-Type": "application/json"}
UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH)

if GRPC:
    try:
        import predict
    except ImportError as error:
        raise SystemExit(f"gRPC needs an image with grpcio and protobuf beside Locust: {error}") from error


class Refused(Exception):
    """The server answered, and not with predictions. The text is the same for the same kind of answer."""

    def __init__(self, kind: str, words: str, content: bytes) -> None:
        super().__init__(words)
        self.kind = kind
        self.example = f"{words}: {content[:160].decode('utf-8', 'replace')}"


def kind_of(error: BaseException) -> str:
    """Why a request failed: what the client met, or what the server answered."""
    if isinstance(error, Refused):
        return error.kind
    if GRPC and isinstance(error, predict.Failed):
        return predict.kind_of(error)
    if isinstance(error, socket.gaierror):
        return "dns"
    if isinstance(error, TimeoutError | socket.timeout):
        return "timeout"
    if isinstance(error, ConnectionRefusedError) or getattr(error, "errno", None) in UNREACHABLE:
        return "connect"
    if isinstance(error, ConnectionError | HTTPParseError):
        return "reset"
    return "other"


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
        self._fire(
            request_type="gRPC" if GRPC else "POST", name=NAMES[index], response_length=length, exception=wrong,
            context={}, response_time=1000 * (time.perf_counter() - begun),
        )  # fmt: skip
        self._sent += 1
        if self._sent % CONFIG["requests_per_connection"] == 0:
            self._client.reconnect()
