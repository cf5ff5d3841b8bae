"""The files of a SavedModel in a folder, and their hashes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..paths import absolute_path
from .checksum import in_base64, new_crc32c
from .errors import InvalidModel
from .graph import GRAPHS, SAVED_MODEL

MANIFEST = "tfserving_manifest.json"
"""Name of the manifest beside a published version's files; never a file of the model itself."""

PATH_BYTES = 800
"""Bytes of a path within a version: names of objects have 1024 at most, bucket's folders included."""

_BLOCK = 2**20
_READERS = 4

_COPY = "make a copy with the files that are linked to (cp -rL)"

# What file managers, notebooks, version control and network drives leave in any folder; lower case, as patterns.
_LITTER = (
    ".ds_store", "._*", "__macosx", ".appledouble", ".spotlight-v100", ".trashes", ".fseventsd", ".localized",
    "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information", ".directory", ".trash-*",
    ".git", ".gitattributes", ".gitignore", ".gitkeep", ".svn", ".hg", ".ipynb_checkpoints", "__pycache__", ".idea",
    ".vscode", ".nfs*", ".fuse_hidden*", "lost+found", "@eadir", ".~lock.*#",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class ModelFile:
    """One file of a version: its path within it, size in bytes, crc32c and md5 in base64, sha256 in hex.

    ``sha256`` is empty where nobody has read the bytes: of an object that was copied within Cloud Storage from a
    place without a manifest. Such a file has the ``md5`` that Cloud Storage knows.
    """

    path: str
    size: int
    crc32c: str
    sha256: str = ""
    md5: str = ""

    @property
    def fingerprint(self) -> str:
        """The best hash there is."""
        return self.sha256 or f"md5:{self.md5}"


def sizes_of(files: Iterable[ModelFile]) -> dict[str, int]:
    return {file.path: file.size for file in files}


def is_litter(path: str) -> bool:
    """Whether a file lies in a version's folder by accident: no model has it, and it comes and goes by itself."""
    return any(fnmatchcase(part, pattern) for part in path.lower().split("/") for pattern in _LITTER)


def find_files(source: str) -> dict[str, Path]:
    """Every file of the SavedModel in a folder by its path in it, in order, litter aside. Raises ``InvalidModel``."""
    folder = Path(absolute_path(source))
    if not folder.is_dir():
        raise InvalidModel(
            f"source {folder} is not a folder: give the folder of a SavedModel, which holds {SAVED_MODEL}"
        )
    if not _has_graph(folder):
        versions = sorted(entry.name for entry in folder.iterdir() if _has_graph(entry))
        hint = f". Did you mean {folder / versions[-1]}?" if versions else ""
        raise InvalidModel(f"source {source} has no {SAVED_MODEL}: it is not a SavedModel{hint}")
    root, found = folder.resolve(), {}
    for relative, path in _walk(folder):
        if relative != MANIFEST and not is_litter(relative):
            check_path(relative, source)
            _check_kind(path, relative, root, source)
            found[relative] = path
    return dict(sorted(found.items()))


def _has_graph(folder: Path) -> bool:
    return any((folder / name).is_file() for name in GRAPHS)


def find_litter(source: str) -> list[str]:
    """Paths of the litter in a folder; of a whole folder of it that one's alone."""
    return sorted(relative for relative, _unused in _walk(Path(absolute_path(source))) if is_litter(relative))


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """What is not a folder, and folders that are litter, which are not entered."""
    for parent, folders, names in os.walk(folder):
        own = [name for name in folders if is_litter(name) or (Path(parent) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in own]
        for name in sorted(names + own):
            path = Path(parent) / name
            yield path.relative_to(folder).as_posix(), path


def check_path(path: str, source: str) -> None:
    """Refuses names that no object or no file can have. Raises ``InvalidModel``."""
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise InvalidModel(f"source {source}: the name {path!r} is not UTF-8") from None
    if any(ord(character) < 32 for character in path):
        raise InvalidModel(f"source {source}: the name {path!r} has control characters")
    if len(encoded) > PATH_BYTES:
        raise InvalidModel(f"source {source}: the name {path[:80]}… has more than {PATH_BYTES} bytes")


def _check_kind(path: Path, relative: str, root: Path, source: str) -> None:
    try:
        if path.is_symlink() and not path.resolve(strict=True).is_relative_to(root):
            raise InvalidModel(f"source {source}: {relative} is a link out of the folder: {_COPY}")
        mode = path.stat().st_mode
    except (OSError, RuntimeError) as error:
        raise InvalidModel(f"source {source}: {relative} can't be read: {error}") from error
    if stat.S_ISDIR(mode):
        raise InvalidModel(f"source {source}: {relative} is a link to a folder: {_COPY}")
    if not stat.S_ISREG(mode):
        raise InvalidModel(f"source {source}: {relative} is neither a file nor a folder")


def read_files(source: str) -> list[ModelFile]:
    """Every file of the SavedModel in a folder with its hashes, in the order of paths. Raises ``InvalidModel``."""
    found = find_files(source)
    try:
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(_read, found, found.values()))
    except OSError as error:
        raise InvalidModel(f"source {source}: {error.filename} can't be read: {error.strerror}") from error


def _read(name: str, path: Path) -> ModelFile:
    sha, crc, size = hashlib.sha256(), new_crc32c(), 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            sha.update(block)
            crc.update(block)
            size += len(block)
    return ModelFile(name, size, in_base64(crc), sha.hexdigest())


def digest(files: Iterable[ModelFile]) -> str:
    """One hash for the whole content: sha256 over the sorted lines path, size, fingerprint."""
    lines = sorted(f"{file.path}\0{file.size}\0{file.fingerprint}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
