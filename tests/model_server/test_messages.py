"""The messages that the collection describes for itself are TensorFlow's and TF Serving's own, as far as they go."""

from __future__ import annotations

import pytest
from google.protobuf import any_pb2, descriptor_pool, wrappers_pb2
from google.protobuf.descriptor import FieldDescriptor
from model_server.messages import SCHEMA, classes
from tensorflow.core.protobuf import meta_graph_pb2, tensor_bundle_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

THEIRS = (
    any_pb2, wrappers_pb2, meta_graph_pb2, tensor_bundle_pb2, predict_pb2, get_model_status_pb2, get_model_metadata_pb2
)  # fmt: skip
"""What registers the messages that are looked up."""

INSIDE = {
    "Dim": "TensorShapeProto.Dim",
    "ListValue": "AttrValue.ListValue",
    "CooSparse": "TensorInfo.CooSparse",
    "CompositeTensor": "TensorInfo.CompositeTensor",
    "MetaInfoDef": "MetaGraphDef.MetaInfoDef",
    "NodeList": "CollectionDef.NodeList",
    "SignatureEntry": "MetaGraphDef.SignatureDefEntry",
    "CollectionEntry": "MetaGraphDef.CollectionDefEntry",
    "ArgDef": "OpDef.ArgDef",
    "Extent": "TensorSliceProto.Extent",
}
OURS = classes(SCHEMA)


@pytest.mark.parametrize("name", OURS)
def test_fields_have_the_names_numbers_and_types_of_theirs(name: str) -> None:
    pool, theirs = descriptor_pool.Default(), None
    for package in ("tensorflow.serving", "tensorflow", "google.protobuf"):
        try:
            theirs = pool.FindMessageTypeByName(f"{package}.{INSIDE.get(name, name)}")
            break
        except KeyError:
            continue
    assert theirs is not None, THEIRS
    for field in OURS[name].DESCRIPTOR.fields:
        other = theirs.fields_by_number[field.number]
        kind = FieldDescriptor.TYPE_INT32 if other.type == FieldDescriptor.TYPE_ENUM else other.type
        assert (field.name, field.type, field.is_repeated) == (other.name, kind, other.is_repeated)
