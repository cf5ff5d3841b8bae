"""Resumable uploads: https://cloud.google.com/storage/docs/performing-resumable-uploads.

What an upload has received is in a file and its terms are in the database, so that it goes on after a broken connection
and after a killed daemon.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ..google.errors import GoogleError, invalid
from .content import UPLOAD_UNIT, Pump, Writer, check_sums, promised_sums
from .database import LIVE, TRANSFER_SECONDS, Database, Transfer, Version
from .objects import Content, Objects
from .request import Call, Conditions
from .uploads import check_start, metadata_of, stored

Json = dict[str, Any]

_KIND = "upload"
_EXPIRES_SECONDS = TRANSFER_SECONDS / 2
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass
class _Session:
    """A resumable upload in memory. The newest request owns it: an older one that is still sending is cut off."""

    transfer: Transfer
    writer: Writer
    lock: threading.Lock = field(default_factory=threading.Lock)
    owner: object = None
    finished: Json | None = None

    def write(self, owner: object, data: bytes) -> None:
        with self.lock:
            self.check(owner)
            if self.finished is None:
                self.writer.write(data)

    def check(self, owner: object) -> None:
        if self.owner is not owner:
            raise GoogleError(503, "Another request goes on with this upload.")


@dataclass(frozen=True)
class _Chunk:
    """What a request of a resumable upload carries: bytes from ``first`` on; ``last`` None: to the body's end."""

    first: int | None
    last: int | None
    total: int | None

    @property
    def is_question(self) -> bool:
        return self.first is None

    @property
    def is_final(self) -> bool:
        return self.last is None or (self.total is not None and self.last + 1 == self.total)


class ResumableUploads:
    """Begins uploads, and goes on with them."""

    def __init__(self, database: Database, objects: Objects) -> None:
        self._database = database
        self._objects = objects
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    async def begin(self, call: Call, request: Request) -> Response:
        try:
            body = json.loads(await request.body() or b"{}")
        except ValueError:
            raise GoogleError(400, "Parse Error", reason="parseError") from None
        if (
            isinstance(body, dict)
            and "contentType" not in body
            and "x-upload-content-type" in request.headers
        ):
            body["contentType"] = request.headers["x-upload-content-type"]
        body = metadata_of(call, body)
        state = {
            "body": body, "identity": call.identity, "conditions": asdict(call.conditions),
            "promised": promised_sums(request.headers),
        }  # fmt: skip

        def begin() -> str:
            check_start(self._objects, call, body)
            content = self._database.new_content()
            self._database.path(content).touch()
            return self._database.begin(_KIND, call.params["bucket"], content, state).id

        identifier = await run_in_threadpool(begin)
        path = f"{request.url.path.partition('/b/')[0]}/b/{quote(call.params['bucket'])}/o"
        location = f"{call.base}{path}?uploadType=resumable&upload_id={identifier}"
        return Response(status_code=200, headers={"Location": location, "X-GUploader-UploadID": identifier})

    async def go_on(self, identifier: str, call: Call, request: Request) -> Response:
        transfer = await run_in_threadpool(self._transfer, identifier, call)
        if request.method == "DELETE":
            await run_in_threadpool(self._cancel, transfer)
            return Response(status_code=499)
        if "finished" in transfer.state:
            made = Version(transfer.state["finished"], LIVE, "")
            return stored(made, call, request)
        if request.method not in ("PUT", "POST"):
            raise GoogleError(
                405, f"An upload can't be asked by {request.method}.", reason="methodNotAllowed"
            )
        chunk, promised = _chunk(request.headers.get("content-range")), promised_sums(request.headers)
        session = await run_in_threadpool(self._session, transfer)
        owner = object()
        with session.lock:
            session.owner = owner
            received = session.writer.size
        if chunk.is_question:
            if chunk.total is None or chunk.total > received:
                return _incomplete(request, received)
            if chunk.total < received:
                raise invalid(f"{received} bytes came, {chunk.total} were announced.")
        else:
            await self._receive(session, owner, chunk, received, request)
            if not chunk.is_final:
                return _incomplete(request, session.writer.size)
        resource = await run_in_threadpool(self._complete, session, owner, promised)
        return stored(Version(resource, LIVE, ""), call, request)

    def _transfer(self, identifier: str, call: Call) -> Transfer:
        transfer = self._database.transfer(_KIND, identifier)
        if transfer is None or transfer.bucket != call.params["bucket"]:
            raise GoogleError(404, "Invalid upload_id: the upload is unknown: begin anew.")
        if transfer.created + _EXPIRES_SECONDS < self._database.now():
            raise GoogleError(410, "The upload has expired: begin anew.", reason="uploadExpired")
        if transfer.state.get("cancelled"):
            raise GoogleError(499, "The upload was cancelled.", reason="cancelled")
        return transfer

    def _session(self, transfer: Transfer) -> _Session:
        with self._lock:
            session = self._sessions.get(transfer.id)
            if session is None:
                session = _Session(transfer, Writer.reopened(self._database.path(transfer.content)))
                self._sessions[transfer.id] = session
            return session

    async def _receive(
        self, session: _Session, owner: object, chunk: _Chunk, received: int, request: Request
    ) -> None:
        first = chunk.first or 0
        if first > received:
            raise GoogleError(503, f"The next byte is {received}, not {first}: ask for the status.")
        length = None if chunk.last is None else chunk.last - first + 1
        if not chunk.is_final and length is not None and length % UPLOAD_UNIT:
            text = (
                "Invalid request. The number of bytes of a chunk must be a multiple of 262144 (256 KiB), except for the "
                f"final one. The received request contained {length} bytes, which does not meet this requirement."
            )
            raise GoogleError(400, text, reason="badRequest")
        # Bytes that are here already are not wanted again.
        skip, arrived, pump = received - first, 0, Pump(partial(session.write, owner))
        try:
            async for data in request.stream():
                arrived += len(data)
                fresh = data[skip:] if skip else data
                skip -= len(data) - len(fresh)
                await pump.feed(fresh)
            if length is not None and arrived != length:
                raise GoogleError(400, f"{arrived} bytes came, {length} were announced.", reason="badRequest")
            if chunk.is_final:
                await pump.rest()
        finally:
            # Of a request that broke, too, all that came in whole units is kept.
            await pump.flush()
            await pump.settle()

    def _complete(self, session: _Session, owner: object, promised: Json) -> Json:
        with session.lock:
            session.check(owner)
            if session.finished is not None:
                return session.finished
            transfer = session.transfer
            state = transfer.state
            call = Call({"bucket": transfer.bucket}, state["identity"], "")
            conditions = Conditions(**state["conditions"])
            try:
                crc32c, md5 = session.writer.finish()
                check_sums(crc32c, md5, state["body"], state["promised"], promised)
                content = Content(transfer.content, session.writer.size, crc32c, md5)
                body = state["body"]
                with self._database.transaction():
                    made = self._objects.create(
                        call.identity, transfer.bucket, body["name"], body, content, conditions
                    ).resource
                    # The content is the object's now.
                    self._database.put_transfer(
                        replace(transfer, content="", state={**state, "finished": made})
                    )
            except GoogleError:
                self._forget(session)
                raise
            session.finished = made
            self._sessions.pop(transfer.id, None)
            return made

    def _forget(self, session: _Session) -> None:
        self._sessions.pop(session.transfer.id, None)
        self._database.remove_transfer(session.transfer.id)
        session.writer.discard()

    def _cancel(self, transfer: Transfer) -> None:
        if "finished" in transfer.state:
            raise invalid("The upload is complete.")
        session = self._session(transfer)
        with session.lock:
            session.owner = None
            session.writer.discard()
            self._sessions.pop(transfer.id, None)
            state = {**transfer.state, "cancelled": True}
            self._database.put_transfer(replace(transfer, content="", state=state))


def _chunk(header: str | None) -> _Chunk:
    if header is None:
        return _Chunk(0, None, None)
    match = _RANGE.fullmatch(header)
    if match is None or (match[1] and int(match[2]) < int(match[1])):
        raise GoogleError(400, f"Failed to parse Content-Range header: {header}", reason="badRequest")
    total = None if match[3] == "*" else int(match[3])
    if match[1] is None:
        return _Chunk(None, None, total)
    if total is not None and int(match[2]) >= total:
        raise GoogleError(400, f"Failed to parse Content-Range header: {header}", reason="badRequest")
    return _Chunk(int(match[1]), int(match[2]), total)


def _incomplete(request: Request, received: int) -> Response:
    headers = {"Range": f"bytes=0-{received - 1}"} if received else {}
    # Clients whose HTTP library takes 308 for a redirection ask for another form.
    if request.headers.get("x-guploader-no-308") == "yes":
        return Response(status_code=200, headers={**headers, "X-HTTP-Status-Code-Override": "308"})
    return Response(status_code=308, headers=headers)
