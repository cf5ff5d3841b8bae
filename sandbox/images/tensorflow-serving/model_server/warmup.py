"""Requests that a model brings along, replayed while it loads.

Sources: tensorflow/serving, servables/tensorflow/{saved_model_warmup,saved_model_warmup_util}.cc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from . import tf
from .errors import Code, ServingError, invalid
from .inference import Task
from .wire import to_arrays, to_examples

MAX_RECORDS = 1000
FILE = "assets.extra/tf_serving_warmup_requests"


class Model(Protocol):
    """What records ask of a servable."""

    def predict(
        self, signature_name: str, inputs: Mapping[str, Any], output_filter: Sequence[str]
    ) -> Any: ...
    def classify(self, signature_name: str, examples: Sequence[bytes]) -> Any: ...
    def regress(self, signature_name: str, examples: Sequence[bytes]) -> Any: ...
    def infer_several(self, tasks: Sequence[Task], examples: Sequence[bytes]) -> Any: ...


def warm_up(model: Model, path: str, iterations: int) -> int | None:
    """How many records were replayed; None when the version brings none. One that fails fails the load."""
    file = f"{path}/{FILE}"
    if not tf.file_io.file_exists_v2(file):
        return None
    read = 0
    try:
        for record in tf.tf_record_iterator(file):
            try:
                log = prediction_log_pb2.PredictionLog.FromString(record)
            except DecodeError:
                raise invalid(f"Failed to parse warmup record: {record!r} from {file}") from None
            for _ in range(iterations):
                _replay(model, log)
            read += 1
            if read > MAX_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}")
    except tf.errors.DataLossError as error:
        raise ServingError(
            Code.DATA_LOSS, f"{error.message}. Please verify your warmup data is in TFRecord format."
        ) from None
    return read


def _replay(model: Model, log: Any) -> None:
    kind = log.WhichOneof("log_type")
    if kind is None:
        return
    if kind == "session_run_log":
        number = log.DESCRIPTOR.fields_by_name[kind].number
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")
    request = getattr(log, kind).request
    if kind == "predict_log":
        spec = request.model_spec
        model.predict(spec.signature_name, to_arrays(request.inputs), tuple(request.output_filter))
    elif kind == "classify_log":
        model.classify(request.model_spec.signature_name, to_examples(request.input))
    elif kind == "regress_log":
        model.regress(request.model_spec.signature_name, to_examples(request.input))
    else:
        tasks = [
            Task(task.model_spec.name, task.model_spec.signature_name, task.method_name)
            for task in request.tasks
        ]
        model.infer_several(tasks, to_examples(request.input))
