"""What is read of a SavedModel's messages: each parsed on its own, and the names of TensorFlow's types."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..protos import message
from .errors import InvalidModel

with suppress(ImportError):  # PROTOBUF_IMPORT_ERROR of protos has it
    from google.protobuf.message import DecodeError

DTYPES = {
    1: ("float32", 4), 2: ("float64", 8), 3: ("int32", 4), 4: ("uint8", 1), 5: ("int16", 2), 6: ("int8", 1),
    7: ("string", 0), 8: ("complex64", 8), 9: ("int64", 8), 10: ("bool", 1), 11: ("qint8", 1), 12: ("quint8", 1),
    13: ("qint32", 4), 14: ("bfloat16", 2), 15: ("qint16", 2), 16: ("quint16", 2), 17: ("uint16", 2),
    18: ("complex128", 16), 19: ("float16", 2), 20: ("resource", 0), 21: ("variant", 0), 22: ("uint32", 4),
    23: ("uint64", 8), 24: ("float8_e5m2", 1), 25: ("float8_e4m3fn", 1), 29: ("int4", 1), 30: ("uint4", 1),
}  # fmt: skip
"""Name and bytes of an element by number (tensorflow/core/framework/types.proto); 0: of varying length."""


def parse(kind: str, data: bytes, what: str) -> Any:
    """A message of this kind. ``what``: the data in words, for the error. Raises ``InvalidModel``."""
    made = message(kind)
    try:
        made.ParseFromString(data)
    except (DecodeError, RecursionError) as error:
        raise InvalidModel(f"{what} is damaged: it can't be read as {kind}") from error
    return made


def dtype_name(number: int) -> str:
    """TensorFlow's name of a type; reference types (100 and more, of TensorFlow 1) as what they refer to."""
    return DTYPES.get(number % 100, (f"dtype{number}", 0))[0]


def shape_of(shape: Any) -> list[int | None] | None:
    """Dimensions, None for one that varies; None altogether for an unknown rank."""
    return None if shape.unknown_rank else [d.size if d.size >= 0 else None for d in shape.dim]
