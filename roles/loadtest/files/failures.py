"""What a request's failure is called: what the client met, or what the server answered."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from geventhttpclient.response import HTTPParseError
from settings import GRPC

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


class Unanswered(Exception):
    """Who had sent the request had to go before it was answered."""

    kind = "unanswered"

    def __init__(self) -> None:
        super().__init__("not answered when the test ended")
        self.example = str(self)


def kind_of(error: BaseException) -> str:
    """As docs/report-format.md has them."""
    for one in causes(error):
        kind = _kind_of(one)
        if kind is not None:
            return kind
    return "other"


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those within it: the clients of a locustfile of one's own wrap what the socket raises."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting += [thing for thing in inner if isinstance(thing, BaseException)]


def _kind_of(error: BaseException) -> str | None:
    if isinstance(error, Refused | Unanswered):
        return error.kind
    if GRPC and isinstance(error, predict.Failed):
        return predict.kind_of(error)
    # requests and FastHttpUser: their error of a status is one of a connection by its class alone.
    status = getattr(error, "code", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int) and status >= 100:
        return f"http {status}"
    # Locust's word for what a locustfile found wrong with an answer.
    if type(error).__name__ in ("CatchResponseError", "ResponseError"):
        return "answer"
    if isinstance(error, socket.gaierror):
        return "dns"
    if isinstance(error, TimeoutError | socket.timeout) or type(error).__name__.endswith("Timeout"):
        return "timeout"
    if isinstance(error, ConnectionRefusedError) or getattr(error, "errno", None) in UNREACHABLE:
        return "connect"
    if isinstance(error, ConnectionError | HTTPParseError):
        return "reset"
    return None
