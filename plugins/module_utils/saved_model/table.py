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
_UNCOMPRESSED, _SNAPPY = 0, 1
_MASK_DELTA = 0xA282EAD8


def entries(data: Buffer, crc32c: Checksum, size_max: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values in order. ``crc32c``: the checksum of bytes, by which every block is checked.

    ``size_max``: bytes of all blocks together, uncompressed. Raises ``InvalidModel``.
    """
    size = len(data)
    if size < _FOOTER or struct.unpack("<Q", data[size - 8 : size])[0] != _MAGIC:
        raise InvalidModel("it does not end as a table does: it is cut off, or no checkpoint's index")
    at = size - _FOOTER
    for _part in range(2):  # the metaindex block's place, which nobody needs
        _unused, at = varint(data, at, size)
    index, _unused = _handle(data, at, size)
    for _key, value in _pairs(_block(data, *index, crc32c, size_max)):
        place, _unused = _handle(value, 0, len(value))
        block = _block(data, *place, crc32c, size_max)
        size_max -= len(block)
        yield from _pairs(block)


def unmask(masked: int) -> int:
    """A stored crc32c as the checksum it stands for; LevelDB and TensorFlow store them masked."""
    rotated = (masked - _MASK_DELTA) & 0xFFFFFFFF
    return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF


def _handle(data: Buffer, at: int, end: int) -> tuple[tuple[int, int], int]:
    offset, at = varint(data, at, end)
    length, at = varint(data, at, end)
    return (offset, length), at


def _block(data: Buffer, offset: int, length: int, crc32c: Checksum, size_max: int) -> bytes:
    if offset + length + _TRAILER > len(data) - _FOOTER:
        raise InvalidModel("a block reaches beyond the end")
    block = data[offset : offset + length + _TRAILER]
    content, kind = block[:length], block[length]
    if crc32c(block[: length + 1]) != unmask(struct.unpack("<I", block[length + 1 :])[0]):
        raise InvalidModel("a block's checksum is not that of its content")
    if kind == _SNAPPY:
        return unsnapped(content, size_max)
    if kind != _UNCOMPRESSED:
        raise InvalidModel(f"it is compressed in the unknown way {kind}")
    if length > size_max:
        raise InvalidModel("its blocks are larger than any index")
    return content


def unsnapped(data: bytes, size_max: int) -> bytes:
    """What snappy compressed: https://github.com/google/snappy/blob/main/format_description.txt

    Raises ``InvalidModel``, also for more than ``size_max`` bytes.
    """
    size, at = varint(data, 0, len(data))
    if size > size_max:
        raise InvalidModel(f"a block says that it has {size} bytes uncompressed, more than any index")
    made = bytearray()
    while at < len(data) and len(made) <= size:
        tag, at = data[at], at + 1
        upper, kind = tag >> 2, tag & 3
        if kind == 0:  # a literal; of 61 bytes and more the length has bytes of its own
            more = max(upper - 59, 0)
            length = (int.from_bytes(data[at : at + more], "little") if more else upper) + 1
            at += more
            made += data[at : at + length]
            at += length
            continue
        more = (1, 2, 4)[kind - 1]
        offset = int.from_bytes(data[at : at + more], "little")
        at += more
        length = upper + 1
        if kind == 1:
            offset, length = offset + (tag >> 5 << 8), (upper & 7) + 4
        start = len(made) - offset
        if offset == 0 or start < 0:
            raise InvalidModel("a compressed block refers to what is before its beginning")
        piece = made[start : start + length]
        made += (piece * (length // len(piece) + 1))[:length]  # it may overlap with what it makes
    if at != len(data) or len(made) != size:
        raise InvalidModel("a compressed block is not as long as it says")
    return bytes(made)


def _pairs(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    length = len(content)
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
