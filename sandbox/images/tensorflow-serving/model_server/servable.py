"""One loaded version of a model: a V1 session, as TF Serving has it, its signatures and its warm-up."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import inference, tf
from .batching import BatchQueue, BatchScheduler, validate_queue
from .errors import Code, ServingError, invalid
from .inference import CLASSIFY, DEFAULT_SIGNATURE, PREDICT, REGRESS, Plan, Task
from .metrics import (
    EXAMPLE_COUNT_TOTAL,
    EXAMPLE_COUNTS,
    GRAPH_RUN_TIME,
    GRAPH_RUNS,
    LOAD_ATTEMPT_COUNT,
    LOAD_LATENCY,
    RUNTIME_LATENCY,
    WARMUP_LATENCY,
    WARMUP_RECORDS,
    Metrics,
)
from .tensors import TensorInfo
from .warmup import warm_up


@dataclass(frozen=True)
class Settings:
    """How servables of this server are loaded and run."""

    session_config: Any
    tags: tuple[str, ...]
    warm_up: bool
    warm_up_iterations: int
    check_method_name: bool
    batching: BatchScheduler | None


class Servable:
    """A version that can answer. Construction loads it; raises ``ServingError`` when it can't be loaded."""

    def __init__(
        self, name: str, version: int, path: str, settings: Settings, metrics: Metrics, shown: str = ""
    ) -> None:
        """``shown``: the path that metrics name, when TensorFlow reads a copy."""
        shown = shown or path
        self.name, self.version = name, version
        self._settings, self._metrics = settings, metrics
        started = time.perf_counter()
        try:
            self._session, self.signatures = _load(path, settings)
        except ServingError:
            metrics.count(LOAD_ATTEMPT_COUNT, shown, "fail")
            raise
        metrics.count(LOAD_ATTEMPT_COUNT, shown, "success")
        metrics.count(LOAD_LATENCY, shown, by=round((time.perf_counter() - started) * 1e6))
        self.input_infos = {
            key: {name: _info(name, tensor) for name, tensor in sorted(signature.inputs.items())}
            for key, signature in self.signatures.items()
        }
        self._ends: dict[str, Any] = {}
        self._queues: dict[tuple[tuple[str, ...], tuple[str, ...]], BatchQueue] = {}
        self._queues_lock = threading.Lock()
        try:
            if settings.batching:
                validate_queue(settings.batching.parameters)
            if settings.warm_up:
                started = time.perf_counter()
                records = warm_up(self, path, settings.warm_up_iterations)
                if records is not None:
                    metrics.observe(WARMUP_LATENCY, (time.perf_counter() - started) * 1e6, shown, "OK")
                    metrics.count(WARMUP_RECORDS, shown, by=records)
        except ServingError:
            self.close()
            raise

    def close(self) -> None:
        for queue in self._queues.values():
            queue.close()
        self._session.close()

    def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        output_filter: Sequence[str] = (),
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """The signature's outputs by name. ``timeout`` in seconds."""
        name = signature_name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        signature = self.signatures[name]
        if self._settings.check_method_name and signature.method_name not in (PREDICT, CLASSIFY, REGRESS):
            raise ServingError(
                Code.INTERNAL,
                f"Expected prediction signature method_name to be one of {{{PREDICT}, {CLASSIFY}, {REGRESS}}}. "
                f"Was: {signature.method_name}",
            )
        feeds = self._feeds(signature, inputs)
        aliases = _aliases(signature, output_filter)
        started = time.perf_counter()
        values = self._run(feeds, tuple(signature.outputs[alias].name for alias in aliases), timeout)
        self._observe_runtime("Predict", started)
        return dict(zip(aliases, values, strict=True))

    def _feeds(self, signature: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        expected, given = set(signature.inputs), set(inputs)
        if len(given) > len(expected) or (len(given) < len(expected) and not signature.defaults):
            raise invalid(
                f"input size does not match signature: {len(given)}!={len(expected)} "
                f"len({{{_joined(given)}}}) != len({{{_joined(expected)}}}). "
                f"Sent extra: {{{_joined(given - expected)}}}. "
                f"Missing but required: {{{_joined(expected - given)}}}."
            )
        for alias in sorted(given - expected):
            raise invalid(
                f"input tensor alias not found in signature: {alias}. "
                f"Inputs expected to be in the set {{{_joined(expected)}}}."
            )
        values = {alias: tf.make_ndarray(proto) for alias, proto in signature.defaults.items()}
        values.update(inputs)
        return {signature.inputs[alias].name: values[alias] for alias in sorted(expected)}

    def classify(
        self, signature_name: str, examples: Sequence[bytes], timeout: float | None = None
    ) -> list[inference.Classes]:
        """``examples``: serialised tf.train.Example messages."""
        signature = inference.find(self.signatures, signature_name, CLASSIFY)
        fetched = self._run_examples(inference.plan(signature, CLASSIFY), examples, "Classify", timeout)
        return inference.classifications(signature, len(examples), fetched)

    def regress(
        self, signature_name: str, examples: Sequence[bytes], timeout: float | None = None
    ) -> list[float]:
        """``examples``: serialised tf.train.Example messages."""
        signature = inference.find(self.signatures, signature_name, REGRESS)
        fetched = self._run_examples(inference.plan(signature, REGRESS), examples, "Regress", timeout)
        return inference.regressions(signature, len(examples), fetched)

    def infer_several(
        self, tasks: Sequence[Task], examples: Sequence[bytes], timeout: float | None = None
    ) -> list[list[inference.Classes] | list[float]]:
        """The results of several classifications and regressions of the same examples, in one run."""
        plan = inference.plan_several(tasks, self.signatures)
        fetched = self._run_examples(plan, examples, "MultiInference", timeout)
        return [
            (inference.classifications if task.method == CLASSIFY else inference.regressions)(
                self.signatures[task.signature_name or DEFAULT_SIGNATURE], len(examples), fetched
            )
            for task in tasks
        ]

    def _run_examples(
        self, plan: Plan, examples: Sequence[bytes], api: str, timeout: float | None
    ) -> dict[str, np.ndarray]:
        if not examples:
            raise invalid("Input is empty.")
        array = np.empty(len(examples), dtype=object)
        array[:] = examples
        started = time.perf_counter()
        values = self._run({plan.feed: array}, plan.fetches, timeout)
        self._observe_runtime(api, started)
        self._metrics.observe(EXAMPLE_COUNTS, len(examples), self.name)
        self._metrics.count(EXAMPLE_COUNT_TOTAL, self.name, by=len(examples))
        return dict(zip(plan.fetches, values, strict=True))

    def _observe_runtime(self, api: str, started: float) -> None:
        self._metrics.observe(RUNTIME_LATENCY, (time.perf_counter() - started) * 1e6, self.name, api, "TF1")

    def _run(
        self, feeds: Mapping[str, np.ndarray], fetches: tuple[str, ...], timeout: float | None
    ) -> list[np.ndarray]:
        if self._settings.batching is None:
            return self._run_session(tuple(feeds), fetches, list(feeds.values()), timeout)
        key = (tuple(feeds), fetches)
        with self._queues_lock:
            queue = self._queues.get(key)
            if queue is None:
                queue = self._queues[key] = BatchQueue(
                    self._settings.batching,
                    key[0],
                    lambda arrays, left: self._run_session(*key, arrays, left),
                )
        return queue.submit(list(feeds.values()), timeout)

    def _run_session(
        self,
        feeds: tuple[str, ...],
        fetches: tuple[str, ...],
        arrays: Sequence[np.ndarray],
        timeout: float | None,
    ) -> list[np.ndarray]:
        """Session::Run() itself. TensorFlow's public Python methods convert types first and reword errors."""
        started = time.perf_counter()
        options = None
        if timeout is not None:
            # At least a millisecond: zero means no limit.
            run_options = tf.RunOptions(timeout_in_ms=max(1, round(timeout * 1000)))
            options = tf.pywrap_tf_session.TF_NewBufferFromString(run_options.SerializeToString())
        try:
            values = self._session._call_tf_sessionrun(
                options,
                {self._end(name): array for name, array in zip(feeds, arrays, strict=True)},
                [self._end(name) for name in fetches],
                [],
                None,
            )
            return [_as_array(value) for value in values]
        except tf.errors.OpError as error:
            raise ServingError(Code(error.error_code), error.message) from None
        except (TypeError, ValueError) as error:
            raise invalid(str(error)) from None
        finally:
            if options is not None:
                tf.pywrap_tf_session.TF_DeleteBuffer(options)
            self._metrics.count(GRAPH_RUNS)
            self._metrics.count(GRAPH_RUN_TIME, by=round((time.perf_counter() - started) * 1e6))

    def _end(self, tensor: str) -> Any:
        end = self._ends.get(tensor)
        if end is None:
            try:
                end = self._session.graph.get_tensor_by_name(tensor)._as_tf_output()
            except (KeyError, ValueError) as error:
                raise invalid(str(error)) from None
            self._ends[tensor] = end
        return end


def _as_array(value: Any) -> np.ndarray:
    """A scalar comes without its array, and a scalar string as bytes."""
    if isinstance(value, np.ndarray):
        return value
    return np.array(value, dtype=object) if isinstance(value, bytes) else np.asarray(value)


def _aliases(signature: Any, output_filter: Sequence[str]) -> tuple[str, ...]:
    """The outputs to fetch: those asked for, or all."""
    for number, alias in enumerate(output_filter):
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {{{_joined(signature.outputs)}}}."
            )
        if alias in output_filter[:number]:
            raise invalid(f"duplicate output tensor alias: {alias}")
    return tuple(output_filter) or tuple(sorted(signature.outputs))


def _joined(names: Any) -> str:
    return ",".join(sorted(names))


def _load(path: str, settings: Settings) -> tuple[Any, dict[str, Any]]:
    """A session with the restored model, and its signatures."""
    if not any(
        tf.file_io.file_exists_v2(f"{path}/{name}") for name in ("saved_model.pb", "saved_model.pbtxt")
    ):
        raise ServingError(
            Code.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}. Check that the "
            "directory exists and that you have the right permissions for accessing it.",
        )
    graph = tf.Graph()
    session = tf.Session(graph=graph, config=settings.session_config)
    try:
        loader = tf.SavedModelLoader(path)
        saver, _ = loader.load_graph(graph, list(settings.tags))
        # As in C++: without an index there is nothing to restore, so a version whose upload is under way may
        # become available and fail at its first request.
        if tf.file_io.file_exists_v2(f"{path}/variables/variables.index"):
            with graph.as_default():
                loader.restore_variables(session, saver)
        loader.run_init_ops(session, list(settings.tags))
        meta = loader.get_meta_graph_def_from_tags(list(settings.tags))
    except (tf.errors.OpError, OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        session.close()
        raise _load_error(error, path, settings.tags) from None
    return session, dict(meta.signature_def)


def _load_error(error: Exception, path: str, tags: tuple[str, ...]) -> ServingError:
    """Python's loader words some errors in its own way: here they are as C++ has them."""
    if isinstance(error, tf.errors.OpError):
        return ServingError(Code(error.error_code), error.message.removeprefix("Graph execution error:\n\n"))
    if isinstance(error, RuntimeError) and "could not be found in SavedModel" in str(error):
        return ServingError(
            Code.NOT_FOUND,
            f"Could not find meta graph def matching supplied tags: {{ {' '.join(tags)} }}. To inspect available "
            "tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`",
        )
    if isinstance(error, OSError) and "Cannot parse file" in str(error):
        return ServingError(Code.DATA_LOSS, f"Can't parse {path}/saved_model.pb as binary proto")
    return ServingError(Code.UNKNOWN, str(error))


def _info(name: str, tensor: Any) -> TensorInfo:
    shape = None if tensor.tensor_shape.unknown_rank else tuple(d.size for d in tensor.tensor_shape.dim)
    return TensorInfo(name, tf.as_dtype(tensor.dtype).name, shape)
