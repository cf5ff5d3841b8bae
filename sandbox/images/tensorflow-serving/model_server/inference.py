"""Classification, regression and several of them at once, on the signatures of a SavedModel.

Sources: tensorflow/serving, servables/tensorflow/{classifier,regressor,multi_inference,util}.cc. Pure: what to feed and
fetch, and what the fetched arrays mean. Tensors are named as in the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import Code, ServingError, invalid
from .jsontext import type_name

DEFAULT_SIGNATURE = "serving_default"
PREDICT = "tensorflow/serving/predict"
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

Signatures = Mapping[str, Any]
Classes = list[tuple[str, float]]


@dataclass(frozen=True)
class Plan:
    """The tensor that takes the examples and those to fetch."""

    feed: str
    fetches: tuple[str, ...]


def find(signatures: Signatures, name: str, method: str) -> Any:
    """The signature of a classification or regression request."""
    kind = "classification" if method == CLASSIFY else "regression"
    name = name or DEFAULT_SIGNATURE
    if name not in signatures:
        raise invalid(f"No signature was found with the name: {name}")
    _check_method(signatures[name], kind, method)
    return signatures[name]


def _check_method(signature: Any, kind: str, method: str) -> None:
    if signature.method_name != method:
        raise invalid(f"Expected {kind} signature method_name to be {method}. Was: {signature.method_name}")


def plan(signature: Any, method: str) -> Plan:
    """What to run for a signature; raises ``ServingError`` for one that can't do it."""
    return _plan_classify(signature) if method == CLASSIFY else _plan_regress(signature)


def _plan_classify(signature: Any) -> Plan:
    _check_method(signature, "classification", CLASSIFY)
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if "inputs" not in signature.inputs:
        raise ServingError(
            Code.FAILED_PRECONDITION, f"No classification inputs found in SignatureDef: {signature}"
        )
    fetches = tuple(signature.outputs[key].name for key in ("classes", "scores") if key in signature.outputs)
    if not fetches:
        raise ServingError(
            Code.FAILED_PRECONDITION,
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {signature}",
        )
    return Plan(signature.inputs["inputs"].name, fetches)


def _plan_regress(signature: Any) -> Plan:
    _check_method(signature, "regression", REGRESS)
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    for key, there in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        if key not in there:
            raise ServingError(
                Code.FAILED_PRECONDITION, f"No regression {key} found in SignatureDef: {signature}"
            )
    return Plan(signature.inputs["inputs"].name, (signature.outputs["outputs"].name,))


def classifications(signature: Any, count: int, fetched: Mapping[str, np.ndarray]) -> list[Classes]:
    """Of each of ``count`` examples its classes; a model may give only labels or only scores."""
    parts: dict[str, np.ndarray] = {}
    for key, dtype in (("classes", "string"), ("scores", "float")):
        if key not in signature.outputs:
            continue
        array = fetched[signature.outputs[key].name]
        if array.ndim != 2:
            raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
        if type_name(array.dtype.name) != dtype:
            raise invalid(
                f"Expected {key} Tensor of {_enum(dtype)}. Got: {_enum(type_name(array.dtype.name))}"
            )
        if array.shape[0] != count:
            raise invalid(f"Expected {key} output batch size of {count}. Got: {array.shape[0]}")
        parts[key] = array
    classes, scores = parts.get("classes"), parts.get("scores")
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid(
            "Tensors class and score should match in dim_size(1). "
            f"Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    width = next(iter(parts.values())).shape[1]
    return [
        [
            (
                "" if classes is None else classes[i, c].decode("utf-8", errors="surrogateescape"),
                0.0 if scores is None else float(scores[i, c]),
            )
            for c in range(width)
        ]
        for i in range(count)
    ]


def regressions(signature: Any, count: int, fetched: Mapping[str, np.ndarray]) -> list[float]:
    """Of each of ``count`` examples its value."""
    array = fetched[signature.outputs["outputs"].name]
    if array.ndim != 1 and not (array.ndim == 2 and array.shape[1] == 1):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            + _shape(array)
        )
    if array.shape[0] != count:
        raise invalid(f"Input batch size did not match output batch size: {count} vs. {array.shape[0]}")
    if array.dtype != np.float32:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {_enum(type_name(array.dtype.name))}")
    return [float(value) for value in array.reshape(-1)]


@dataclass(frozen=True)
class Task:
    """One of the tasks of a MultiInference request."""

    model: str
    signature_name: str
    method: str


def plan_several(tasks: Sequence[Task], signatures: Signatures) -> Plan:
    """One run for all tasks, which must share model and input."""
    seen: set[str] = set()
    feed = ""
    fetches: set[str] = set()
    for task in tasks:
        if not task.model:
            raise invalid("Found ModelSpec with an empty model name.")
        if task.model != tasks[0].model:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = task.signature_name or DEFAULT_SIGNATURE
        if name in seen:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        if name not in signatures:
            raise invalid(f"Requested signature not found in model graph: {name}")
        if task.method not in (CLASSIFY, REGRESS):
            raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method}")
        one = plan(signatures[name], task.method)
        if feed and one.feed != feed:
            raise invalid("Input tensor must be the same for all Signatures.")
        feed = one.feed
        fetches.update(one.fetches)
    return Plan(feed, tuple(sorted(fetches)))


def _shape(array: np.ndarray) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"


def _enum(name: str) -> str:
    return f"DT_{name.upper()}"
