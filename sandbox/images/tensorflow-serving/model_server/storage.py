"""Where models lie: local folders, and Cloud Storage (`gcs.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from .errors import Code, ServingError


class Storage(Protocol):
    """What the life cycle needs of a place with models; both methods raise ``ServingError``."""

    def children(self, base: str) -> list[str]:
        """All names in a base path; NOT_FOUND when the base path does not exist."""

    @contextmanager
    def local(self, path: str) -> Iterator[str]:
        """A path that TensorFlow can read a version from, valid inside the ``with``."""
        yield path


class LocalStorage:
    """Folders of this machine."""

    def children(self, base: str) -> list[str]:
        try:
            return [entry.name for entry in Path(base).iterdir()]
        except FileNotFoundError:
            raise ServingError(Code.NOT_FOUND, f"{base} not found") from None
        except PermissionError:
            raise ServingError(Code.PERMISSION_DENIED, f"{base}; Permission denied") from None
        except NotADirectoryError:
            raise ServingError(Code.FAILED_PRECONDITION, f"{base}; Not a directory") from None

    @contextmanager
    def local(self, path: str) -> Iterator[str]:
        yield path


def by_scheme(cloud: Callable[[], Storage]) -> Callable[[str], Storage]:
    """The storage of a path; ``cloud`` makes the one for gs:// when it is first needed."""
    made: list[Storage] = []

    def storage_of(path: str) -> Storage:
        scheme, separator, _ = path.partition("://")
        if not separator:
            return LocalStorage()
        if scheme != "gs":
            raise ServingError(
                Code.UNIMPLEMENTED, f"File system scheme '{scheme}' not implemented (file: '{path}')"
            )
        if not made:
            made.append(cloud())
        return made[0]

    return storage_of
