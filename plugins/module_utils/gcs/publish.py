"""Publishing versions of a model, all or nothing for their readers.

Order: data, the manifest, saved_model.pb last. A version is complete when manifest and saved_model.pb are there
and every listed object has the listed size and crc32c.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .manifest import MANIFEST, SAVED_MODEL, ModelFile

Json = dict[str, Any]


@dataclass(frozen=True)
class Version:
    """A version in the bucket. ``objects``: by their path within it. ``digest``: the manifest's, if there is one."""

    number: int
    objects: dict[str, Json]
    manifest: Json | None = None

    @property
    def digest(self) -> str | None:
        return (self.manifest or {}).get("digest")

    @property
    def complete(self) -> bool:
        if self.manifest is None or SAVED_MODEL not in self.objects:
            return False
        return all(
            entry["path"] in self.objects
            and self.objects[entry["path"]]["crc32c"] == entry["crc32c"]
            and int(self.objects[entry["path"]]["size"]) == entry["size"]
            for entry in self.manifest["files"]
        )


def group(objects: Iterable[Json], prefix: str) -> dict[int, dict[str, Json]]:
    """Objects below ``prefix/N/`` by version and path; others are not ours."""
    found: dict[int, dict[str, Json]] = {}
    for item in objects:
        number, slash, path = item["name"].removeprefix(f"{prefix}/").partition("/")
        if slash and path and number.isdigit():
            found.setdefault(int(number), {})[path] = item
    return found


@dataclass(frozen=True)
class Plan:
    """What publishing does: to which version, what is removed first, and what is uploaded, in this order."""

    version: int
    remove: tuple[str, ...] = ()
    upload: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.remove or self.upload)


class Refused(Exception):
    """Other content under a number that is published."""


def plan(files: list[ModelFile], content: str, versions: dict[int, Version], wanted: int | None) -> Plan:
    """``content``: the digest of ``files``. ``wanted`` None: the number that has the content, or the next free one.

    Raises ``Refused`` where other content is complete under the wanted number.
    """
    if wanted is None:
        same = [v.number for v in versions.values() if v.complete and v.digest == content]
        if same:
            return Plan(max(same))
        # An unfinished version with this content is what an interrupted run left: it is completed.
        begun = [v.number for v in versions.values() if not v.complete and _agrees(v, files)]
        wanted = max(begun) if begun else max(versions, default=0) + 1
    current = versions.get(wanted, Version(wanted, {}))
    if current.complete:
        if current.digest == content:
            return Plan(wanted)
        raise Refused(
            f"version {wanted} is published with other content (sha256 {str(current.digest)[:12]}…, "
            f"not {content[:12]}…), and a published version is never changed: publish under another number"
        )
    by_path = {file.path: file for file in files}
    good = {
        path
        for path, item in current.objects.items()
        if path in by_path and item["crc32c"] == by_path[path].crc32c
    }
    # The manifest is made anew: it is small, and an earlier one may be of other content.
    remove = sorted(set(current.objects) - good | ({MANIFEST} & set(current.objects)))
    # Whatever made the half version loadable goes first.
    if SAVED_MODEL in current.objects and SAVED_MODEL not in remove:
        remove.append(SAVED_MODEL)
        good.discard(SAVED_MODEL)
    remove.sort(key=lambda path: path != SAVED_MODEL)
    data = sorted(path for path in by_path if path not in good and path != SAVED_MODEL)
    return Plan(wanted, tuple(remove), (*data, MANIFEST, SAVED_MODEL))


def _agrees(version: Version, files: list[ModelFile]) -> bool:
    """Whether what is there of an unfinished version is part of this content."""
    by_path = {file.path: file.crc32c for file in files}
    data = {path: item for path, item in version.objects.items() if path != MANIFEST}
    return bool(data) and all(by_path.get(path) == item["crc32c"] for path, item in data.items())


def parse_manifest(text: bytes | None) -> Json | None:
    """A manifest's content; None when it is missing or none."""
    try:
        value = json.loads(text or b"")
        return dict(value) if value["format"] == 1 and isinstance(value["files"], list) else None
    except (ValueError, KeyError, TypeError):
        return None
