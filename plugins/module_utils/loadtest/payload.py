"""Request bodies for Predict, made once from files and held against the model's signature. Pure.

A file is a picture (or any other bytes), sent as ``{"b64": ...}``; or JSON: a whole request body (with
``instances`` or ``inputs``) or the value of one instance.
"""

from __future__ import annotations

import base64
import fnmatch
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..model_server.errors import BadAnswer
from ..model_server.rest import Servable
from ..model_server.tensors import NUMBERS, predict_request

Json = dict[str, Any]

PICTURES = {
    b"\xff\xd8\xff": ("JPEG", (".jpg", ".jpeg")),
    b"\x89PNG\r\n\x1a\n": ("PNG", (".png",)),
    b"GIF8": ("GIF", (".gif",)),
    b"BM": ("BMP", (".bmp",)),
}
"""How the formats that TensorFlow decodes begin, and what their files are called."""

SUFFIXES = {suffix: name for name, suffixes in PICTURES.values() for suffix in suffixes}

PART_BYTES = 900_000
"""A ConfigMap holds 1 MiB at most; the rest is for names and JSON."""

BYTES_MAX = 20 * 1024 * 1024
"""All bodies together: etcd and every Locust pod hold them."""

_WHOLE = {"DT_INT8", "DT_INT16", "DT_INT32", "DT_INT64", "DT_UINT8", "DT_UINT16", "DT_UINT32", "DT_UINT64"}
_NUMBERS = _WHOLE | {"DT_HALF", "DT_BFLOAT16", "DT_FLOAT", "DT_DOUBLE"}


class PayloadError(ValueError):
    """Something that the model could not be asked; says what and what would do."""


@dataclass(frozen=True)
class Tensor:
    """An input of a signature. ``shape``: -1 for any size; None for any rank."""

    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Body:
    """One request, serialised."""

    name: str
    weight: float
    content: bytes


def signatures(metadata: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """Inputs by signature, from TF Serving's answer to ``GET .../metadata``."""
    try:
        definitions = metadata["metadata"]["signature_def"]["signature_def"]
        return {
            name: {key: _tensor(value) for key, value in (definition.get("inputs") or {}).items()}
            for name, definition in definitions.items()
            if name != "__saved_model_init_op"
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise PayloadError(
            "the model server's metadata has no signatures: is it TensorFlow Serving?"
        ) from error


def _tensor(value: Mapping[str, Any]) -> Tensor:
    shape = value.get("tensor_shape") or {}
    if shape.get("unknown_rank"):
        return Tensor(str(value["dtype"]), None)
    return Tensor(str(value["dtype"]), tuple(int(dim["size"]) for dim in shape.get("dim") or []))


def bodies(
    files: Mapping[str, bytes],
    *,
    signature: str,
    known: Mapping[str, Mapping[str, Tensor]] | None,
    columnar: bool = False,
    weights: Mapping[str, float] | None = None,
) -> list[Body]:
    """A body for each file. ``known``: the model's signatures, None when it can't be asked yet."""
    if not files:
        raise PayloadError("the payload's folder has no file")
    inputs: Mapping[str, Tensor] | None = None
    if known is not None:
        if signature not in known:
            raise PayloadError(
                f"the model has no signature {signature!r}; it has {', '.join(sorted(known)) or 'none'}"
            )
        inputs = known[signature]
    made = [
        Body(name, _weight(name, weights or {}), _body(name, content, signature, known, inputs, columnar))
        for name, content in sorted(files.items())
    ]
    unused = [
        pattern for pattern in weights or {} if not any(fnmatch.fnmatch(name, pattern) for name in files)
    ]
    if unused:
        raise PayloadError(f"weights name no file: {', '.join(unused)}; there are {', '.join(sorted(files))}")
    drawn = [body for body in made if body.weight > 0]
    if not drawn:
        raise PayloadError("every file's weight is 0: nothing would be sent")
    return drawn


def for_grpc(
    made: Sequence[Body], servable: Servable, known: Mapping[str, Mapping[str, Tensor]]
) -> list[Body]:
    """The same bodies as PredictRequests, serialised."""
    found = []
    for body in made:
        asked = json.loads(body.content)
        inputs = known[asked["signature_name"]]
        strange = sorted({tensor.dtype for tensor in inputs.values()} - set(NUMBERS))
        if strange:
            raise PayloadError(f"{body.name}: inputs of type {', '.join(strange)} can't be written as JSON")
        try:
            types = {key: NUMBERS[tensor.dtype] for key, tensor in inputs.items()}
            request = predict_request(servable, asked, types)
        except BadAnswer as error:
            raise PayloadError(f"{body.name}: {error}") from error
        found.append(replace(body, content=request.SerializeToString(deterministic=True)))
    return found


def _weight(name: str, weights: Mapping[str, Any]) -> float:
    for pattern, weight in weights.items():
        if fnmatch.fnmatch(name, pattern):
            try:
                number = float(weight)
            except (TypeError, ValueError):
                number = math.nan
            if isinstance(weight, bool) or not 0 <= number < math.inf:
                raise PayloadError(f"the weight of {pattern} must be a number of at least 0, not {weight!r}")
            return number
    return 1.0


def _body(
    name: str,
    content: bytes,
    signature: str,
    known: Mapping[str, Mapping[str, Tensor]] | None,
    inputs: Mapping[str, Tensor] | None,
    columnar: bool,
) -> bytes:
    if name.lower().endswith(".json"):
        given = _read(name, content)
        if isinstance(given, dict) and ("instances" in given or "inputs" in given):
            return _whole(name, given, signature, known)
        value: Any = given
    else:
        _check_picture(name, content)
        value = {"b64": base64.b64encode(content).decode()}
        if inputs is not None:
            _takes_bytes(name, signature, inputs, known or {})
            if len(inputs) > 1:
                raise PayloadError(
                    f"{name}: signature {signature!r} has the inputs {', '.join(inputs)}: write requests "
                    "as JSON files, with a value for each"
                )
    if inputs is not None:
        _check_instance(name, value, inputs)
    return json.dumps(
        {"signature_name": signature, **({"inputs": _column(value)} if columnar else {"instances": [value]})}
    ).encode()


def _column(value: Any) -> Any:
    """One instance as columns: every input gets a batch of one."""
    if isinstance(value, dict) and set(value) != {"b64"}:
        return {key: [item] for key, item in value.items()}
    return [value]


def _read(name: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise PayloadError(f"{name} is not JSON: {error}") from error


def _check_picture(name: str, content: bytes) -> None:
    if not content:
        raise PayloadError(f"{name} is empty")
    promised = next((what for suffix, what in SUFFIXES.items() if name.lower().endswith(suffix)), None)
    found = next((what for start, (what, _unused) in PICTURES.items() if content.startswith(start)), None)
    if promised is not None and found != promised:
        raise PayloadError(
            f"{name} is called a {promised} and is {'a ' + found if found else 'no picture'}: the model could "
            "not decode it"
        )


def _takes_bytes(
    name: str,
    signature: str,
    inputs: Mapping[str, Tensor],
    known: Mapping[str, Mapping[str, Tensor]],
) -> None:
    if any(tensor.dtype == "DT_STRING" for tensor in inputs.values()):
        return
    others = [
        other for other, tensors in known.items() if any(t.dtype == "DT_STRING" for t in tensors.values())
    ]
    takes = ", ".join(f"{key} {_words(tensor)}" for key, tensor in inputs.items())
    hint = (
        f"signature {' or '.join(sorted(others))} takes bytes" if others else "send JSON files with numbers"
    )
    raise PayloadError(f"{name}: signature {signature!r} takes {takes}, not a file's bytes; {hint}")


def _words(tensor: Tensor) -> str:
    shape = "of any rank" if tensor.shape is None else str(list(tensor.shape))
    return f"{tensor.dtype.removeprefix('DT_').lower()} {shape}"


def _whole(name: str, given: Json, signature: str, known: Mapping[str, Mapping[str, Tensor]] | None) -> bytes:
    """A body as the file has it; only what it leaves out is added."""
    if ("instances" in given) == ("inputs" in given):
        raise PayloadError(f"{name} must have instances or inputs, not both")
    body = {"signature_name": signature, **given}
    if known is not None:
        if body["signature_name"] not in known:
            raise PayloadError(
                f"{name} asks for signature {body['signature_name']!r}; the model has {', '.join(sorted(known))}"
            )
        inputs = known[body["signature_name"]]
        if "instances" in body:
            if not isinstance(body["instances"], list) or not body["instances"]:
                raise PayloadError(f"{name}: instances must be a list with at least one")
            for instance in body["instances"]:
                _check_instance(name, instance, inputs)
        else:
            _check_columns(name, body["inputs"], inputs)
    return json.dumps(body).encode()


def _check_instance(name: str, value: Any, inputs: Mapping[str, Tensor]) -> None:
    """One row: TF Serving puts it behind the batch dimension."""
    for key, item in _by_input(name, value, inputs).items():
        shape = inputs[key].shape
        _check_value(f"{name}: {key}", item, inputs[key].dtype, None if shape is None else shape[1:])


def _check_columns(name: str, value: Any, inputs: Mapping[str, Tensor]) -> None:
    for key, item in _by_input(name, value, inputs).items():
        _check_value(f"{name}: {key}", item, inputs[key].dtype, inputs[key].shape)


def _by_input(name: str, value: Any, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    named = isinstance(value, dict) and set(value) != {"b64"}
    if not named:
        if len(inputs) != 1:
            raise PayloadError(f"{name}: the signature has the inputs {', '.join(sorted(inputs))}: name them")
        return {next(iter(inputs)): value}
    if set(value) != set(inputs):
        raise PayloadError(
            f"{name} has {', '.join(sorted(value)) or 'nothing'}; the signature's inputs are "
            f"{', '.join(sorted(inputs))}"
        )
    return dict(value)


def _check_value(where: str, value: Any, dtype: str, shape: tuple[int, ...] | None) -> None:
    """The nesting must have the shape, and every leaf the type."""
    if isinstance(value, list) and (shape is None or shape):
        if shape is not None and shape[0] not in (-1, len(value)):
            raise PayloadError(f"{where} has {len(value)} elements where the signature has {shape[0]}")
        for item in value:
            _check_value(where, item, dtype, None if shape is None else shape[1:])
        return
    if shape:
        raise PayloadError(f"{where} has too few dimensions: {list(shape)} are missing")
    if isinstance(value, list):
        raise PayloadError(f"{where} has too many dimensions")
    if dtype == "DT_STRING":
        fits = isinstance(value, str) or (
            isinstance(value, dict) and set(value) == {"b64"} and _is_b64(value)
        )
    elif dtype == "DT_BOOL":
        fits = isinstance(value, bool)
    elif dtype in _WHOLE:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif dtype in _NUMBERS:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        fits = True
    if not fits:
        raise PayloadError(
            f"{where} has {json.dumps(value)[:60]} where the signature takes {dtype.removeprefix('DT_').lower()}"
        )


def _is_b64(value: Mapping[str, Any]) -> bool:
    try:
        base64.b64decode(str(value["b64"]), validate=True)
    except ValueError:
        return False
    return True


def pack(made: Sequence[Body]) -> list[list[Body]]:
    """The bodies in as few parts as come easily, each of which fits a ConfigMap. Raises PayloadError for what never does."""
    total = sum(len(body.content) for body in made)
    if total > BYTES_MAX:
        raise PayloadError(
            f"the request bodies have {total >> 20} MiB together, more than {BYTES_MAX >> 20}: "
            "send fewer or smaller files"
        )
    for body in made:
        if len(body.content) > PART_BYTES:
            raise PayloadError(
                f"{body.name}: a request body of {len(body.content)} bytes does not fit a ConfigMap "
                f"({PART_BYTES}): send a smaller file, or pictures as bytes instead of numbers"
            )
    parts: list[list[Body]] = []
    room = 0
    for body in made:
        if not parts or len(body.content) > room:
            parts.append([])
            room = PART_BYTES
        parts[-1].append(body)
        room -= len(body.content)
    return parts
