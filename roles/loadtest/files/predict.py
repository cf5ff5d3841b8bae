"""Predict by gRPC without TensorFlow: requests come serialised, and of an answer only its outputs are looked for."""

from __future__ import annotations

import re

import grpc
import grpc.experimental.gevent
import protos

grpc.experimental.gevent.init_gevent()

_HTTP_STATUS = re.compile(r"http2 header with status: (\d+)")
# How gRPC says that no server was there to answer, or that the connection to it broke.
_NO_ANSWER = (
    ("dns", re.compile("DNS|resolution")),
    ("connect", re.compile("failed to connect|Connection refused", re.IGNORECASE)),
    ("reset", re.compile("Socket closed|Connection reset|Broken pipe|GOAWAY|keepalive", re.IGNORECASE)),
)


class Failed(Exception):
    """The call failed; ``status``: gRPC's name for how."""

    def __init__(self, status: str, details: str) -> None:
        super().__init__(f"{status}: {details}")
        self.status, self.details = status, details


class NoOutputs(Exception):
    """The server answered without an output."""


def kind_of(error: Failed) -> str:
    """As the REST client's failures are named, where they are the same.

    UNAVAILABLE is both a server that is not there and one that turns a request away. A proxy in front of it does so by
    an HTTP status, of which gRPC's client shows nothing but the number.
    """
    if error.status == "DEADLINE_EXCEEDED":
        return "timeout"
    refused = _HTTP_STATUS.search(error.details)
    if refused:
        return f"http {refused[1]}"
    if error.status == "UNAVAILABLE":
        for kind, words in _NO_ANSWER:
            if words.search(error.details):
                return kind
    return f"grpc {error.status}"


class Stub:
    """One channel at a time to ``method`` of a host; `reconnect` takes a new one, which may meet another pod."""

    def __init__(self, host: str, method: str) -> None:
        self._host, self._method = host, method
        self._channel: grpc.Channel | None = None
        self.reconnect()

    def reconnect(self) -> None:
        if self._channel is not None:
            self._channel.close()
        # Channels of one process share their connections otherwise, and nothing would be renewed.
        self._channel = grpc.insecure_channel(
            self._host,
            options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)],
        )
        self._call = self._channel.unary_unary(self._method)

    def ask(self, request: bytes, timeout: float) -> int:
        """The length of the answer in bytes. Raises Failed or NoOutputs."""
        answer = protos.message("PredictResponse")
        try:
            content: bytes = self._call(request, timeout=timeout)
        except grpc.RpcError as error:
            raise Failed(error.code().name, str(error.details())) from error
        answer.ParseFromString(content)
        if not answer.outputs:
            raise NoOutputs("the answer has no outputs")
        return len(content)
