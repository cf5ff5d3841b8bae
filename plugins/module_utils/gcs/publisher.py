"""Carries out what publish.py decides: claims, creates, compares, removes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..gcp.errors import ApiError, BadInput, GoogleError
from ..saved_model.files import MANIFEST, ModelFile
from ..saved_model.graph import SAVED_MODEL, graph_file
from . import retention
from .claims import Claims
from .manifest import agree, files_of, parse_manifest, to_text
from .publish import (
    Busy,
    Claim,
    Plan,
    Refused,
    Version,
    came_since,
    differences,
    group,
    plan,
    removal_order,
    some,
)
from .source import Source
from .storage import Storage, uri

Json = dict[str, Any]

PARALLEL = 6
"""Files on their way at once."""

_TELL_SECONDS = 2.0


class _Stopped(Exception):
    """Another file's upload failed."""


class Model:
    """A model's versions below a path of a bucket."""

    def __init__(self, storage: Storage, bucket: str, path: str, tell: Callable[[str], None]) -> None:
        self._storage = storage
        self._bucket, self._path = bucket, path
        self._tell = tell
        self._claims = Claims(storage, bucket, path)
        self._seen: Json | None = None

    def __str__(self) -> str:
        return uri(self._bucket, self._path)

    def versions(self, *, lenient: bool = False) -> dict[int, Version]:
        """Every version, published or not. ``lenient``: a bucket that does not exist has none."""
        try:
            objects, claims = group(self._storage.objects(self._bucket, f"{self._path}/"), self._path)
        except ApiError as error:
            if error.status != 404:
                raise
            if lenient:
                return {}
            raise BadInput(
                f"bucket {self._bucket} does not exist: make it with mlops.tfserving.gcs_bucket."
            ) from error
        numbers = sorted(objects.keys() | claims.keys())
        with ThreadPoolExecutor(PARALLEL) as pool:
            found = pool.map(
                lambda n: self._version(n, objects.get(n, {}), self._claims.of(n, claims.get(n))), numbers
            )
            versions = dict(zip(numbers, found, strict=True))
        return {number: v for number, v in versions.items() if v.objects or v.claim}

    def _version(self, number: int, objects: dict[str, Json], claim: Claim | None) -> Version:
        name = f"{self._path}/{number}/{MANIFEST}"
        found = self._storage.read(self._bucket, name) if MANIFEST in objects else None
        if MANIFEST in objects and found is None:  # removed since it was listed
            return self._fresh(number, claim)
        text = found[0] if found else b""
        return Version(number, objects, parse_manifest(text), claim, text)

    def _fresh(self, number: int, held: Claim | None) -> Version:
        """One version as it is now. ``held``: the claim that it had."""
        objects, _unused = group(self._storage.objects(self._bucket, f"{self._path}/{number}/"), self._path)
        return self._version(number, objects.get(number, {}), self._claims.now(number, held))

    def retention(self) -> str:
        """Why nothing can be published or removed here; empty where it can, or where the account may not look."""
        return retention.of_bucket(self._bucket_seen())

    def refuse_retention(self) -> None:
        """Raises ``BadInput`` where what is created can't be deleted: not even a claim could be given back."""
        words = self.retention()
        if words:
            raise BadInput(
                f"bucket {self._bucket} {words}, and no version is published to it or removed from it: not even the claim to "
                f"a version could be given back. Nothing was changed. {retention.WAY_OUT}."
            )

    def kept(self, version: Version) -> str:
        """What of a version can't be deleted, in words; empty where all can."""
        found = retention.kept(
            version.objects, datetime.now(UTC), versioned=retention.is_versioned(self._bucket_seen())
        )
        words = f"version {version.number} in {self} stays as it is, since objects of it can't be deleted: {some(found)}"
        return words if found else ""

    def _bucket_seen(self) -> Json:
        if self._seen is None:
            try:
                self._seen = self._storage.bucket(self._bucket) or {}
            except ApiError as error:
                if error.status != 403:
                    raise
                self._seen = {}
        return self._seen

    def publish(self, source: Source, todo: Plan, manifest: Json, current: Version) -> Json:
        """Publishes; the manifest of what is published then. Safe against others that do the same."""
        if not todo.upload:
            self._end(todo.version, current.claim)
            return current.manifest or manifest
        claim = self._claims.to_publish(
            source.files, todo.version, current.manifest_text or to_text(manifest)
        )
        try:
            fresh = self._fresh(todo.version, claim)
            todo = plan(source.files, {todo.version: fresh}, todo.version, now=datetime.now(UTC))
        except Refused:
            # The version was completed between our look and our claim.
            self._claims.release(todo.version, claim)
            raise
        if todo.upload:
            fresh = self._upload(source, todo, claim)
        self._end(todo.version, claim)
        return fresh.manifest or manifest

    def _end(self, number: int, claim: Claim | None) -> None:
        """Gives the claim back. Raises ``GoogleError`` where it was gone, and the version with it."""
        if claim is None or self._claims.release(number, claim) or self._fresh(number, claim).complete:
            return
        raise GoogleError(
            f"{uri(self._bucket, f'{self._path}/{number}')} was being removed while it was published: run again."
        )

    def _upload(self, source: Source, todo: Plan, claim: Claim) -> Version:
        by_path = {file.path: file for file in source.files}
        last = graph_file(by_path) or SAVED_MODEL
        data = [by_path[path] for path in todo.upload if path not in (MANIFEST, last)]
        prefix = f"{self._path}/{todo.version}"
        self._send_all(source, prefix, data)
        if MANIFEST in todo.upload:
            self._create_manifest(f"{prefix}/{MANIFEST}", claim, source.files)
        if last in todo.upload:
            self._compare(source.files, todo.version, claim, without=last)
            source.send(
                self._storage,
                self._bucket,
                f"{prefix}/{last}",
                by_path[last],
                lambda done: None,
            )
        return self._compare(source.files, todo.version, claim)

    def _create_manifest(self, name: str, claim: Claim, files: list[ModelFile]) -> None:
        try:
            self._storage.create(self._bucket, name, claim.text, content_type="application/json")
        except ApiError as error:
            found = self._storage.read(self._bucket, name) if error.status == 412 else None
            manifest = parse_manifest(found[0]) if found else None
            if manifest is None or not agree(files, files_of(manifest)):
                raise

    def _compare(self, files: list[ModelFile], number: int, claim: Claim, *, without: str = "") -> Version:
        """The version as it is. Raises ``GoogleError`` unless it is exactly these files, under the claim we had."""
        fresh = self._fresh(number, claim)
        if fresh.complete and fresh.manifest and agree(files, files_of(fresh.manifest)):
            return fresh  # perhaps another run with the same content was faster
        problems = differences([file for file in files if file.path != without], fresh.objects)
        if without and without in fresh.objects:
            problems = [problem for problem in problems if not problem.startswith(f"{without} ")]
        if fresh.claim is None or fresh.claim.generation != claim.generation:
            problems.append(
                f"{self._claims.name(number)} was taken away: somebody removed this version meanwhile"
            )
        if problems:
            raise GoogleError(
                f"{uri(self._bucket, f'{self._path}/{number}')} is not what was sent: {some(problems)}. It stays "
                "unpublished: see who else writes there, and run again."
            )
        return fresh

    def _send_all(self, source: Source, prefix: str, files: list[ModelFile]) -> None:
        stop = threading.Event()
        meter = _Meter(sum(file.size for file in files), self._tell)

        def send(file: ModelFile) -> None:
            def tell(done: int) -> None:
                if stop.is_set():
                    raise _Stopped
                meter.note(file.path, done)

            source.send(self._storage, self._bucket, f"{prefix}/{file.path}", file, tell)

        # The largest first: they take longest.
        ordered = sorted(files, key=lambda file: -file.size)
        with ThreadPoolExecutor(PARALLEL) as pool:
            sending = [pool.submit(send, file) for file in ordered]
            try:
                done, _unused = wait(sending, return_when=FIRST_EXCEPTION)
                errors = [f.exception() for f in done if f.exception()]
            finally:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
        for error in errors:
            if error is not None and not isinstance(error, _Stopped):
                raise error

    def remove(self, version: Version) -> list[str]:
        """Removes a version as it was seen, what makes it loadable first; the names of what is gone.

        Raises ``Busy`` and leaves it when somebody publishes it at this moment. Killed, the next remover goes on.
        """
        claim = self._claims.to_remove(version)
        if came_since(version, self._fresh(version.number, claim)):
            raise self._busy(version.number, claim)
        for path in removal_order(version):
            name = f"{self._path}/{version.number}/{path}"
            try:
                self._storage.delete(self._bucket, name, version.objects[path]["generation"])
            except ApiError as error:
                if error.status == 412:
                    raise self._busy(version.number, claim) from error
                if error.is_kept:
                    raise self._interrupted(version, claim, path, error) from error
                raise
        self._claims.release(version.number, claim)
        return self.names(version)

    def _interrupted(self, version: Version, claim: Claim, path: str, error: ApiError) -> GoogleError:
        """Of a removal that came upon what can't be deleted. While nothing of the version is gone, it is taken back."""
        what = f"version {version.number} in {self}"
        if path == removal_order(version)[0] and self._claims.give_up_removal(version, claim):
            return GoogleError(f"{error} {what} is as it was.")
        return GoogleError(
            f"{error} {what} is removed in part, and can't be served: its removal goes on when you run again after that."
        )

    def _busy(self, number: int, claim: Claim) -> Busy:
        self._claims.release(number, claim)
        return Busy(
            f"version {number} in {self} is not removed: it was published anew while it was to be removed"
        )

    def names(self, version: Version) -> list[str]:
        """Objects of a version in the order of their removal: last the claim that it was seen with."""
        names = [f"{self._path}/{version.number}/{path}" for path in removal_order(version)]
        return names + ([self._claims.name(version.number)] if version.claim else [])


@dataclass
class _Meter:
    """Adds up what the uploads tell, and says so now and then."""

    total: int
    tell: Callable[[str], None]

    def __post_init__(self) -> None:
        self._done: dict[str, int] = {}
        self._lock = threading.Lock()
        self._began = self._told = time.monotonic()

    def note(self, path: str, done: int) -> None:
        with self._lock:
            self._done[path] = done
            now = time.monotonic()
            if now - self._told < _TELL_SECONDS:
                return
            self._told = now
            there = sum(self._done.values())
        rate = there / 2**20 / (now - self._began)
        self.tell(f"{there / 2**20:.0f} of {self.total / 2**20:.0f} MiB, {rate:.0f} MiB/s")
