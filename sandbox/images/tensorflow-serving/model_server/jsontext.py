"""JSON as TF Serving reads and writes it: rapidjson's errors, its pretty printer, and decimals of its own.

Contract: tensorflow/serving, util/json_tensor.cc; rapidjson, error/en.h and prettywriter.h.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np

from .errors import Code, ServingError, invalid

Json = Any
INDENT = "    "
# Python's words for what is wrong, and rapidjson's.
_PARSE_ERRORS = (
    ("Expecting value", "Invalid value."),
    ("Expecting property name", "Missing a name for object member."),
    ("Illegal trailing comma before end of object", "Missing a name for object member."),
    ("Illegal trailing comma before end of array", "Invalid value."),
    ("Expecting ':' delimiter", "Missing a colon after a name of object member."),
    ("Unterminated string", "Missing a closing quotation mark in string."),
    ("Invalid control character", "Invalid encoding in string."),
    ("Invalid \\escape", "Invalid escape character in string."),
    ("Invalid \\uXXXX escape", "Incorrect hex digit after \\u escape in string."),
    ("Exceeds the limit", "Number too big to be stored in double."),
)
_STRING = r'"(?:[^"\\]|\\.)*"'


def parse(body: bytes) -> dict[str, Json]:
    """The object that the body begins with; what follows it is ignored, NaN and Infinity are accepted."""
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    text = body.decode("utf-8", errors="surrogateescape")
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start)
    except RecursionError:
        raise invalid("JSON Parse error: Terminate parsing due to Handler error.") from None
    except ValueError as error:
        value = _again_with_short_infinity(text, start, error)
    half = re.search(r"\\u[dD][89a-fA-F]", text)
    if half:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8", errors="surrogateescape")
        except UnicodeEncodeError:
            raise _parse_error("The surrogate pair in string is invalid.", text[: half.start()]) from None
    if not isinstance(value, dict):
        raise invalid(f"JSON Value: {show(value)} Is not object")
    return value


def _again_with_short_infinity(text: str, start: int, error: ValueError) -> Json:
    """rapidjson also takes Inf for Infinity."""
    if "Inf" in text:
        spelled = re.sub(rf"{_STRING}|\bInf\b", lambda m: "Infinity" if m[0] == "Inf" else m[0], text)
        if spelled != text:
            try:
                return json.JSONDecoder().raw_decode(spelled, start)[0]
            except ValueError:
                pass
    position = getattr(error, "pos", 0)
    if not text[start:]:
        message = "The document is empty."
    else:
        message = next((ours for theirs, ours in _PARSE_ERRORS if str(error).startswith(theirs)), "")
    if not message:
        # What is missing depends on what the value stands in.
        inside = re.sub(_STRING, "", text[:position])
        depth = re.sub(r"[^\[\]{}]", "", inside)
        while (shorter := re.sub(r"\[\]|\{\}", "", depth)) != depth:
            depth = shorter
        message = (
            "Missing a comma or ] after an array element."
            if depth.endswith("[")
            else "Missing a comma or } after an object member."
        )
    raise _parse_error(message, text[:position]) from None


def _parse_error(message: str, before: str) -> ServingError:
    offset = len(before.encode("utf-8", errors="surrogateescape"))
    return invalid(f"JSON Parse error: {message} at offset: {offset}")


def show(value: Json) -> str:
    """A value as an error message quotes it."""
    if isinstance(value, float):
        return decimal(value)
    return json.dumps(value, indent=4, ensure_ascii=False)


def quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def error_body(message: str) -> str:
    return f'{{\n{INDENT}"error": {quote(message)}\n}}'


def decimal(value: float, *, single: bool = False) -> str:
    """Six digits if they give the number back, else all that it may need; always a point or an exponent."""
    return _decimals(np.array([value], np.float32 if single else np.float64))[0]


def _decimals(array: np.ndarray) -> list[str]:
    single = array.dtype != np.float64
    values = array.tolist()
    texts = [f"{value:g}" for value in values]
    back = np.array(texts, dtype=np.float64)
    exact = back.astype(np.float32) == array if single else back == array
    digits = 9 if single else 17
    for i in np.flatnonzero(~exact):
        texts[i] = f"{values[i]:.{digits}g}"
    return [_finished(text) for text in texts]


def _finished(text: str) -> str:
    if "." in text or "e" in text:
        return text
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text) or f"{text}.0"


def scalars(array: np.ndarray, *, as_bytes: bool, indent: str) -> list[str]:
    """The values of a one-dimensional array. ``as_bytes``: strings in base64; ``indent``: of the line they are on."""
    kind = array.dtype.kind
    if kind == "f":
        return _decimals(array)
    if kind == "b":
        return ["true" if value else "false" for value in array.tolist()]
    if kind in "iu":
        return [str(value) for value in array.tolist()]
    if kind in "OS":
        items = array.tolist()
        if as_bytes:
            return [
                f'{{\n{indent}{INDENT}"b64": "{base64.b64encode(_bytes(item)).decode()}"\n{indent}}}'
                for item in items
            ]
        return [quote(_bytes(item).decode("utf-8", errors="surrogateescape")) for item in items]
    raise ServingError(
        Code.INVALID_ARGUMENT, f"Failed to write JSON value for tensor type: {type_name(array.dtype.name)}"
    )


def _bytes(item: bytes | str) -> bytes:
    return item.encode() if isinstance(item, str) else item


def one_line(array: np.ndarray, *, as_bytes: bool, depth: int) -> str:
    """Nested lists on one line; objects in them are still spread over several."""
    if array.ndim == 0:
        return scalars(array.reshape(1), as_bytes=as_bytes, indent=INDENT * depth)[0]
    if array.ndim == 1:
        return "[" + ", ".join(scalars(array, as_bytes=as_bytes, indent=INDENT * (depth + 1))) + "]"
    return "[" + ", ".join(one_line(item, as_bytes=as_bytes, depth=depth + 1) for item in array) + "]"


def spread(array: np.ndarray, *, as_bytes: bool, depth: int) -> str:
    """Nested lists, each element on a line of its own."""
    if array.ndim == 0:
        return scalars(array.reshape(1), as_bytes=as_bytes, indent=INDENT * depth)[0]
    if array.shape[0] == 0:
        return "[]"
    inner = INDENT * (depth + 1)
    items = (
        scalars(array, as_bytes=as_bytes, indent=inner)
        if array.ndim == 1
        else [spread(item, as_bytes=as_bytes, depth=depth + 1) for item in array]
    )
    return f"[\n{inner}" + f",\n{inner}".join(items) + f"\n{INDENT * depth}]"


_TYPE_NAMES = {"float32": "float", "float64": "double", "float16": "half", "object": "string"}


def type_name(dtype: str) -> str:
    """TensorFlow's DataTypeString() of a NumPy name."""
    return _TYPE_NAMES.get(dtype, dtype)
