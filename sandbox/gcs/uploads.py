"""Contents on their way in, in one request: https://cloud.google.com/storage/docs/uploads-downloads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..google.errors import GoogleError
from . import fields
from .content import Writer, check_sums, promised_sums, receive
from .contract import contract
from .database import Database, Version
from .multipart import Multipart
from .objects import Content, Objects, check_wishes
from .request import Call
from .resources import object_resource

Json = dict[str, Any]


class Uploads:
    """Uploads in one request: the content alone, or after its metadata."""

    def __init__(self, database: Database, objects: Objects) -> None:
        self._database = database
        self._objects = objects

    async def media(self, call: Call, request: Request) -> Response:
        content_type = request.headers.get("content-type")
        body = {"contentType": content_type} if content_type else {}
        return await self._whole(call, body, request, request.stream())

    async def multipart(self, call: Call, request: Request) -> Response:
        parts = Multipart(request.headers.get("content-type", ""), request.stream())
        return await self._whole(call, await parts.metadata(), request, parts.content())

    async def _whole(
        self, call: Call, body: Json, request: Request, stream: AsyncIterator[bytes]
    ) -> Response:
        body, promised = metadata_of(call, body), promised_sums(request.headers)
        await run_in_threadpool(check_start, self._objects, call, body)
        identifier = self._database.new_content()
        with Writer(self._database.path(identifier)) as writer:
            await receive(stream, writer)
            made = await run_in_threadpool(self._finish, call, body, identifier, writer, promised)
        return stored(made, call, request)

    def _finish(self, call: Call, body: Json, content: str, writer: Writer, promised: Json) -> Version:
        crc32c, md5 = writer.finish()
        check_sums(crc32c, md5, body, promised)
        made = Content(content, writer.size, crc32c, md5)
        bucket = call.params["bucket"]
        return self._objects.create(call.identity, bucket, body["name"], body, made, call.conditions)


def check_start(objects: Objects, call: Call, body: Json) -> None:
    """Refuses at once what would be refused at the end."""
    bucket = objects.may_create(call.identity, call.params["bucket"], body["name"], call.conditions)
    check_wishes(bucket, body, call.params)


def metadata_of(call: Call, body: Any) -> Json:
    """The body in canonical form, with what the query says."""
    result = contract().canonical("Object", body)
    name = call.params.get("name") or result.get("name", "")
    if not name:
        raise GoogleError(400, "Required parameter: name", reason="required")
    if call.params.get("contentEncoding"):
        result["contentEncoding"] = call.params["contentEncoding"]
    return {**result, "name": name}


def stored(version: Version, call: Call, request: Request) -> Response:
    """The answer to an upload that is complete."""
    wanted = request.query_params.get("fields")
    selection = fields.parse(wanted) if wanted else {}
    return JSONResponse(fields.select(object_resource(version, call.base), selection))
