"""The few messages of TF Serving's gRPC API that are needed to ask a model, without TensorFlow.

Made at run time from the field numbers below, which are those of tensorflow_serving/apis/*.proto and
tensorflow/core/framework/{tensor,tensor_shape,types}.proto, tensorflow/core/protobuf/meta_graph.proto; enums are
plain numbers, as on the wire. They live in a descriptor pool of their own, beside whatever else is imported.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import traceback
from functools import cache
from typing import Any

PROTOBUF_IMPORT_ERROR: str | None = None
try:
    from google.protobuf import (
        descriptor_pb2,
        descriptor_pool,
        message_factory,
    )
except ImportError:
    PROTOBUF_IMPORT_ERROR = traceback.format_exc()

PACKAGE = "tensorflow.serving"

_MESSAGES: dict[str, str] = {
    "Int64Value": "1 value int64",
    "Any": "1 type_url string; 2 value bytes",
    "ModelSpec": "1 name string; 2 version Int64Value; 3 signature_name string; 4 version_label string",
    "TensorShape": "2 dim repeated Dim; 3 unknown_rank bool",
    "Dim": "1 size int64; 2 name string",
    "Tensor": (
        "1 dtype int32; 2 tensor_shape TensorShape; 4 tensor_content bytes; 5 float_val repeated float; "
        "6 double_val repeated double; 7 int_val repeated int32; 8 string_val repeated bytes; "
        "10 int64_val repeated int64; 11 bool_val repeated bool; 13 half_val repeated int32; "
        "16 uint32_val repeated uint32; 17 uint64_val repeated uint64"
    ),
    "PredictRequest": "1 model_spec ModelSpec; 2 inputs map Tensor",
    "PredictResponse": "1 outputs map Tensor; 2 model_spec ModelSpec",
    "GetModelStatusRequest": "1 model_spec ModelSpec",
    "Status": "1 error_code int32; 2 error_message string",
    "ModelVersionStatus": "1 version int64; 2 state int32; 3 status Status",
    "GetModelStatusResponse": "1 model_version_status repeated ModelVersionStatus",
    "GetModelMetadataRequest": "1 model_spec ModelSpec; 2 metadata_field repeated string",
    "GetModelMetadataResponse": "1 model_spec ModelSpec; 2 metadata map Any",
    "TensorInfo": "1 name string; 2 dtype int32; 3 tensor_shape TensorShape",
    "SignatureDef": "1 inputs map TensorInfo; 2 outputs map TensorInfo; 3 method_name string",
    "SignatureDefMap": "1 signature_def map SignatureDef",
}
"""Each message's fields: number, name, and type (after "repeated", or "map" for one with names as keys)."""

_SCALARS = ("double", "float", "int64", "uint64", "int32", "bool", "string", "bytes", "uint32")

STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
"""ModelVersionStatus.State, tensorflow_serving/apis/get_model_status.proto."""


def message(name: str) -> Any:
    """A new, empty message."""
    return _classes()[name]()


@cache
def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="mlops_tfserving/slim.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        described = file.message_type.add(name=name)
        for field in fields.split("; "):
            number, field_name, *kind = field.split(" ")
            _add_field(described, int(number), field_name, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in _MESSAGES
    }


def _add_field(described: Any, number: int, name: str, kind: list[str]) -> None:
    proto = descriptor_pb2.FieldDescriptorProto
    many, type_name = kind[0] in ("repeated", "map"), kind[-1]
    if kind[0] == "map":
        entry = described.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        _add_field(entry, 1, "key", ["string"])
        _add_field(entry, 2, "value", [type_name])
        type_name = f"{described.name}.{entry.name}"
    field = described.field.add(
        name=name, number=number, label=proto.LABEL_REPEATED if many else proto.LABEL_OPTIONAL
    )
    if type_name in _SCALARS:
        field.type = getattr(proto, f"TYPE_{type_name.upper()}")
    else:
        field.type = proto.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{type_name}"
