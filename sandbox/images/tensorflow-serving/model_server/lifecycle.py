"""Which versions exist, which are loaded, and in which state: what TF Serving's manager does.

Sources: tensorflow/serving, model_servers/server_core.cc, file_system_storage_path_source.cc,
core/aspired_versions_manager.cc, core/availability_preserving_policy.cc, core/loader_harness.cc,
core/servable_state_monitor.cc.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from .config import ModelConfig, check_platforms, checked_labels, validate, wanted_versions
from .errors import Code, ServingError, invalid
from .flags import Flags
from .storage import Storage

log = logging.getLogger("model_server")
# How often the manager looks whether there is something to do; aspired_versions_manager.h.
TICK_SECONDS = 0.1


@dataclass(eq=False)
class Version:
    """One version. ``state``: START, LOADING, AVAILABLE, UNLOADING or END; ``users``: requests that hold it."""

    model: str
    number: int
    path: str
    wanted: bool = True
    state: str = "START"
    error: ServingError | None = None
    servable: Any = None
    users: int = 0

    def __str__(self) -> str:
        return f"{{name: {self.model} version: {self.number}}}"


def next_action(versions: Iterable[Version]) -> tuple[Literal["load", "unload"], Version] | None:
    """What to do next for one model: nothing goes before something that is wanted answers."""
    newest_first = sorted(versions, key=lambda version: -version.number)
    wanted = [version for version in newest_first if version.wanted]
    if not wanted or any(version.state == "AVAILABLE" for version in wanted):
        for version in reversed(newest_first):
            if not version.wanted and version.state == "AVAILABLE":
                return "unload", version
    for version in wanted:
        if version.state == "START":
            return "load", version
    return None


class ModelManager:
    """Loads and unloads versions. ``load`` makes a servable of a version, at a path that it can read."""

    def __init__(
        self,
        flags: Flags,
        load: Callable[[Version, str], Any],
        storage_of: Callable[[str], Storage],
        stop: threading.Event,
    ) -> None:
        self._flags, self._load_servable, self._storage_of, self._stop = flags, load, storage_of, stop
        self._changed = threading.Condition(threading.Lock())
        self._configuring = threading.Lock()
        self._configured: Sequence[ModelConfig] | None = None
        self._sources: Sequence[ModelConfig] | None = None
        self._labels: Mapping[str, Mapping[str, int]] | None = None
        # What is managed now, and the last that is known of each version there ever was.
        self._managed: dict[str, dict[int, Version]] = {}
        self._known: dict[str, dict[int, Version]] = {}
        self._loaders: Executor | None = None
        self._unloaders: Executor | None = None
        self._next_look = 0.0

    # Requests

    @contextmanager
    def using(self, model: str, number: int | None = None, label: str | None = None) -> Iterator[Any]:
        """The servable that answers a request; it is not unloaded before the ``with`` ends."""
        version = self._take(model, number, label)
        try:
            yield version.servable
        finally:
            with self._changed:
                version.users -= 1
                if not version.users and version.state == "UNLOADING":
                    self._changed.notify_all()

    def _take(self, model: str, number: int | None, label: str | None) -> Version:
        if not model:
            raise invalid("ModelSpec has no name specified.")
        if label is not None:
            number = self._labelled(model, label)
        with self._changed:
            versions = self._managed.get(model, {})
            if number is None:
                number_or_newest = max(
                    (n for n, v in versions.items() if v.state == "AVAILABLE"), default=None
                )
            else:
                number_or_newest = number
            version = versions.get(number_or_newest) if number_or_newest is not None else None
            if version is not None and version.state == "AVAILABLE":
                version.users += 1
                return version
        which = f"Latest({model})" if number is None else f"Specific({model}, {number})"
        raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {which}")

    def _labelled(self, model: str, label: str) -> int:
        labels = self._labels
        if labels is None:
            raise ServingError(Code.UNAVAILABLE, f"Model labels does not init yet.{label}")
        if label not in labels.get(model, {}):
            raise invalid(f"Unrecognized servable version label: {label}")
        return labels[model][label]

    def states(self, model: str, number: int | None = None, label: str | None = None) -> list[Version]:
        """Every version known, also those that are gone, the newest first; or the one asked for."""
        if label is not None:
            number = self._labelled(model, label)
        with self._changed:
            known = dict(self._known.get(model, {}))
        if number is not None:
            if number not in known:
                raise ServingError(Code.NOT_FOUND, f"Could not find version {number} of model {model}")
            return [known[number]]
        if not known:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {model}")
        return [known[n] for n in sorted(known, reverse=True)]

    # Configuration

    def start(self, models: Sequence[ModelConfig] | None) -> None:
        """Waits until a version of each model answers; raises ``ServingError`` as soon as one can't.

        None is a configuration without any content: the server starts and serves nothing.
        """
        self._loaders = ThreadPoolExecutor(
            4 * len(os.sched_getaffinity(0)), thread_name_prefix="initial-load"
        )
        if models is not None:
            self._configure(models)
            self._wait_for([model.name for model in models], "servable(s)", self.tick)
        self._loaders.shutdown(wait=False)
        load, unload = self._flags.num_load_threads, self._flags.num_unload_threads
        self._loaders = ThreadPoolExecutor(load) if load > 0 else None
        self._unloaders = ThreadPoolExecutor(unload) if unload > 0 else None

    def reload(self, models: Sequence[ModelConfig] | None) -> None:
        """Takes another configuration over; waits for models that are new, without end if they don't come."""
        with self._configuring:
            if models is None:
                log.info("Taking no action for empty config.")
                return
            new = self._configure(models)
            self._wait_for(new, "model(s)", lambda: None)

    def _configure(self, models: Sequence[ModelConfig]) -> list[str]:
        """The names of models that were not there before."""
        validate(models, self._configured or ())
        # Kept even if the labels are refused below: so does TF Serving.
        self._configured = models
        with self._changed:
            available = {
                name: [n for n, v in versions.items() if v.state == "AVAILABLE"]
                for name, versions in self._managed.items()
            }
        self._labels = checked_labels(
            models,
            available,
            self._labels or {},
            allow_unavailable=self._flags.allow_version_labels_for_unavailable_models,
        )
        log.info("Adding/updating models.")
        check_platforms(models)
        before = [model.name for model in self._sources or ()]
        with self._changed:
            self._sources = models
            for name in set(before) - {model.name for model in models}:
                self._want(name, {})
            self._changed.notify_all()
        if any(model.logs_requests for model in models):
            raise invalid("No request-logger-creator provided.")
        return [model.name for model in models if model.name not in before]

    def _wait_for(self, names: Iterable[str], what: str, step: Callable[[], None]) -> None:
        """Until a version of each model answers; for each, the newest version that came to an end decides."""
        reached: dict[str, Version | None] = {}
        while not self._stop.is_set():
            step()
            with self._changed:
                reached = {name: self._reached(name) for name in names}
                if None not in reached.values():
                    break
                self._changed.wait(TICK_SECONDS)
        failed = [version for version in reached.values() if version is not None and version.state == "END"]
        if failed:
            inner = "".join(
                f"{{{version}{f' due to error: {version.error.text}' if version.error else ''}}}, "
                for version in failed
            )
            raise ServingError(Code.UNKNOWN, f"{len(failed)} {what} did not become available: {{{inner}}}")

    def _reached(self, name: str) -> Version | None:
        versions = self._managed.get(name, {})
        for number in sorted(versions, reverse=True):
            if versions[number].state in ("AVAILABLE", "END"):
                return versions[number]
        return None

    # Loading and unloading

    def run(self) -> None:
        """Keeps doing what there is to do, until stopped."""
        while not self._stop.is_set():
            self.tick()
            with self._changed:
                self._changed.wait(TICK_SECONDS if self._flags.file_system_poll_wait_seconds > 0 else 1)

    def tick(self) -> None:
        """Looks for versions if it is time to, then acts."""
        wait, now = self._flags.file_system_poll_wait_seconds, time.monotonic()
        if wait >= 0 and now >= self._next_look:
            self._next_look = now + wait if wait else float("inf")
            self.look()
        self.act()

    def look(self) -> None:
        """One look at every base path. If one of them can't be read, nothing changes for any model."""
        found: dict[str, dict[int, str]] = {}
        with self._changed:
            sources = self._sources or ()
        for model in sources:
            try:
                children = self._storage_of(model.base_path).children(model.base_path)
            except ServingError as error:
                log.error("FileSystemStoragePathSource encountered a filesystem access error: Could not find base "
                          "path %s for servable %s with error %s",
                          model.base_path, model.name, error.text)  # fmt: skip
                return
            versions = wanted_versions(children, model.policy)
            if not versions:
                log.warning("No versions of servable %s found under base path %s. Did you forget to name your "
                            "leaf directory as a number (eg. '/1/')?", model.name, model.base_path)  # fmt: skip
            base = model.base_path.rstrip("/")
            found[model.name] = {number: f"{base}/{child}" for number, child in versions.items()}
        with self._changed:
            if self._sources is sources:
                for name, paths in found.items():
                    self._want(name, paths)

    def _want(self, name: str, paths: Mapping[int, str]) -> None:
        """Exactly these versions are wanted from now on; the lock is held."""
        managed = self._managed.setdefault(name, {})
        for number, version in list(managed.items()):
            version.wanted = number in paths
            # A version that failed is tried again only after it was away.
            if not version.wanted and version.state in ("START", "END"):
                del managed[number]
        for number, path in paths.items():
            if number not in managed:
                managed[number] = Version(name, number, path)
                self._known.setdefault(name, {})[number] = managed[number]

    def act(self) -> None:
        """Loads and unloads until nothing is left to do that can be done now."""
        with self._changed:
            names = list(self._managed)
        for name in names:
            while True:
                with self._changed:
                    action = next_action(self._managed[name].values())
                    if action is None:
                        break
                    verb, version = action
                    version.state = "LOADING" if verb == "load" else "UNLOADING"
                work, pool = (
                    (self._load, self._loaders) if verb == "load" else (self._unload, self._unloaders)
                )
                if pool is None:
                    work(version)
                else:
                    pool.submit(work, version)

    def _load(self, version: Version) -> None:
        for attempt in range(max(0, self._flags.max_num_load_retries) + 1):
            if attempt and self._stop.wait(max(0, self._flags.load_retry_interval_micros) / 1e6):
                break
            if not version.wanted:
                log.info("Load cancelled for servable: %s", version)
                break
            if attempt:
                log.info("Retrying load on servable version: %s retry: %d", version, attempt)
            try:
                servable = self._loaded(version)
            except ServingError as error:
                log.error("Loading servable: %s failed: %s", version, error.text)
                version.error = error
                continue
            with self._changed:
                version.error, version.servable, version.state = None, servable, "AVAILABLE"
                self._changed.notify_all()
            log.info("Successfully loaded servable version %s", version)
            return
        with self._changed:
            version.state = "END"
            if version.error is None:
                version.error = ServingError(Code.CANCELLED, "Load cancelled before we could try to load.")
            if not version.wanted:
                self._managed[version.model].pop(version.number, None)
            self._changed.notify_all()

    def _loaded(self, version: Version) -> Any:
        try:
            with self._storage_of(version.path).local(version.path) as path:
                try:
                    return self._load_servable(version, path)
                except ServingError as error:
                    # Where TensorFlow reads a copy, errors speak of the original.
                    raise ServingError(error.code, error.message.replace(path, version.path)) from None
        except ServingError:
            raise
        except Exception as error:
            # A mistake in here must not leave a version loading for ever.
            log.exception("Loading servable: %s", version)
            raise ServingError(Code.INTERNAL, f"{type(error).__name__}: {error}") from error

    def _unload(self, version: Version) -> None:
        with self._changed:
            while version.users:
                self._changed.wait()
            servable, version.servable = version.servable, None
        servable.close()
        with self._changed:
            version.state = "END"
            self._managed[version.model].pop(version.number, None)
            self._changed.notify_all()
        log.info("Done unloading servable version %s", version)
