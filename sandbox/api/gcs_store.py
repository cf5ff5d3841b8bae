"""Buckets and objects on disk. Preconditions, generations and checksums as Cloud Storage has them.

Layout: ``<root>/<bucket>/bucket.json`` and, for each object, ``objects/<hash of its name>.json`` with its
metadata and ``.data`` with its content. What is being written has another name until it is complete.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import google_crc32c

from .errors import GoogleError

Json = dict[str, Any]
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_PATCHABLE = {
    "labels", "versioning", "lifecycle", "iamConfiguration", "softDeletePolicy", "storageClass", "cors",
    "defaultEventBasedHold", "website", "logging", "autoclass", "retentionPolicy", "billing", "rpo",
}  # fmt: skip


@dataclass(frozen=True)
class Conditions:
    """Preconditions of a request; None where not given."""

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None

    def check(self, current: Json | None, *, reading: bool = False) -> None:
        """Raises 412 (304 for a read's negative condition) when they don't hold. Generation 0: no object."""
        generation = int(current["generation"]) if current and "generation" in current else 0
        metageneration = int(current["metageneration"]) if current else 0
        failed = "At least one of the pre-conditions you specified did not hold."
        if self.generation is not None and self.generation != generation:
            raise GoogleError(412, failed)
        if self.metageneration is not None and self.metageneration != metageneration:
            raise GoogleError(412, failed)
        negative = (self.not_generation, generation), (self.not_metageneration, metageneration)
        if any(asked is not None and asked == actual for asked, actual in negative):
            raise GoogleError(304 if reading else 412, failed)


class Upload:
    """Content on its way into an object: written to a draft, hashed as it comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._crc = google_crc32c.Checksum()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._file: BinaryIO = path.open("wb")

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._crc.update(data)
        self._md5.update(data)
        self.size += len(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> tuple[str, str]:
        """crc32c and MD5 of all that was written, in base64."""
        self._file.close()
        return base64.b64encode(self._crc.digest()).decode(), base64.b64encode(self._md5.digest()).decode()

    def discard(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class Store:
    """All buckets below ``root``. Every method is atomic for its callers."""

    def __init__(self, root: Path, api_url: str, now: Callable[[], float] = time.time) -> None:
        self._root = root
        self._url = api_url
        self._now = now
        self._lock = threading.RLock()
        self._last_generation = 0
        root.mkdir(parents=True, exist_ok=True)

    # Buckets

    def insert_bucket(self, project: str, body: Json) -> Json:
        name = str(body.get("name", ""))
        if not _NAME.fullmatch(name):
            raise GoogleError(400, f"Invalid bucket name: '{name}'", reason="invalid")
        with self._lock:
            current = self._read_bucket(name)
            if current is not None:
                own = current["projectNumber"] == project_number(project)
                text = (
                    "Your previous request to create the named bucket succeeded and you already own it."
                    if own
                    else "The requested bucket name is not available. The bucket namespace is shared by all "
                    "users of the system. Please select a different name and try again."
                )
                raise GoogleError(409, text, reason="conflict")
            iam = body.get("iamConfiguration", {})
            uniform = bool(iam.get("uniformBucketLevelAccess", {}).get("enabled", False))
            timestamp = self._timestamp()
            access = {"enabled": uniform}
            bucket = {
                "kind": "storage#bucket",
                "id": name,
                "name": name,
                "selfLink": f"{self._url}/storage/v1/b/{name}",
                "projectNumber": project_number(project),
                "generation": str(self._next_generation()),
                "metageneration": "1",
                "location": str(body.get("location", "US")).upper(),
                "locationType": "multi-region"
                if str(body.get("location", "US")).upper() in ("US", "EU", "ASIA")
                else "region",
                "storageClass": body.get("storageClass", "STANDARD"),
                "etag": "CAE=",
                "timeCreated": timestamp,
                "updated": timestamp,
                "rpo": "DEFAULT",
                "iamConfiguration": {
                    "bucketPolicyOnly": access,
                    "uniformBucketLevelAccess": access,
                    "publicAccessPrevention": iam.get("publicAccessPrevention", "inherited"),
                },
                "softDeletePolicy": _soft_delete(body.get("softDeletePolicy"), timestamp),
            }
            bucket |= {k: v for k, v in body.items() if k in ("labels", "versioning", "lifecycle") and v}
            (self._root / name / "objects").mkdir(parents=True)
            self._write(self._root / name / "bucket.json", bucket)
            return bucket

    def buckets(self, project: str) -> list[Json]:
        with self._lock:
            names = sorted(entry.parent.name for entry in self._root.glob("*/bucket.json"))
            found = [self.bucket(name) for name in names]
        return [bucket for bucket in found if bucket["projectNumber"] == project_number(project)]

    def bucket(self, name: str) -> Json:
        bucket = self._read_bucket(name)
        if bucket is None:
            raise GoogleError(404, "The specified bucket does not exist.")
        return bucket

    def patch_bucket(self, name: str, body: Json, conditions: Conditions) -> Json:
        """A JSON merge patch: null removes a field."""
        unknown = sorted(set(body) - _PATCHABLE)
        if unknown:
            raise GoogleError(400, f"Fields that can't be changed: {', '.join(unknown)}", reason="invalid")
        with self._lock:
            bucket = self.bucket(name)
            conditions.check(bucket)
            changed = _merge(bucket, body)
            if "uniformBucketLevelAccess" in body.get("iamConfiguration", {}):
                changed["iamConfiguration"]["bucketPolicyOnly"] = changed["iamConfiguration"][
                    "uniformBucketLevelAccess"
                ]
            if body.get("softDeletePolicy"):
                changed["softDeletePolicy"] = _soft_delete(body["softDeletePolicy"], self._timestamp())
            if not changed.get("labels", True):
                del changed["labels"]
            changed["metageneration"] = str(int(bucket["metageneration"]) + 1)
            changed["updated"] = self._timestamp()
            self._write(self._root / name / "bucket.json", changed)
            return changed

    def delete_bucket(self, name: str, conditions: Conditions) -> None:
        with self._lock:
            bucket = self.bucket(name)
            conditions.check(bucket)
            if next(self._objects(name), None) is not None:
                raise GoogleError(409, "The bucket you tried to delete is not empty.", reason="conflict")
            shutil.rmtree(self._root / name)

    # Objects

    def new_upload(self, bucket: str) -> Upload:
        self.bucket(bucket)
        return Upload(self._root / bucket / f"upload-{uuid.uuid4().hex}")

    def finish(self, bucket: str, name: str, body: Json, upload: Upload, conditions: Conditions) -> Json:
        """Makes the uploaded content the object's new generation, if checksums and preconditions hold."""
        crc32c, md5 = upload.close()
        try:
            for field, words, actual in (("crc32c", "CRC32C", crc32c), ("md5Hash", "MD5 hash", md5)):
                given = body.get(field, actual)
                if given != actual:
                    text = f'Provided {words} "{given}" doesn\'t match calculated {words} "{actual}".'
                    raise GoogleError(400, text, reason="invalid")
            with self._lock:
                self.bucket(bucket)
                conditions.check(self._read_object(bucket, name))
                generation = self._next_generation()
                timestamp = self._timestamp()
                path = f"storage/v1/b/{bucket}/o/{quote(name, safe='')}"
                metadata = {
                    "kind": "storage#object",
                    "id": f"{bucket}/{name}/{generation}",
                    "selfLink": f"{self._url}/{path}",
                    "mediaLink": f"{self._url}/download/{path}?generation={generation}&alt=media",
                    "name": name,
                    "bucket": bucket,
                    "generation": str(generation),
                    "metageneration": "1",
                    "contentType": body.get("contentType", "application/octet-stream"),
                    "storageClass": "STANDARD",
                    "size": str(upload.size),
                    "md5Hash": md5,
                    "crc32c": crc32c,
                    "etag": base64.b64encode(str(generation).encode()).decode(),
                    "timeCreated": timestamp,
                    "updated": timestamp,
                    "timeStorageClassUpdated": timestamp,
                }
                metadata |= {k: body[k] for k in ("metadata", "cacheControl", "contentEncoding") if k in body}
                target = self._path(bucket, name)
                upload.path.rename(target.with_suffix(".data"))
                self._write(target.with_suffix(".json"), metadata)
                return metadata
        finally:
            upload.path.unlink(missing_ok=True)

    def object(self, bucket: str, name: str, conditions: Conditions, generation: int | None = None) -> Json:
        self.bucket(bucket)
        found = self._read_object(bucket, name)
        if found is None or generation not in (None, int(found["generation"])):
            raise GoogleError(404, f"No such object: {bucket}/{name}")
        conditions.check(found, reading=True)
        return found

    def open(
        self, bucket: str, name: str, conditions: Conditions, generation: int | None = None
    ) -> tuple[Json, BinaryIO]:
        """Metadata and content of the same generation."""
        with self._lock:
            return self.object(bucket, name, conditions, generation), self._path(bucket, name).with_suffix(
                ".data"
            ).open("rb")

    def delete_object(
        self, bucket: str, name: str, conditions: Conditions, generation: int | None = None
    ) -> None:
        with self._lock:
            self.object(bucket, name, Conditions(), generation)
            conditions.check(self._read_object(bucket, name))
            path = self._path(bucket, name)
            path.with_suffix(".json").unlink()
            path.with_suffix(".data").unlink(missing_ok=True)

    def objects(
        self, bucket: str, *, prefix: str = "", delimiter: str = "", start: str = "", limit: int = 1000
    ) -> tuple[list[Json], list[str], str | None]:
        """A page: objects, common prefixes, and the token that continues after it. ``start``: a token."""
        self.bucket(bucket)
        with self._lock:
            everything = {found["name"]: found for found in self._objects(bucket)}
        items: list[Json] = []
        prefixes: list[str] = []
        last = ""
        for name in sorted(everything, key=str.encode):
            if not name.startswith(prefix):
                continue
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            entry = name[: cut + len(delimiter)] if cut >= 0 else name
            if (start and entry.encode() <= start.encode()) or entry in prefixes[-1:]:
                continue
            if len(items) + len(prefixes) >= limit:
                return items, prefixes, last
            last = entry
            if cut >= 0:
                prefixes.append(entry)
            else:
                items.append(everything[name])
        return items, prefixes, None

    # Files

    def _objects(self, bucket: str) -> Iterator[Json]:
        for file in (self._root / bucket / "objects").glob("*.json"):
            yield json.loads(file.read_text())

    def _path(self, bucket: str, name: str) -> Path:
        return self._root / bucket / "objects" / hashlib.sha256(name.encode()).hexdigest()

    def _read_object(self, bucket: str, name: str) -> Json | None:
        file = self._path(bucket, name).with_suffix(".json")
        return dict(json.loads(file.read_text())) if file.exists() else None

    def _read_bucket(self, name: str) -> Json | None:
        if not _NAME.fullmatch(name):
            return None
        file = self._root / name / "bucket.json"
        return dict(json.loads(file.read_text())) if file.exists() else None

    def _write(self, path: Path, content: Json) -> None:
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(content))
        draft.replace(path)

    def _next_generation(self) -> int:
        """Microseconds, as Google's generations look, and never the same twice."""
        self._last_generation = max(self._last_generation + 1, int(self._now() * 1e6))
        return self._last_generation

    def _timestamp(self) -> str:
        return (
            datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )


def project_number(project: str) -> str:
    """A number that stands for the project, the same each time."""
    return str(100_000_000_000 + int(hashlib.sha256(project.encode()).hexdigest()[:9], 16) % 900_000_000_000)


def _soft_delete(asked: Json | None, timestamp: str) -> Json:
    seconds = str((asked or {}).get("retentionDurationSeconds", 604_800))
    return {"retentionDurationSeconds": seconds, "effectiveTime": timestamp}


def _merge(current: Json, patch: Json) -> Json:
    """RFC 7396."""
    merged = dict(current)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merge(merged.get(key) or {}, value)
        else:
            merged[key] = value
    return merged
