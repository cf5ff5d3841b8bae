"""TF Serving's configuration messages, as far as the role writes them, read by protobuf's own text parser.

From tensorflow/serving: config/model_server_config.proto, config/file_system_storage_path_source.proto (of whose
version_labels, a map, the text has entries) and servables/tensorflow/session_bundle_config.proto.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.protos import classes
from google.protobuf import text_format

MODELS, BATCHING = "ModelServerConfig", "BatchingParameters"
SCHEMA = """
message Specific { repeated int64 versions = 1; }
message ServableVersionPolicy { Specific specific = 102; }
message Label { string key = 1; int64 value = 2; }
message ModelConfig { string name = 1; string base_path = 2; string model_platform = 4;
  ServableVersionPolicy model_version_policy = 7; repeated Label version_labels = 8; }
message ModelConfigList { repeated ModelConfig config = 1; }
message ModelServerConfig { ModelConfigList model_config_list = 1; }
message Int64Value { int64 value = 1; }
message StringValue { string value = 1; }
message BoolValue { bool value = 1; }
message BatchingParameters { Int64Value max_batch_size = 1; Int64Value batch_timeout_micros = 2;
  Int64Value max_enqueued_batches = 3; Int64Value num_batch_threads = 4; StringValue thread_pool_name = 5;
  repeated int64 allowed_batch_sizes = 6; bool pad_variable_length_inputs = 7;
  BoolValue enable_large_batch_splitting = 8; Int64Value max_execution_batch_size = 9; }
"""


def parsed(message: str, text: str) -> Any:
    """The message that a text stands for; ParseError for a text that TF Serving would refuse."""
    return text_format.Parse(text, classes(SCHEMA)[message]())
