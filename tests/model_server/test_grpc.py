"""gRPC with tensorflow-serving-api's own stubs."""

from __future__ import annotations

import threading
import time
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from serving import Server
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)


def predict(name: str = "m", signature: str = "", **inputs: Any) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def failure(call: Any, *arguments: Any, **options: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return caught.value.code(), caught.value.details()


def test_predict(server: Server) -> None:
    answer = server.predictions.Predict(predict(x=floats(1, 2)))
    assert list(answer.outputs["y"].float_val) == [3.5, 4.0], "values, not tensor_content"
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("m", 2)
    assert answer.model_spec.signature_name == "serving_default"
    request = predict(x=floats(1))
    request.model_spec.version_label = "stable"
    assert list(server.predictions.Predict(request).outputs["y"].float_val) == [2.5]
    request.model_spec.version.value = 2
    assert list(server.predictions.Predict(request).outputs["y"].float_val) == [3.5]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool", "float16"])
def test_every_type(server: Server, dtype: str) -> None:
    value = np.array([[0, 1], [1, 0]]).astype(dtype)
    answer = server.predictions.Predict(predict("types", dtype, x=value))
    taken = tf.make_ndarray(answer.outputs["y"])
    assert taken.dtype == value.dtype
    assert taken.tolist() == value.tolist()


def test_strings_and_the_output_filter(server: Server) -> None:
    request = predict("types", "several", a=np.array([5]), b=np.array([b"\xff"], object))
    request.output_filter.append("b")
    answer = server.predictions.Predict(request)
    assert list(answer.outputs) == ["b"]
    assert list(answer.outputs["b"].string_val) == [b"\xff"]
    request.output_filter[:] = ["b", "b"]
    assert failure(server.predictions.Predict, request)[1] == "duplicate output tensor alias: b"
    request.output_filter[:] = ["z"]
    assert failure(server.predictions.Predict, request)[1] == (
        "output tensor alias not found in signature: z Outputs expected to be in the set {a,b,b_bytes}."
    )


def test_errors_to_the_letter(server: Server) -> None:
    code = grpc.StatusCode
    call = server.predictions.Predict
    assert failure(call, predict(signature="x", x=floats(1))) == (
        code.FAILED_PRECONDITION,
        'Serving signature key "x" not found.',
    )
    assert failure(call, predict()) == (
        code.INVALID_ARGUMENT,
        "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. "
        "Missing but required: {x}.",
    )
    assert failure(call, predict(z=floats(1))) == (
        code.INVALID_ARGUMENT,
        "input tensor alias not found in signature: z. Inputs expected to be in the set {x}.",
    )
    assert failure(call, predict(x=np.array([1.0]))) == (
        code.INVALID_ARGUMENT,
        "Expects arg[0] to be float but double is provided",
    )
    assert failure(call, predict("")) == (code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
    assert failure(call, predict("nobody")) == (
        code.NOT_FOUND,
        "Servable not found for request: Latest(nobody)",
    )
    request = predict(x=floats(1))
    request.model_spec.version_label = "none"
    assert failure(call, request) == (code.INVALID_ARGUMENT, "Unrecognized servable version label: none")


def examples(*values: float) -> Any:
    given = classification_pb2.ClassificationRequest().input
    for value in values:
        given.example_list.examples.add().features.feature["x"].float_list.value.append(value)
    return given


def test_classify_regress_and_both_at_once(server: Server) -> None:
    request = classification_pb2.ClassificationRequest(input=examples(1, 2))
    request.model_spec.name, request.model_spec.signature_name = "m", "classify_x_to_y"
    request.model_spec.version.value = 1
    answer = server.predictions.Classify(request)
    assert [[(c.label, c.score) for c in r.classes] for r in answer.result.classifications] == [
        [("half", 2.5), ("same", 1.0)],
        [("half", 3.0), ("same", 2.0)],
    ]
    regression = regression_pb2.RegressionRequest(input=examples(4))
    regression.model_spec.name, regression.model_spec.signature_name = "m", "regress_x_to_y"
    regression.model_spec.version_label = "stable"
    assert [r.value for r in server.predictions.Regress(regression).result.regressions] == [4.0]
    regression.ClearField("input")
    assert failure(server.predictions.Regress, regression)[1] == "Input is empty."

    several = inference_pb2.MultiInferenceRequest(input=examples(1))
    for signature, method in (("classify_x_to_y", "classify"), ("regress_x_to_y", "regress")):
        task = several.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "m", signature
    answer = server.predictions.MultiInference(several)
    assert answer.results[0].classification_result.classifications[0].classes[0].score == 3.5
    assert answer.results[1].regression_result.regressions[0].value == 3.5
    assert answer.results[1].model_spec.signature_name == "regress_x_to_y"
    several.tasks[1].CopyFrom(several.tasks[0])
    assert failure(server.predictions.MultiInference, several) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Duplicate evaluation of signature: classify_x_to_y",
    )


def test_metadata(server: Server) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "m"
    assert failure(server.predictions.GetModelMetadata, request)[1] == (
        "GetModelMetadataRequest must specify at least one metadata_field"
    )
    request.metadata_field.append("signature_def")
    answer = server.predictions.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["serving_default"].method_name == "tensorflow/serving/predict"
    assert answer.model_spec.version.value == 2


def test_status(server: Server) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "m"
    answer = server.models.GetModelStatus(request)
    available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert [(v.version, v.state) for v in answer.model_version_status] == [(2, available), (1, available)]
    request.model_spec.version.value = 9
    assert failure(server.models.GetModelStatus, request) == (
        grpc.StatusCode.NOT_FOUND,
        "Could not find version 9 of model m",
    )


def test_health(server: Server) -> None:
    health = health_pb2_grpc.HealthStub(server.channel)
    for service in ("", "ModelService", "PredictionService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert (
        failure(health.Check, health_pb2.HealthCheckRequest(service="other"))[0] is grpc.StatusCode.NOT_FOUND
    )


def test_large_messages(server: Server) -> None:
    value = np.zeros((3000, 1000), np.float32)
    answer = server.predictions.Predict(predict("types", "float32", x=value))
    assert tf.make_ndarray(answer.outputs["y"]).shape == (3000, 1000), "12 MB, three times gRPC's default"


def test_a_deadline_ends_the_run(server: Server) -> None:
    def ended() -> list[str]:
        count = ':tensorflow:serving:request_count{model_name="gate",status="DEADLINE_EXCEEDED"}'
        return [line for line in server.get("/metrics").text.splitlines() if line.startswith(count)]

    before = ended()
    code, _ = failure(server.predictions.Predict, predict("gate", x=floats(1)), timeout=0.3)
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    # Not only for the client: the server's thread is free again.
    server.until(lambda: ended() != before)


def test_more_calls_than_threads(server: Server) -> None:
    """Four threads: one polls, three work; the fourth call is refused at once."""
    request = predict("gate", x=floats(1))
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "m"
    running = [server.predictions.Predict.future(request, timeout=30) for _ in range(3)]
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            time.sleep(0.05)  # The question itself takes a thread, for a moment.
            try:
                server.models.GetModelStatus(status, timeout=5)
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                break
        assert failure(server.predictions.Predict, request, timeout=5) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "Server Threadpool Exhausted",
        )
    finally:
        opened = [
            threading.Thread(
                target=server.predict, args=({"signature_name": "open", "instances": [1]}, "gate")
            )
            for _ in range(3)
        ]
        for thread in opened:
            thread.start()
        for thread in opened:
            thread.join()
    assert [list(call.result().outputs["y"].float_val) for call in running] == [[1.0]] * 3
