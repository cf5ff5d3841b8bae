"""Configuration files: text of protocol buffers, into the plain data that the server works with.

ModelServerConfig comes with tensorflow-serving-api. The messages that it leaves out are described here, with the names
and types of tensorflow/serving, config/{monitoring,ssl}_config.proto and
servables/tensorflow/session_bundle_config.proto, so that protobuf's own parser reads all of them. What makes classes of
them, messages.py, is the collection's own file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.config import model_server_config_pb2

from .batching import BatchingParameters
from .config import ModelConfig, VersionPolicy
from .errors import Code, ServingError, invalid
from .messages import classes

METRICS_PATH = "/monitoring/prometheus/metrics"
_CLASSES = classes("""
message PrometheusConfig { bool enable = 1; string path = 2; }
message MonitoringConfig { PrometheusConfig prometheus_config = 1; }
message SSLConfig { string server_key = 1; string server_cert = 2; string custom_ca = 3; bool client_verify = 4; }
message BatchingParameters { Int64Value max_batch_size = 1; Int64Value batch_timeout_micros = 2;
  Int64Value max_enqueued_batches = 3; Int64Value num_batch_threads = 4; StringValue thread_pool_name = 5;
  repeated int64 allowed_batch_sizes = 6; bool pad_variable_length_inputs = 7;
  BoolValue enable_large_batch_splitting = 8; Int64Value max_execution_batch_size = 9; }
message Int64Value { int64 value = 1; }
message StringValue { string value = 1; }
message BoolValue { bool value = 1; }
""")


def _read(path: str, message: Any) -> Any:
    try:
        text = Path(path).read_text()
    except OSError as error:
        code = Code.NOT_FOUND if isinstance(error, FileNotFoundError) else Code.UNKNOWN
        raise ServingError(code, f"{path}; {error.strerror}") from None
    except UnicodeDecodeError:
        raise invalid(f"Invalid protobuf file: '{path}'") from None
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError:
        raise invalid(f"Invalid protobuf file: '{path}'") from None


def read_models(path: str) -> list[ModelConfig] | None:
    """A --model_config_file; None for one that configures nothing."""
    return to_models(_read(path, model_server_config_pb2.ModelServerConfig()))


def to_models(config: Any) -> list[ModelConfig] | None:
    """The models of a ModelServerConfig message."""
    kind = config.WhichOneof("config")
    if kind is None:
        return None
    if kind != "model_config_list":
        raise ServingError(Code.UNIMPLEMENTED, "ModelServer does not yet support custom model config.")
    return [_model(model) for model in config.model_config_list.config]


def _model(model: Any) -> ModelConfig:
    platform = model.model_platform
    if model.model_type:
        if platform:
            raise invalid(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and "
                "ModelServerConfig::model_platform."
            )
        if model.model_type != model_server_config_pb2.TENSORFLOW:
            raise invalid(f"ModelServerConfig::model_type choice {model.model_type} not supported.")
        platform = "tensorflow"
    chosen = model.model_version_policy.WhichOneof("policy_choice")
    policy = VersionPolicy()
    if chosen == "all":
        policy = VersionPolicy("all")
    elif chosen == "specific":
        policy = VersionPolicy("specific", versions=frozenset(model.model_version_policy.specific.versions))
    elif chosen == "latest":
        policy = VersionPolicy("latest", model.model_version_policy.latest.num_versions)
    return ModelConfig(
        model.name,
        model.base_path,
        platform,
        policy,
        dict(model.version_labels),
        model.HasField("logging_config"),
    )


def read_metrics_path(path: str) -> str | None:
    """Where a --monitoring_config_file wants the metrics; None when it does not enable them."""
    config = _read(path, _CLASSES["MonitoringConfig"]()).prometheus_config
    return (config.path or METRICS_PATH) if config.enable else None


def read_batching(path: str) -> BatchingParameters:
    """A --batching_parameters_file; without one (an empty path) the defaults."""
    threads = len(os.sched_getaffinity(0))
    if not path:
        return BatchingParameters(threads, "model_server_batch_threads")
    message = _read(path, _CLASSES["BatchingParameters"]())
    wrapped = {
        field.name: getattr(message, field.name).value
        for field, _ in message.ListFields()
        if field.name not in ("allowed_batch_sizes", "pad_variable_length_inputs")
    }
    return BatchingParameters(
        **{"num_batch_threads": threads, **wrapped},
        allowed_batch_sizes=tuple(message.allowed_batch_sizes),
        pad_variable_length_inputs=message.pad_variable_length_inputs,
    )


def read_ssl(path: str) -> Any:
    """An --ssl_config_file: a message with server_key, server_cert, custom_ca (all PEM) and client_verify."""
    return _read(path, _CLASSES["SSLConfig"]())


def read_session_config(path: str) -> Any:
    """A --tensorflow_session_config_file: a ConfigProto; the empty one without a path."""
    return _read(path, config_pb2.ConfigProto()) if path else config_pb2.ConfigProto()
