"""A saved_model.pbtxt, as the bytes of what a saved_model.pb would say of it, as far as anything of that is read here."""

from __future__ import annotations

import functools
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..protos import SCHEMA, classes
from .errors import InvalidModel
from .messages import DTYPES

with suppress(ImportError):  # PROTOBUF_IMPORT_ERROR of protos has it
    from google.protobuf import text_format

TEXT_MAX = 64 * 2**20
"""Bytes of text that are read: a minute's work for protobuf's parser in Python."""

_AROUND = """
message SavedModel { repeated MetaGraphDef meta_graphs = 2; }
message MetaGraphDef { MetaInfoDef meta_info_def = 1; GraphDef graph_def = 2; SaverDef saver_def = 3;
  map<string, CollectionDef> collection_def = 4; map<string, SignatureDef> signature_def = 5;
  repeated AssetFileDef asset_file_def = 6; }
message GraphDef { repeated NodeDef node = 1; FunctionDefLibrary library = 2; }
message FunctionDefLibrary { repeated FunctionDef function = 1; }
message FunctionDef { OpDef signature = 1; repeated NodeDef node_def = 3; }
"""

_SPECIAL = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}
_NUMBERS = {f"DT_{_SPECIAL.get(name, name.upper())}": number for number, (name, _size) in DTYPES.items()}
_TYPE = re.compile(r'"(?:[^"\\\n]|\\.)*"?|\'(?:[^\'\\\n]|\\.)*\'?|#[^\n]*|\bDT_[A-Z0-9_]+\b')
"""Names of types, and what may hold such words without being one: texts and comments. A text that has no end is taken, too:
left to the parser, but not looked through again from each quotation mark in it.
"""


@functools.cache
def _saved_model() -> Any:
    return classes(SCHEMA + _AROUND)["SavedModel"]


def read_text(path: Path) -> bytes:
    """Raises ``InvalidModel`` and ``OSError``."""
    size = path.stat().st_size
    if size > TEXT_MAX:
        raise InvalidModel(
            f"it has {size} bytes, more than {TEXT_MAX}: save the model in the binary form, saved_model.pb"
        )
    made = _saved_model()()
    try:
        text = _TYPE.sub(_number, path.read_text("utf-8"))
        text_format.Parse(text, made, allow_unknown_extension=True, allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidModel(f"it is no text of a SavedModel: {str(error)[:200]}") from error
    return bytes(made.SerializeToString(deterministic=True))


def _number(found: re.Match[str]) -> str:
    """The number of a type's name, as on the wire, 0 for one that is not known; references (of TensorFlow 1) have 100 more."""
    name = found[0]
    if not name.startswith("DT_"):
        return name
    return str(_NUMBERS.get(name.removesuffix("_REF"), 0) + 100 * name.endswith("_REF"))
