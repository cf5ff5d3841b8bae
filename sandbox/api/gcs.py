"""The Cloud Storage JSON API: buckets and objects, uploads in one request, in two parts, or resumable.

Contract: https://cloud.google.com/storage/docs/json_api/v1. Methods that are missing answer 501.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..paths import API_URL
from .errors import GoogleError
from .gcs_store import Conditions, Store, Upload

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass
class _Session:
    """A resumable upload between its requests."""

    bucket: str
    name: str
    body: dict[str, Any]
    conditions: Conditions
    upload: Upload
    finished: dict[str, Any] | None = field(default=None)


class StorageApi:
    """Routes below /storage/v1, /upload/storage/v1 and /download/storage/v1."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sessions: dict[str, _Session] = {}

    def routes(self) -> list[Route]:
        bucket, item = "/storage/v1/b/{bucket}", "/storage/v1/b/{bucket}/o/{name:path}"
        return [
            Route("/storage/v1/b", self.buckets, methods=["GET", "POST"]),
            Route(bucket, self.bucket, methods=["GET", "PATCH", "DELETE"]),
            Route(f"{bucket}/storageLayout", self.layout, methods=["GET"]),
            Route(f"{bucket}/o", self.list_objects, methods=["GET"]),
            Route(item, self.object, methods=["GET", "DELETE"]),
            Route(f"/download{item}", self.object, methods=["GET"]),
            Route("/upload/storage/v1/b/{bucket}/o", self.upload, methods=["POST", "PUT", "DELETE"]),
            Route(
                "/upload/resumable/storage/v1/b/{bucket}/o", self.upload, methods=["POST", "PUT", "DELETE"]
            ),
        ]

    async def buckets(self, request: Request) -> Response:
        project = request.query_params.get("project", "")
        if not project:
            raise GoogleError(400, "Required parameter: project", reason="required")
        if request.method == "GET":
            items = self._store.buckets(project)
            return JSONResponse({"kind": "storage#buckets"} | ({"items": items} if items else {}))
        return JSONResponse(self._store.insert_bucket(project, await _body(request)))

    async def bucket(self, request: Request) -> Response:
        name, conditions = request.path_params["bucket"], _conditions(request)
        if request.method == "DELETE":
            self._store.delete_bucket(name, conditions)
            return Response(status_code=204)
        if request.method == "PATCH":
            return JSONResponse(self._store.patch_bucket(name, await _body(request), conditions))
        bucket = self._store.bucket(name)
        conditions.check(bucket, reading=True)
        return JSONResponse(bucket)

    async def layout(self, request: Request) -> Response:
        bucket = self._store.bucket(request.path_params["bucket"])
        answer = {key: bucket[key] for key in ("location", "locationType")}
        answer |= {"kind": "storage#storageLayout", "bucket": bucket["name"]}
        return JSONResponse(answer | {"hierarchicalNamespace": {"enabled": False}})

    async def list_objects(self, request: Request) -> Response:
        query = request.query_params
        unsupported = {"matchGlob", "softDeleted", "startOffset", "endOffset"} & set(query)
        if unsupported:
            raise GoogleError(501, f"not emulated here: {', '.join(sorted(unsupported))}")
        limit = min(1000, int(query.get("maxResults") or 1000))
        items, prefixes, token = self._store.objects(
            request.path_params["bucket"],
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            start=query.get("pageToken", ""),
            limit=limit,
        )
        answer: dict[str, Any] = {"kind": "storage#objects"}
        answer |= {"items": items} if items else {}
        answer |= {"prefixes": prefixes} if prefixes else {}
        answer |= {"nextPageToken": token} if token else {}
        return JSONResponse(answer)

    async def object(self, request: Request) -> Response:
        bucket, name = request.path_params["bucket"], request.path_params["name"]
        conditions, generation = _conditions(request), _integer(request, "generation")
        if "/rewriteTo/" in name or name.endswith("/compose"):
            raise GoogleError(501, "rewrite and compose are not emulated here")
        if request.method == "DELETE":
            self._store.delete_object(bucket, name, conditions, generation)
            return Response(status_code=204)
        if request.query_params.get("alt") != "media":
            return JSONResponse(self._store.object(bucket, name, conditions, generation))
        metadata, file = self._store.open(bucket, name, conditions, generation)
        size = int(metadata["size"])
        first, last = _byte_range(request.headers.get("range"), size)
        partial = (first, last) != (0, size - 1)
        headers = {
            "Content-Length": str(last - first + 1),
            "Content-Type": metadata["contentType"],
            "ETag": metadata["etag"],
            "X-Goog-Generation": metadata["generation"],
            "X-Goog-Metageneration": metadata["metageneration"],
            "X-Goog-Storage-Class": metadata["storageClass"],
            # Of the whole object, whatever part of it is asked for.
            "X-Goog-Hash": f"crc32c={metadata['crc32c']},md5={metadata['md5Hash']}",
            "Accept-Ranges": "bytes",
        }
        if partial:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"

        def content() -> Iterator[bytes]:
            with file:
                file.seek(first)
                left = last - first + 1
                while left > 0:
                    data = file.read(min(_CHUNK, left))
                    if not data:
                        return
                    left -= len(data)
                    yield data

        return StreamingResponse(content(), 206 if partial else 200, headers)

    async def upload(self, request: Request) -> Response:
        bucket = request.path_params["bucket"]
        session = request.query_params.get("upload_id")
        if session is not None:
            return await self._continue(session, request)
        kind = request.query_params.get("uploadType")
        if request.method == "POST" and kind == "resumable":
            return await self._begin(bucket, request)
        if request.method == "POST" and kind == "media":
            name = request.query_params.get("name", "")
            content_type = request.headers.get("content-type")
            body = {"contentType": content_type} if content_type else {}
            return await self._whole(bucket, name, body, request, request.stream())
        if request.method == "POST" and kind == "multipart":
            parts = Multipart(request.headers.get("content-type", ""), request.stream())
            body = await parts.metadata()
            name = request.query_params.get("name") or body.get("name", "")
            return await self._whole(bucket, name, body, request, parts.content())
        raise GoogleError(400, f"Unknown upload type: {kind}", reason="invalid")

    async def _whole(
        self, bucket: str, name: str, body: dict[str, Any], request: Request, stream: AsyncIterator[bytes]
    ) -> Response:
        if not name:
            raise GoogleError(400, "Required parameter: name", reason="required")
        conditions = _conditions(request)
        upload = self._store.new_upload(bucket)
        try:
            async for data in stream:
                await run_in_threadpool(upload.write, data)
        except BaseException:
            upload.discard()
            raise
        return JSONResponse(self._store.finish(bucket, name, body, upload, conditions))

    async def _begin(self, bucket: str, request: Request) -> Response:
        body = await _body(request)
        name = request.query_params.get("name") or body.get("name", "")
        if not name:
            raise GoogleError(400, "Required parameter: name", reason="required")
        if "contentType" not in body and "x-upload-content-type" in request.headers:
            body["contentType"] = request.headers["x-upload-content-type"]
        identifier = uuid.uuid4().hex
        upload = self._store.new_upload(bucket)
        self._sessions[identifier] = _Session(bucket, name, body, _conditions(request), upload)
        location = f"{API_URL}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={identifier}"
        return Response(status_code=200, headers={"Location": location, "X-GUploader-UploadID": identifier})

    async def _continue(self, identifier: str, request: Request) -> Response:
        session = self._sessions.get(identifier)
        if session is None:
            raise GoogleError(404, "Invalid upload_id: the upload is unknown or has expired.")
        if request.method == "DELETE":
            session.upload.discard()
            del self._sessions[identifier]
            return Response(status_code=499)
        if session.finished is not None:
            return JSONResponse(session.finished)
        header = request.headers.get("content-range")
        # Without the header one request carries everything.
        total, data_follows = self._position(session, header) if header else (None, True)
        if data_follows:
            async for data in request.stream():
                await run_in_threadpool(session.upload.write, data)
        if header is None:
            total = session.upload.size
        if total is None or session.upload.size < total:
            session.upload.flush()
            size = session.upload.size
            return Response(status_code=308, headers={"Range": f"bytes=0-{size - 1}"} if size else {})
        if session.upload.size > total:
            raise GoogleError(
                400, f"{session.upload.size} bytes came, {total} were announced", reason="invalid"
            )
        try:
            session.finished = self._store.finish(
                session.bucket, session.name, session.body, session.upload, session.conditions
            )
        except GoogleError:
            del self._sessions[identifier]
            raise
        return JSONResponse(session.finished)

    def _position(self, session: _Session, header: str) -> tuple[int | None, bool]:
        """The announced size, None while it is unknown, and whether the request carries data."""
        match = _RANGE.fullmatch(header)
        if match is None:
            raise GoogleError(400, f"Failed to parse Content-Range header: {header}", reason="badRequest")
        total = None if match[3] == "*" else int(match[3])
        if match[1] is None:
            return total, False
        first, last = int(match[1]), int(match[2])
        if first != session.upload.size:
            raise GoogleError(503, f"The next byte is {session.upload.size}, not {first}: ask for the status")
        if total is None and (last - first + 1) % _CHUNK:
            raise GoogleError(400, "All but the last chunk must be a multiple of 256 KiB", reason="invalid")
        return total, True


class Multipart:
    """A multipart/related body: JSON first, then the content, which is never held in memory as a whole."""

    def __init__(self, content_type: str, stream: AsyncIterator[bytes]) -> None:
        boundary = re.search(r'boundary="?([^";]+)"?', content_type)
        if boundary is None:
            raise GoogleError(400, "Missing multipart boundary", reason="badRequest")
        self._boundary = b"--" + boundary[1].strip("'").encode()
        self._stream = stream
        self._buffer = b""
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
                raise GoogleError(400, "Malformed multipart body", reason="badRequest")
        found, self._buffer = self._buffer.split(mark, 1)
        return found

    async def metadata(self) -> dict[str, Any]:
        await self._until(self._boundary)
        # Some clients end lines with a line feed alone.
        self._newline = b"\r\n" if (await self._until(b"\n")).endswith(b"\r") else b"\n"
        await self._until(self._newline * 2)
        text = await self._until(self._newline + self._boundary)
        headers = await self._until(self._newline * 2)
        match = re.search(rb"(?im)^content-type:\s*([^\r\n]+)", headers)
        try:
            body = json.loads(text)
        except ValueError:
            raise GoogleError(400, "Parse Error", reason="parseError") from None
        if match and "contentType" not in body:
            body["contentType"] = match[1].decode()
        return dict(body)

    async def content(self) -> AsyncIterator[bytes]:
        end = self._newline + self._boundary
        while end not in self._buffer:
            # What may be the beginning of the boundary stays back.
            safe = len(self._buffer) - len(end)
            if safe > 0:
                yield self._buffer[:safe]
                self._buffer = self._buffer[safe:]
            if not await self._more():
                raise GoogleError(400, "Malformed multipart body", reason="badRequest")
        yield self._buffer.split(end, 1)[0]


async def _body(request: Request) -> dict[str, Any]:
    text = await request.body()
    try:
        value = json.loads(text or b"{}")
    except ValueError:
        raise GoogleError(400, "Parse Error", reason="parseError") from None
    if not isinstance(value, dict):
        raise GoogleError(400, "Parse Error", reason="parseError")
    return value


def _integer(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise GoogleError(400, f"Invalid value for {name}: {text}", reason="invalid") from None


def _conditions(request: Request) -> Conditions:
    return Conditions(
        _integer(request, "ifGenerationMatch"),
        _integer(request, "ifGenerationNotMatch"),
        _integer(request, "ifMetagenerationMatch"),
        _integer(request, "ifMetagenerationNotMatch"),
    )


def _byte_range(header: str | None, size: int) -> tuple[int, int]:
    """First and last byte, both included; the whole for no header or one that is not understood."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if match is None or not (match[1] or match[2]):
        return 0, size - 1
    if not match[1]:
        return max(0, size - int(match[2])), size - 1
    first = int(match[1])
    if first >= size:
        raise GoogleError(
            416, "The requested range cannot be satisfied.", reason="requestedRangeNotSatisfiable"
        )
    return first, min(int(match[2]) if match[2] else size - 1, size - 1)
