"""TF Serving's configuration messages, as far as the role writes them, read by protobuf's own text parser.

Described with the names, numbers and types of tensorflow/serving: config/model_server_config.proto,
config/file_system_storage_path_source.proto and servables/tensorflow/session_bundle_config.proto.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

MODELS, BATCHING = "ModelServerConfig", "BatchingParameters"
# Message: field: (number, type); a repeated field's type ends in "*"; a capital letter means a message.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Specific": {"versions": (1, "int64*")},
    "ServableVersionPolicy": {"specific": (102, "Specific")},
    "Label": {"key": (1, "string"), "value": (2, "int64")},
    "ModelConfig": {
        "name": (1, "string"), "base_path": (2, "string"), "model_platform": (4, "string"),
        "model_version_policy": (7, "ServableVersionPolicy"), "version_labels": (8, "Label*"),
    },
    "ModelConfigList": {"config": (1, "ModelConfig*")},
    MODELS: {"model_config_list": (1, "ModelConfigList")},
    BATCHING: {
        "max_batch_size": (1, "Int64Value"), "batch_timeout_micros": (2, "Int64Value"),
        "max_enqueued_batches": (3, "Int64Value"), "num_batch_threads": (4, "Int64Value"),
        "thread_pool_name": (5, "StringValue"), "allowed_batch_sizes": (6, "int64*"),
        "pad_variable_length_inputs": (7, "bool"),
    },
}  # fmt: skip


def _file() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="role_test.proto", package="role_test", syntax="proto3", dependency=[wrappers_pb2.DESCRIPTOR.name]
    )  # fmt: skip
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            base = kind.rstrip("*")
            added = message.field.add(name=field, number=number)
            added.label = added.LABEL_REPEATED if kind.endswith("*") else added.LABEL_OPTIONAL
            if base[0].isupper():
                added.type = added.TYPE_MESSAGE
                package = "role_test" if base in _MESSAGES else "google.protobuf"
                added.type_name = f".{package}.{base}"
            else:
                added.type = getattr(added, f"TYPE_{base.upper()}")
    return file


def parsed(message: str, text: str) -> Any:
    """The message that a text stands for; ParseError for a text that TF Serving would refuse."""
    pool = descriptor_pool.DescriptorPool()
    for name in (wrappers_pb2.DESCRIPTOR.serialized_pb, _file().SerializeToString()):
        pool.AddSerializedFile(name)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"role_test.{message}"))
    return text_format.Parse(text, kind())
