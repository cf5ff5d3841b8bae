"""Tensors as TF Serving's REST API writes them (nested lists), to and from those of its gRPC API.

Pure. Follows tensorflow_serving/util/json_tensor.cc: rows or columns, texts and {"b64": ...}, one output bare and
several by name. The numbers of types are those of tensorflow/core/framework/types.proto.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..protos import message
from .compare import shape
from .errors import BadAnswer
from .rest import Servable

STRING, BOOL, HALF = 7, 10, 19


@dataclass(frozen=True)
class Type:
    """An element type: its name, the field of the message that holds values, and its format in tensor_content."""

    name: str
    field: str
    pack: str


TYPES = {
    1: Type("float", "float_val", "f"), 2: Type("double", "double_val", "d"), 3: Type("int32", "int_val", "i"),
    4: Type("uint8", "int_val", "B"), 5: Type("int16", "int_val", "h"), 6: Type("int8", "int_val", "b"),
    STRING: Type("string", "string_val", ""), 9: Type("int64", "int64_val", "q"), BOOL: Type("bool", "bool_val", "?"),
    17: Type("uint16", "int_val", "H"), HALF: Type("half", "half_val", "e"), 22: Type("uint32", "uint32_val", "I"),
    23: Type("uint64", "uint64_val", "Q"),
}  # fmt: skip


NUMBERS = {f"DT_{kind.name.upper()}": number for number, kind in TYPES.items()}
"""The types by their names in a signature."""


def predict_request(servable: Servable, body: Mapping[str, Any], types: Mapping[str, int]) -> Any:
    """A REST body as a PredictRequest; `types` are those of the signature's inputs. Raises BadAnswer."""
    request = message("PredictRequest")
    address(request.model_spec, servable)
    request.model_spec.signature_name = str(body["signature_name"])
    for key, value in columns(body, list(types)).items():
        fill(request.inputs[key], key, value, types[key])
    return request


def address(spec: Any, servable: Servable) -> None:
    """Writes which model is meant into a ModelSpec."""
    spec.name = servable.model
    if servable.label is not None:
        spec.version_label = servable.label
    elif servable.version is not None:
        spec.version.value = servable.version


def columns(request: Mapping[str, Any], inputs: Sequence[str]) -> dict[str, Any]:
    """A REST request's tensors by the names of the signature's inputs; raises BadAnswer when they do not fit."""
    if "inputs" in request:
        given = request["inputs"]
        named = isinstance(given, dict) and set(given) != {"b64"}
        found = dict(given) if named else {_only(inputs): given}
    else:
        rows = request["instances"]
        if isinstance(rows[0], dict) and set(rows[0]) != {"b64"}:
            if any(not isinstance(row, dict) or set(row) != set(rows[0]) for row in rows):
                raise BadAnswer("the rows of instances do not have the same inputs")
            found = {name: [row[name] for row in rows] for name in rows[0]}
        else:
            found = {_only(inputs): rows}
    if set(found) != set(inputs):
        raise BadAnswer(
            f"the signature's inputs are {', '.join(sorted(inputs))}, given are {', '.join(sorted(found))}"
        )
    return found


def fill(tensor: Any, name: str, value: Any, dtype: int) -> None:
    """Writes nested lists into a Tensor message; raises BadAnswer for what the type cannot hold."""
    if dtype not in TYPES:
        raise BadAnswer(f"input {name} is of a type that JSON cannot write (number {dtype})")
    kind = TYPES[dtype]
    sizes = shape(value)
    if sizes is None:
        raise BadAnswer(f"input {name} has rows of different lengths")
    tensor.dtype = dtype
    for size in sizes:
        tensor.tensor_shape.dim.add().size = size
    try:
        values = [_element(element, dtype) for element in _flat(value)]
        if dtype == HALF:
            values = [struct.unpack("<H", struct.pack("<e", element))[0] for element in values]
        getattr(tensor, kind.field).extend(values)
    except (TypeError, ValueError, OverflowError, struct.error, binascii.Error) as error:
        raise BadAnswer(f"input {name} does not hold values of type {kind.name}: {error}") from error


def nested(tensor: Any, name: str) -> Any:
    """A Tensor message as nested lists, as JSON would have it."""
    if tensor.dtype not in TYPES:
        raise BadAnswer(f"output {name} is of a type that JSON cannot write (number {tensor.dtype})")
    kind = TYPES[tensor.dtype]
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    count = math.prod(sizes)
    if tensor.tensor_content:
        order = "<" if sys.byteorder == "little" else ">"
        values: list[Any] = list(struct.unpack(f"{order}{count}{kind.pack}", tensor.tensor_content))
    else:
        values = list(getattr(tensor, kind.field))
        if tensor.dtype == HALF:
            values = [struct.unpack("<e", struct.pack("<H", value))[0] for value in values]
    if tensor.dtype == STRING:
        values = [_text(value, name) for value in values]
    # A message may leave out the last values when they are all the same (tensor.proto).
    values += values[-1:] * (count - len(values)) if values else [0] * count
    return _shaped(values[:count], sizes)


def outputs(answer: Mapping[str, Any], *, by_rows: bool) -> Any:
    """Outputs by name as REST shapes them: rows or columns, one output bare."""
    if not by_rows:
        return next(iter(answer.values())) if len(answer) == 1 else dict(answer)
    sizes = {len(value) if isinstance(value, list) else -1 for value in answer.values()}
    if len(sizes) != 1 or -1 in sizes:
        raise BadAnswer("the outputs have no rows, or not equally many: ask by columns (inputs)")
    if len(answer) == 1:
        return next(iter(answer.values()))
    return [dict(zip(answer, row, strict=True)) for row in zip(*answer.values(), strict=True)]


def _only(inputs: Sequence[str]) -> str:
    if len(inputs) != 1:
        raise BadAnswer(f"the signature has {len(inputs)} inputs ({', '.join(sorted(inputs))}): name each")
    return inputs[0]


def _flat(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    return [element for inner in value for element in _flat(inner)]


def _element(value: Any, dtype: int) -> Any:
    if dtype == STRING:
        if isinstance(value, dict) and set(value) == {"b64"}:
            return base64.b64decode(value["b64"], validate=True)
        if not isinstance(value, str):
            raise TypeError(f"{str(value)[:40]!r} is no text")
        return value.encode()
    if (dtype == BOOL) != isinstance(value, bool):
        raise TypeError(f"{str(value)[:40]!r} is of another type")
    return value


def _text(value: bytes, name: str) -> Any:
    encoded = {"b64": base64.b64encode(value).decode()}
    if name.endswith("_bytes"):
        return encoded
    try:
        return value.decode()
    except UnicodeDecodeError:
        return encoded


def _shaped(values: list[Any], sizes: Sequence[int]) -> Any:
    if not sizes:
        return values[0]
    step = math.prod(sizes[1:])
    return [_shaped(values[index * step : (index + 1) * step], sizes[1:]) for index in range(sizes[0])]
