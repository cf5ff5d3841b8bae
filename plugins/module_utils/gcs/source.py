"""Where the content of a version comes from: a folder, or another place in Cloud Storage."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ..gcp.errors import ApiError, BadInput
from ..paths import absolute_path
from ..saved_model.bundle import INDEX
from ..saved_model.errors import InvalidModel
from ..saved_model.files import MANIFEST, ModelFile, check_path, find_litter, is_litter, read_files, sizes_of
from ..saved_model.graph import GRAPHS, SAVED_MODEL, graph_file
from ..saved_model.info import WARMUP, Info, inspect
from .manifest import files_of, parse_manifest
from .publish import differences, some
from .storage import Storage, Told
from .upload import upload

Json = dict[str, Any]

GRAPH_MAX = 256 * 2**20
"""Bytes of graph, index and warm-up requests that are still fetched from a bucket to look at them."""


class Source(Protocol):
    """The files of a version, and how each gets into a bucket."""

    name: str
    files: list[ModelFile]
    litter: list[str]
    """Paths of what lies there and is not of the model."""

    def inspect(self, tags: Sequence[str]) -> Info | None:
        """What the SavedModel is; None where that can't be told."""

    def send(self, storage: Storage, bucket: str, name: str, file: ModelFile, tell: Told) -> Json:
        """Creates the object ``name`` from one of the files; as it is then."""


class Folder:
    """A SavedModel in a folder of this machine. ``name``: what users call it, an archive perhaps."""

    def __init__(self, path: str, name: str = "") -> None:
        self.name = name or path
        self._folder = Path(absolute_path(path))
        try:
            self.files, self.litter = read_files(path), find_litter(path)
        except InvalidModel as error:
            raise BadInput(f"{error}.") from error

    def inspect(self, tags: Sequence[str]) -> Info:
        return inspect(self._folder, sizes_of(self.files), tags=tags)

    def send(self, storage: Storage, bucket: str, name: str, file: ModelFile, tell: Told) -> Json:
        return upload(storage, bucket, name, self._folder / file.path, file.size, file.crc32c, tell)


class Prefix:
    """A SavedModel below a prefix of a bucket. Its bytes are copied within Cloud Storage.

    Hashes come from its manifest if it has one; else from Cloud Storage, which knows crc32c and md5. Only objects
    without md5, as parallel uploads of gcloud make them, are read once to hash them.
    """

    def __init__(self, storage: Storage, name: str) -> None:
        self.name = name.rstrip("/")
        self._storage = storage
        self._bucket, _unused, prefix = self.name.removeprefix("gs://").partition("/")
        self._objects = self._list(prefix)
        self.litter: list[str] = []
        try:
            self.files = self._read()
        except InvalidModel as error:
            raise BadInput(f"{error}.") from error

    def _list(self, prefix: str) -> dict[str, Json]:
        below = f"{prefix}/" if prefix else ""
        try:
            found = {
                item["name"].removeprefix(below): item for item in self._storage.objects(self._bucket, below)
            }
        except ApiError as error:
            if error.status == 404:
                raise BadInput(f"source {self.name}: the bucket {self._bucket} does not exist.") from error
            raise
        # Empty objects whose names end with a slash are folders' marks, the source's own included.
        found = {path: item for path, item in found.items() if path and not path.endswith("/")}
        if graph_file(found) is None:
            ends = tuple(f"/{name}" for name in GRAPHS)
            versions = sorted(path.rpartition("/")[0] for path in found if path.endswith(ends))
            hint = f" Did you mean {self.name}/{versions[-1]}?" if versions else ""
            raise BadInput(f"source {self.name} has no {SAVED_MODEL}: it is not a SavedModel.{hint}")
        return found

    def _read(self) -> list[ModelFile]:
        for path in self._objects:
            check_path(path, self.name)
        if MANIFEST not in self._objects:
            self._leave(set())
            return [self._hashed(path) for path in sorted(self._objects)]
        found = self._storage.read(self._bucket, self._objects[MANIFEST]["name"])
        manifest = parse_manifest(found[0] if found else None)
        if manifest is None:
            raise InvalidModel(f"source {self.name}: its {MANIFEST} is damaged")
        files = files_of(manifest)
        self._leave({file.path for file in files})
        problems = differences(files, self._objects)
        if problems:
            raise InvalidModel(f"source {self.name} is not what its {MANIFEST} says: {some(problems)}")
        return files

    def _leave(self, published: set[str]) -> None:
        """Leaves litter out, but for what was published with the version."""
        self.litter = sorted(path for path in self._objects if is_litter(path) and path not in published)
        for path in self.litter:
            del self._objects[path]

    def _hashed(self, path: str) -> ModelFile:
        item = self._objects[path]
        file = ModelFile(path, int(item["size"]), str(item["crc32c"]), md5=str(item.get("md5Hash", "")))
        if file.md5:
            return file
        sha, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for piece in self._storage.pieces(self._bucket, item):
            sha.update(piece)
            md5.update(piece)
        return replace(file, sha256=sha.hexdigest(), md5=base64.b64encode(md5.digest()).decode())

    def inspect(self, tags: Sequence[str]) -> Info | None:
        """By graph, index and warm-up requests alone, which are fetched: the data stays where it is."""
        small = [path for path in (graph_file(self._objects), INDEX, WARMUP) if path in self._objects]
        if sum(int(self._objects[path]["size"]) for path in small) > GRAPH_MAX:
            return None
        with tempfile.TemporaryDirectory(prefix="saved-model-") as folder:
            for path in small:
                target = Path(folder) / path
                target.parent.mkdir(exist_ok=True)
                with target.open("wb") as file:
                    for piece in self._storage.pieces(self._bucket, self._objects[path]):
                        file.write(piece)
            return inspect(Path(folder), sizes_of(self.files), tags=tags, tensors=False)

    def send(self, storage: Storage, bucket: str, name: str, file: ModelFile, tell: Told) -> Json:
        made = storage.copy(self._bucket, self._objects[file.path], bucket, name, tell)
        tell(file.size)
        return made


def is_prefix(source: str) -> bool:
    return source.startswith("gs://")
