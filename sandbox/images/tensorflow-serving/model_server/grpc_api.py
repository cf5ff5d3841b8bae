"""TF Serving's gRPC services.

Sources: tensorflow/serving, model_servers/{server,prediction_service_impl,model_service_impl,get_model_status_impl}.cc and
servables/tensorflow/get_model_metadata_impl.cc.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from .config import ModelConfig
from .errors import Code, ServingError, invalid
from .inference import CLASSIFY, DEFAULT_SIGNATURE, Task
from .lifecycle import ModelManager
from .metrics import REQUEST_COUNT, REQUEST_LATENCY, Metrics
from .protos import to_models
from .wire import fill_tensor, to_arrays, to_examples

log = logging.getLogger("model_server")
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_INT32_MAX = 2**31 - 1
_FOR_EVER = 1e9


@dataclass(frozen=True)
class GrpcOptions:
    """``threads``: --grpc_max_threads. ``arguments``: channel arguments as ``k=v,k=v``. ``ssl``: an SSLConfig."""

    port: int
    socket_path: str
    threads: int
    arguments: str
    ssl: Any
    health: bool
    tensor_content: bool


def make_server(models: ModelManager, metrics: Metrics, options: GrpcOptions) -> grpc.Server:
    """A server, not yet started. Raises ``ServingError`` when it can't listen."""
    channel: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", _INT32_MAX),
        ("grpc.max_send_message_length", _INT32_MAX),
        ("grpc.so_reuseport", 0),
    ]
    for pair in filter(None, options.arguments.split(",")):
        key, _, value = pair.partition("=")
        channel.append((key, int(value) if value.lstrip("-").isdigit() else value))
    # Some threads more than may work: they turn away what is too much.
    gate = _Gate(max(1, options.threads - 1))
    server = grpc.server(ThreadPoolExecutor(options.threads + 4), options=channel)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Prediction(models, metrics, gate, options.tensor_content), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Models(models, metrics, gate), server)
    if options.health:
        servicer = health.HealthServicer()
        for service in ("", "ModelService", "PredictionService"):
            servicer.set(service, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    addresses = [f"0.0.0.0:{options.port}"] if options.port else []
    if options.socket_path:
        addresses.append(f"unix:{options.socket_path}")
    try:
        for address in addresses:
            if options.ssl is None:
                server.add_insecure_port(address)
            else:
                server.add_secure_port(address, _credentials(options.ssl))
    except (RuntimeError, ValueError) as error:
        log.error("%s", error)
        raise invalid("Failed to BuildAndStart gRPC server") from None
    return server


def _credentials(ssl: Any) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(ssl.server_key.encode(), ssl.server_cert.encode())],
        root_certificates=ssl.custom_ca.encode() or None,
        require_client_auth=ssl.client_verify,
    )


class _Gate:
    """As many calls at once as there are threads; more are refused as gRPC's own thread quota refuses them."""

    def __init__(self, calls: int) -> None:
        self._free = threading.Semaphore(calls)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        if not self._free.acquire(blocking=False):
            raise ServingError(Code.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
        try:
            yield
        finally:
            self._free.release()


def _spec(spec: Any) -> tuple[str, int | None, str | None]:
    """Model, version and label of a ModelSpec."""
    chosen = spec.WhichOneof("version_choice")
    version = spec.version.value if chosen == "version" else None
    return spec.name, version, spec.version_label if chosen == "version_label" else None


def _seconds_left(context: grpc.ServicerContext) -> float | None:
    """None without a deadline, for which gRPC gives a time that is centuries away."""
    left = context.time_remaining()
    return left if left is not None and left < _FOR_EVER else None


def _answered(gate: _Gate, context: grpc.ServicerContext, work: Callable[[], Any]) -> Any:
    try:
        with gate():
            return work()
    except ServingError as error:
        context.abort(_CODES[error.code], error.message)


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models: ModelManager, metrics: Metrics, gate: _Gate, tensor_content: bool) -> None:
        self._models, self._metrics, self._gate = models, metrics, gate
        self._tensor_content = tensor_content

    def _counted(
        self, api: str, request: Any, context: grpc.ServicerContext, work: Callable[[Any, float | None], Any]
    ) -> Any:
        name, started = request.model_spec.name, time.perf_counter()
        try:
            with self._gate():
                answer = work(request, _seconds_left(context))
        except ServingError as error:
            self._metrics.count(REQUEST_COUNT, name, error.code.name)
            context.abort(_CODES[error.code], error.message)
        self._metrics.count(REQUEST_COUNT, name, "OK")
        self._metrics.observe(REQUEST_LATENCY, (time.perf_counter() - started) * 1e6, name, api, "GRPC")
        return answer

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._counted("Predict", request, context, self._predict)

    def _predict(self, request: Any, timeout: float | None) -> Any:
        answer = predict_pb2.PredictResponse()
        with self._models.using(*_spec(request.model_spec)) as servable:
            outputs = servable.predict(
                request.model_spec.signature_name,
                to_arrays(request.inputs),
                tuple(request.output_filter),
                timeout,
            )
            _fill_spec(answer.model_spec, servable, request.model_spec.signature_name)
        for name, array in outputs.items():
            fill_tensor(answer.outputs[name], array, as_content=self._tensor_content)
        return answer

    def Classify(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._counted("Classify", request, context, self._classify)

    def _classify(self, request: Any, timeout: float | None) -> Any:
        answer = classification_pb2.ClassificationResponse()
        with self._models.using(*_spec(request.model_spec)) as servable:
            results = servable.classify(
                request.model_spec.signature_name, to_examples(request.input), timeout
            )
            _fill_spec(answer.model_spec, servable, request.model_spec.signature_name)
        _fill_classifications(answer.result, results)
        return answer

    def Regress(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._counted("Regress", request, context, self._regress)

    def _regress(self, request: Any, timeout: float | None) -> Any:
        answer = regression_pb2.RegressionResponse()
        with self._models.using(*_spec(request.model_spec)) as servable:
            results = servable.regress(request.model_spec.signature_name, to_examples(request.input), timeout)
            _fill_spec(answer.model_spec, servable, request.model_spec.signature_name)
        _fill_regressions(answer.result, results)
        return answer

    def MultiInference(self, request: Any, context: grpc.ServicerContext) -> Any:
        return _answered(self._gate, context, lambda: self._infer_several(request, _seconds_left(context)))

    def _infer_several(self, request: Any, timeout: float | None) -> Any:
        if not request.tasks:
            raise invalid("ModelSpec has no name specified.")
        tasks = [
            Task(task.model_spec.name, task.model_spec.signature_name, task.method_name)
            for task in request.tasks
        ]
        answer = inference_pb2.MultiInferenceResponse()
        # The first task tells the model.
        with self._models.using(*_spec(request.tasks[0].model_spec)) as servable:
            for task, result in zip(
                tasks, servable.infer_several(tasks, to_examples(request.input), timeout), strict=True
            ):
                added = answer.results.add()
                _fill_spec(added.model_spec, servable, task.signature_name)
                if task.method == CLASSIFY:
                    _fill_classifications(added.classification_result, result)
                else:
                    _fill_regressions(added.regression_result, result)
        return answer

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        return _answered(self._gate, context, lambda: self._metadata(request))

    def _metadata(self, request: Any) -> Any:
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != "signature_def":
                # The placeholder is upstream's own slip.
                raise invalid(f"Metadata field %s is not supported{name}")
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        with self._models.using(*_spec(request.model_spec)) as servable:
            answer.metadata["signature_def"].Pack(signature_map(servable))
            answer.model_spec.name = servable.name
            answer.model_spec.version.value = servable.version
        return answer


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models: ModelManager, metrics: Metrics, gate: _Gate) -> None:
        self._models, self._metrics, self._gate = models, metrics, gate

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        return _answered(self._gate, context, lambda: self._status(request))

    def _status(self, request: Any) -> Any:
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        answer = get_model_status_pb2.GetModelStatusResponse()
        for version in self._models.states(*_spec(request.model_spec)):
            status = answer.model_version_status.add()
            status.version = version.number
            status.state = get_model_status_pb2.ModelVersionStatus.State.Value(version.state)
            if version.error is not None:
                status.status.error_code = int(version.error.code)
                status.status.error_message = version.error.message
            else:
                status.status.SetInParent()
        return answer

    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> Any:
        return _answered(self._gate, context, lambda: self._reload(request))

    def _reload(self, request: Any) -> Any:
        before = {name: self._metrics.total(name) for name in request.metric_names}
        try:
            self._models.reload(_models(request.config))
        except ServingError as error:
            log.error("ReloadConfig failed: %s", error.message)
            raise
        answer = model_management_pb2.ReloadConfigResponse()
        answer.status.SetInParent()
        for name, old in before.items():
            if old is not None:
                answer.metric.add(name=name, int64_value_increase=(self._metrics.total(name) or 0) - old)
        return answer


def _models(config: Any) -> list[ModelConfig]:
    if config.WhichOneof("config") != "model_config_list":
        raise invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        )
    return to_models(config) or []


def signature_map(servable: Any) -> Any:
    """A servable's signatures as the metadata call carries them."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in servable.signatures.items():
        signatures.signature_def[name].CopyFrom(signature)
    return signatures


def _fill_spec(spec: Any, servable: Any, signature_name: str) -> None:
    spec.name = servable.name
    spec.signature_name = signature_name or DEFAULT_SIGNATURE
    spec.version.value = servable.version


def _fill_classifications(result: Any, results: Any) -> None:
    for classes in results:
        added = result.classifications.add()
        for label, score in classes:
            added.classes.add(label=label, score=score)


def _fill_regressions(result: Any, results: Any) -> None:
    for value in results:
        result.regressions.add(value=value)
