"""Prediction requests in JSON.

Contract: tensorflow/serving, util/json_tensor.{h,cc} and g3doc/api_rest.md.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import Code, ServingError, invalid
from .jsontext import Json, show, type_name

_KINDS = {
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
    type(None): "Null",
}
_INTEGERS: dict[str, type[np.integer[Any]]] = {
    "int8": np.int32, "int16": np.int32, "uint8": np.int32, "int32": np.int32, "int64": np.int64,
    "uint32": np.uint32, "uint64": np.uint64,
}  # fmt: skip
_FLOATS = {"float32": np.float32, "float64": np.float64}
_LARGEST = {dtype: float(np.finfo(dtype).max) for dtype in _FLOATS}


@dataclass(frozen=True)
class TensorInfo:
    """One input or output of a signature. ``shape`` is None for an unknown rank; -1 for an unknown size."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None


Inputs = Mapping[str, TensorInfo]


def signature_name(body: dict[str, Json]) -> str:
    """The name that a request gives; empty for the default."""
    name = body.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {show(body)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def fill_inputs(body: dict[str, Json], inputs: Inputs) -> tuple[dict[str, np.ndarray], bool]:
    """The arrays of a request, and whether it is in the row format (``instances``)."""
    rows, columns = "instances" in body, "inputs" in body
    if rows and columns:
        raise invalid(
            f"JSON Value: {show(body)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    if columns:
        return _columns(body["inputs"], inputs), False
    if not rows:
        raise invalid("Missing 'inputs' or 'instances' key")
    if not isinstance(body["instances"], list):
        raise invalid(f"JSON Value: {show(body)} Excepting 'instances' to be an list/array")
    if not body["instances"]:
        raise invalid(f"JSON Value: {show(body)} No values in 'instances' array")
    return _rows(body["instances"], inputs), True


def _rows(instances: list[Json], inputs: Inputs) -> dict[str, np.ndarray]:
    first = instances[0]
    if len(inputs) > 1 and not isinstance(first, dict):
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as "
            "per tensorinfo_map"
        )
    if not _is_object(first):
        name = next(iter(inputs))
        fast = _whole(instances, inputs[name].dtype)
        return {name: fast if fast is not None else _each(instances, inputs[name])}
    columns: dict[str, list[np.ndarray]] = {name: [] for name in inputs}
    for number, instance in enumerate(instances):
        if not _is_object(instance):
            raise invalid(f"Expecting object but got list at item {number} of input list")
        for name, value in instance.items():
            try:
                if name not in inputs:
                    raise invalid(f"JSON object: does not have named input: {name}")
                array = to_array(value, inputs[name])
                if number:
                    _check_like(array, columns[name][0])
                columns[name].append(array)
            except ServingError as error:
                raise invalid(
                    f"Failed to process element: {number} key: {name} of 'instances' list. Error: {error.text}"
                ) from None
        if set(instance) != set(inputs):
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: {show(instance)} "
                f"keys must be equal to: {','.join(sorted(inputs))}"
            )
    return {name: np.stack(arrays) for name, arrays in columns.items()}


def _each(instances: list[Json], info: TensorInfo) -> np.ndarray:
    """Value by value: finds the mistake, or has strings, which NumPy would rather guess at."""
    arrays: list[np.ndarray] = []
    for number, instance in enumerate(instances):
        if _is_object(instance):
            raise invalid(f"Expecting value/list but got object at item {number} of input list")
        try:
            arrays.append(to_array(instance, info))
            _check_like(arrays[-1], arrays[0])
        except ServingError as error:
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. Error: {error.text}"
            ) from None
    return np.stack(arrays)


def _check_like(array: np.ndarray, first: np.ndarray) -> None:
    if array.size != first.size:
        raise invalid(f"Expecting tensor size: {first.size} but got: {array.size}")
    if array.shape != first.shape:
        raise invalid(f"Expecting shape {_shape(first)} but got: {_shape(array)}")


def _shape(array: np.ndarray) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"


def _columns(value: Json, inputs: Inputs) -> dict[str, np.ndarray]:
    if not _is_object(value):
        if len(inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as "
                "per tensorinfo_map"
            )
        name = next(iter(inputs))
        return {name: to_array(value, inputs[name])}
    for name in inputs:
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    # Others than the signature's are ignored in this format.
    return {name: to_array(value[name], info) for name, info in inputs.items()}


def _is_object(value: Json) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: Json) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def to_array(value: Json, info: TensorInfo) -> np.ndarray:
    """A JSON value as an array of the input's type. Ragged lists and wrong types are refused."""
    fast = _whole(value, info.dtype)
    if fast is not None:
        return fast
    shape: list[int] = []
    probe = value
    while isinstance(probe, list):
        shape.append(len(probe))
        probe = probe[0] if probe else None
    flat: list[Any] = []
    _fill(value, 0, shape, info.dtype, flat)
    if info.dtype == "string":
        array = np.empty(len(flat), dtype=object)
        array[:] = flat
    else:
        # Small integers lose what does not fit, as they do in a TensorProto's int_val.
        array = np.array(flat, dtype=_INTEGERS.get(info.dtype, info.dtype)).astype(info.dtype)
    return array.reshape(shape)


def _whole(value: Json, dtype: str) -> np.ndarray | None:
    """Numbers in one go, if there is nothing about them that needs a closer look."""
    if dtype not in _FLOATS and dtype not in _INTEGERS:
        return None
    types = _leaf_types(value)
    if not types <= ({int, float} if dtype in _FLOATS else {int}):
        return None
    try:
        if dtype in _INTEGERS:
            checked = np.array(value, dtype=_INTEGERS[dtype])
            return checked.astype(dtype, copy=False)
        numbers = np.array(value, dtype=np.float64)
    except (OverflowError, ValueError):
        return None
    finite = np.abs(numbers[np.isfinite(numbers)])
    largest = float(finite.max(initial=0))
    if largest > _LARGEST[dtype] or (int in types and largest > _largest_integer(dtype)):
        return None
    return numbers.astype(dtype, copy=False)


def _leaf_types(value: Json) -> set[type]:
    if not isinstance(value, list):
        return {type(value)}
    types = set(map(type, value))
    if list in types:
        for item in value:
            types |= _leaf_types(item)
        types.discard(list)
    return types


def _largest_integer(dtype: str) -> int:
    return int(2 ** (np.finfo(dtype).nmant + 1) - 1)


def _fill(value: Json, level: int, shape: Sequence[int], dtype: str, flat: list[Any]) -> None:
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise invalid(
                f"JSON Value: {show(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {rank}"
            )
        flat.append(_scalar(value, dtype))
        return
    if level >= rank:
        raise invalid(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        _fill(item, level + 1, shape, dtype, flat)


def _scalar(value: Json, dtype: str) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if dtype == "string":
        if isinstance(value, dict):
            return decode_base64(value)
        if isinstance(value, str):
            return value.encode("utf-8", errors="surrogateescape")
    elif dtype == "bool":
        if isinstance(value, bool):
            return value
    elif dtype in _FLOATS:
        if number:
            return _lossless(value, dtype)
    elif dtype in _INTEGERS:
        limits = np.iinfo(_INTEGERS[dtype])
        if number and isinstance(value, int) and limits.min <= value <= limits.max:
            return value
    else:
        raise ServingError(
            Code.UNIMPLEMENTED, f"Conversion of JSON Value: {show(value)} to type: {type_name(dtype)}"
        )
    kind = str(value) if isinstance(value, bool) else _KINDS[type(value)]
    raise invalid(f"JSON Value: {show(value)} Type: {kind} is not of expected type: {type_name(dtype)}")


def _lossless(value: float, dtype: str) -> float:
    if isinstance(value, int):
        fits = abs(value) <= _largest_integer(dtype)
    else:
        fits = not np.isfinite(value) or abs(value) <= _LARGEST[dtype]
    if not fits:
        raise invalid(
            f"Cannot convert JSON value: {show(value)} to {type_name(dtype)} without loss of precision."
        )
    return value


def decode_base64(value: dict[str, Json]) -> bytes:
    """The bytes of a ``{"b64": "…"}`` object. White space in it and missing padding do no harm."""
    if not _is_base64(value):
        raise invalid(f"JSON Value: {show(value)} not formatted correctly for base64 data")
    text = value["b64"]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    try:
        text = re.sub(r"\s", "", text).rstrip("=")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None
