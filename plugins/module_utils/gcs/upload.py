"""Uploads a file in a resumable session that outlives broken connections and killed runs.

https://cloud.google.com/storage/docs/performing-resumable-uploads. The session's address is kept in a file of the
user's cache folder while the upload lasts: a further run of the same content goes on where the first was killed.
Who has that address can write the object, so the file is readable by its owner only.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from ..digits import natural
from ..gcp.errors import ApiError, GoogleError, parse_error
from ..gcp.rest import Answer, Google
from ..retry import TRANSIENT, Policy
from .storage import TRIES, Json, Storage, Told, uri

SMALL = 4 * 2**20
"""Bytes up to which a file is sent in a single request, which has nothing to resume."""

SESSION_DAYS = 7
"""Life of a session; https://cloud.google.com/storage/docs/resumable-uploads#session-uris"""

FAILURES_MAX = 8
"""Failures in a row, without a byte more at the service, after which the upload fails."""

_BLOCK = 2**20
_GONE = (404, 410)
_PAUSES = Policy(first=0.4, longest=16.0)


def upload(
    storage: Storage, bucket: str, name: str, path: Path, size: int, checksum: str, tell: Told
) -> Json:
    """Creates an object that must not exist yet; the service checks the crc32c.

    One that exists with the same content is what an earlier try made: that is success. Other content raises
    ``ApiError`` with 412. A file that changed since it was hashed is refused by the service: ``GoogleError``.
    """
    try:
        if size <= SMALL:
            made = storage.create(bucket, name, path.read_bytes(), checksum=checksum)
            tell(size)
            return made
        with (
            _Session(storage.google, bucket, name, size, checksum) as session,
            path.open("rb", buffering=0) as file,
        ):
            return storage.once(bucket, name, size, checksum, lambda: session.send(file, tell))
    except ApiError as error:
        if error.status == 400 and "crc32c" in error.message.lower():
            raise GoogleError(
                f"{path} changed while it was being published: this content is not stored. Run again when it is at rest."
            ) from error
        raise


class Part:
    """A part of a file as the body of a request, read in blocks as it is sent."""

    def __init__(self, file: BinaryIO, start: int, end: int, tell: Told) -> None:
        self._file = file
        self._start, self._end, self._at = start, end, start
        self._tell = tell

    def __len__(self) -> int:
        # requests asks for the length before it sends, and before it sends again: here it begins.
        self._at = self._start
        return self._end - self._start

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read():
            yield block

    def read(self, _unused: int = -1) -> bytes:
        """The next block; larger than the few kilobytes that are asked for, which would cost more than they carry."""
        self._tell(self._at)
        data = os.pread(self._file.fileno(), min(_BLOCK, self._end - self._at), self._at)
        self._at += len(data)
        return data


class _Session:
    """One resumable upload. As a context manager: holds the file that remembers it."""

    def __init__(self, google: Google, bucket: str, name: str, size: int, checksum: str) -> None:
        self._google = google
        self._bucket, self._name, self._what = bucket, name, uri(bucket, name)
        self._size, self._checksum = size, checksum
        self._memory: BinaryIO | None = None
        key = "\n".join([google.endpoint, bucket, name, str(size), checksum])
        self._path = sessions_folder() / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    def __enter__(self) -> _Session:
        # Without a place to write, or while another process uploads the same, it is not remembered.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _forget_old(self._path.parent)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            memory = os.fdopen(descriptor, "r+b")
            try:
                fcntl.flock(memory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                memory.close()
                raise
            self._memory = memory
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._memory is not None:
            if kind is None:
                self._path.unlink(missing_ok=True)
            self._memory.close()

    def send(self, file: BinaryIO, tell: Told) -> Json:
        """Sends what the service lacks, and again after a failure, until it has it all."""
        location, answer = self._remembered()
        sent, failures = 0, 0
        while True:
            if answer is not None and answer.status in _GONE:
                location, failures = None, failures + 1
            elif answer is not None and answer.status != 308:
                tell(self._size)
                return answer.json(self._what)
            elif answer is not None:
                there = _received(answer)
                failures, sent = (0 if there > sent else failures), there
            if failures > FAILURES_MAX:
                raise GoogleError(f"{self._what}: the service takes no more than {sent} bytes.")
            if location is None:
                location, sent = self._begin(), 0
            trouble: GoogleError | None = None
            try:
                answer = self._put(location, file, sent, tell)
                if answer.status < 300:
                    answer.json(self._what)
            except ApiError:
                raise
            except GoogleError as error:
                trouble = error
            if trouble is not None or (answer is not None and answer.status in TRANSIENT):
                # Much of it may have arrived all the same: that is asked before anything is sent again.
                failures += 1
                if failures > FAILURES_MAX:
                    raise trouble or parse_error(answer.status, answer.body, self._what)  # type: ignore[union-attr]
                self._google.clock.sleep(_PAUSES.pause(failures))
                answer = self._ask(location)
            elif answer is not None and answer.status == 308:
                failures += 1  # it asks for more without having complained

    def _begin(self) -> str:
        body = {"name": self._name, "crc32c": self._checksum, "contentType": "application/octet-stream"}
        headers = {"Content-Type": "application/json", "X-Upload-Content-Length": str(self._size)}
        for _unused in range(TRIES):
            begun = self._google.send(
                "POST",
                f"/upload/storage/v1/b/{self._bucket}/o",
                json.dumps(body).encode(),
                headers,
                query={"uploadType": "resumable", "ifGenerationMatch": "0"},
                repeatable=True,
                what=self._what,
            )
            if "location" in begun.headers:  # else cut off within the headers
                break
        else:
            raise GoogleError(f"{self._what}: the service begins no upload. Is a proxy in between?")
        location = begun.headers["location"]
        if not self._is_the_services(location):
            raise GoogleError(
                f"{self._what}: the upload is to go to {_origin(location)}, which is not {_origin(self._google.endpoint)}: "
                "the token is not sent there. Is api_endpoint the service's own address?"
            )
        if self._memory is not None:
            with contextlib.suppress(OSError):
                self._memory.seek(0)
                self._memory.truncate()
                self._memory.write(json.dumps({"session": location}).encode())
                self._memory.flush()
        return location

    def _remembered(self) -> tuple[str | None, Answer | None]:
        """An earlier run's session, and what the service says of it."""
        if self._memory is None:
            return None, None
        try:
            location = str(json.loads(self._memory.read())["session"])
            return (location, self._ask(location)) if self._is_the_services(location) else (None, None)
        except (ValueError, KeyError, TypeError, GoogleError):
            return None, None

    def _is_the_services(self, location: str) -> bool:
        """Whether it is where the token may be sent."""
        return _origin(location) == _origin(self._google.endpoint)

    def _put(self, location: str, file: BinaryIO, sent: int, tell: Told) -> Answer:
        """Sends all from the first byte that the service lacks."""
        if sent >= self._size:
            return self._ask(location)
        header = f"bytes {sent}-{self._size - 1}/{self._size}"
        return self._google.send(
            "PUT",
            location,
            Part(file, sent, self._size, tell),
            {"Content-Range": header},
            accept=(308, *_GONE, *TRANSIENT),
            repeatable=False,
            what=self._what,
        )

    def _ask(self, location: str) -> Answer:
        """How far the upload is."""
        header = {"Content-Range": f"bytes */{self._size}"}
        return self._google.send(
            "PUT", location, b"", header, accept=(308, *_GONE), repeatable=True, what=self._what
        )


def _origin(url: str) -> str:
    """Scheme, host and port, the last in full."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def sessions_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "mlops-tfserving" / "uploads"


def _forget_old(folder: Path) -> None:
    oldest = time.time() - SESSION_DAYS * 86_400
    for file in folder.glob("*.json"):
        if file.stat().st_mtime < oldest:
            file.unlink(missing_ok=True)


def _received(answer: Answer) -> int:
    """Bytes that the service has, by its answer 308."""
    last = answer.headers.get("range", "").rpartition("-")[2]
    return 0 if (number := natural(last)) is None else number + 1
