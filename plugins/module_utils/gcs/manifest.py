"""The manifest that vouches for a published version. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from ..saved_model.files import ModelFile, digest
from ..saved_model.graph import graph_file
from ..saved_model.info import Info

Json = dict[str, Any]

FORMAT = 1


def make_manifest(
    model: str,
    version: int,
    files: Iterable[ModelFile],
    info: Info | None,
    *,
    created: str,
    creator: str,
    source: str,
) -> Json:
    """What readers verify a version by. ``created``: UTC time as in RFC 3339."""
    found = sorted(files)
    return {
        "format": FORMAT,
        "model": model,
        "version": version,
        "created": created,
        "creator": creator,
        "source": source,
        "digest": digest(found),
        "size": sum(file.size for file in found),
        "signatures": info.signatures if info else {},
        "tensorflow_version": info.tensorflow_version if info else "",
        "files": [{key: value for key, value in vars(file).items() if value != ""} for file in found],
    }


def to_text(manifest: Json) -> bytes:
    return (json.dumps(manifest, indent=1) + "\n").encode()


def parse_manifest(text: bytes | None) -> Json | None:
    """A manifest's content; None when it is missing, none, or contradicts itself."""
    try:
        value = dict(json.loads(text or b""))
        files = files_of(value)
        sound = (
            value["format"] == FORMAT and value["digest"] == digest(files) and all(f.size >= 0 for f in files)
        )
        named = {file.path for file in files}
        inside = all(
            name and not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
            for name in named
        )
        return value if sound and inside and graph_file(named) and len(named) == len(files) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def files_of(manifest: Json) -> list[ModelFile]:
    """Raises ``KeyError`` and its like for what is no manifest."""
    return [
        ModelFile(
            str(f["path"]), int(f["size"]), str(f["crc32c"]), str(f.get("sha256", "")), str(f.get("md5", ""))
        )
        for f in manifest["files"]
    ]


def agree(one: Iterable[ModelFile], other: Iterable[ModelFile]) -> bool:
    """Whether both are the same content, by every hash that both know."""
    first, second = {f.path: f for f in one}, {f.path: f for f in other}
    return first.keys() == second.keys() and all(same(first[path], second[path]) for path in first)


def same(one: ModelFile, other: ModelFile) -> bool:
    """Whether both are the same bytes, by every hash that both know."""
    hashes = ((one.sha256, other.sha256), (one.md5, other.md5))
    return (one.size, one.crc32c) == (other.size, other.crc32c) and all(a == b for a, b in hashes if a and b)


def object_file(path: str, item: Json) -> ModelFile:
    """A listed object as a file of the version."""
    return ModelFile(path, int(item["size"]), str(item["crc32c"]), md5=str(item.get("md5Hash", "")))
