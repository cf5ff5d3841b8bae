"""Predictions in JSON.

Contract: tensorflow/serving, util/json_tensor.cc.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .errors import invalid
from .jsontext import INDENT, one_line, quote, scalars, spread


def format_outputs(outputs: Mapping[str, np.ndarray], *, row_format: bool) -> str:
    """The body of a prediction: ``predictions`` for the row format, ``outputs`` for the columnar one."""
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    return _format_rows(outputs) if row_format else _format_columns(outputs)


def _format_rows(outputs: Mapping[str, np.ndarray]) -> str:
    count = None
    for name in sorted(outputs):
        if outputs[name].ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        size = outputs[name].shape[0]
        if count is not None and size != count:
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {size} expecting: {count}")
        count = size
    if not count:
        return f'{{\n{INDENT}"predictions": []\n}}'
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        as_bytes = name.endswith("_bytes")
        if array.ndim == 1:
            items = ", ".join(scalars(array, as_bytes=as_bytes, indent=INDENT * 2))
        else:
            items = ", ".join(one_line(item, as_bytes=as_bytes, depth=2) for item in array)
        return f'{{\n{INDENT}"predictions": [{items}\n{INDENT}]\n}}'
    rows = (
        ",\n".join(
            f"{INDENT * 3}{quote(name)}: "
            + one_line(outputs[name][i, ...], as_bytes=name.endswith("_bytes"), depth=3)
            for name in sorted(outputs)
        )
        for i in range(count)
    )
    inner = INDENT * 2
    items = ",\n".join(f"{inner}{{\n{row}\n{inner}}}" for row in rows)
    return f'{{\n{INDENT}"predictions": [\n{items}\n{INDENT}]\n}}'


def _format_columns(outputs: Mapping[str, np.ndarray]) -> str:
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        value = spread(array, as_bytes=name.endswith("_bytes"), depth=1)
    else:
        inner = INDENT * 2
        values = (
            f"{inner}{quote(name)}: " + spread(outputs[name], as_bytes=name.endswith("_bytes"), depth=2)
            for name in sorted(outputs)
        )
        value = "{\n" + ",\n".join(values) + f"\n{INDENT}}}"
    return f'{{\n{INDENT}"outputs": {value}\n}}'
