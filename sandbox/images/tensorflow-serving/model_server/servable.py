"""One loaded version of a model: a V1 session, as TF Serving has it, its signatures and its warm-up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from .errors import Code, ServingError
from .flags import Flags
from .metrics import Metrics
from .tensors import TensorInfo

MAX_WARMUP_RECORDS = 1000
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
PREDICT_METHOD = "tensorflow/serving/predict"


class Servable:
    """A version that can answer. Construction loads it; raises ``ServingError`` when it can't be loaded."""

    def __init__(self, name: str, version: int, path: Path, flags: Flags, metrics: Metrics) -> None:
        self.name, self.version = name, version
        self._metrics = metrics
        v1 = tf.compat.v1
        graph = tf.Graph()
        parallelism = flags.tensorflow_session_parallelism
        self._session = v1.Session(
            graph=graph,
            config=v1.ConfigProto(
                intra_op_parallelism_threads=flags.tensorflow_intra_op_parallelism or parallelism,
                inter_op_parallelism_threads=flags.tensorflow_inter_op_parallelism or parallelism,
            ),
        )
        try:
            with graph.as_default():
                meta = v1.saved_model.loader.load(self._session, flags.saved_model_tags.split(","), str(path))
        except (tf.errors.OpError, OSError, RuntimeError, ValueError) as error:
            self._session.close()
            code = Code(getattr(error, "error_code", Code.NOT_FOUND))
            raise ServingError(code, str(getattr(error, "message", error))) from None
        self.signatures: dict[str, Any] = dict(meta.signature_def)
        self._callables: dict[tuple[str, tuple[str, ...]], Callable[..., list[np.ndarray]]] = {}
        self._timeout_ms = flags.rest_api_timeout_in_ms
        if flags.enable_model_warmup:
            self._warm_up(path, max(1, flags.num_request_iterations_for_warmup))

    def close(self) -> None:
        self._session.close()

    def input_infos(self) -> dict[str, dict[str, TensorInfo]]:
        """The inputs of each signature."""
        return {
            key: {name: _info(name, tensor) for name, tensor in signature.inputs.items()}
            for key, signature in self.signatures.items()
        }

    def predict(
        self, signature_name: str, inputs: dict[str, np.ndarray], output_filter: tuple[str, ...] = ()
    ) -> dict[str, np.ndarray]:
        """The signature's outputs by name."""
        signature = self.signatures.get(signature_name)
        if signature is None:
            raise ServingError(
                Code.FAILED_PRECONDITION, f'Serving signature key "{signature_name}" not found.'
            )
        if signature.method_name not in (
            PREDICT_METHOD,
            "tensorflow/serving/classify",
            "tensorflow/serving/regress",
        ):
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"Expected {PREDICT_METHOD} signature method, got {signature.method_name}",
            )
        if set(inputs) != set(signature.inputs):
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"input size does not match signature: {len(inputs)}!={len(signature.inputs)} "
                f"len({{{','.join(sorted(inputs))}}}) != len({{{','.join(sorted(signature.inputs))}}}).",
            )
        unknown = [name for name in output_filter if name not in signature.outputs]
        if unknown:
            raise ServingError(
                Code.INVALID_ARGUMENT, f"output tensor alias not found in signature: {unknown[0]}"
            )
        names = output_filter or tuple(sorted(signature.outputs))
        started = time.perf_counter()
        try:
            values = self._callable(signature_name, names)(*(inputs[key] for key in sorted(inputs)))
        except tf.errors.OpError as error:
            raise ServingError(Code(error.error_code), error.message) from None
        except (TypeError, ValueError) as error:
            raise ServingError(Code.INVALID_ARGUMENT, str(error)) from None
        self._metrics.observe(
            ":tensorflow:serving:runtime_latency", (time.perf_counter() - started) * 1e6,
            model_name=self.name, API="Predict", runtime="TF1",
        )  # fmt: skip
        return dict(zip(names, values, strict=True))

    def _callable(self, signature_name: str, names: tuple[str, ...]) -> Callable[..., list[np.ndarray]]:
        key = (signature_name, names)
        if key not in self._callables:
            signature = self.signatures[signature_name]
            feeds = [signature.inputs[name].name for name in sorted(signature.inputs)]
            fetches = [signature.outputs[name].name for name in names]
            self._callables[key] = self._session.make_callable(fetches, feeds)
        return self._callables[key]

    def _warm_up(self, path: Path, iterations: int) -> None:
        file = path / WARMUP_FILE
        if not file.exists():
            return
        from tensorflow_serving.apis import prediction_log_pb2  # noqa: PLC0415 only where there is a record

        started = time.perf_counter()
        for number, record in enumerate(tf.compat.v1.io.tf_record_iterator(str(file))):
            if number >= MAX_WARMUP_RECORDS:
                raise ServingError(
                    Code.INVALID_ARGUMENT,
                    f"Number of warmup records exceeds the maximum ({MAX_WARMUP_RECORDS}) at {file}",
                )
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.WhichOneof("log_type") != "predict_log":
                raise ServingError(
                    Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {log.WhichOneof('log_type')}"
                )
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
            for _ in range(iterations):
                self.predict(request.model_spec.signature_name or "serving_default", inputs)
        self._metrics.observe(
            ":tensorflow:serving:model_warmup_latency", (time.perf_counter() - started) * 1e6,
            model_path=str(path), status="OK",
        )  # fmt: skip


def _info(name: str, tensor: Any) -> TensorInfo:
    shape = None if tensor.tensor_shape.unknown_rank else tuple(d.size for d in tensor.tensor_shape.dim)
    return TensorInfo(name, tf.dtypes.as_dtype(tensor.dtype).name, shape)
