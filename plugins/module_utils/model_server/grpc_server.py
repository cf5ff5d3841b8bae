"""Asks one pod's model server by gRPC."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..protos import message
from .errors import BadAnswer
from .golden import Golden
from .rest import THIS_ONE, Servable, state_in_words
from .runtime import TF_SERVING
from .tensors import address, nested, outputs, predict_request

GRPC_IMPORT_ERROR: str | None = None
try:
    import grpc
except ImportError:
    GRPC_IMPORT_ERROR = traceback.format_exc()

STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
"""ModelVersionStatus.State, tensorflow_serving/apis/get_model_status.proto."""

PASSING = ("ABORTED", "CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE")
"""What the next answer may not be; an HTTP status 429, 502, 503 or 504 of a proxy counts as UNAVAILABLE.

https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
"""

LARGEST = 256 * 2**20
"""Bytes of one message: TF Serving has no limit, clients otherwise stop at 4 MiB."""


class GrpcModelServer:
    """The model server behind a channel."""

    def __init__(self, channel: Any, timeout: float) -> None:
        self._channel = channel
        self._timeout = timeout
        self._signatures: dict[Servable, dict[str, Any]] = {}

    def versions(self, servable: Servable) -> dict[str, str]:
        request = message("GetModelStatusRequest")
        address(request.model_spec, Servable(servable.model, None, servable.label))
        answer = self._call(TF_SERVING.grpc_status, request, "GetModelStatusResponse")
        return {
            str(found.version): state_in_words(
                STATES.get(found.state, str(found.state)), found.status.error_message
            )
            for found in answer.model_version_status
        }

    def predict(self, servable: Servable, golden: Golden) -> Any:
        signature = self._signature(servable, str(golden.request["signature_name"]))
        types = {name: info.dtype for name, info in signature.inputs.items()}
        request = predict_request(servable, golden.request, types)
        answer = self._call(TF_SERVING.grpc_predict, request, "PredictResponse")
        found = {key: nested(answer.outputs[key], key) for key in sorted(answer.outputs)}
        return outputs(found, by_rows=golden.by_rows)

    def _signature(self, servable: Servable, name: str) -> Any:
        """A signature's inputs with their types; asked once a model."""
        if servable not in self._signatures:
            request = message("GetModelMetadataRequest")
            address(request.model_spec, servable)
            request.metadata_field.append("signature_def")
            answer = self._call(TF_SERVING.grpc_metadata, request, "GetModelMetadataResponse")
            found = message("SignatureDefMap")
            found.ParseFromString(answer.metadata["signature_def"].value)
            self._signatures[servable] = dict(found.signature_def)
        signatures = self._signatures[servable]
        if name not in signatures:
            raise BadAnswer(
                f'Serving signature key "{name}" not found (has: {", ".join(sorted(signatures))})'
            )
        return signatures[name]

    def _call(self, method: str, request: Any, answer: str) -> Any:
        call = self._channel.unary_unary(
            method,
            request_serializer=lambda sent: sent.SerializeToString(),
            response_deserializer=type(message(answer)).FromString,
        )
        try:
            return call(request, timeout=self._timeout, metadata=tuple(THIS_ONE.items()))
        except grpc.RpcError as error:
            code = error.code().name
            raise BadAnswer(f"gRPC {code}: {error.details()}", passing=code in PASSING) from error


@contextmanager
def channel_to(target: str) -> Iterator[Any]:
    """A plain-text channel to an address as gRPC writes it (``unix:/path``, ``127.0.0.1:PORT``)."""
    options = [("grpc.max_receive_message_length", LARGEST), ("grpc.max_send_message_length", LARGEST)]
    with grpc.insecure_channel(target, options=[*options, ("grpc.enable_http_proxy", 0)]) as channel:
        yield channel
