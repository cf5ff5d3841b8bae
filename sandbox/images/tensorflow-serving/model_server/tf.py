"""The parts of TensorFlow that are used here, each from its own module."""

from __future__ import annotations

from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.protobuf.config_pb2 import RunOptions
from tensorflow.python.client import pywrap_tf_session
from tensorflow.python.client.session import Session
from tensorflow.python.framework import errors
from tensorflow.python.framework.dtypes import as_dtype
from tensorflow.python.framework.ops import Graph
from tensorflow.python.framework.tensor_util import MakeNdarray as make_ndarray
from tensorflow.python.lib.io import file_io
from tensorflow.python.lib.io.tf_record import tf_record_iterator
from tensorflow.python.platform.tf_logging import get_logger
from tensorflow.python.saved_model.loader_impl import SavedModelLoader

__all__ = [
    "Example",
    "Graph",
    "RunOptions",
    "SavedModelLoader",
    "Session",
    "as_dtype",
    "errors",
    "file_io",
    "get_logger",
    "make_ndarray",
    "pywrap_tf_session",
    "tf_record_iterator",
]
