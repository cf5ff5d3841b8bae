"""TensorFlow Serving's Predict over gRPC without TensorFlow: its few messages, described here, and a stub.

The numbers are those of tensorflow/core/framework/{tensor,tensor_shape,types}.proto and of
tensorflow_serving/apis/{model,predict}.proto.
"""

from __future__ import annotations

import base64

import grpc
import grpc.experimental.gevent
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

grpc.experimental.gevent.init_gevent()

METHOD = "/tensorflow.serving.PredictionService/Predict"
_TYPES = {"int32": 5, "int64": 3, "string": 9, "bytes": 12, "bool": 8, "float": 2, "double": 1, "message": 11}
# message: field: (number, type or message, repeated)
_MESSAGES = {
    "tensorflow.TensorShapeProto.Dim": {"size": (1, "int64", False)},
    "tensorflow.TensorShapeProto": {
        "dim": (2, "tensorflow.TensorShapeProto.Dim", True),
        "unknown_rank": (3, "bool", False),
    },
    "tensorflow.TensorProto": {
        "dtype": (1, "int32", False),
        "tensor_shape": (2, "tensorflow.TensorShapeProto", False),
        "tensor_content": (4, "bytes", False),
        "float_val": (5, "float", True),
        "double_val": (6, "double", True),
        "int_val": (7, "int32", True),
        "string_val": (8, "bytes", True),
        "int64_val": (10, "int64", True),
        "bool_val": (11, "bool", True),
    },
    "tensorflow.serving.ModelSpec": {
        "name": (1, "string", False),
        "version": (2, "google.protobuf.Int64Value", False),
        "signature_name": (3, "string", False),
    },
    "tensorflow.serving.PredictRequest.InputsEntry": {
        "key": (1, "string", False),
        "value": (2, "tensorflow.TensorProto", False),
    },
    "tensorflow.serving.PredictRequest": {
        "model_spec": (1, "tensorflow.serving.ModelSpec", False),
        "inputs": (2, "tensorflow.serving.PredictRequest.InputsEntry", True),
    },
    "tensorflow.serving.PredictResponse.OutputsEntry": {
        "key": (1, "string", False),
        "value": (2, "tensorflow.TensorProto", False),
    },
    "tensorflow.serving.PredictResponse": {
        "outputs": (1, "tensorflow.serving.PredictResponse.OutputsEntry", True),
    },
}
# dtype: (number in types.proto, field of TensorProto, Python type)
_DTYPES = {
    "DT_FLOAT": (1, "float_val", float), "DT_DOUBLE": (2, "double_val", float), "DT_INT32": (3, "int_val", int),
    "DT_UINT8": (4, "int_val", int), "DT_INT16": (5, "int_val", int), "DT_INT8": (6, "int_val", int),
    "DT_STRING": (7, "string_val", None), "DT_INT64": (9, "int64_val", int), "DT_BOOL": (10, "bool_val", bool),
    "DT_UINT16": (17, "int_val", int),
}  # fmt: skip


def _pool():
    """The messages as protobuf knows them, made when this file is read."""
    files = {
        package: descriptor_pb2.FileDescriptorProto(
            name=f"{package}.proto", package=package, syntax="proto3", dependency=needed
        )
        for package, needed in (
            ("tensorflow", []),
            ("tensorflow.serving", ["tensorflow.proto", "google/protobuf/wrappers.proto"]),
        )
    }
    made: dict[str, descriptor_pb2.DescriptorProto] = {}
    for name in sorted(_MESSAGES, key=lambda name: name.count(".")):
        outer, _unused, short = name.rpartition(".")
        siblings = files[outer].message_type if outer in files else made[outer].nested_type
        made[name] = siblings.add(name=short)
        made[name].options.map_entry = short.endswith("Entry")
        for field, (number, kind, repeated) in _MESSAGES[name].items():
            made[name].field.add(
                name=field, number=number, label=3 if repeated else 1, type=_TYPES.get(kind, 11),
                type_name=None if kind in _TYPES else f".{kind}",
            )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    for file in files.values():
        pool.Add(file)
    return pool


_POOL = _pool()


def message(name: str):
    """The class of a message."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


class Failed(Exception):
    """The call failed; ``status``: gRPC's name for how."""

    def __init__(self, status: str, details: str) -> None:
        super().__init__(f"{status}: {details}")
        self.status = status

    def code(self) -> str:
        return self.status


class NoOutputs(Exception):
    """The server answered without an output."""


def kind_of(error: Failed) -> str:
    """As the REST client's failures are named, where they are the same."""
    if error.status == "DEADLINE_EXCEEDED":
        return "timeout"
    if error.status == "UNAVAILABLE":
        return "dns" if "DNS" in str(error) or "resolution" in str(error) else "connect"
    return f"grpc {error.status}"


def request(body: dict, model: str, version: int | None, inputs: dict) -> bytes:
    """A REST body as a serialised PredictRequest. ``inputs``: dtype and shape by name, of the signature."""
    made = message("tensorflow.serving.PredictRequest")()
    made.model_spec.name = model
    if version is not None:
        made.model_spec.version.value = version
    made.model_spec.signature_name = body.get("signature_name", "")
    for key, value in columns(body, list(inputs)).items():
        fill(made.inputs[key], value, inputs[key]["dtype"])
    return made.SerializeToString()


def columns(body: dict, names: list[str]) -> dict:
    """The value of each input with its batch dimension in front."""
    if "inputs" in body:
        given = body["inputs"]
        named = isinstance(given, dict) and set(given) != {"b64"}
        return given if named else {names[0]: given}
    rows = body["instances"]
    if isinstance(rows[0], dict) and set(rows[0]) != {"b64"}:
        return {name: [row[name] for row in rows] for name in names}
    return {names[0]: rows}


def fill(tensor, value, dtype: str) -> None:
    """A nested list into a TensorProto."""
    number, field, kind = _DTYPES[dtype]
    tensor.dtype = number
    level = value
    while isinstance(level, list):
        tensor.tensor_shape.dim.add(size=len(level))
        level = level[0] if level else None
    leaves = list(flat(value))
    if kind is None:
        leaves = [
            base64.b64decode(leaf["b64"]) if isinstance(leaf, dict) else leaf.encode() for leaf in leaves
        ]
    else:
        leaves = [kind(leaf) for leaf in leaves]
    getattr(tensor, field).extend(leaves)


def flat(value):
    if isinstance(value, list):
        for item in value:
            yield from flat(item)
    else:
        yield value


class Stub:
    """One channel at a time; `reconnect` takes a new one, which may meet another pod."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._answer = message("tensorflow.serving.PredictResponse")
        self._channel = None
        self.reconnect()

    def reconnect(self) -> None:
        if self._channel is not None:
            self._channel.close()
        # Channels of one process share their connections otherwise, and nothing would be renewed.
        self._channel = grpc.insecure_channel(
            self._host,
            options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)],
        )
        self._call = self._channel.unary_unary(METHOD, response_deserializer=self._answer.FromString)

    def ask(self, request: bytes, timeout: float) -> int:
        """The length of the answer in bytes. Raises Failed or NoOutputs."""
        try:
            answer = self._call(request, timeout=timeout)
        except grpc.RpcError as error:
            raise Failed(error.code().name, str(error.details())) from error
        if not answer.outputs:
            raise NoOutputs("the answer has no outputs")
        return answer.ByteSize()
