"""Reads a PyTorch checkpoint of the older format without PyTorch: a restricted unpickler and numpy.

Format: three pickles (magic number, protocol, system), the pickle of the tensors, the pickle of the storages'
keys, then for each storage its length (int64, little endian) and its elements.
"""

from __future__ import annotations

import collections
import pickle
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_ELEMENT_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
_HEADER_PICKLES = 3


class _Reader(pickle.Unpickler):
    """Builds nothing but dictionaries and descriptions of tensors."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
        if module == "torch" and name in _ELEMENT_TYPES:
            return name
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        raise pickle.UnpicklingError(f"the checkpoint refers to {module}.{name}, which is not allowed")

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        _, element_type, key, *_ = pid
        return element_type, key


def read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of the checkpoint by its name."""
    with path.open("rb") as file:
        for _ in range(_HEADER_PICKLES):
            _Reader(file).load()
        described = _Reader(file).load()
        keys = _Reader(file).load()
        types = {storage[1]: _ELEMENT_TYPES[storage[0]] for storage, *_ in described.values()}
        storages = {key: _read_storage(file, types[key]) for key in keys}
    tensors = {}
    for name, (storage, offset, size, stride) in described.items():
        flat = storages[storage[1]][offset:]
        strides = [step * flat.itemsize for step in stride]
        tensors[name] = np.lib.stride_tricks.as_strided(flat, size, strides).copy()
    return tensors


def _read_storage(file: BinaryIO, element_type: str) -> np.ndarray:
    (count,) = struct.unpack("<q", file.read(8))
    return np.frombuffer(file.read(count * np.dtype(element_type).itemsize), dtype=element_type)
