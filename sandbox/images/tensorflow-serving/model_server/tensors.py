"""Tensors in JSON, both ways, as TF Serving's REST API has them.

Contract: tensorflow/serving, util/json_tensor.{h,cc} and g3doc/api_rest.md.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import Code, ServingError, invalid

Json = Any
_KINDS = {
    dict: "Object",
    list: "Array",
    str: "String",
    bool: "True",
    int: "Number",
    float: "Number",
    type(None): "Null",
}


@dataclass(frozen=True)
class TensorInfo:
    """One input or output of a signature. ``shape`` is None for an unknown rank; -1 for an unknown size."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class PredictRequest:
    """A parsed body: the inputs by name, and whether it was in the row format (``instances``)."""

    signature_name: str
    inputs: dict[str, np.ndarray]
    row_format: bool


def parse_json(body: bytes) -> Json:
    """The first JSON value of the body; what follows it is ignored, NaN and Infinity are accepted."""
    text = body.decode("utf-8", errors="surrogateescape").lstrip(" \t\r\n")
    if not text:
        raise invalid("JSON Parse error: The document is empty")
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except ValueError as error:
        raise invalid(f"JSON Parse error: Invalid value. at offset: {getattr(error, 'pos', 0)}") from None
    return value


def parse_predict(body: Json, signatures: Mapping[str, Mapping[str, TensorInfo]]) -> PredictRequest:
    """Inputs for a signature. ``signatures``: the inputs of each, by signature name."""
    if not isinstance(body, dict):
        raise invalid("Request body must be a JSON object")
    name = body.get("signature_name", "serving_default")
    if not isinstance(name, str):
        raise invalid("'signature_name' key must be a string value.")
    rows, columns = "instances" in body, "inputs" in body
    if rows and columns:
        raise invalid("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
    if not rows and not columns:
        raise invalid("Missing 'inputs' or 'instances' key")
    inputs = signatures.get(name)
    if inputs is None:
        raise invalid(f'Serving signature name: "{name}" not found in signature def')
    given = _rows(body["instances"], inputs) if rows else _columns(body["inputs"], inputs)
    return PredictRequest(name, {key: to_array(value, inputs[key]) for key, value in given.items()}, rows)


def _rows(instances: Json, inputs: Mapping[str, TensorInfo]) -> dict[str, Json]:
    if not isinstance(instances, list) or not instances:
        raise invalid("Request data must be non-empty array")
    first = instances[0]
    if isinstance(first, dict) and not _is_bytes(first):
        columns: dict[str, list[Json]] = {key: [] for key in inputs}
        for instance in instances:
            if not isinstance(instance, dict) or set(instance) != set(inputs):
                raise invalid(
                    f"Failed to process element: {instances.index(instance)} of 'instances' list. "
                    f"Error: INVALID_ARGUMENT: JSON object: does not have named inputs: {', '.join(sorted(inputs))}"
                )
            for key, value in instance.items():
                columns[key].append(value)
        return dict(columns)
    if len(inputs) != 1:
        raise invalid(
            f"instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map: {', '.join(sorted(inputs))}"
        )
    return {next(iter(inputs)): instances}


def _columns(value: Json, inputs: Mapping[str, TensorInfo]) -> dict[str, Json]:
    if isinstance(value, dict) and not _is_bytes(value):
        if set(value) != set(inputs):
            missing = sorted(set(inputs) ^ set(value))
            raise invalid(f"Missing named input tensor(s) or unknown ones: {', '.join(missing)}")
        return dict(value)
    if len(inputs) != 1:
        raise invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required"
        )
    return {next(iter(inputs)): value}


def _is_bytes(value: Json) -> bool:
    return isinstance(value, dict) and set(value) == {"b64"}


def to_array(value: Json, info: TensorInfo) -> np.ndarray:
    """A JSON value as an array of the input's type. Ragged lists and wrong types are refused."""
    shape: list[int] = []
    probe = value
    while isinstance(probe, list):
        shape.append(len(probe))
        probe = probe[0] if probe else None
    flat: list[Any] = []
    _flatten(value, shape, info.dtype, flat)
    if info.dtype == "string":
        array = np.empty(len(flat), dtype=object)
        array[:] = flat
    else:
        try:
            array = np.array(flat, dtype=info.dtype)
        except OverflowError:
            raise invalid(f"JSON Value out of range for type: {info.dtype}") from None
    return array.reshape(shape)


def _flatten(value: Json, shape: Sequence[int], dtype: str, flat: list[Any]) -> None:
    if not shape:
        flat.append(_scalar(value, dtype))
        return
    if not isinstance(value, list) or len(value) != shape[0]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value) if isinstance(value, list) else 0} at level: 0 "
            f"expected size: {shape[0]}"
        )
    for item in value:
        _flatten(item, shape[1:], dtype, flat)


def _scalar(value: Json, dtype: str) -> Any:
    if dtype == "string":
        if _is_bytes(value):
            try:
                return base64.b64decode(value["b64"], validate=True)
            except (binascii.Error, TypeError, ValueError):
                raise invalid(f"Unable to base64 decode, got value: {str(value['b64'])[:32]}") from None
        if isinstance(value, str):
            return value.encode("utf-8", errors="surrogateescape")
    elif dtype == "bool":
        if isinstance(value, bool):
            return value
    elif dtype.startswith("float") or dtype == "bfloat16":
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    text = json.dumps(value)
    raise invalid(
        f"JSON Value: {text if len(text) < 100 else text[:100] + '...'} Type: {_KINDS.get(type(value), 'Object')} "
        f"is not of expected type: {dtype}"
    )


def format_outputs(outputs: Mapping[str, np.ndarray], *, row_format: bool) -> str:
    """The body of a prediction: ``predictions`` for the row format, ``outputs`` for the columnar one."""
    if row_format:
        sizes = {array.shape[0] if array.ndim else None for array in outputs.values()}
        if None in sizes or len(sizes) != 1:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f"Tensor name: {min(outputs)} has inconsistent batch size, or no batch dimension at all",
            )
        (count,) = sizes
        if len(outputs) == 1:
            ((name, array),) = outputs.items()
            value = "[" + ", ".join(_format(array[i], name) for i in range(count or 0)) + "]"
        else:
            rows = (
                "{"
                + ", ".join(
                    f"{json.dumps(name)}: {_format(outputs[name][i], name)}" for name in sorted(outputs)
                )
                + "}"
                for i in range(count or 0)
            )
            value = "[" + ", ".join(rows) + "]"
        return f'{{\n    "predictions": {value}\n}}'
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        value = _format(array, name)
    else:
        inner = ", ".join(f"{json.dumps(name)}: {_format(outputs[name], name)}" for name in sorted(outputs))
        value = "{" + inner + "}"
    return f'{{\n    "outputs": {value}\n}}'


def _format(value: Any, name: str) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return "[" + ", ".join(_format(item, name) for item in value) + "]"
    item = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
    if isinstance(item, bytes):
        if name.endswith("_bytes"):
            return f'{{ "b64": "{base64.b64encode(item).decode()}" }}'
        return json.dumps(item.decode("utf-8", errors="replace"), ensure_ascii=False)
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, float):
        return format_float(item, single=getattr(value, "dtype", None) in (np.float32, np.float16))
    return str(item)


def format_float(value: float, *, single: bool = False) -> str:
    """The shortest digits that give the number back, always with a point or an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = str(np.float32(value)) if single else repr(value)
    return text if re.search(r"[.eE]", text) else text + ".0"
