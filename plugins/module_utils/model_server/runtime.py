"""What is known of a model server itself: its container, ports, paths and metrics. It stands here and nowhere else.

Templates get it by the filter `model_server`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Runtime:
    """One kind of model server (what KServe calls a serving runtime)."""

    container: str
    """Name of its container in a pod, by which the HPA finds it."""
    command: str
    """What its image starts."""
    grpc_port: int
    rest_port: int
    """Where clients reach it: of the Service, and of its container or the proxy before it."""
    loopback_grpc_port: int
    loopback_rest_port: int
    """Where it listens behind a proxy, which has the ports above."""
    peers_port: int
    peers_grpc_port: int
    peers_rest_port: int
    """Where the proxies of its replicas ask each other how much they have under way, and give each other requests."""
    rest_path: str
    """What the paths of its REST API are, as a regular expression; others are none of its clients' business."""
    rest_verbs: tuple[str, ...]
    """What is asked by POST: what comes after the last colon of such a path."""
    models_path: str
    """What leads to a model, before its name."""
    grpc_services: tuple[str, ...]
    """What clients may call, service by service."""
    grpc_status: str
    grpc_predict: str
    grpc_metadata: str
    """Methods."""
    grpc_asks: tuple[str, ...]
    """Methods that the model works for, as for ``rest_verbs``; the others tell of the replica itself."""
    stays: str
    """A header (of gRPC: metadata) of any value with which a request is answered by the replica that it came to."""
    metrics_path: str
    flags: tuple[str, ...]
    """Arguments that it knows; others it names in its log and goes on without."""
    cors_flag: str
    """The one of these by which it answers browsers that ask with OPTIONS first."""
    request_counter: str
    """The counter of all requests of clients, errors included."""
    latency_histogram: str
    """The histogram of their durations, in microseconds."""

    def model_path(self, model: str, version: int | str | None = None, label: str | None = None) -> str:
        """Where a version, the version that a label points to, or (neither) the newest of a model is asked."""
        at = "" if version is None else f"/versions/{version}"
        if label is not None:
            at = f"/labels/{quote(label, safe='')}"
        return f"{self.models_path}/{quote(model, safe='')}{at}"

    def predict_path(self, model: str, version: int | str | None = None, label: str | None = None) -> str:
        return f"{self.model_path(model, version, label)}:predict"

    def metadata_path(self, model: str, version: int | str | None = None) -> str:
        """Answered with the signatures, and only once the version is loaded: so it tells whether a pod is ready."""
        return f"{self.model_path(model, version)}/metadata"


_FLAGS = (
    "port", "grpc_socket_path", "rest_api_port", "rest_api_num_threads", "rest_api_timeout_in_ms",
    "rest_api_enable_cors_support", "enable_batching", "allow_version_labels_for_unavailable_models",
    "batching_parameters_file", "enable_per_model_batching_parameters", "model_config_file",
    "model_config_file_poll_wait_seconds", "model_name", "model_base_path", "num_load_threads",
    "num_unload_threads", "max_num_load_retries", "load_retry_interval_micros", "file_system_poll_wait_seconds",
    "flush_filesystem_caches", "tensorflow_session_parallelism", "tensorflow_session_config_file",
    "tensorflow_intra_op_parallelism", "tensorflow_inter_op_parallelism", "use_alts_credentials", "ssl_config_file",
    "platform_config_file", "per_process_gpu_memory_fraction", "saved_model_tags", "grpc_channel_arguments",
    "grpc_max_threads", "enable_model_warmup", "num_request_iterations_for_warmup", "version",
    "monitoring_config_file", "remove_unused_fields_from_bundle_metagraph", "prefer_tflite_model",
    "num_tflite_pools", "num_tflite_interpreters_per_pool", "enable_signature_method_name_check",
    "xla_cpu_compilation_enabled", "xla_gpu_compilation_enabled", "enable_profiler",
    "thread_pool_factory_config_file", "mixed_precision", "skip_initialize_tpu", "enable_grpc_healthcheck_service",
    "enable_serialization_as_tensor_content",
)  # fmt: skip

TF_SERVING = Runtime(
    container="tfserving",
    command="/usr/bin/tensorflow_model_server",
    grpc_port=8500,
    rest_port=8501,
    loopback_grpc_port=18500,
    loopback_rest_port=18501,
    peers_port=8405,
    peers_grpc_port=8510,
    peers_rest_port=8511,
    rest_path=r"/v1/models/\w[\w.-]*(?:/versions/\d+|/labels/\w[\w.-]*)?(?:/metadata|:predict|:classify|:regress)?",
    rest_verbs=("predict", "classify", "regress"),
    models_path="/v1/models",
    grpc_services=("/tensorflow.serving.PredictionService/", "/grpc.health.v1.Health/"),
    grpc_status="/tensorflow.serving.ModelService/GetModelStatus",
    grpc_predict="/tensorflow.serving.PredictionService/Predict",
    grpc_metadata="/tensorflow.serving.PredictionService/GetModelMetadata",
    grpc_asks=tuple(
        f"/tensorflow.serving.PredictionService/{method}"
        for method in ("Predict", "Classify", "Regress", "MultiInference")
    ),
    stays="x-this-replica",
    metrics_path="/monitoring/prometheus/metrics",
    flags=_FLAGS,
    cors_flag="rest_api_enable_cors_support",
    request_counter=":tensorflow:serving:request_count",
    latency_histogram=":tensorflow:serving:request_latency",
)
"""https://www.tensorflow.org/tfx/serving/api_rest, and tensorflow/serving: model_servers/main.cc (ports, flags),
util/prometheus_exporter.cc and servables/tensorflow/util.cc (metrics)."""

RUNTIMES: Mapping[str, Runtime] = {"tfserving": TF_SERVING}


def as_data(name: str) -> dict[str, Any]:
    """A runtime by its name, as templates take it. Raises KeyError."""
    return asdict(RUNTIMES[name])
