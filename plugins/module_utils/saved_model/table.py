"""Reads the sorted table that a checkpoint's index is: LevelDB's format, as TensorFlow writes it.

https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from .errors import InvalidModel
from .wire import Buffer, varint

Checksum = Callable[[bytes], int]

_FOOTER = 48
_MAGIC = 0xDB4775248B80FB57
_TRAILER = 5
_UNCOMPRESSED = 0
_MASK_DELTA = 0xA282EAD8


def entries(data: Buffer, crc32c: Checksum) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values in order. ``crc32c``: the checksum of bytes, by which every block is checked.

    Raises ``InvalidModel``.
    """
    size = len(data)
    if size < _FOOTER or struct.unpack("<Q", data[size - 8 : size])[0] != _MAGIC:
        raise InvalidModel("it does not end as a table does: it is cut off, or no checkpoint's index")
    at = size - _FOOTER
    for _part in range(2):  # the metaindex block's place, which nobody needs
        _unused, at = varint(data, at, size)
    index, _unused = _handle(data, at, size)
    for _key, value in _block(data, *index, crc32c):
        place, _unused = _handle(value, 0, len(value))
        yield from _block(data, *place, crc32c)


def unmask(masked: int) -> int:
    """A stored crc32c as the checksum it stands for; LevelDB and TensorFlow store them masked."""
    rotated = (masked - _MASK_DELTA) & 0xFFFFFFFF
    return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF


def _handle(data: Buffer, at: int, end: int) -> tuple[tuple[int, int], int]:
    offset, at = varint(data, at, end)
    length, at = varint(data, at, end)
    return (offset, length), at


def _block(data: Buffer, offset: int, length: int, crc32c: Checksum) -> Iterator[tuple[bytes, bytes]]:
    if offset + length + _TRAILER > len(data) - _FOOTER:
        raise InvalidModel("a block reaches beyond the end")
    block = data[offset : offset + length + _TRAILER]
    content, kind = block[:length], block[length]
    if crc32c(block[: length + 1]) != unmask(struct.unpack("<I", block[length + 1 :])[0]):
        raise InvalidModel("a block's checksum is not that of its content")
    if kind != _UNCOMPRESSED:
        raise InvalidModel("it is compressed, which TensorFlow itself never does to an index")
    if length < 4:
        raise InvalidModel("a block is too short")
    restarts = struct.unpack("<I", content[-4:])[0]
    end = length - 4 * (restarts + 1)
    if end < 0:
        raise InvalidModel("a block's list of restarts is longer than the block")
    at, key = 0, b""
    while at < end:
        shared, at = varint(content, at, end)
        unshared, at = varint(content, at, end)
        size, at = varint(content, at, end)
        if shared > len(key) or at + unshared + size > end:
            raise InvalidModel("an entry reaches beyond its block")
        key = key[:shared] + content[at : at + unshared]
        at += unshared
        yield key, content[at : at + size]
        at += size
