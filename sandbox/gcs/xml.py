"""The part of the XML API that clients of the JSON API use: reading an object, and uploads in parallel parts.

https://cloud.google.com/storage/docs/multipart-uploads. Uploads in parts are known by their query; objects are read
under the host storage.googleapis.com alone, since other APIs share the sandbox's own address.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from ..google.errors import GoogleError
from .content import BLOCK, Writer, check_sums, promised_sums, receive
from .database import Database, Transfer, Version
from .objects import Content, Objects
from .request import Call
from .resources import object_etag
from .uploads import check_start, metadata_of

Json = dict[str, Any]

HOST = "storage.googleapis.com"
_UPLOAD, _PART = "multipart", "part"
_MIN_PART_BYTES = 5 << 20
_MAX_PARTS = 10_000
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_LISTED = re.compile(r"<PartNumber>\s*(\d+)\s*</PartNumber>\s*<ETag>([^<]*)</ETag>")
_CODES = {
    400: "InvalidArgument",
    401: "AuthenticationRequired",
    403: "AccessDenied",
    404: "NoSuchKey",
    412: "PreconditionFailed",
}


class XmlRoute(Route):
    """A route that leaves alone what is not the XML API's."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        if match is Match.FULL:
            request = Request(scope)
            if not {"uploads", "uploadId"} & set(request.query_params) and request.url.hostname != HOST:
                return Match.NONE, {}
        return match, child


class MultipartUploads:
    """Uploads of which the parts come in any order, each over a connection of its own."""

    def __init__(self, database: Database, objects: Objects) -> None:
        self._database = database
        self._objects = objects

    async def handle(self, call: Call, request: Request) -> Response:
        """``call``: an ``objects.insert``. Raises ``GoogleError``."""
        identifier = request.query_params.get("uploadId")
        if request.method == "POST" and identifier is None:
            return await run_in_threadpool(self._begin, call, request)
        upload = await run_in_threadpool(self._upload, identifier or "", call)
        if request.method == "PUT":
            return await self._receive(upload, call, request)
        if request.method == "POST":
            listed = (await request.body()).decode("utf-8", "replace")
            return await run_in_threadpool(self._complete, upload, call, listed)
        if request.method == "DELETE":
            await run_in_threadpool(self._remove, upload)
            return Response(status_code=204)
        raise GoogleError(501, "not emulated here: listing the parts of an upload")

    def _begin(self, call: Call, request: Request) -> Response:
        prefix = "x-goog-meta-"
        found = {k.removeprefix(prefix): v for k, v in request.headers.items() if k.startswith(prefix)}
        fields = {
            "contentType": "content-type",
            "cacheControl": "cache-control",
            "contentEncoding": "content-encoding",
        }
        body: Json = {
            field: request.headers[name] for field, name in fields.items() if name in request.headers
        }
        body = metadata_of(call, body | ({"metadata": found} if found else {}))
        check_start(self._objects, call, body)
        upload = self._database.begin(_UPLOAD, call.params["bucket"], "", {"body": body, "parts": {}})
        return _xml(
            "InitiateMultipartUploadResult", Bucket=upload.bucket, Key=body["name"], UploadId=upload.id
        )

    def _upload(self, identifier: str, call: Call) -> Transfer:
        upload = self._database.transfer(_UPLOAD, identifier)
        if upload is None or (upload.bucket, upload.state["body"]["name"]) != (
            call.params["bucket"],
            call.params["name"],
        ):
            raise GoogleError(404, "The requested upload was not found.", reason="NoSuchUpload")
        self._objects.may_create(call.identity, upload.bucket, upload.state["body"]["name"], call.conditions)
        return upload

    async def _receive(self, upload: Transfer, call: Call, request: Request) -> Response:
        number = request.query_params.get("partNumber", "")
        if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= _MAX_PARTS:
            raise GoogleError(400, f"partNumber must be from 1 to {_MAX_PARTS}, not '{number}'.")
        promised = promised_sums(request.headers)
        content = self._database.new_content()
        with Writer(self._database.path(content)) as writer:
            await receive(request.stream(), writer)
            crc32c, md5 = writer.finish()
            check_sums(crc32c, md5, promised)
        etag = f'"{content}"'
        part = Transfer(
            f"{upload.id}/{int(number)}", _PART, upload.bucket, content,
            {"size": writer.size, "etag": etag}, upload.created,
        )  # fmt: skip
        await run_in_threadpool(self._keep, upload.id, part)
        return Response(headers={"ETag": etag, "X-Goog-Hash": f"crc32c={crc32c},md5={md5}"})

    def _keep(self, identifier: str, part: Transfer) -> None:
        with self._database.transaction():
            upload = self._database.transfer(_UPLOAD, identifier)
            if upload is None:
                self._database.give_up(part.content)
                return
            before = self._database.transfer(_PART, part.id)
            if before is not None:
                self._database.give_up(before.content)
            parts = {**upload.state["parts"], part.id.rpartition("/")[2]: part.id}
            self._database.put_transfer(part)
            self._database.put_transfer(replace(upload, state={**upload.state, "parts": parts}))

    def _complete(self, upload: Transfer, call: Call, listed: str) -> Response:
        wanted = [
            (int(number), etag.replace("&quot;", '"').strip()) for number, etag in _LISTED.findall(listed)
        ]
        parts = [self._database.transfer(_PART, f"{upload.id}/{number}") for number, _ in wanted]
        numbers = [number for number, _ in wanted]
        if not wanted or numbers != sorted(set(numbers)):
            raise GoogleError(
                400, "The parts must be listed once each, in ascending order.", reason="InvalidPartOrder"
            )
        chosen = [
            p
            for p, (_, etag) in zip(parts, wanted, strict=True)
            if p and p.state["etag"].strip('"') == etag.strip('"')
        ]
        if len(chosen) != len(wanted):
            raise GoogleError(
                400, "One of the parts was not uploaded, or has another ETag.", reason="InvalidPart"
            )
        if any(part.state["size"] < _MIN_PART_BYTES for part in chosen[:-1]):
            raise GoogleError(
                400, "Every part but the last must have 5 MiB at least.", reason="EntityTooSmall"
            )
        content = self._database.new_content()
        with Writer.of_composite(self._database.path(content)) as writer:
            for part in chosen:
                with self._database.path(part.content).open("rb") as file:
                    while data := file.read(BLOCK):
                        writer.write(data)
            crc32c, _ = writer.finish()
            made = Content(content, writer.size, crc32c, None, len(chosen))
            body = upload.state["body"]
            with self._database.transaction():
                version = self._objects.create(
                    call.identity, upload.bucket, body["name"], body, made, call.conditions
                )
                self._remove(upload)
        return _completed(version)

    def _remove(self, upload: Transfer) -> None:
        with self._database.transaction():
            for identifier in upload.state["parts"].values():
                part = self._database.transfer(_PART, identifier)
                if part is not None:
                    self._database.give_up(part.content)
                    self._database.remove_transfer(identifier)
            self._database.remove_transfer(upload.id)


def insert_call(identity: str | None, base: str, bucket: str, name: str) -> Call:
    return Call({"bucket": bucket, "name": name}, identity, base)


def _completed(version: Version) -> Response:
    stored = version.resource
    location = f"http://{HOST}/{stored['bucket']}/{quote(stored['name'])}"
    answer = _xml(
        "CompleteMultipartUploadResult", Location=location, Bucket=stored["bucket"], Key=stored["name"],
        ETag=f'"{object_etag(stored)}"',
    )  # fmt: skip
    answer.headers["X-Goog-Hash"] = f"crc32c={stored['crc32c']}"
    answer.headers["X-Goog-Generation"] = stored["generation"]
    return answer


def _xml(name: str, **values: str) -> Response:
    inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in values.items())
    text = f"<?xml version='1.0' encoding='UTF-8'?><{name} xmlns='{_NAMESPACE}'>{inner}</{name}>"
    return Response(text, media_type="application/xml")


def refusal(error: GoogleError) -> Response:
    """An error as the XML API words it."""
    if error.status == 304:
        return Response(status_code=304)
    own = error.reason if error.reason[:1].isupper() else _CODES.get(error.status, "InternalError")
    text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{own}</Code><Message>{escape(error.message)}</Message></Error>"
    return Response(text, error.status, media_type="application/xml")
