"""The messages of TensorFlow and TF Serving that are spoken or read here, without TensorFlow.

SCHEMA is a part of their own .proto files, with their names and field numbers: tensorflow_serving/apis, and
tensorflow/core/{framework,protobuf} of TensorFlow 2.21. Enums are plain numbers, as on the wire. Unknown fields are
skipped, so what is left out costs nothing. The classes live in a descriptor pool of their own, beside whatever else is
imported. Imports nothing of the collection, since the load test's workers import it, too.
"""

from __future__ import annotations

import functools
import re
import traceback
from typing import Any

PROTOBUF_IMPORT_ERROR: str | None = None
try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError:
    PROTOBUF_IMPORT_ERROR = traceback.format_exc()

SCHEMA = """
message Int64Value { int64 value = 1; }
message Any { string type_url = 1; bytes value = 2; }

message Dim { int64 size = 1; string name = 2; }
message TensorShapeProto { repeated Dim dim = 2; bool unknown_rank = 3; }
message TensorProto { int32 dtype = 1; TensorShapeProto tensor_shape = 2; bytes tensor_content = 4;
  repeated float float_val = 5; repeated double double_val = 6; repeated int32 int_val = 7; repeated bytes string_val = 8;
  repeated int64 int64_val = 10; repeated bool bool_val = 11; repeated int32 half_val = 13; repeated uint32 uint32_val = 16;
  repeated uint64 uint64_val = 17; }

message SignatureDef { map<string, TensorInfo> inputs = 1; map<string, TensorInfo> outputs = 2; string method_name = 3; }
message TensorInfo { string name = 1; int32 dtype = 2; TensorShapeProto tensor_shape = 3; CooSparse coo_sparse = 4;
  CompositeTensor composite_tensor = 5; }
message CooSparse { string values_tensor_name = 1; string indices_tensor_name = 2; string dense_shape_tensor_name = 3; }
message CompositeTensor { repeated TensorInfo components = 2; }

message ModelSpec { string name = 1; Int64Value version = 2; string signature_name = 3; string version_label = 4; }
message PredictRequest { ModelSpec model_spec = 1; map<string, TensorProto> inputs = 2; }
message PredictResponse { map<string, TensorProto> outputs = 1; ModelSpec model_spec = 2; }
message GetModelStatusRequest { ModelSpec model_spec = 1; }
message GetModelStatusResponse { repeated ModelVersionStatus model_version_status = 1; }
message ModelVersionStatus { int64 version = 1; int32 state = 2; StatusProto status = 3; }
message StatusProto { int32 error_code = 1; string error_message = 2; }
message GetModelMetadataRequest { ModelSpec model_spec = 1; repeated string metadata_field = 2; }
message GetModelMetadataResponse { ModelSpec model_spec = 1; map<string, Any> metadata = 2; }
message SignatureDefMap { map<string, SignatureDef> signature_def = 1; }

message MetaInfoDef { repeated string tags = 4; string tensorflow_version = 5; }
message SaverDef { string filename_tensor_name = 1; string restore_op_name = 3; }
message AssetFileDef { TensorInfo tensor_info = 1; string filename = 2; }
message CollectionDef { NodeList node_list = 1; }
message NodeList { repeated string value = 1; }
message SignatureEntry { string key = 1; SignatureDef value = 2; }
message CollectionEntry { string key = 1; CollectionDef value = 2; }
message NodeDef { string name = 1; string op = 2; repeated string input = 3; map<string, AttrValue> attr = 5; }
message ListValue { repeated bytes s = 2; repeated NameAttrList func = 9; }
message AttrValue { ListValue list = 1; bytes s = 2; TensorProto tensor = 8; NameAttrList func = 10; }
message NameAttrList { string name = 1; }
message OpDef { string name = 1; repeated ArgDef input_arg = 2; }
message ArgDef { string name = 1; }

message BundleHeaderProto { int32 num_shards = 1; int32 endianness = 2; }
message BundleEntryProto { int32 dtype = 1; TensorShapeProto shape = 2; int32 shard_id = 3; int64 offset = 4; int64 size = 5;
  fixed32 crc32c = 6; repeated TensorSliceProto slices = 7; }
message TensorSliceProto { repeated Extent extent = 1; }
message Extent { int64 start = 1; }
"""

_PACKAGE = "mlops.tfserving"
_FIELD = re.compile(r"(repeated )?(?:map<string, (\w+)>|(\w+)) (\w+) = (\d+)")


def message(name: str) -> Any:
    """A new, empty message of SCHEMA."""
    return _known()[name]()


@functools.cache
def _known() -> dict[str, Any]:
    return classes(SCHEMA)


def classes(schema: str) -> dict[str, Any]:
    """Protobuf's classes for the messages of a schema, by name. Messages stand side by side, and maps have texts as keys."""
    file = descriptor_pb2.FileDescriptorProto(name="schema.proto", package=_PACKAGE, syntax="proto3")
    for name, body in re.findall(r"message (\w+) \{([^}]*)\}", schema):
        described = file.message_type.add(name=name)
        for statement in filter(None, map(str.strip, body.split(";"))):
            declared = _FIELD.fullmatch(statement)
            if declared is None:
                raise ValueError(f"message {name}: not a field: {statement}")
            repeated, of_map, kind, field, number = declared.groups()
            if of_map:
                entry = described.nested_type.add(name=f"{field.title().replace('_', '')}Entry")
                entry.options.map_entry = True
                _add(entry, "key", 1, "string", repeated=False)
                _add(entry, "value", 2, of_map, repeated=False)
                kind = f"{name}.{entry.name}"
            _add(described, field, int(number), kind, repeated=bool(repeated or of_map))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        made.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{made.name}"))
        for made in file.message_type
    }


def _add(described: Any, name: str, number: int, kind: str, *, repeated: bool) -> None:
    field = described.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if kind[0].islower():
        field.type = getattr(field, f"TYPE_{kind.upper()}")
    else:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
