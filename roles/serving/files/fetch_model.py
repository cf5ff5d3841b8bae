#!/usr/bin/env python3
"""Fetches one version of a model from Cloud Storage to a folder: complete and verified, or not at all.

Runs as the init container of the model server, with nothing but Python's standard library. The version's
manifest names every object with its size and sha256. All of them are downloaded beside the destination,
verified, and renamed into place at the very end, so that the model server never sees half a model.

Configured by environment variables:
  MODEL_URI               gs://BUCKET/PATH/VERSION
  MODEL_DESTINATION       folder that shall hold the version, e.g. /models/NAME/VERSION
  STORAGE_ENDPOINT        default https://storage.googleapis.com
  FETCH_IDENTITY          metadata (default): a token of the metadata server is required;
                          anonymous: none is asked for (public buckets)
  FETCH_DEADLINE_SECONDS  default 300, for everything together
  GCE_METADATA_HOST       default 169.254.169.254
Ends with 0, or with 1 and its last words in the container's termination message.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote

MANIFEST = "tfserving_manifest.json"
MANIFEST_FORMAT = 1
TERMINATION_LOG = "/dev/termination-log"
CHUNK = 1 << 20
PARALLEL = 4
REQUEST_SECONDS = 30.0  # without a byte; Cloud Storage answers in well under one
BACKOFF_FIRST, BACKOFF_MOST = 0.3, 8.0
DENIED_GRACE = 30.0  # seconds that 401 and 403 are retried: new permissions take a while to arrive
ROUNDS = 2  # downloads of an object whose content is not the manifest's, before it is given up


class FetchError(Exception):
    """The model cannot be fetched; the text is the container's last words."""


class Entry(NamedTuple):
    """One file of the version, as the manifest promises it."""

    path: str
    size: int
    sha256: str


class Settings(NamedTuple):
    """What the environment asks for."""

    bucket: str
    prefix: str
    destination: Path
    endpoint: str
    metadata_host: str | None
    deadline_seconds: float


class Deadline:
    """The time that is left, and the pauses between attempts within it."""

    def __init__(self, seconds: float) -> None:
        self.started = time.monotonic()
        self.seconds = seconds

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def pause(self, attempt: int, trouble: str) -> None:
        """Waits with jitter before the next attempt; FetchError with the trouble when time is over."""
        seconds = min(BACKOFF_MOST, BACKOFF_FIRST * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311
        if self.elapsed + seconds > self.seconds:
            raise FetchError(f"{trouble} (given up after {self.elapsed:.0f} s)")
        time.sleep(seconds)


def settings_of(environment: dict[str, str]) -> Settings:
    uri = environment.get("MODEL_URI", "")
    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket or not prefix.strip("/"):
        raise FetchError(f"MODEL_URI must be gs://BUCKET/PATH/VERSION, not {uri!r}")
    destination = environment.get("MODEL_DESTINATION", "")
    if not destination.startswith("/"):
        raise FetchError(f"MODEL_DESTINATION must be an absolute path, not {destination!r}")
    identity = environment.get("FETCH_IDENTITY") or "metadata"
    if identity not in ("metadata", "anonymous"):
        raise FetchError(f"FETCH_IDENTITY must be metadata or anonymous, not {identity!r}")
    host = environment.get("GCE_METADATA_HOST") or "169.254.169.254"
    seconds = environment.get("FETCH_DEADLINE_SECONDS") or "300"
    if not seconds.replace(".", "", 1).isdigit():
        raise FetchError(f"FETCH_DEADLINE_SECONDS must be a number of seconds, not {seconds!r}")
    return Settings(
        bucket=bucket,
        prefix=prefix.strip("/"),
        destination=Path(destination),
        endpoint=(environment.get("STORAGE_ENDPOINT") or "https://storage.googleapis.com").rstrip("/"),
        metadata_host=host if identity == "metadata" else None,
        deadline_seconds=float(seconds),
    )


class Storage:
    """The bucket, as far as fetching needs it: objects by name, with retries until the deadline."""

    def __init__(self, settings: Settings, deadline: Deadline) -> None:
        self.settings = settings
        self.deadline = deadline
        self._token: str | None = None

    def read(self, name: str) -> bytes:
        """A small object as a whole."""
        attempt = 0
        while True:
            try:
                with self._open(name, 0) as response:
                    return bytes(response.read())
            except (OSError, http.client.HTTPException) as error:
                self.handle(error, name, attempt)
                attempt += 1

    def download(self, entry: Entry, target: Path) -> None:
        """An object to a file, continued where a connection broke; verified against its entry."""
        name = f"{self.settings.prefix}/{entry.path}"
        for _ in range(ROUNDS):
            digest, size = self._stream(name, target, entry.size)
            if (size, digest) == (entry.size, entry.sha256):
                return
        raise FetchError(
            f"gs://{self.settings.bucket}/{name} is not what the manifest says: "
            f"{size} bytes, sha256 {digest} instead of {entry.size} bytes, {entry.sha256}. "
            "Publish the version again under a new number"
        )

    def _stream(self, name: str, target: Path, expected: int) -> tuple[str, int]:
        """Downloads, and says what came: sha256 and size. Never takes more than one byte too many."""
        digest, size, attempt = hashlib.sha256(), 0, 0
        with target.open("wb") as file:
            while True:
                try:
                    with self._open(name, size) as response:
                        if size and response.status != 206:  # the server ignores ranges
                            file.seek(0)
                            file.truncate()
                            digest, size = hashlib.sha256(), 0
                        while chunk := response.read(CHUNK):
                            file.write(chunk)
                            digest.update(chunk)
                            size += len(chunk)
                            attempt = 0
                            if size > expected:
                                return digest.hexdigest(), size
                    # http.client reports a body shorter than announced only for whole reads.
                    announced = response.headers.get("Content-Length")
                    if size < expected and announced is not None and response.length:
                        raise ConnectionError(f"connection closed after {size} of {expected} bytes")
                    return digest.hexdigest(), size
                except (OSError, http.client.HTTPException) as error:
                    self.handle(error, name, attempt)
                    attempt += 1

    def handle(self, error: Exception, name: str, attempt: int) -> None:
        """Pauses before another attempt where one may help; FetchError where none will."""
        uri = f"gs://{self.settings.bucket}/{name}"
        if not isinstance(error, urllib.error.HTTPError):
            reason = getattr(error, "reason", None) or error
            self.deadline.pause(attempt, f"{uri}: {self.settings.endpoint} does not answer: {reason}")
            return
        words = _words_of(error)
        if error.code == 404:
            raise FetchError(f"{uri} does not exist: is the version published, and completely? ({words})")
        if error.code in (401, 403):
            self._token = None
            who = "the pod's identity may not read it" if self.settings.metadata_host else "it is not public"
            text = f"{uri}: {who}: HTTP {error.code}: {words}"
            if self.settings.metadata_host is None or self.deadline.elapsed > DENIED_GRACE:
                raise FetchError(text)
            self.deadline.pause(attempt, text)
        elif error.code in (408, 429) or error.code >= 500:
            self.deadline.pause(attempt, f"{uri}: HTTP {error.code}: {words}")
        else:
            raise FetchError(f"{uri}: HTTP {error.code}: {words}")

    def _open(self, name: str, offset: int) -> Any:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if self.settings.metadata_host is not None:
            headers["Authorization"] = f"Bearer {self.token()}"
        url = (
            f"{self.settings.endpoint}/storage/v1/b/{quote(self.settings.bucket, safe='')}"
            f"/o/{quote(name, safe='')}?alt=media"
        )
        return _get(url, headers)

    def token(self) -> str:
        """The metadata server's token. In a pod's first seconds that server may not answer: asked again."""
        host = self.settings.metadata_host
        url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
        attempt = 0
        while self._token is None:
            try:
                with _get(url, {"Metadata-Flavor": "Google"}) as response:
                    self._token = str(json.loads(response.read())["access_token"])
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
                words = _words_of(error) if isinstance(error, urllib.error.HTTPError) else str(error)
                self.deadline.pause(attempt, f"no token from the metadata server {host}: {words}")
                attempt += 1
        return self._token


def _get(url: str, headers: dict[str, str]) -> Any:
    # Endpoints come from the pod's own manifest, http and https only.
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    return urllib.request.urlopen(request, timeout=REQUEST_SECONDS)  # noqa: S310


def _words_of(error: urllib.error.HTTPError) -> str:
    """Google's own message in an error answer, or its reason phrase."""
    try:
        body = error.read(2000).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException):
        return str(error.reason)
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body.splitlines()[0][:200] if body else str(error.reason)


def parse_manifest(content: bytes) -> list[Entry]:
    """The manifest's files; FetchError for anything that a published version cannot have."""
    try:
        manifest = json.loads(content)
        if manifest["format"] != MANIFEST_FORMAT:
            raise FetchError(
                f"the manifest has format {manifest['format']!r}, this fetcher knows {MANIFEST_FORMAT}"
            )
        entries = [Entry(str(f["path"]), int(f["size"]), str(f["sha256"])) for f in manifest["files"]]
        digest = str(manifest["digest"])
    except (ValueError, KeyError, TypeError) as error:
        raise FetchError(f"the manifest is damaged: {error!r}") from error
    for entry in entries:
        path = PurePosixPath(entry.path)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in entry.path:
            raise FetchError(f"the manifest names a path outside the version: {entry.path!r}")
    if "saved_model.pb" not in {entry.path for entry in entries}:
        raise FetchError("the manifest names no saved_model.pb: this is not a SavedModel")
    lines = sorted(f"{entry.path}\0{entry.size}\0{entry.sha256}\n" for entry in entries)
    if hashlib.sha256("".join(lines).encode()).hexdigest() != digest:
        raise FetchError("the manifest is damaged: its digest is not that of its list of files")
    return entries


def is_complete(folder: Path, entries: list[Entry]) -> bool:
    """Whether the folder holds exactly these files with this content."""
    if not folder.is_dir():
        return False
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    if present != {entry.path for entry in entries}:
        return False
    for entry in entries:
        path = folder / entry.path
        if path.stat().st_size != entry.size:
            return False
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                return False
    return True


def fetch(settings: Settings) -> str:
    """Fetches the version; returns what was done, in words."""
    deadline = Deadline(settings.deadline_seconds)
    storage = Storage(settings, deadline)
    entries = parse_manifest(storage.read(f"{settings.prefix}/{MANIFEST}"))
    source = f"gs://{settings.bucket}/{settings.prefix}"
    if is_complete(settings.destination, entries):
        return f"{settings.destination} already holds {source}"
    # Beside the model's folder, not in it: the model server takes what it finds there for versions.
    partial = settings.destination.parent.parent / f".fetching-{settings.destination.name}"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(settings.destination, ignore_errors=True)
    partial.mkdir(parents=True)
    total = sum(entry.size for entry in entries)
    free = shutil.disk_usage(partial).free
    if total > free:
        raise FetchError(f"{source} has {total} bytes, the volume has room for {free}")
    for entry in entries:
        (partial / entry.path).parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(PARALLEL) as pool:
        downloads = [pool.submit(storage.download, entry, partial / entry.path) for entry in entries]
        try:
            for download in downloads:
                download.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    settings.destination.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(settings.destination)
    megabytes = total / 1e6
    return f"fetched {source}: {len(entries)} files, {megabytes:.1f} MB in {deadline.elapsed:.1f} s, verified"


def _stop(number: int, _frame: object) -> NoReturn:
    # As process 1 of a container Python would not end on SIGTERM of its own accord.
    os._exit(128 + number)


def main() -> int:
    signal.signal(signal.SIGTERM, _stop)
    try:
        print(fetch(settings_of(dict(os.environ))), flush=True)
    except (FetchError, OSError) as error:
        words = f"fetch-model: {error}"
        print(words, file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):  # there is none outside a container
            Path(os.environ.get("TERMINATION_LOG", TERMINATION_LOG)).write_text(words[:4000])
        # Downloads that still run in threads must not hold the exit code back.
        os._exit(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
