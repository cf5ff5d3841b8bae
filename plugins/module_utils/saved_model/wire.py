"""Walks protocol buffers of any size where they lie, so that gigabytes of constants are stepped over unread."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Union

from .errors import InvalidModel

Buffer = Union[bytes, mmap.mmap]  # noqa: UP007 (ansible-test takes the other form for a mistake)
_FIXED = {1: 8, 5: 4}
_LENGTH_DELIMITED = 2
_VARINT_BYTES = 10


def varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    """A varint and the position behind it. Raises ``InvalidModel``."""
    value, shift = 0, 0
    while at < end and shift < _VARINT_BYTES * 7:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise InvalidModel("a number is cut off")


def fields(data: Buffer, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The message's length-delimited fields: number, start and end of the content. Others are skipped."""
    at = start
    while at < end:
        tag, at = varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise InvalidModel("a field has the number 0")
        if kind == 0:
            _unused, at = varint(data, at, end)
        elif kind == _LENGTH_DELIMITED:
            length, at = varint(data, at, end)
            if length > end - at:
                raise InvalidModel("a field reaches beyond the end")
            yield number, at, at + length
            at += length
        elif kind in _FIXED:
            at += _FIXED[kind]
            if at > end:
                raise InvalidModel("a field reaches beyond the end")
        else:
            raise InvalidModel(f"a field has the unknown wire type {kind}")
