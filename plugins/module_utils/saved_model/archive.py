"""Unpacks the archive of a SavedModel. Archives are not trusted: nothing but files inside the target is ever made."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tarfile import ReadError, TarFile, TarInfo
from typing import IO, Any, cast

from .errors import InvalidModel
from .files import check_path
from .graph import GRAPHS, SAVED_MODEL

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".zip")
"""Of archives that are read."""

MEMBERS_MAX = 100_000
"""Files and folders of an archive."""

_HEADER_MAX = 2**20  # of a member's extended header: long names, which have at most a few hundred bytes
_BLOCK = 2**20
_XZ_MEMORY_MAX = 128 * 2**20  # xz -9 takes 65 MiB to unpack
_LINK = (
    "which is a link, a device or the like: only files, folders and hard links to files before them are taken. Pack what "
    "links lead to (tar --dereference, zip without --symlinks)"
)
_EXTENDED = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, ValueError,
    RuntimeError, OverflowError,
)  # fmt: skip


class _Member(TarInfo):
    """A member whose extended header or map of holes can't fill the memory."""

    def _proc_member(self, tarfile: TarFile) -> TarInfo:
        if self.type in _EXTENDED and self.size > _HEADER_MAX:
            raise ReadError(f"a header of {self.size} bytes")
        return super()._proc_member(tarfile)  # type: ignore[misc,no-any-return]

    def _proc_sparse(self, *_unused: object) -> TarInfo:
        raise ReadError("it has a file with holes: pack without --sparse")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _proc_sparse


class _Xz(io.RawIOBase):
    """Reads xz. Python's own reader takes as much memory as the file asks for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._decoder = file, lzma.LZMADecompressor(memlimit=_XZ_MEMORY_MAX)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._decoder.eof:
            packed = self._file.read(_BLOCK) if self._decoder.needs_input else b""
            if self._decoder.needs_input and not packed:
                raise EOFError("it is cut off")
            if piece := self._decoder.decompress(packed, len(buffer)):
                buffer[: len(piece)] = piece
                return len(piece)
        return 0


def is_archive(source: str) -> bool:
    return source.lower().endswith(SUFFIXES)


def unpack(archive: Path, target: Path, size_max: int) -> Path:
    """Unpacks into the empty folder ``target``; the folder in it that holds saved_model.pb or saved_model.pbtxt.

    ``size_most``: bytes of all files together, above which the archive is refused, whatever it claims.
    Raises ``InvalidModel``.
    """
    kind = _zip if archive.name.lower().endswith(".zip") else _tar
    try:
        written, models = 0, []
        for number, (name, content) in enumerate(kind(archive, target)):
            if number >= MEMBERS_MAX:
                raise InvalidModel(f"{archive} has more than {MEMBERS_MAX} members")
            path = _inside(archive, name)
            if content is None or not path.parts:
                continue
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            with content, place.open("xb") as file:
                while block := content.read(_BLOCK):
                    written += len(block)
                    if written > size_max:
                        raise InvalidModel(
                            f"{archive} has more than {size_max} bytes unpacked: raise archive_size_max if you trust it"
                        )
                    file.write(block)
            if path.name in GRAPHS and path.parent not in models:
                models.append(path.parent)
    except FileExistsError as error:
        raise InvalidModel(f"{archive} has {Path(str(error.filename)).name} twice") from error
    except _BROKEN as error:
        raise InvalidModel(
            f"{archive} is damaged, or not what its name says: {error or type(error).__name__}"
        ) from error
    except OSError as error:
        words = "does not exist" if not archive.exists() else f"can't be unpacked: {error.strerror or error}"
        raise InvalidModel(f"source {archive} {words}") from error
    return target / _only(archive, models)


def _only(archive: Path, models: list[PurePosixPath]) -> PurePosixPath:
    """The one folder that is a SavedModel."""
    models.sort(key=lambda path: (len(path.parts), path))
    # A model's own files may include another's graph; the outermost is the model.
    outermost = [path for path in models if not any(other in path.parents for other in models)]
    if not outermost:
        raise InvalidModel(f"{archive} has no {SAVED_MODEL}: it is not a SavedModel")
    if len(outermost) > 1:
        raise InvalidModel(f"{archive} holds several SavedModels: {', '.join(map(str, outermost[:5]))}")
    return outermost[0]


def _inside(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or name[1:2] == ":":
        raise InvalidModel(f"{archive} names a place outside of itself: {name!r}")
    check_path(path.as_posix(), str(archive))
    if any(len(part.encode()) > 255 for part in path.parts):
        raise InvalidModel(f"{archive} has a name that is too long: {name[:40]!r}…")
    return path


def _opened(archive: Path) -> IO[bytes]:
    name = archive.name.lower()
    if name.endswith("gz"):
        # tarfile's own reader of streams can't read a header with an extra field.
        return cast("IO[bytes]", gzip.open(archive))
    file = archive.open("rb")
    if name.endswith("xz"):
        return io.BufferedReader(_Xz(file))
    return cast("IO[bytes]", bz2.open(file)) if name.endswith(("bz2", "tbz")) else file


def _tar(archive: Path, target: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    # As a stream: members are read once, in order, and nothing is looked up.
    with _opened(archive) as content, tarfile.open(fileobj=content, mode="r|", tarinfo=_Member) as file:
        for member in file:
            if member.isdir():
                yield member.name, None
            elif member.isreg():
                yield member.name, file.extractfile(member)
            elif member.islnk() and (first := target / _inside(archive, member.linkname)).is_file():
                yield member.name, first.open("rb")
            else:
                raise InvalidModel(f"{archive} has {member.name!r}, {_LINK}")
            file.members = []  # type: ignore[attr-defined]  # it keeps every header otherwise


def _zip(archive: Path, _target: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                yield member.filename, None
            elif kind not in (0, stat.S_IFREG):
                raise InvalidModel(f"{archive} has {member.filename!r}, {_LINK}")
            elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InvalidModel(
                    f"{archive} has {member.filename!r} in an unusual compression: pack it by deflate"
                )
            else:
                yield member.filename, file.open(member)
