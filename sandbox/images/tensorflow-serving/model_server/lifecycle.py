"""Which versions exist, which are loaded, and in which state: what TF Serving's manager does.

Sources: tensorflow/serving, file_system_storage_path_source.cc, core/loader_harness.cc, core/basic_manager.cc.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .errors import Code, ServingError
from .flags import Flags

log = logging.getLogger("model_server")


class Loaded(Protocol):
    """A version that can answer."""

    def close(self) -> None: ...


@dataclass
class Version:
    """A version's state: START, LOADING, AVAILABLE, UNLOADING or END."""

    number: int
    state: str = "START"
    error: ServingError | None = None
    servable: Loaded | None = None


class ModelManager:
    """Loads the newest version of one model, and keeps doing so. ``load`` may raise ``ServingError``."""

    def __init__(self, flags: Flags, load: Callable[[int, Path], Loaded], stop: threading.Event) -> None:
        self._flags = flags
        self._load = load
        self._stop = stop
        self._lock = threading.Lock()
        self._versions: dict[int, Version] = {}

    @property
    def name(self) -> str:
        return self._flags.model_name

    def serve_first(self) -> None:
        """Waits until a version is there and loads it; raises ``ServingError`` when it can't be loaded."""
        while not self._stop.is_set():
            wanted = self._newest()
            if wanted is not None:
                version = self._bring_up(wanted)
                if version.error is not None:
                    reason = f"{_code_name(version.error.code)}: {version.error.message}"
                    raise ServingError(
                        Code.UNKNOWN,
                        "1 servable(s) did not become available: "
                        f"{{{{name: {self.name} version: {wanted}}} due to error: {reason}}}",
                    )
                return
            self._stop.wait(max(1, self._flags.file_system_poll_wait_seconds))

    def keep_serving(self) -> None:
        """Polls for new and vanished versions until stopped; returns at once when polling is off."""
        if self._flags.file_system_poll_wait_seconds <= 0:
            return
        while not self._stop.wait(self._flags.file_system_poll_wait_seconds):
            self.poll()

    def poll(self) -> None:
        """One look at the base path: a newer version is loaded before the older one goes."""
        base = Path(self._flags.model_base_path)
        if not base.is_dir():
            log.error("FileSystemStoragePathSource encountered a filesystem access error: "
                      "Could not find base path %s for servable %s", base, self.name)  # fmt: skip
            return
        wanted = self._newest()
        if wanted is not None:
            version = self._versions.get(wanted) or self._bring_up(wanted)
            if version.state != "AVAILABLE":
                return  # The old version stays; the failed one is not tried again.
        for version in list(self._versions.values()):
            if version.number != wanted and version.state == "AVAILABLE":
                self._unload(version)

    def available(self, number: int | None = None) -> Loaded:
        """The servable of a version, or the newest one; raises NOT_FOUND as TF Serving words it."""
        with self._lock:
            ready = {n: v.servable for n, v in self._versions.items() if v.state == "AVAILABLE"}
        if number is None and ready:
            servable = ready[max(ready)]
        else:
            servable = ready.get(number) if number is not None else None
        if servable is None:
            which = f"Latest({self.name})" if number is None else f"Specific({self.name}, {number})"
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {which}")
        return servable

    def states(self, number: int | None = None) -> list[Version]:
        """Every version known, the newest first, or the one asked for."""
        with self._lock:
            versions = sorted(self._versions.values(), key=lambda version: -version.number)
        if not versions:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {self.name}")
        if number is None:
            return versions
        chosen = [version for version in versions if version.number == number]
        if not chosen:
            raise ServingError(Code.NOT_FOUND, f"Could not find version {number} of model {self.name}")
        return chosen

    def _newest(self) -> int | None:
        base = Path(self._flags.model_base_path)
        if not base.is_dir():
            log.error("Could not find base path %s for servable %s", base, self.name)
            return None
        numbers = [int(entry.name) for entry in base.iterdir() if entry.name.isdigit() and entry.is_dir()]
        if not numbers:
            log.warning("No versions of servable %s found under base path %s. Did you forget to name your "
                        "leaf directory as a number (eg. '/1/')?", self.name, base)  # fmt: skip
        return max(numbers, default=None)

    def _bring_up(self, number: int) -> Version:
        version = Version(number, "LOADING")
        with self._lock:
            self._versions[number] = version
        path = Path(self._flags.model_base_path) / str(number)
        for attempt in range(self._flags.max_num_load_retries + 1):
            if attempt and self._stop.wait(max(0, self._flags.load_retry_interval_micros) / 1e6):
                break
            try:
                servable = self._load(number, path)
            except ServingError as error:
                log.error("Loading servable: {name: %s version: %d} failed: %s: %s",
                          self.name, number, _code_name(error.code), error.message)  # fmt: skip
                version.error = error
                continue
            with self._lock:
                version.error, version.servable, version.state = None, servable, "AVAILABLE"
            log.info("Successfully loaded servable version {name: %s version: %d}", self.name, number)
            return version
        version.state = "END"
        return version

    def _unload(self, version: Version) -> None:
        with self._lock:
            servable, version.servable, version.state = version.servable, None, "UNLOADING"
        if servable is not None:
            servable.close()
        version.state = "END"
        log.info("Done unloading servable version {name: %s version: %d}", self.name, version.number)


def _code_name(code: Code) -> str:
    return Code(code).name
