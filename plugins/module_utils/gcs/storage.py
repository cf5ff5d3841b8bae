"""Cloud Storage's JSON API as far as buckets and published models need it."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..gcp.errors import ApiError, GoogleError
from ..gcp.rest import Google

CRC32C_IMPORT_ERROR: str | None = None
try:
    import google_crc32c
except ImportError:
    CRC32C_IMPORT_ERROR = traceback.format_exc()

Json = dict[str, Any]

CHUNK = 8 * 2**20
"""Bytes of one request of a resumable upload: a multiple of 256 KiB, as the API demands."""


def crc32c(data: bytes) -> str:
    """In base64, as the API has it."""
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def new_crc32c() -> Any:
    """A running checksum: ``update(data)``, ``digest()``."""
    return google_crc32c.Checksum()


class Storage:
    """Buckets and objects of one service."""

    def __init__(self, google: Google) -> None:
        self._google = google

    def bucket(self, name: str) -> Json | None:
        try:
            return self._google.call("GET", f"/storage/v1/b/{name}", what=f"bucket {name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def create_bucket(self, project: str, body: Json) -> Json:
        return self._google.call(
            "POST", "/storage/v1/b", body, query={"project": project}, what=f"bucket {body['name']}"
        )

    def patch_bucket(self, name: str, body: Json, metageneration: str) -> Json:
        return self._google.call(
            "PATCH",
            f"/storage/v1/b/{name}",
            body,
            query={"ifMetagenerationMatch": metageneration},
            repeatable=True,
            what=f"bucket {name}",
        )

    def delete_bucket(self, name: str) -> None:
        self._google.send("DELETE", f"/storage/v1/b/{name}", None, {}, accept=(404,), what=f"bucket {name}")

    def objects(self, bucket: str, prefix: str, *, versions: bool = False) -> Iterator[Json]:
        """Every object below the prefix; with ``versions`` those that were replaced, too."""
        token: str | None = None
        while True:
            query = {"prefix": prefix, "pageToken": token, "versions": "true" if versions else None}
            page = self._google.call(
                "GET", f"/storage/v1/b/{bucket}/o", query=query, what=f"list of gs://{bucket}/{prefix}"
            )
            yield from page.get("items", [])
            token = page.get("nextPageToken")
            if not token:
                return

    def read(self, bucket: str, name: str) -> bytes | None:
        """A small object's content."""
        answer = self._google.send(
            "GET",
            _path(bucket, name),
            None,
            {},
            query={"alt": "media"},
            accept=(404,),
            what=f"gs://{bucket}/{name}",
        )
        return None if answer.status == 404 else answer.body

    def delete(self, bucket: str, name: str, generation: str | None = None) -> None:
        """Removes the object, or this generation of it alone."""
        query = {"generation": generation} if generation else None
        self._google.send(
            "DELETE", _path(bucket, name), None, {}, query=query, repeatable=True, accept=(404,),
            what=f"gs://{bucket}/{name}",
        )  # fmt: skip

    def upload(
        self,
        bucket: str,
        name: str,
        source: Path | bytes,
        checksum: str,
        *,
        content_type: str = "application/octet-stream",
        progress: Callable[[int], None] = lambda sent: None,
    ) -> Json:
        """Creates an object that must not exist yet; the service checks the crc32c.

        One that exists with the same checksum is what an earlier try made: that is success, too. Other content
        raises ``ApiError`` with status 412. A broken connection goes on where it broke.
        """
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        what = f"gs://{bucket}/{name}"
        body = {"name": name, "crc32c": checksum, "contentType": content_type}
        try:
            begun = self._google.send(
                "POST",
                f"/upload/storage/v1/b/{bucket}/o",
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
                query={"uploadType": "resumable", "ifGenerationMatch": "0"},
                repeatable=True,
                what=what,
            )
            made = self._send_chunks(begun.headers["location"], source, size, what, progress)
        except ApiError as error:
            if error.status != 412:
                raise
            made = self._google.call("GET", _path(bucket, name), what=what)
            if made["crc32c"] != checksum:
                raise
        if made["crc32c"] != checksum or int(made["size"]) != size:
            raise GoogleError(
                f"{what}: what was stored is not what was sent (crc32c {made['crc32c']}, not {checksum})."
            )
        return made

    def _send_chunks(
        self, location: str, source: Path | bytes, size: int, what: str, progress: Callable[[int], None]
    ) -> Json:
        sent, failures = 0, 0
        while True:
            data = _slice(source, sent, CHUNK)
            last = sent + len(data) == size
            header = f"bytes {sent}-{sent + len(data) - 1}/{size}" if data else f"bytes */{size}"
            try:
                answer = self._google.send(
                    "PUT",
                    location,
                    data,
                    {"Content-Range": header},
                    accept=(308,),
                    repeatable=False,
                    what=what,
                )
            except (ApiError, GoogleError) as error:
                failures += 1
                temporary = not isinstance(error, ApiError) or error.status >= 500
                if not temporary or failures > 5:
                    raise
                answer = self._google.send(
                    "PUT", location, b"", {"Content-Range": f"bytes */{size}"}, accept=(308,), repeatable=True,
                    what=what,
                )  # fmt: skip
            if answer.status != 308:
                progress(size)
                return answer.json()
            sent = (
                int(answer.headers.get("range", "bytes=0--1").rpartition("-")[2]) + 1
                if "range" in answer.headers
                else 0
            )
            if last and sent == size:
                raise GoogleError(f"{what}: all {size} bytes were sent and the service asks for more.")
            progress(sent)


def _slice(source: Path | bytes, start: int, length: int) -> bytes:
    if isinstance(source, bytes):
        return source[start : start + length]
    with source.open("rb") as file:
        file.seek(start)
        return file.read(length)


def _path(bucket: str, name: str) -> str:
    return f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
