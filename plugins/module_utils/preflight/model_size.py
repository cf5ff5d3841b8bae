"""How many bytes a model has, in a folder, an archive or a bucket's listing, and which versions are there."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from ..digits import natural
from ..paths import absolute_path
from ..saved_model.files import MANIFEST
from ..saved_model.graph import GRAPHS

Objects = Iterable[tuple[str, int]]
"""Names and sizes."""


def is_local(source: str) -> bool:
    """Whether it is a folder or an archive on this machine."""
    return bool(source) and not source.startswith("gs://")


def local(source: str) -> int | None:
    """The size of a SavedModel's folder, or of what an archive holds, at least; None where nothing is there."""
    path = Path(absolute_path(source))
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    if not path.is_file():
        return None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    # Unpacking would take longer than the whole of preflight; weights hardly shrink.
    return path.stat().st_size


def of_folder(objects: Objects) -> int | None:
    """The size of everything listed; None where nothing is."""
    sizes = [size for _unused, size in objects]
    return sum(sizes) if sizes else None


def of_version(objects: Objects, prefix: str, version: int | None) -> int | None:
    """The size of a version under a prefix, by default of the newest; None where it is not there."""
    sizes: dict[int, int] = {}
    for name, size in objects:
        number = natural(name.removeprefix(prefix).partition("/")[0])
        if number is not None:
            sizes[number] = sizes.get(number, 0) + size
    return sizes.get(version if version is not None else max(sizes, default=0))


def whole_versions(objects: Objects, prefix: str) -> frozenset[int]:
    """Versions under a prefix with a manifest and with the graph, which comes last of all."""
    parts = [name.removeprefix(prefix).partition("/") for name, _unused in objects]
    has = {(number, rest) for text, _unused, rest in parts if (number := natural(text)) is not None}
    graphs = {n for n, rest in has if rest in GRAPHS}
    return frozenset(n for n, rest in has if rest == MANIFEST and n in graphs)
