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
    metrics_path: str
    request_counter: str
    """The counter of all requests of clients, errors included."""

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


TF_SERVING = Runtime(
    container="tfserving",
    command="/usr/bin/tensorflow_model_server",
    grpc_port=8500,
    rest_port=8501,
    loopback_grpc_port=18500,
    loopback_rest_port=18501,
    rest_path=r"/v1/models/\w[\w.-]*(?:/versions/\d+|/labels/\w[\w.-]*)?(?:/metadata|:predict|:classify|:regress)?",
    rest_verbs=("predict", "classify", "regress"),
    models_path="/v1/models",
    grpc_services=("/tensorflow.serving.PredictionService/", "/grpc.health.v1.Health/"),
    grpc_status="/tensorflow.serving.ModelService/GetModelStatus",
    grpc_predict="/tensorflow.serving.PredictionService/Predict",
    grpc_metadata="/tensorflow.serving.PredictionService/GetModelMetadata",
    metrics_path="/monitoring/prometheus/metrics",
    request_counter=":tensorflow:serving:request_count",
)
"""https://www.tensorflow.org/tfx/serving/api_rest, and tensorflow/serving: model_servers/main.cc (ports),
util/prometheus_exporter.cc and servables/tensorflow/util.cc (metrics)."""

RUNTIMES: Mapping[str, Runtime] = {"tfserving": TF_SERVING}


def as_data(name: str) -> dict[str, Any]:
    """A runtime by its name, as templates take it. Raises KeyError."""
    return asdict(RUNTIMES[name])
