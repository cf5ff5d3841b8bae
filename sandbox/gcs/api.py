"""The Cloud Storage JSON API over HTTP: https://cloud.google.com/storage/docs/json_api/v1.

Methods that are missing answer 501.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..google.errors import GoogleError, invalid, respond
from ..google.tokens import Tokens
from .batch import Answer, Part, compose, parse
from .content import blocks, byte_range
from .database import Version
from .resources import object_etag
from .resumable import ResumableUploads
from .service import Prepared, Service
from .store import Store
from .uploads import Uploads
from .xml import MultipartUploads, XmlRoute, insert_call
from .xml import refusal as xml_refusal

_ROOT = "/storage/v1"
_UPLOADS = ("/upload", "/resumable/upload", "/upload/resumable")
PREFIXES = tuple(f"{prefix}{_ROOT}" for prefix in ("", "/download", "/batch", *_UPLOADS))
_VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class StorageApi:
    """Routes below /storage/v1, /upload/storage/v1, /download/storage/v1 and /batch/storage/v1."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store = store
        self._service = Service(store, tokens)
        self._uploads = Uploads(store.database, store.objects_api)
        self._parts = MultipartUploads(store.database, store.objects_api)
        self._resumable = ResumableUploads(store.database, store.objects_api)

    def routes(self) -> list[Route]:
        rest = f"{_ROOT}/{{path:path}}"
        return [
            Route(rest, self.json, methods=_VERBS),
            Route(f"/download{rest}", self.json, methods=["GET"]),
            Route(f"/batch{_ROOT}", self.batch, methods=["POST"]),
            *(Route(f"{prefix}{rest}", self.upload, methods=_VERBS) for prefix in _UPLOADS),
            XmlRoute("/{bucket}/{name:path}", self.xml, methods=["GET", "HEAD", "POST", "PUT", "DELETE"]),
        ]

    async def json(self, request: Request) -> Response:
        try:
            prepared = self._prepare(request)
            if prepared.method.id == "objects.get" and request.query_params.get("alt") == "media":
                return await self._download(prepared, request)
            body = await request.body()
            answer = await run_in_threadpool(self._service.answer, prepared, body, _query(request))
        except GoogleError as error:
            return refusal(error, request.url.path)
        if answer is None:
            return Response(status_code=204)
        return JSONResponse(answer, headers={"ETag": answer["etag"]} if "etag" in answer else None)

    async def upload(self, request: Request) -> Response:
        try:
            # Whatever its verb, a request to an upload belongs to the insert that began it.
            prepared = self._prepare(request, verb="POST")
            if prepared.method.id != "objects.insert":
                raise GoogleError(404, "Not Found")
            return await self._upload(prepared, request)
        except GoogleError as error:
            return refusal(error, request.url.path)
        except ClientDisconnect:
            # Nobody is there to read it.
            return Response(status_code=499)

    async def _upload(self, prepared: Prepared, request: Request) -> Response:
        identifier, kind = request.query_params.get("upload_id"), request.query_params.get("uploadType")
        if identifier:
            return await self._resumable.go_on(identifier, prepared.call, request)
        if "x-goog-encryption-algorithm" in request.headers:
            raise GoogleError(501, "not emulated here: encryption with a key of one's own")
        ways = {
            "media": self._uploads.media,
            "multipart": self._uploads.multipart,
            "resumable": self._resumable.begin,
        }
        if request.method != "POST" or kind not in ways:
            raise invalid(f"Unknown upload type: {kind}")
        return await ways[kind](prepared.call, request)

    async def xml(self, request: Request) -> Response:
        """What is used of the XML API."""
        bucket, name = request.path_params["bucket"], request.path_params["name"]
        try:
            identity = self._service.identity(request.headers)
            if {"uploads", "uploadId"} & set(request.query_params):
                return await self._parts.handle(insert_call(identity, _base(request), bucket, name), request)
            if request.method not in ("GET", "HEAD"):
                raise GoogleError(501, "not emulated here: this method of the XML API")
            path = f"b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"
            query = [pair for pair in _query(request) if pair[0] == "generation"]
            prepared = self._service.prepare("GET", path, query, identity, _base(request))
            return await self._download(prepared, request)
        except GoogleError as error:
            return xml_refusal(error)
        except ClientDisconnect:
            return Response(status_code=499)

    async def batch(self, request: Request) -> Response:
        """Up to 100 calls in one request: https://cloud.google.com/storage/docs/batch."""
        try:
            content_type = request.headers.get("content-type", "")
            parts = parse(content_type, await request.body())
            answers = [await run_in_threadpool(self._part, part, request) for part in parts]
        except GoogleError as error:
            return refusal(error, request.url.path)
        body, content_type = compose(answers)
        return Response(body, media_type=content_type)

    def _part(self, part: Part, request: Request) -> Answer:
        headers = part.headers if "authorization" in part.headers else request.headers
        try:
            if not part.path.startswith(f"{_ROOT}/"):
                raise GoogleError(404, "Not Found")
            identity = self._service.identity(headers)
            below = part.path.removeprefix(f"{_ROOT}/")
            prepared = self._service.prepare(part.verb, below, part.query, identity, _base(request))
            answer = self._service.answer(prepared, part.body, part.query)
        except GoogleError as error:
            response = refusal(error, _ROOT)
            return Answer(part.id, response.status_code, bytes(response.body))
        if answer is None:
            return Answer(part.id, 204, b"")
        return Answer(part.id, 200, json.dumps(answer).encode())

    def _prepare(self, request: Request, verb: str | None = None) -> Prepared:
        # The path as it was sent: a slash within an object's name is encoded, others divide segments.
        raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
        below = raw.decode("latin-1").partition("?")[0].partition(f"{_ROOT}/")[2]
        identity = self._service.identity(request.headers)
        return self._service.prepare(verb or request.method, below, _query(request), identity, _base(request))

    async def _download(self, prepared: Prepared, request: Request) -> Response:
        version, file = await run_in_threadpool(self._store.objects_api.open, prepared.call)
        stored, size = version.resource, int(version.resource["size"])
        headers = _headers(version)
        if _must_unpack(stored, request):
            # As Google does for clients that can't: the length is unknown, and ranges are ignored.
            del headers["Accept-Ranges"]
            headers["Warning"] = "214 UploadServer gunzipped"
            return StreamingResponse(_unpacked(blocks(file, 0, size)), 200, headers)
        if stored.get("contentEncoding"):
            headers["Content-Encoding"] = stored["contentEncoding"]
        try:
            asked = byte_range(request.headers.get("range"), size)
        except GoogleError:
            file.close()
            raise
        first, last = asked or (0, size - 1)
        if asked:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        headers["Content-Length"] = str(last - first + 1)
        content = blocks(file, first, last - first + 1)
        return StreamingResponse(content, 206 if asked else 200, headers)


def refusal(error: GoogleError, path: str) -> Response:
    """An error as the API words it."""
    if error.status in (304, 499):
        return Response(status_code=error.status)
    return respond(error, path)


def _headers(version: Version) -> dict[str, str]:
    stored: dict[str, Any] = version.resource
    sums = f"crc32c={stored['crc32c']}" + (f",md5={stored['md5Hash']}" if "md5Hash" in stored else "")
    headers = {
        "Content-Type": stored["contentType"],
        "ETag": object_etag(stored),
        "X-Goog-Generation": stored["generation"],
        "X-Goog-Metageneration": stored["metageneration"],
        "X-Goog-Storage-Class": stored["storageClass"],
        # Of the whole object, whatever part of it is asked for.
        "X-Goog-Hash": sums,
        "X-Goog-Stored-Content-Length": stored["size"],
        "X-Goog-Stored-Content-Encoding": stored.get("contentEncoding", "identity"),
        "Accept-Ranges": "bytes",
    }
    names = {
        "cacheControl": "Cache-Control",
        "contentDisposition": "Content-Disposition",
        "contentLanguage": "Content-Language",
    }
    headers |= {header: stored[field] for field, header in names.items() if field in stored}
    if "componentCount" in stored:
        headers["X-Goog-Component-Count"] = str(stored["componentCount"])
    return headers


def _must_unpack(stored: dict[str, Any], request: Request) -> bool:
    """https://cloud.google.com/storage/docs/transcoding"""
    return (
        stored.get("contentEncoding") == "gzip"
        and "gzip" not in request.headers.get("accept-encoding", "")
        and "no-transform" not in stored.get("cacheControl", "")
    )


def _unpacked(data: Iterator[bytes]) -> Iterator[bytes]:
    unpack = zlib.decompressobj(wbits=31)
    for block in data:
        yield unpack.decompress(block)
    yield unpack.flush()


def _query(request: Request) -> list[tuple[str, str]]:
    return request.query_params.multi_items()


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"
