"""What happens while a model loads: warm-up of every kind, and models from Cloud Storage. In this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from fixture_models import half_plus, warm_up
from model_server.errors import ServingError
from model_server.metrics import Metrics
from model_server.servable import Servable, Settings
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import prediction_log_pb2

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

CONFIG = config_pb2.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)


def load(path: Path, **changes: Any) -> tuple[Servable, str]:
    settings = {
        "session_config": CONFIG, "tags": ("serve",), "warm_up": True, "warm_up_iterations": 1,
        "check_method_name": False, "batching": None,
    }  # fmt: skip
    metrics = Metrics()
    servable = Servable("m", 1, str(path), Settings(**{**settings, **changes}), metrics)
    servable.close()
    return servable, metrics.render()


def predict_log(value: Any = (1.0,), signature: str = "") -> Any:
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(list(value), tf.float32))
    return log


def example(given: Any) -> None:
    given.example_list.examples.add().features.feature["x"].float_list.value.append(1.0)


def classify_log() -> Any:
    log = prediction_log_pb2.PredictionLog()
    log.classify_log.request.model_spec.signature_name = "classify_x_to_y"
    example(log.classify_log.request.input)
    return log


def regress_log() -> Any:
    log = prediction_log_pb2.PredictionLog()
    log.regress_log.request.model_spec.signature_name = "regress_x_to_y"
    example(log.regress_log.request.input)
    return log


def several_log() -> Any:
    log = prediction_log_pb2.PredictionLog()
    request = log.multi_inference_log.request
    for signature, method in (("classify_x_to_y", "classify"), ("regress_x_to_y", "regress")):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "m", signature
    example(request.input)
    return log


def test_records_of_every_kind_are_replayed(tmp_path: Path) -> None:
    path = half_plus(tmp_path / "1")
    warm_up(path, [predict_log(), classify_log(), regress_log(), several_log()])
    metrics = load(path, warm_up_iterations=3)[1]
    for api in ("Predict", "Classify", "Regress", "MultiInference"):
        assert f'runtime_latency_count{{model_name="m",API="{api}",runtime="TF1"}} 3' in metrics
    assert f'model_warmup_latency_count{{model_path="{path}",status="OK"}} 1' in metrics
    assert f'model_warmup_records_read{{model_path="{path}"}} 4' in metrics
    assert "runtime_latency_count" not in load(path, warm_up=False)[1], "unless warm-up is switched off"


def session_log() -> Any:
    log = prediction_log_pb2.PredictionLog()
    log.session_run_log.SetInParent()
    return log


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (lambda: predict_log(signature="z"), 'FAILED_PRECONDITION: Serving signature key "z" not found.'),
        (session_log, "UNIMPLEMENTED: Unsupported log_type for warmup: "),
        (lambda: b"\xff\xff", "INVALID_ARGUMENT: Failed to parse warmup record: "),
    ],
)
def test_a_record_that_fails_fails_the_load(tmp_path: Path, record: Callable[[], Any], error: str) -> None:
    path = half_plus(tmp_path / "1")
    warm_up(path, [predict_log(), record()])
    with pytest.raises(ServingError) as caught:
        load(path)
    assert caught.value.text.startswith(error)


def test_a_thousand_records_and_not_one_more(tmp_path: Path) -> None:
    path = half_plus(tmp_path / "1")
    warm_up(path, [predict_log()] * 1000)
    load(path)
    path = half_plus(tmp_path / "2")
    warm_up(path, [predict_log()] * 1001)
    with pytest.raises(ServingError) as caught:
        load(path)
    assert caught.value.message == (
        f"Number of warmup records exceeds the maximum (1000) at {path}/assets.extra/tf_serving_warmup_requests"
    )
    (path / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"this is no TFRecord file at all")
    with pytest.raises(ServingError) as caught:
        load(path)
    assert caught.value.text.startswith("DATA_LOSS: ")
    assert caught.value.text.endswith("Please verify your warmup data is in TFRecord format.")


def test_an_upload_that_is_under_way(tmp_path: Path) -> None:
    path = half_plus(tmp_path / "1")
    data = next((path / "variables").glob("variables.data*"))
    data.unlink()
    with pytest.raises(ServingError) as caught:
        load(path)
    assert caught.value.code.name in ("NOT_FOUND", "DATA_LOSS")
    assert "variables" in caught.value.text
    (path / "variables" / "variables.index").unlink()
    load(path)  # Without the index TF Serving believes that there are no variables ...
    warm_up(path, [predict_log()])
    with pytest.raises(ServingError, match="half") as caught:
        load(path)  # ... and only a request tells.
    assert caught.value.code.name == "FAILED_PRECONDITION"


def test_defaults_of_a_signature_and_its_method_name(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x, y = (tf.compat.v1.placeholder(tf.float32, [None]) for _ in range(2))
        info = tf.compat.v1.saved_model.build_tensor_info
        signature = tf.compat.v1.saved_model.build_signature_def(
            {"x": info(x), "y": info(y)}, {"z": info(x + y)}, "my/method"
        )
        signature.defaults["y"].CopyFrom(tf.make_tensor_proto([10.0]))
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "1"))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    record = predict_log()
    warm_up(tmp_path / "1", [record])
    load(tmp_path / "1")
    with pytest.raises(ServingError, match="Expected prediction signature method_name to be one of"):
        load(tmp_path / "1", check_method_name=True)
