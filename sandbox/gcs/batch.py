"""Several calls in one request: reads and writes multipart/mixed bodies of HTTP requests and answers. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from ..google.errors import GoogleError
from .multipart import boundary_of

_MAX_CALLS = 100


@dataclass(frozen=True)
class Part:
    """One call. ``id``: its Content-ID, empty if it has none; ``path``: percent-encoded, as it came."""

    id: str
    verb: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What one call got."""

    id: str
    status: int
    body: bytes


def parse(content_type: str, body: bytes) -> list[Part]:
    """Raises ``GoogleError`` 400."""
    if not content_type.lower().startswith("multipart/mixed"):
        raise GoogleError(400, "A batch must have the type multipart/mixed.", reason="badRequest")
    mark = b"--" + boundary_of(content_type)
    text = b"\n" + body.replace(b"\r\n", b"\n")
    pieces = text.split(b"\n" + mark)[1:]
    parts = [_part(piece) for piece in pieces if not piece.startswith(b"--")]
    if not 1 <= len(parts) <= _MAX_CALLS:
        raise GoogleError(
            400, f"A batch has from 1 to {_MAX_CALLS} calls, not {len(parts)}.", reason="badRequest"
        )
    return parts


def _part(piece: bytes) -> Part:
    outer, request = _split(piece.lstrip(b"\n"))
    head, body = _split(request.lstrip(b"\n"))
    first, _, rest = head.partition(b"\n")
    words = first.decode("latin-1").split()
    if len(words) < 2:
        raise GoogleError(400, "Failed to parse a call of the batch.", reason="badRequest")
    url = urlsplit(words[1])
    headers = _headers(rest)
    return Part(
        id=_headers(outer).get("content-id", ""),
        verb=words[0].upper(),
        path=url.path,
        query=parse_qsl(url.query, keep_blank_values=True),
        headers=headers,
        # What a part ends with is no part of a JSON body.
        body=body.strip(),
    )


def _split(text: bytes) -> tuple[bytes, bytes]:
    if text.startswith(b"\n"):
        return b"", text[1:]
    head, _, body = text.partition(b"\n\n")
    return head, body


def _headers(text: bytes) -> dict[str, str]:
    lines = [line.decode("latin-1").partition(":") for line in text.split(b"\n") if b":" in line]
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def compose(answers: Sequence[Answer]) -> tuple[bytes, str]:
    """The body with all answers in the order of the calls, and its type."""
    boundary = f"batch_{uuid.uuid4().hex}"
    lines: list[bytes] = []
    for answer in answers:
        identifier = answer.id.strip("<>")
        lines += [f"--{boundary}".encode(), b"Content-Type: application/http"]
        lines += [f"Content-ID: <response-{identifier}>".encode()] if identifier else []
        lines += [b"", f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}".encode()]
        if answer.body:
            lines += [b"Content-Type: application/json; charset=UTF-8"]
        lines += [f"Content-Length: {len(answer.body)}".encode(), b"", answer.body]
    return b"\r\n".join([*lines, f"--{boundary}--".encode(), b""]), f"multipart/mixed; boundary={boundary}"
