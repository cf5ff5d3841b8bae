"""What gRPC carries, to and from arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import tf
from .errors import Code, ServingError, invalid
from .examples import Features

# The field of a TensorProto that Tensor::AsProtoField() fills for each type.
_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "int32": "int_val",
    "int16": "int_val",
    "int8": "int_val",
    "uint16": "int_val",
    "uint8": "int_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "object": "string_val",
}


def to_arrays(inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of TensorProto messages."""
    arrays = {}
    for alias, proto in inputs.items():
        try:
            arrays[alias] = tf.make_ndarray(proto)
        except (TypeError, ValueError, KeyError):
            raise invalid(f"tensor parsing error: {alias}") from None
    return arrays


def fill_tensor(proto: Any, array: np.ndarray, *, as_content: bool) -> None:
    """Writes values one by one, or all in one piece (--enable_serialization_as_tensor_content)."""
    proto.dtype = tf.as_dtype(array.dtype).as_datatype_enum
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    field = _FIELDS.get(array.dtype.name)
    if array.dtype.name in ("float16", "bfloat16") and not as_content:
        proto.half_val.extend(array.reshape(-1).view(np.uint16).tolist())
    elif field is None or (as_content and field != "string_val"):
        proto.tensor_content = array.tobytes()
    else:
        getattr(proto, field).extend(array.reshape(-1).tolist())


def to_examples(given: Any) -> list[bytes]:
    """The serialised examples of an Input message; a context goes in front of each of them."""
    kind = given.WhichOneof("kind")
    if kind == "example_list":
        return [example.SerializeToString() for example in given.example_list.examples]
    if kind == "example_list_with_context":
        context = given.example_list_with_context.context.SerializeToString()
        return [context + example.SerializeToString() for example in given.example_list_with_context.examples]
    if kind is not None:
        raise ServingError(Code.UNIMPLEMENTED, f"Input with kind {kind} not supported.")
    return []


def serialise(examples: Sequence[Features], context: Features | None) -> list[bytes]:
    """Examples that came in JSON, as TensorFlow's ops parse them."""
    before = _example(context) if context is not None else b""
    return [before + _example(example) for example in examples]


def _example(features: Features) -> bytes:
    example = tf.Example()
    for name, (kind, values) in features.items():
        feature = example.features.feature[name]
        if kind:
            getattr(feature, f"{kind}_list").value.extend(values)
    data: bytes = example.SerializeToString()
    return data
