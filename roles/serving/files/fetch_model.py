"""Fetches one version of a model from Cloud Storage to a folder: complete and verified, or not at all.

Runs as the init container of the model server, with nothing but Python's standard library. The version's
manifest names every object with its size and hash. What is in the bucket must be just that. All of it is
downloaded in parallel ranges beside the destination, verified, and renamed into place at the very end, so that
the model server never sees half a model.

Configured by environment variables:
  MODEL_URI               gs://BUCKET/PATH/VERSION
  MODEL_DESTINATION       folder that shall hold the version, e.g. /models/NAME/VERSION; without it nothing
                          is fetched: it waits for the identity, and looks whether the version is all there
                          (a version without manifest: whether it has a saved_model.pb or .pbtxt)
  STORAGE_ENDPOINT        default https://storage.googleapis.com
  FETCH_IDENTITY          metadata (default): a token of the metadata server is required;
                          anonymous: none is asked for (public buckets)
  FETCH_DEADLINE_SECONDS  default 300, for everything together
  FETCH_PARALLEL          default 8, ranges on their way at once
  GCE_METADATA_HOST       default 169.254.169.254
Ends with 0, or with 1 and its last words in the container's termination message.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, urlencode, urlsplit

MANIFEST = "tfserving_manifest.json"
MANIFEST_FORMAT = 1
SMALL_MAX = 16 * 2**20  # bytes of a manifest, or of a page of a list
OBJECTS_MAX = 50_000  # of a version; a list without end would fill the memory of the container
GRAPHS = {"saved_model.pb", "saved_model.pbtxt"}  # one of them has the graph
TERMINATION_LOG = "/dev/termination-log"
RANGE = 16 * 2**20  # bytes of one request
BLOCK = 256 * 2**10  # bytes in memory at once, of each request
REQUEST_SECONDS = 30.0  # without a byte; Cloud Storage answers in well under one
BACKOFF_FIRST, BACKOFF_MAX = 0.3, 8.0
DENIED_GRACE = 30.0  # seconds that 401 and 403 of an object are retried: permissions take a while to arrive
ROUNDS = 2  # downloads of an object whose content is not the manifest's, before it is given up
LISTED = ("name", "size", "generation")
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
NAMED = 5  # objects that are named in an error


class FetchError(Exception):
    """The model cannot be fetched; the text is the container's last words."""


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"HTTP {status}: {words}")
        self.status = status


class Entry(NamedTuple):
    """One file of the version, as the manifest promises it. ``md5``, in base64, counts where no sha256 is known."""

    path: str
    size: int
    sha256: str
    md5: str

    @property
    def fingerprint(self) -> str:
        return self.sha256 or f"md5:{self.md5}"


class Settings(NamedTuple):
    """What the environment asks for."""

    bucket: str
    prefix: str
    destination: Path | None
    endpoint: str
    metadata_host: str | None
    deadline_seconds: float
    parallel: int

    @property
    def uri(self) -> str:
        return f"gs://{self.bucket}/{self.prefix}"


class Deadline:
    """The time that is left, and the pauses between attempts within it."""

    def __init__(self, seconds: float) -> None:
        self.started = time.monotonic()
        self.seconds = seconds

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def check(self, what: str) -> None:
        """FetchError when time is over, however fast the bytes trickle."""
        if self.elapsed > self.seconds:
            raise FetchError(f"{what}: not there within {self.seconds:.0f} s")

    def pause(self, attempt: int, trouble: str) -> None:
        """Waits with jitter before the next attempt; FetchError with the trouble when time is over."""
        seconds = min(BACKOFF_MAX, BACKOFF_FIRST * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311
        if self.elapsed + seconds > self.seconds:
            raise FetchError(f"{trouble} (given up after {self.elapsed:.0f} s)")
        time.sleep(seconds)


def settings_of(environment: dict[str, str]) -> Settings:
    uri = environment.get("MODEL_URI", "")
    bucket, _unused, prefix = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket or not prefix.strip("/"):
        raise FetchError(f"MODEL_URI must be gs://BUCKET/PATH/VERSION, not {uri!r}")
    destination = environment.get("MODEL_DESTINATION", "")
    if destination and not destination.startswith("/"):
        raise FetchError(f"MODEL_DESTINATION must be an absolute path, not {destination!r}")
    identity = environment.get("FETCH_IDENTITY") or "metadata"
    if identity not in ("metadata", "anonymous"):
        raise FetchError(f"FETCH_IDENTITY must be metadata or anonymous, not {identity!r}")
    host = environment.get("GCE_METADATA_HOST") or "169.254.169.254"
    seconds = environment.get("FETCH_DEADLINE_SECONDS") or "300"
    if not seconds.replace(".", "", 1).isdigit():
        raise FetchError(f"FETCH_DEADLINE_SECONDS must be a number of seconds, not {seconds!r}")
    parallel = environment.get("FETCH_PARALLEL") or "8"
    if not parallel.isdigit() or not 1 <= int(parallel) <= 64:
        raise FetchError(f"FETCH_PARALLEL must be a number from 1 to 64, not {parallel!r}")
    return Settings(
        bucket=bucket,
        prefix=prefix.strip("/"),
        destination=Path(destination) if destination else None,
        endpoint=(environment.get("STORAGE_ENDPOINT") or "https://storage.googleapis.com").rstrip("/"),
        metadata_host=host if identity == "metadata" else None,
        deadline_seconds=float(seconds),
        parallel=int(parallel),
    )


class Storage:
    """The bucket, as far as fetching needs it, with retries until the deadline. Each thread has its connection."""

    def __init__(self, settings: Settings, deadline: Deadline) -> None:
        self.settings = settings
        self.deadline = deadline
        self.stopped = threading.Event()
        self._token: str | None = None
        self._token_lock = threading.Lock()
        self._denied: dict[str, float] = {}  # since when, by object; a success ends it
        self._local = threading.local()

    def read(self, name: str) -> bytes:
        """A small object as a whole."""
        return self._whole(_object(self.settings.bucket, name, {"alt": "media"}), name)

    def _whole(self, path: str, name: str) -> bytes:
        """A small answer's whole body; asked again where it was cut off."""
        attempt = 0
        while True:
            try:
                with self._answer(path, name) as body:
                    content = body.read(SMALL_MAX + 1)
                    if body.length and len(content) <= SMALL_MAX:
                        raise ConnectionError(f"connection closed {body.length} bytes early")
                if len(content) > SMALL_MAX:
                    raise FetchError(f"gs://{self.settings.bucket}/{name} has more than {SMALL_MAX} bytes")
                return content
            except (OSError, http.client.HTTPException) as error:
                self._trouble(error, name, attempt)
                attempt += 1

    def objects(self) -> dict[str, dict[str, Any]]:
        """What the bucket holds of the version, by path in it."""
        prefix, token = f"{self.settings.prefix}/", ""
        found: dict[str, dict[str, Any]] = {}
        while True:
            query = {"prefix": prefix, "fields": f"items({','.join(LISTED)}),nextPageToken"}
            query |= {"pageToken": token} if token else {}
            path = f"/storage/v1/b/{quote(self.settings.bucket, safe='')}/o?{urlencode(query)}"
            try:
                page = json.loads(self._whole(path, prefix))
                for item in page.get("items", []):
                    found[item["name"].removeprefix(prefix)] = {key: item[key] for key in LISTED}
                    int(item["size"])
                token = page.get("nextPageToken", "")
            except UNREADABLE as error:
                raise FetchError(f"{self.settings.uri}: its list can't be read: {error!r}") from error
            self.deadline.check(f"the list of {self.settings.uri}")
            if len(found) > OBJECTS_MAX:
                raise FetchError(
                    f"{self.settings.uri} has more than {OBJECTS_MAX} objects: is it one version of a model?"
                )
            if not token:
                # The console's empty folders are objects whose names end with a slash.
                return {path: item for path, item in found.items() if path and not path.endswith("/")}

    def download(self, item: dict[str, Any], target: Path, start: int, end: int) -> None:
        """A range of an object, as it was listed, into a file; continued where a connection broke."""
        name, attempt = item["name"], 0
        path = _object(self.settings.bucket, name, {"alt": "media", "generation": item["generation"]})
        buffer = memoryview(bytearray(BLOCK))
        with target.open("r+b", buffering=0) as file:
            while start < end:
                headers = {"Range": f"bytes={start}-{end - 1}"}
                try:
                    with self._answer(path, name, headers) as body:
                        if body.status != 206 and (start, end) != (0, int(item["size"])):
                            raise FetchError(f"gs://{self.settings.bucket}/{name}: the server ignores ranges")
                        while start < end and (count := body.readinto(buffer[: end - start])):
                            if self.stopped.is_set():
                                raise FetchError("stopped")
                            self.deadline.check(f"gs://{self.settings.bucket}/{name}")
                            os.pwrite(file.fileno(), buffer[:count], start)
                            start, attempt = start + count, 0
                        if start < end:
                            raise ConnectionError(f"connection closed {end - start} bytes early")
                except (OSError, http.client.HTTPException) as error:
                    self._trouble(error, name, attempt)
                    attempt += 1

    @contextlib.contextmanager
    def _answer(
        self, path: str, name: str, headers: dict[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """The body of a successful answer; retried until the deadline as long as there is none."""
        attempt = 0
        while True:
            try:
                answer = self._get(path, headers or {})
                self._denied.pop(name, None)
                break
            except (OSError, http.client.HTTPException, Refused) as error:
                self._trouble(error, name, attempt)
                attempt += 1
        whole = False
        try:
            yield answer
            whole = answer.isclosed() or not answer.length
        finally:
            if not whole:
                self._hang_up()

    def _trouble(self, error: Exception, name: str, attempt: int) -> None:
        """Pauses before another attempt where one may help; FetchError where none will."""
        self._hang_up()
        uri = f"gs://{self.settings.bucket}/{name}"
        if not isinstance(error, Refused):
            self.deadline.pause(attempt, f"{uri}: {self.settings.endpoint} does not answer: {error}")
        elif error.status == 404:
            raise FetchError(f"{uri} does not exist: is the version published, and completely? ({error})")
        elif error.status in (401, 403):
            self._token = None  # a long download outlives one
            if self.settings.metadata_host is None:
                who = "it is not public"
            elif error.status == 401:
                who = "the pod's token is not accepted, and a new one neither"
            else:
                who = (
                    "the pod's identity may not read it (playbooks/storage.yml grants it by storage_reader_*)"
                )
            text = f"{uri}: {who}: {error}"
            since = self._denied.setdefault(name, time.monotonic())
            if self.settings.metadata_host is None or time.monotonic() - since > DENIED_GRACE:
                raise FetchError(text)
            self.deadline.pause(attempt, text)
        elif error.status in (408, 429) or error.status >= 500:
            self.deadline.pause(attempt, f"{uri}: {error}")
        else:
            raise FetchError(f"{uri}: {error}")

    def _get(self, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        token = {} if self.settings.metadata_host is None else {"Authorization": f"Bearer {self.token()}"}
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _connect(self.settings.endpoint)
        connection.request("GET", path, headers=headers | token)
        answer = _good(connection.getresponse())
        if answer.length is None and not answer.chunked:
            # http.client takes headers that were cut off for complete ones.
            raise ConnectionError("connection closed within the headers")
        return answer

    def _hang_up(self) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def token(self) -> str:
        """The metadata server's token. In a pod's first seconds that server may not answer: asked again."""
        host, attempt = self.settings.metadata_host, 0
        with self._token_lock:
            while self._token is None:
                connection = http.client.HTTPConnection(str(host), timeout=REQUEST_SECONDS)
                try:
                    path = "/computeMetadata/v1/instance/service-accounts/default/token"
                    connection.request("GET", path, headers={"Metadata-Flavor": "Google"})
                    token = json.loads(_good(connection.getresponse()).read())["access_token"]
                    self._token = str(token) or None
                except (
                    OSError,
                    http.client.HTTPException,
                    Refused,
                    ValueError,
                    KeyError,
                    TypeError,
                ) as error:
                    self.deadline.pause(attempt, f"no token from the metadata server {host}: {error}")
                    attempt += 1
                finally:
                    connection.close()
            return self._token


def _object(bucket: str, name: str, query: dict[str, str]) -> str:
    return f"/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}?{urlencode(query)}"


def _connect(endpoint: str) -> http.client.HTTPConnection:
    parts = urlsplit(endpoint)
    if parts.scheme != "https":
        return http.client.HTTPConnection(parts.netloc, timeout=REQUEST_SECONDS)
    proxy = urllib.request.getproxies().get("https")
    if proxy is None or urllib.request.proxy_bypass(parts.hostname or ""):
        return http.client.HTTPSConnection(parts.netloc, timeout=REQUEST_SECONDS)
    connection = http.client.HTTPSConnection(urlsplit(proxy).netloc, timeout=REQUEST_SECONDS)
    connection.set_tunnel(parts.hostname or "", parts.port or 443)
    return connection


def _good(answer: http.client.HTTPResponse) -> http.client.HTTPResponse:
    """The answer if it is a success; else ``Refused`` with Google's own message, or its reason phrase."""
    if answer.status in (200, 206):
        return answer
    text = answer.read(2000).decode("utf-8", "replace").strip()
    try:
        words = str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        words = text.splitlines()[0][:200] if text else answer.reason
    raise Refused(answer.status, words)


def parse_manifest(content: bytes) -> list[Entry]:
    """The manifest's files; FetchError for anything that a published version cannot have."""
    try:
        manifest = json.loads(content)
        if manifest["format"] != MANIFEST_FORMAT:
            raise FetchError(
                f"the manifest has format {manifest['format']!r}, this fetcher knows {MANIFEST_FORMAT}"
            )
        entries = [
            Entry(str(f["path"]), int(f["size"]), str(f.get("sha256", "")), str(f.get("md5", "")))
            for f in manifest["files"]
        ]
        digest = str(manifest["digest"])
        "".join(entry.path for entry in entries).encode()
    except UNREADABLE as error:
        raise FetchError(f"the manifest is damaged: {error!r}") from error
    for entry in entries:
        path = PurePosixPath(entry.path)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in entry.path:
            raise FetchError(f"the manifest names a path outside the version: {entry.path!r}")
        if entry.size < 0 or not (entry.sha256 or entry.md5):
            raise FetchError(f"the manifest has no hash of {entry.path!r}")
    if GRAPHS.isdisjoint(entry.path for entry in entries):
        raise FetchError("the manifest names no saved_model.pb: this is not a SavedModel")
    lines = sorted(f"{entry.path}\0{entry.size}\0{entry.fingerprint}\n" for entry in entries)
    if hashlib.sha256("".join(lines).encode()).hexdigest() != digest:
        raise FetchError("the manifest is damaged: its digest is not that of its list of files")
    return entries


def compare(entries: list[Entry], objects: dict[str, dict[str, Any]], uri: str) -> None:
    """FetchError unless the bucket holds just what the manifest names, each in its size."""
    expected = {entry.path: entry.size for entry in entries}
    wrong = [f"{path} is missing" for path in expected if path not in objects]
    wrong += [
        f"{path} has {objects[path]['size']} bytes instead of {size}"
        for path, size in expected.items()
        if path in objects and int(objects[path]["size"]) != size
    ]
    wrong += [
        f"{path} does not belong to it" for path in objects if path not in expected and path != MANIFEST
    ]
    if wrong:
        more = f", and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise FetchError(
            f"{uri} is not what its manifest says: {', '.join(wrong[:NAMED])}{more}. "
            "Publish the version again under a new number"
        )


def new_hash(entry: Entry) -> Any:
    return hashlib.sha256() if entry.sha256 else hashlib.md5(usedforsecurity=False)


def matches(entry: Entry, digest: Any) -> bool:
    found = digest.hexdigest() if entry.sha256 else base64.b64encode(digest.digest()).decode()
    return bool(found == (entry.sha256 or entry.md5))


def feed(digest: Any, path: Path, start: int, end: int) -> None:
    """Adds a range of a file to a hash."""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < end and (block := file.read(min(2**20, end - start))):
            digest.update(block)
            start += len(block)


def is_complete(folder: Path, entries: list[Entry]) -> bool:
    """Whether the folder holds exactly these files with this content."""
    if not folder.is_dir():
        return False
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    if present != {entry.path for entry in entries}:
        return False
    for entry in entries:
        path, digest = folder / entry.path, new_hash(entry)
        if path.stat().st_size != entry.size:
            return False
        feed(digest, path, 0, entry.size)
        if not matches(entry, digest):
            return False
    return True


def download_all(
    storage: Storage, entries: list[Entry], objects: dict[str, dict[str, Any]], folder: Path
) -> None:
    """Every object to its file, hashed while others are on their way; once more where the hash differs."""
    waiting = entries
    for last in (number == ROUNDS for number in range(1, ROUNDS + 1)):
        wrong = []
        with ThreadPoolExecutor(storage.settings.parallel) as pool:
            try:
                parts = {entry: begin(pool, storage, entry, objects[entry.path], folder) for entry in waiting}
                for entry, ranges in parts.items():
                    digest = new_hash(entry)
                    for start, end, part in ranges:
                        part.result()
                        feed(digest, folder / entry.path, start, end)
                    if not matches(entry, digest):
                        wrong.append(entry)
            except BaseException:
                storage.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if not wrong:
            return
        if last:
            names = ", ".join(f"{storage.settings.uri}/{entry.path}" for entry in wrong[:NAMED])
            raise FetchError(
                f"{names} is not what the manifest says: the size is right, the hash differs. "
                "Publish the version again under a new number"
            )
        waiting = wrong


def begin(
    pool: ThreadPoolExecutor, storage: Storage, entry: Entry, item: dict[str, Any], folder: Path
) -> list[tuple[int, int, Future[None]]]:
    """Orders an object's ranges."""
    target = folder / entry.path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.truncate(entry.size)
    bounds = [(start, min(start + RANGE, entry.size)) for start in range(0, entry.size, RANGE)]
    return [(start, end, pool.submit(storage.download, item, target, start, end)) for start, end in bounds]


def fetch(settings: Settings) -> str:
    """Fetches the version, or looks at it; returns what was done, in words."""
    deadline = Deadline(settings.deadline_seconds)
    storage = Storage(settings, deadline)
    if settings.destination is None:
        return look(storage)
    entries = parse_manifest(storage.read(f"{settings.prefix}/{MANIFEST}"))
    objects = storage.objects()
    compare(entries, objects, settings.uri)
    if is_complete(settings.destination, entries):
        return f"{settings.destination} already holds {settings.uri}"
    # Beside the model's folder, not in it: the model server takes what it finds there for versions.
    partial = settings.destination.parent.parent / f".fetching-{settings.destination.name}"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(settings.destination, ignore_errors=True)
    partial.mkdir(parents=True)
    total = sum(entry.size for entry in entries)
    free = shutil.disk_usage(partial).free
    if total > free:
        raise FetchError(f"{settings.uri} has {total} bytes, the volume has room for {free}")
    download_all(storage, entries, objects, partial)
    settings.destination.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(settings.destination)
    megabytes = total / 1e6
    return f"fetched {settings.uri}: {len(entries)} files, {megabytes:.1f} MB in {deadline.elapsed:.1f} s, verified"


def look(storage: Storage) -> str:
    """Whether the version is all there, for a model server that reads it itself."""
    objects, uri = storage.objects(), storage.settings.uri
    if MANIFEST not in objects:
        if GRAPHS.isdisjoint(objects):
            raise FetchError(f"{uri} has no saved_model.pb: is the version published, and completely?")
        return f"{uri} can be read; without a manifest nobody can say whether it is complete"
    compare(parse_manifest(storage.read(f"{storage.settings.prefix}/{MANIFEST}")), objects, uri)
    return f"{uri} can be read and is complete"


def _stop(number: int, _frame: object) -> NoReturn:
    # As process 1 of a container Python would not end on SIGTERM of its own accord.
    os._exit(128 + number)


def _give_up(words: str) -> NoReturn:
    """Ends with the last words, whatever still runs in threads."""
    words = f"fetch-model: {words}"
    print(words, file=sys.stderr, flush=True)
    with contextlib.suppress(OSError):  # there is none outside a container
        Path(os.environ.get("TERMINATION_LOG", TERMINATION_LOG)).write_text(words[:4000])
    os._exit(1)


def main() -> int:
    signal.signal(signal.SIGTERM, _stop)
    try:
        settings = settings_of(dict(os.environ))

        def too_late(*_unused: object) -> NoReturn:
            _give_up(
                f"{settings.uri}: not there within {settings.deadline_seconds:.0f} s, its bytes only trickle"
            )

        # What waits for a byte asks no clock. A second later than who does, and knows more.
        signal.signal(signal.SIGALRM, too_late)
        signal.setitimer(signal.ITIMER_REAL, settings.deadline_seconds + 1)
        print(fetch(settings), flush=True)
    except (FetchError, OSError) as error:
        _give_up(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
