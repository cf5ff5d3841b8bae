"""Looks at something as long as a block lasts."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Following(ABC):
    """A thread of its own does the looking, until ``self.stop`` is set."""

    stop: threading.Event

    def __enter__(self) -> Self:
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        self._thread.join()

    @abstractmethod
    def _follow(self) -> None: ...
