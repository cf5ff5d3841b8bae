"""Variables of a SavedModel: what the index promises, against the data files that are there.

TensorFlow's tensor bundle (tensorflow/core/util/tensor_bundle): ``variables.index`` is a table of BundleEntryProto
by the variable's name, ``variables.data-00000-of-00001`` and so on are the shards it points into.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import InvalidModel
from .messages import DTYPES, dtype_name, parse
from .table import Checksum, entries, unmask

INDEX = "variables/variables.index"
INDEX_MAX = 256 * 2**20
"""Bytes of an index that is still read, compressed or not: a million variables have some 100 MB."""

_NAMED = 5
_BLOCK = 2**20


@dataclass(frozen=True, order=True)
class Entry:
    """Where a variable's bytes are; ``crc32c`` is of these bytes except for strings, which are hashed in parts."""

    shard: int
    offset: int
    size: int
    crc32c: int
    dtype: int
    name: str


@dataclass
class Bundle:
    """What an index says. ``problems``: why TensorFlow could not restore from it."""

    shards: int = 0
    count: int = 0
    size: int = 0
    names: set[str] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    without_checksum: int = 0


def shard_path(number: int, shards: int) -> str:
    return f"variables/variables.data-{number:05d}-of-{shards:05d}"


def read_bundle(data: bytes, sizes: Mapping[str, int], crc32c: Checksum) -> Bundle:
    """The index against the sizes of the model's files by path. ``crc32c``: the checksum of bytes.

    Raises ``InvalidModel`` when it is no index.
    """
    bundle = Bundle()
    ends: dict[int, tuple[int, str]] = {}
    try:
        for number, (key, value) in enumerate(entries(data, crc32c, INDEX_MAX)):
            if number == 0:
                if key:
                    raise InvalidModel("it has no header")
                header = parse("BundleHeaderProto", value, "its header")
                bundle.shards = header.num_shards
                if not 0 < bundle.shards <= 99_999:
                    raise InvalidModel(f"its header counts {bundle.shards} shards")
                if header.endianness:
                    bundle.problems.append(f"{INDEX}: written on a big-endian machine")
                continue
            _take(bundle, key, parse("BundleEntryProto", value, "an entry"), ends)
    except InvalidModel as error:
        raise InvalidModel(f"{INDEX} is damaged: {error}") from error
    if not bundle.shards:
        raise InvalidModel(f"{INDEX} is damaged: it has no header")
    _check_shards(bundle, sizes, ends)
    return bundle


def _take(bundle: Bundle, key: bytes, entry: Any, ends: dict[int, tuple[int, str]]) -> None:
    # Keys of slices are in an order-preserving code that begins with a zero byte; they are no variables' names.
    name = key.decode("utf-8", "replace")
    whole = not key.startswith(b"\0")
    if whole:
        bundle.names.add(name)
        # TensorFlow 2 keeps the tree of objects among the variables.
        bundle.count += name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    if entry.slices:
        return  # its data is under the keys of its slices
    if not 0 <= entry.shard_id < bundle.shards or entry.offset < 0 or entry.size < 0:
        raise InvalidModel(f"{name!r} is said to be in shard {entry.shard_id} of {bundle.shards}")
    item = DTYPES.get(entry.dtype, ("", 0))[1]
    elements = math.prod(max(d.size, 0) for d in entry.shape.dim)
    if item and elements * item != entry.size:
        raise InvalidModel(
            f"{name!r} has {entry.size} bytes, and its {elements} elements of {dtype_name(entry.dtype)} another number"
        )
    bundle.size += entry.size
    bundle.without_checksum += entry.crc32c == 0
    end = entry.offset + entry.size
    ends[entry.shard_id] = max(ends.get(entry.shard_id, (0, "")), (end, name))
    bundle.entries.append(
        Entry(entry.shard_id, entry.offset, entry.size, unmask(entry.crc32c), entry.dtype, name)
    )


def _check_shards(bundle: Bundle, sizes: Mapping[str, int], ends: dict[int, tuple[int, str]]) -> None:
    for number in range(bundle.shards):
        path = shard_path(number, bundle.shards)
        end, name = ends.get(number, (0, ""))
        if path not in sizes:
            bundle.problems.append(f"{path} is missing: one of {bundle.shards} data files of the variables")
            if len(bundle.problems) > _NAMED:
                bundle.problems.append("and more data files are missing")
                return
        elif sizes[path] < end:
            bundle.problems.append(
                f"{path} is cut off: it has {sizes[path]} bytes, and {name!r} ends at byte {end}"
            )


def check_tensors(folder: Path, bundle: Bundle, new_checksum: Any) -> list[str]:
    """Compares every variable's bytes with its checksum, as TensorFlow does on loading; what differs, in words."""
    problems: list[str] = []
    by_shard: dict[int, list[Entry]] = {}
    for entry in bundle.entries:
        if DTYPES.get(entry.dtype, ("", 0))[1]:
            by_shard.setdefault(entry.shard, []).append(entry)
    for shard, found in sorted(by_shard.items()):
        path = shard_path(shard, bundle.shards)
        with (folder / path).open("rb") as file:
            for entry in sorted(found):
                file.seek(entry.offset)
                checksum, left = new_checksum(), entry.size
                while left > 0 and (block := file.read(min(_BLOCK, left))):
                    checksum.update(block)
                    left -= len(block)
                if int.from_bytes(checksum.digest(), "big") != entry.crc32c:
                    problems.append(f"{path} is damaged: the checksum of {entry.name!r} does not match")
                    if len(problems) >= _NAMED:
                        return problems
    return problems
