"""The module tfserving_model by gRPC: a real gRPC server behind the API server's port forward."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.runtime import TF_SERVING
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.tensors import fill, nested
from ansible_collections.mlops.tfserving.plugins.module_utils.protos import message
from fake_cluster import Ask, Pod

FLOAT, STRING = 1, 7
COFFEE = {
    "name": "coffee",
    "instances": [{"b64": "/9j/"}],
    "expect": [{"label": "cup", "scores": [0.75, 0.25]}],
}


def _status(request: Any, context: grpc.ServicerContext) -> Any:
    answer = message("GetModelStatusResponse")
    if request.model_spec.name != "m":
        context.abort(
            grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {request.model_spec.name}"
        )
    answer.model_version_status.add(version=3, state=30)
    if not request.model_spec.version_label:
        answer.model_version_status.add(version=2, state=50)
    return answer


def _metadata(request: Any, _: grpc.ServicerContext) -> Any:
    answer, signatures = message("GetModelMetadataResponse"), message("SignatureDefMap")
    signatures.signature_def["serving_default"].inputs["image"].dtype = STRING
    answer.metadata["signature_def"].value = signatures.SerializeToString()
    return answer


def _predict(request: Any, context: grpc.ServicerContext) -> Any:
    rows = nested(request.inputs["image"], "image_bytes")
    if rows != [{"b64": "/9j/"}]:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no picture: {rows}")
    answer = message("PredictResponse")
    fill(answer.outputs["label"], "label", ["cup"], STRING)
    fill(answer.outputs["scores"], "scores", [[0.75, 0.25]], FLOAT)
    return answer


METHODS = {
    "ModelService": {"GetModelStatus": (_status, "GetModelStatusRequest")},
    "PredictionService": {
        "GetModelMetadata": (_metadata, "GetModelMetadataRequest"),
        "Predict": (_predict, "PredictRequest"),
    },
}


class Said(grpc.ServerInterceptor):
    """What came with each call beside the message, by its method."""

    def __init__(self) -> None:
        self.by_method: dict[str, dict[str, Any]] = {}

    def intercept_service(self, go_on: Any, call: Any) -> Any:
        self.by_method[call.method.rpartition("/")[2]] = dict(call.invocation_metadata)
        return go_on(call)


@contextmanager
def model_server(*interceptors: grpc.ServerInterceptor) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(4), interceptors=interceptors)
    for service, methods in METHODS.items():
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                function, type(message(request)).FromString, lambda sent: sent.SerializeToString()
            )
            for name, (function, request) in methods.items()
        }
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(f"tensorflow.serving.{service}", handlers)]
        )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def test_states_and_predictions_are_asked_by_grpc(ask: Ask) -> None:
    with model_server() as port:
        pods = Pod("w-1", grpc_port=port), Pod("w-2", grpc_port=port)
        result = ask(*pods, protocol="grpc", version=3, golden=[COFFEE], latency={"requests": 3})
    assert not result.get("failed"), result
    assert [pod["versions"] for pod in result["pods"]] == [{"3": "AVAILABLE", "2": "END"}] * 2
    assert result["pods"][0]["latency"]["m/3"]["requests"] == 3


def test_every_call_says_that_this_pod_is_meant(ask: Ask) -> None:
    """Its proxy would give a prediction to another one that has less to do."""
    said = Said()
    with model_server(said) as port:
        ask(Pod("w-1", grpc_port=port), protocol="grpc", version=3, golden=[COFFEE])
    assert {*said.by_method} == {"GetModelStatus", "GetModelMetadata", "Predict"}
    assert all(TF_SERVING.stays in found for found in said.by_method.values())


def test_a_label_is_asked_by_grpc(ask: Ask) -> None:
    with model_server() as port:
        result = ask(Pod("w-1", grpc_port=port), protocol="grpc", label="stable", version=3)
    assert result["pods"][0]["versions"] == {"3": "AVAILABLE"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"golden": [{**COFFEE, "instances": ["x"]}]}, "golden coffee: gRPC INVALID_ARGUMENT: no picture"),
        ({"golden": [{**COFFEE, "instances": [1.5]}]}, "input image does not hold values of type string"),
        (
            {"golden": [{**COFFEE, "signature_name": "x"}]},
            'Serving signature key "x" not found (has: serving_default)',
        ),
        ({"golden": [{**COFFEE, "expect": [{"label": "mug"}]}]}, "$[0].label: expected 'mug', got 'cup'"),
        ({"version": 2}, "version 2 is not available (has: 2 END, 3 AVAILABLE)"),
        ({"model": "other"}, "gRPC NOT_FOUND: Could not find any versions of model other"),
    ],
)
def test_what_is_wrong_is_told_as_by_rest(ask: Ask, options: dict[str, Any], words: str) -> None:
    with model_server() as port:
        result = ask(Pod("w-1", grpc_port=port), protocol="grpc", **options)
    assert result["failed"]
    assert words in result["msg"]


def test_a_port_that_nothing_listens_on_is_told(ask: Ask) -> None:
    with model_server() as port:
        pass
    result = ask(Pod("w-1", grpc_port=port), protocol="grpc", timeout=5)
    assert result["failed"]
    assert "gRPC UNAVAILABLE" in result["msg"]
    assert "error forwarding port 8500 to pod" in result["msg"]


@pytest.mark.parametrize(
    ("module", "name", "package"),
    [("model_server.grpc_server", "GRPC", "grpcio"), ("protos", "PROTOBUF", "protobuf")],
)
def test_a_package_that_is_missing_is_named(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, module: str, name: str, package: str
) -> None:
    where = f"ansible_collections.mlops.tfserving.plugins.module_utils.{module}.{name}_IMPORT_ERROR"
    monkeypatch.setattr(where, "ImportError: no such module")
    result = ask(Pod("w-1"), protocol="grpc")
    assert result["failed"]
    assert f"Failed to import the required Python library ({package})" in result["msg"]
    assert not ask(Pod("w-1")).get("failed"), "REST does without"
