"""The protocol buffers of a SavedModel, as far as they are read here, without TensorFlow.

``_SCHEMA`` is a part of TensorFlow's own .proto files (tensorflow/core/protobuf and tensorflow/core/framework of
TensorFlow 2.21) with their field numbers: unknown fields are skipped, so what is left out costs nothing. The
messages live in a descriptor pool of their own and don't meet TensorFlow's where both are loaded.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import functools
import re
import traceback
from typing import Any

from .errors import InvalidModel

PROTOBUF_IMPORT_ERROR: str | None = None
try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
except ImportError:
    PROTOBUF_IMPORT_ERROR = traceback.format_exc()

_PACKAGE = "mlops.tfserving"
_SCHEMA = """
message MetaInfoDef { repeated string tags = 4; string tensorflow_version = 5; }
message SaverDef { string filename_tensor_name = 1; string restore_op_name = 3; }
message SignatureDef { map<string, TensorInfo> inputs = 1; map<string, TensorInfo> outputs = 2; string method_name = 3; }
message TensorInfo { string name = 1; int32 dtype = 2; TensorShapeProto tensor_shape = 3; CooSparse coo_sparse = 4; CompositeTensor composite_tensor = 5; }
message CooSparse { string values_tensor_name = 1; string indices_tensor_name = 2; string dense_shape_tensor_name = 3; }
message CompositeTensor { repeated TensorInfo components = 2; }
message TensorShapeProto { repeated Dim dim = 2; bool unknown_rank = 3; }
message Dim { int64 size = 1; }
message AssetFileDef { TensorInfo tensor_info = 1; string filename = 2; }
message CollectionDef { NodeList node_list = 1; }
message NodeList { repeated string value = 1; }
message SignatureEntry { string key = 1; SignatureDef value = 2; }
message CollectionEntry { string key = 1; CollectionDef value = 2; }
message NodeDef { string name = 1; string op = 2; repeated string input = 3; map<string, AttrValue> attr = 5; }
message AttrValue { bytes s = 2; TensorProto tensor = 8; NameAttrList func = 10; }
message NameAttrList { string name = 1; }
message TensorProto { int32 dtype = 1; repeated bytes string_val = 8; }
message OpDef { string name = 1; repeated ArgDef input_arg = 2; }
message ArgDef { string name = 1; }
message BundleHeaderProto { int32 num_shards = 1; int32 endianness = 2; }
message BundleEntryProto { int32 dtype = 1; TensorShapeProto shape = 2; int32 shard_id = 3; int64 offset = 4; int64 size = 5;
  fixed32 crc32c = 6; repeated TensorSliceProto slices = 7; }
message TensorSliceProto { repeated Extent extent = 1; }
message Extent { int64 start = 1; }
"""

DTYPES = {
    1: ("float32", 4), 2: ("float64", 8), 3: ("int32", 4), 4: ("uint8", 1), 5: ("int16", 2), 6: ("int8", 1),
    7: ("string", 0), 8: ("complex64", 8), 9: ("int64", 8), 10: ("bool", 1), 11: ("qint8", 1), 12: ("quint8", 1),
    13: ("qint32", 4), 14: ("bfloat16", 2), 15: ("qint16", 2), 16: ("quint16", 2), 17: ("uint16", 2),
    18: ("complex128", 16), 19: ("float16", 2), 20: ("resource", 0), 21: ("variant", 0), 22: ("uint32", 4),
    23: ("uint64", 8), 24: ("float8_e5m2", 1), 25: ("float8_e4m3fn", 1), 29: ("int4", 1), 30: ("uint4", 1),
}  # fmt: skip
"""Name and bytes of an element by number (tensorflow/core/framework/types.proto); 0: of varying length."""

_SCALARS = {"bool": 8, "bytes": 12, "string": 9, "int32": 5, "int64": 3, "fixed32": 7}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3


@functools.cache
def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="mlops_tfserving/saved_model.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, body in re.findall(r"message (\w+) \{([^}]*)\}", _SCHEMA):
        made = file.message_type.add(name=name)
        for repeated, declared, field, number in re.findall(
            r"(repeated )?(map<[\w, ]+>|\w+) (\w+) = (\d+);", body
        ):
            kind, label = declared, _REPEATED if repeated else _OPTIONAL
            if declared.startswith("map"):
                value = declared.removeprefix("map<string, ").rstrip(">")
                entry = made.nested_type.add(
                    name="".join(part.title() for part in field.split("_")) + "Entry"
                )
                entry.options.map_entry = True
                _add(entry, "key", 1, "string", _OPTIONAL)
                _add(entry, "value", 2, value, _OPTIONAL)
                kind, label = f"{name}.{entry.name}", _REPEATED
            _add(made, field, int(number), kind, label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add(made: Any, name: str, number: int, kind: str, label: int) -> None:
    if kind in _SCALARS:
        made.field.add(name=name, number=number, type=_SCALARS[kind], label=label)
    else:
        made.field.add(name=name, number=number, type=_MESSAGE, label=label, type_name=f".{_PACKAGE}.{kind}")


@functools.cache
def _class_of(kind: str) -> Any:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{kind}"))


def parse(kind: str, data: bytes, what: str) -> Any:
    """A message of this kind. ``what``: the data in words, for the error. Raises ``InvalidModel``."""
    try:
        return _class_of(kind).FromString(data)
    except (message.DecodeError, RecursionError) as error:
        raise InvalidModel(f"{what} is damaged: it can't be read as {kind}") from error


def dtype_name(number: int) -> str:
    """TensorFlow's name of a type; reference types (100 and more, of TensorFlow 1) as what they refer to."""
    return DTYPES.get(number % 100, (f"dtype{number}", 0))[0]


def shape_of(shape: Any) -> list[int | None] | None:
    """Dimensions, None for one that varies; None altogether for an unknown rank."""
    return None if shape.unknown_rank else [d.size if d.size >= 0 else None for d in shape.dim]
