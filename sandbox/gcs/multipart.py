"""Reads multipart bodies: uploads of metadata with content (multipart/related), and batches (multipart/mixed)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from ..google.errors import GoogleError


def boundary_of(content_type: str) -> bytes:
    """Raises ``GoogleError`` 400."""
    match = re.search(r"""boundary=(?:"([^"]+)"|'([^']+)'|([^;\s]+))""", content_type)
    if match is None:
        raise GoogleError(400, "Missing multipart boundary", reason="badRequest")
    return (match[1] or match[2] or match[3]).encode()


class Multipart:
    """A multipart/related body: JSON first, then the content, which is never held in memory as a whole."""

    def __init__(self, content_type: str, stream: AsyncIterator[bytes]) -> None:
        self._boundary = b"--" + boundary_of(content_type)
        self._stream = stream
        self._buffer = bytearray()
        self._newline = b"\r\n"

    async def _more(self) -> bool:
        try:
            self._buffer += await anext(self._stream)
        except StopAsyncIteration:
            return False
        return True

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            if not await self._more():
                raise _malformed()
        found, _, rest = self._buffer.partition(mark)
        self._buffer = rest
        return bytes(found)

    async def metadata(self) -> dict[str, Any]:
        """The object's metadata, with the content's type where it says none."""
        await self._until(self._boundary)
        # Some clients end lines with a line feed alone.
        self._newline = b"\r\n" if (await self._until(b"\n")).endswith(b"\r") else b"\n"
        if not self._buffer.startswith(self._newline):
            await self._until(self._newline * 2)
        text = await self._until(self._newline + self._boundary)
        await self._until(self._newline)
        while len(self._buffer) < len(self._newline) and await self._more():
            pass
        headers = b"" if self._buffer.startswith(self._newline) else await self._until(self._newline * 2)
        if not headers:
            del self._buffer[: len(self._newline)]
        match = re.search(rb"(?im)^content-type:\s*([^\r\n]+)", headers)
        try:
            body = json.loads(text)
        except ValueError:
            raise GoogleError(400, "Parse Error", reason="parseError") from None
        if not isinstance(body, dict):
            raise GoogleError(400, "Parse Error", reason="parseError")
        if match and "contentType" not in body:
            body["contentType"] = match[1].decode()
        return body

    async def content(self) -> AsyncIterator[bytes]:
        end = self._newline + self._boundary
        while True:
            found = self._buffer.find(end)
            if found >= 0:
                yield bytes(self._buffer[:found])
                return
            # What may be the beginning of the boundary stays back.
            safe = len(self._buffer) - len(end)
            if safe > 0:
                yield bytes(self._buffer[:safe])
                del self._buffer[:safe]
            if not await self._more():
                raise _malformed()


def _malformed() -> GoogleError:
    return GoogleError(400, "Malformed multipart body.", reason="badRequest")
