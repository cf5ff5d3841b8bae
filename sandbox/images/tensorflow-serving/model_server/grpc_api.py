"""TF Serving's gRPC services: Predict, GetModelMetadata and GetModelStatus; the rest is UNIMPLEMENTED."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from .errors import Code, ServingError
from .lifecycle import ModelManager
from .metrics import Metrics

_CODES = {code.value[0]: code for code in grpc.StatusCode}


def make_server(
    models: ModelManager, metrics: Metrics, port: int, threads: int, arguments: str
) -> grpc.Server:
    """A server on the port, not yet started. ``arguments``: channel arguments as ``k=v,k=v``."""
    options: list[tuple[str, Any]] = [("grpc.max_receive_message_length", 2**31 - 1)]
    for pair in filter(None, arguments.split(",")):
        key, _, value = pair.partition("=")
        options.append((key, int(value) if value.lstrip("-").isdigit() else value))
    server = grpc.server(ThreadPoolExecutor(threads), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Prediction(models, metrics), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Models(models), server)
    server.add_insecure_port(f"0.0.0.0:{port}")
    return server


def _find(models: ModelManager, spec: Any) -> Any:
    number = spec.version.value if spec.HasField("version") else None
    if not spec.name:
        raise ServingError(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
    if spec.version_label:
        raise ServingError(
            Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {spec.version_label}"
        )
    if spec.name != models.name:
        which = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
        raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {which}")
    return models.available(number)


def _answered(context: grpc.ServicerContext, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except ServingError as error:
        context.abort(_CODES[error.code], error.message)


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models: ModelManager, metrics: Metrics) -> None:
        self._models, self._metrics = models, metrics

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        name, started = request.model_spec.name, time.perf_counter()
        try:
            answer = self._predict(request)
        except ServingError as error:
            self._metrics.count(":tensorflow:serving:request_count", model_name=name, status=error.code.name)
            context.abort(_CODES[error.code], error.message)
        self._metrics.count(":tensorflow:serving:request_count", model_name=name, status="OK")
        self._metrics.observe(
            ":tensorflow:serving:request_latency", (time.perf_counter() - started) * 1e6,
            model_name=name, API="Predict", entrypoint="GRPC",
        )  # fmt: skip
        return answer

    def _predict(self, request: Any) -> Any:
        servable = _find(self._models, request.model_spec)
        signature = request.model_spec.signature_name or "serving_default"
        try:
            inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        except (TypeError, ValueError) as error:
            raise ServingError(Code.INVALID_ARGUMENT, f"tensor parsing error: {error}") from None
        outputs = servable.predict(signature, inputs, tuple(request.output_filter))
        answer = predict_pb2.PredictResponse()
        answer.model_spec.name = servable.name
        answer.model_spec.signature_name = signature
        answer.model_spec.version.value = servable.version
        for name, array in outputs.items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return answer

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        return _answered(context, lambda: self._metadata(request))

    def _metadata(self, request: Any) -> Any:
        if list(request.metadata_field) != ["signature_def"]:
            raise ServingError(
                Code.INVALID_ARGUMENT, f"Metadata field {', '.join(request.metadata_field)} is not supported"
            )
        servable = _find(self._models, request.model_spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in servable.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
        packed = any_pb2.Any()
        packed.Pack(signatures)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = servable.name
        answer.model_spec.version.value = servable.version
        answer.metadata["signature_def"].CopyFrom(packed)
        return answer


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models: ModelManager) -> None:
        self._models = models

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        return _answered(context, lambda: self._status(request.model_spec))

    def _status(self, spec: Any) -> Any:
        if spec.name != self._models.name:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {spec.name}")
        number = spec.version.value if spec.HasField("version") else None
        answer = get_model_status_pb2.GetModelStatusResponse()
        for version in self._models.states(number):
            status = answer.model_version_status.add()
            status.version = version.number
            status.state = get_model_status_pb2.ModelVersionStatus.State.Value(version.state)
            if version.error is not None:
                status.status.error_code = int(version.error.code)
                status.status.error_message = version.error.message
        return answer
