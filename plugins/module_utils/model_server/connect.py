"""The way to one pod's model server, by REST or gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from ..k8s.client import KubeClient
from ..k8s.objects import Json, name_of
from ..k8s.port_forward import ForwardedPort, forwarded
from ..outcome import missing
from .errors import BadAnswer
from .golden import Golden
from .pods import Connect
from .rest import ModelServer, RestModelServer, Servable


def connect_by(api: KubeClient, params: Mapping[str, Any]) -> Connect:
    """Makes ways to pods as a module's options say."""
    namespace, timeout = params["namespace"], float(params["timeout"])
    if params["protocol"] == "grpc":
        return lambda pod: _by_grpc(api, namespace, pod, params["grpc_port"], timeout)
    return lambda pod: nullcontext(RestModelServer(api, namespace, name_of(pod), params["port"], timeout))


@contextmanager
def _by_grpc(api: KubeClient, namespace: str, pod: Json, port: int, timeout: float) -> Iterator[ModelServer]:
    from .grpc_server import GrpcModelServer, channel_to  # noqa: PLC0415 - costs REST's users no time

    trouble: list[Exception] = []
    opened: list[ForwardedPort] = []

    def remote() -> ForwardedPort:
        opened.append(api.port_forward(namespace, name_of(pod), port))
        return opened[-1]

    def why() -> str:
        said = [str(error) for error in trouble] + [found.error for found in opened]
        return next(filter(None, reversed(said)), "")

    with forwarded(remote, trouble.append) as path, channel_to(f"unix:{path}") as channel:
        yield _Telling(GrpcModelServer(channel, timeout), why)


class _Telling:
    """A model server that says why the port forward failed, which gRPC only calls unavailable."""

    def __init__(self, server: ModelServer, why: Callable[[], str]) -> None:
        self._server = server
        self._why = why

    def versions(self, servable: Servable) -> dict[str, str]:
        with self._told():
            return self._server.versions(servable)

    def predict(self, servable: Servable, golden: Golden) -> Any:
        with self._told():
            return self._server.predict(servable, golden)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BadAnswer as error:
            why = self._why()
            words = f"{error}. {why}" if why else str(error)
            raise BadAnswer(words, passing=error.passing) from error


def missing_packages(protocol: str) -> Json | None:
    """The failure, in one line, of a module whose Python lacks the packages for gRPC; REST needs none."""
    if protocol != "grpc":
        return None
    from ..protos import PROTOBUF_IMPORT_ERROR  # noqa: PLC0415
    from .grpc_server import GRPC_IMPORT_ERROR  # noqa: PLC0415

    packages = {"grpcio": GRPC_IMPORT_ERROR, "protobuf": PROTOBUF_IMPORT_ERROR}
    return missing(packages, "for protocol: grpc; protocol: rest needs none")
