"""A SavedModel's files and the manifest that vouches for them. Reads files; decides purely."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..gcp.errors import BadInput
from .storage import new_crc32c

Json = dict[str, Any]

MANIFEST = "tfserving_manifest.json"
SAVED_MODEL = "saved_model.pb"
FORMAT = 1
_BLOCK = 2**20


@dataclass(frozen=True, order=True)
class ModelFile:
    """One file of a version: its path within it, size in bytes, sha256 in hex, crc32c in base64."""

    path: str
    size: int
    sha256: str
    crc32c: str


def read_model(source: str) -> list[ModelFile]:
    """Every file of the SavedModel in a folder, in the order of their paths. Raises ``BadInput``."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise BadInput(
            f"source {source} is not a folder: give the folder of a SavedModel, which holds {SAVED_MODEL}."
        )
    if not (folder / SAVED_MODEL).is_file():
        versions = sorted(entry.name for entry in folder.iterdir() if (entry / SAVED_MODEL).is_file())
        hint = f" Did you mean {folder / versions[-1]}?" if versions else ""
        raise BadInput(f"source {source} has no {SAVED_MODEL}: it is not a SavedModel.{hint}")
    if not list(folder.glob("variables/variables.index")):
        raise BadInput(f"source {source} has no variables/variables.index: the SavedModel is incomplete.")
    files = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f"source {source}: {path.relative_to(folder)} is a link out of the folder.")
        if path.is_file() and path.name != MANIFEST:
            files.append(_read(path, path.relative_to(folder).as_posix()))
    return files


def _read(path: Path, name: str) -> ModelFile:
    sha, crc, size = hashlib.sha256(), new_crc32c(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
            crc.update(block)
            size += len(block)
    return ModelFile(name, size, sha.hexdigest(), base64.b64encode(crc.digest()).decode())


def digest(files: Iterable[ModelFile]) -> str:
    """One hash for the whole content: sha256 over the sorted lines path, size, sha256."""
    summary = hashlib.sha256()
    for file in sorted(files):
        summary.update(f"{file.path}\0{file.size}\0{file.sha256}\n".encode())
    return summary.hexdigest()


def manifest(model: str, version: int, files: list[ModelFile], *, created: str, creator: str) -> Json:
    """What readers verify a version by."""
    return {
        "format": FORMAT,
        "model": model,
        "version": version,
        "created": created,
        "creator": creator,
        "digest": digest(files),
        "files": [asdict(file) for file in sorted(files)],
    }
