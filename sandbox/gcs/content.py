"""The bytes of objects on their way in and out: written and hashed block by block, never whole in memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
from starlette.concurrency import run_in_threadpool

from ..google.errors import GoogleError, invalid

Json = dict[str, Any]

BLOCK = 1 << 20
UPLOAD_UNIT = 256 * 1024
"""Chunks of a resumable upload are multiples of this, and so is what is kept of one that broke."""


class _Nothing:
    """Takes the place of a checksum that nobody wants."""

    def update(self, data: bytes) -> None:
        return

    def digest(self) -> bytes:
        return b""


class Writer:
    """A content's file, with the checksums of all that was written. A ``with`` that fails leaves no file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._crc = google_crc32c.Checksum()
        self._md5: Any = hashlib.md5(usedforsecurity=False)
        self._file: BinaryIO = path.open("wb", buffering=0)
        self.size = 0

    @classmethod
    def of_composite(cls, path: Path) -> Writer:
        """For an object that has no MD5, as composite ones."""
        writer = cls(path)
        writer._md5 = _Nothing()
        return writer

    @classmethod
    def reopened(cls, path: Path) -> Writer:
        """Goes on with a file that an earlier daemon began; what does not fill a unit is dropped."""
        size = path.stat().st_size // UPLOAD_UNIT * UPLOAD_UNIT
        writer = cls.__new__(cls)
        writer._path, writer.size = path, size
        writer._crc, writer._md5 = google_crc32c.Checksum(), hashlib.md5(usedforsecurity=False)
        writer._file = path.open("r+b", buffering=0)
        writer._file.truncate(size)
        while data := writer._file.read(BLOCK):
            writer._crc.update(data)
            writer._md5.update(data)
        return writer

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
            self.discard()

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        self._crc.update(data)
        self._md5.update(data)
        self.size += len(data)

    def finish(self) -> tuple[str, str]:
        """crc32c and MD5 of all that was written, in base64."""
        self._file.close()
        return base64.b64encode(self._crc.digest()).decode(), base64.b64encode(self._md5.digest()).decode()

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


class Pump:
    """Hands whole units to ``write`` in a thread, block by block, while the next block arrives."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._pieces: list[bytes] = []
        self._size = 0
        self._writing: asyncio.Future[None] | None = None

    async def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= BLOCK:
            await self.flush()

    async def flush(self) -> None:
        """Begins to write what fills whole units; the rest stays."""
        data = b"".join(self._pieces)
        whole = len(data) // UPLOAD_UNIT * UPLOAD_UNIT
        self._pieces, self._size = [data[whole:]], len(data) - whole
        await self.settle()
        if whole:
            self._writing = asyncio.ensure_future(run_in_threadpool(self._write, data[:whole]))

    async def settle(self) -> None:
        """Waits until what was begun is written; raises what went wrong."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    async def rest(self) -> None:
        """Writes everything that is left."""
        await self.settle()
        data = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        if data:
            await run_in_threadpool(self._write, data)


async def receive(stream: AsyncIterator[bytes], writer: Writer) -> None:
    """Writes a whole body; when it returns or raises nothing is being written any more."""
    pump = Pump(writer.write)
    try:
        async for data in stream:
            await pump.feed(data)
        await pump.rest()
    except BaseException:
        with suppress(Exception):
            await pump.settle()
        raise


def check_sums(crc32c: str, md5: str, *promises: Json) -> None:
    """Compares what arrived with ``crc32c`` and ``md5Hash`` as promised. Raises ``GoogleError`` 400."""
    for promised in promises:
        for field, words, actual in (("crc32c", "CRC32C", crc32c), ("md5Hash", "MD5 hash", md5)):
            given = promised.get(field) or actual
            if given != actual:
                text = f'Provided {words} "{given}" doesn\'t match calculated {words} "{actual}".'
                raise invalid(text)


def promised_sums(headers: Any) -> Json:
    """The checksums that a request's headers promise: X-Goog-Hash (more than one may come), Content-MD5."""
    found: Json = {}
    for value in headers.getlist("x-goog-hash"):
        for item in value.split(","):
            name, _, sum_ = item.strip().partition("=")
            field = {"crc32c": "crc32c", "md5": "md5Hash"}.get(name)
            if field is None:
                raise invalid(f"Invalid X-Goog-Hash: '{value}'.")
            found[field] = sum_
    if headers.get("content-md5"):
        found["md5Hash"] = headers["content-md5"]
    return found


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte, both included; None, for the whole, without a header or for one that is not understood."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if (
        match is None
        or not (match[1] or match[2])
        or (match[1] and match[2] and int(match[2]) < int(match[1]))
    ):
        return None
    first = int(match[1]) if match[1] else max(0, size - int(match[2]))
    if first >= size or (not match[1] and int(match[2]) == 0):
        text = "The requested range cannot be satisfied."
        raise GoogleError(416, text, reason="requestedRangeNotSatisfiable")
    return first, min(int(match[2]) if match[1] and match[2] else size - 1, size - 1)


def blocks(file: BinaryIO, first: int, length: int) -> Iterator[bytes]:
    """A part of a file; closes it."""
    with file:
        file.seek(first)
        while length > 0 and (data := file.read(min(BLOCK, length))):
            length -= len(data)
            yield data
