"""Classification and regression in JSON: examples in, results out.

Contract: tensorflow/serving, util/json_tensor.cc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import invalid
from .jsontext import INDENT, Json, decimal, quote, show
from .tensors import decode_base64, signature_name

# Of each feature its kind, one of bytes, float, int64, and its values.
Features = Mapping[str, tuple[str, Sequence[Any]]]
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_NAMES = {list: "Array", dict: "Object", type(None): "Null"}


@dataclass(frozen=True)
class ExamplesRequest:
    """``context``: features that all examples share, or None."""

    signature_name: str
    examples: Sequence[Features]
    context: Features | None


def parse_examples(body: dict[str, Json]) -> ExamplesRequest:
    name = signature_name(body)
    context = _features(body["context"]) if "context" in body else None
    if "examples" not in body:
        raise invalid(
            f"JSON Value: {show(body)} When method is classify, key 'examples' is expected and was not found"
        )
    examples = body["examples"]
    if not isinstance(examples, list):
        raise invalid(f"JSON Value: {show(body)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid(f"JSON Value: {show(body)} 'examples' value is an empty array")
    return ExamplesRequest(name, [_features(example) for example in examples], context)


def _features(value: Json) -> Features:
    if not isinstance(value, dict):
        kind = str(value) if isinstance(value, bool) else _NAMES.get(type(value), "Number")
        raise invalid(
            f"Example must be JSON object but got JSON {'String' if isinstance(value, str) else kind}"
        )
    features: dict[str, tuple[str, Sequence[Any]]] = {}
    for name, content in value.items():
        kind, values = "", []
        for item in content if isinstance(content, list) else [content]:
            item_kind, converted = _value(item, name)
            if kind and item_kind != kind:
                raise invalid(f"Unexpected element type in feature: {name} expecting type: {kind}")
            kind = item_kind
            values.append(converted)
        features[name] = (kind, values)
    return features


def _value(item: Json, feature: str) -> tuple[str, Any]:
    if isinstance(item, bool):
        return "int64", int(item)
    if isinstance(item, str):
        return "bytes", item.encode("utf-8", errors="surrogateescape")
    if isinstance(item, dict) and len(item) == 1 and isinstance(item.get("b64"), str):
        return "bytes", decode_base64(item)
    if isinstance(item, int):
        if not -(2**63) <= item < 2**63:
            raise invalid(f"Feature: {feature} has uint64 element. Only int64 is supported.")
        return "int64", item
    if isinstance(item, float):
        if np.isfinite(item) and abs(item) > _FLOAT32_MAX:
            raise invalid(f"Cannot convert JSON value: {show(item)} to float without loss of precision.")
        return "float", item
    raise invalid(f"Feature: {feature} has element with unexpected JSON type: {_NAMES[type(item)]}")


def format_classifications(results: Sequence[Sequence[tuple[str, float]]]) -> str:
    """Of each example its classes, as pairs of label and score."""
    if not results:
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    items = ", ".join(
        "[" + ", ".join(f"[{quote(label)}, {decimal(score, single=True)}]" for label, score in classes) + "]"
        for classes in results
    )
    return f'{{\n{INDENT}"results": [{items}\n{INDENT}]\n}}'


def format_regressions(results: Sequence[float]) -> str:
    """Of each example its value."""
    if not results:
        raise invalid("Cannot convert empty RegressionResults to JSON")
    items = ", ".join(decimal(value, single=True) for value in results)
    return f'{{\n{INDENT}"results": [{items}]\n}}'
