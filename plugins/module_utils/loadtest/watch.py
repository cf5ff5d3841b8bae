"""Follows the cluster's objects by watches and keeps what changes in the timeline."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from ..k8s.errors import KubeError
from .timeline import Json, summary

WATCH_SECONDS = 60
"""How long one watch lasts; the next begins where it ended."""

RETRY_SECONDS = 1.0


class Watchable(Protocol):
    """What following needs of the API."""

    def get(self, path: str, **query: object) -> Json: ...

    def watch(
        self, path: str, *, resource_version: str, timeout_seconds: int, **query: object
    ) -> Iterator[Json]: ...


class Timeline:
    """The events of a run, in memory and, line by line, in a file. Safe for threads."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._file = path.open("a", encoding="utf-8")
        self.events: list[Json] = []
        self.latest: dict[tuple[str, str], Json] = {}

    def add(self, kind: str, **fields: Any) -> None:
        with self._lock:
            event = {"t": round(self._now(), 3), "kind": kind, **fields}
            self.events.append(event)
            if "name" in fields:
                if fields.get("gone"):
                    self.latest.pop((kind, fields["name"]), None)
                else:
                    self.latest[kind, fields["name"]] = event
            self._file.write(json.dumps(event) + "\n")
            self._file.flush()

    def now_known(self, kind: str) -> list[Json]:
        """The newest state of every object of the kind that exists."""
        with self._lock:
            return [event for (of, _), event in self.latest.items() if of == kind]

    def close(self) -> None:
        with self._lock:
            self._file.close()


class Follower:
    """One kind of objects at one path, followed in a thread."""

    def __init__(self, api: Watchable, timeline: Timeline, kind: str, path: str, **query: object) -> None:
        self._api = api
        self._timeline = timeline
        self._kind = kind
        self._path = path
        self._query = query
        self._seen: dict[str, Json] = {}
        self.listed = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Lists, then watches from there; lists again when the server has forgotten that far back."""
        version: str | None = None
        while not stop.is_set():
            try:
                if version is None:
                    version = self._list()
                for event in self._api.watch(
                    self._path, resource_version=version, timeout_seconds=WATCH_SECONDS, **self._query
                ):
                    version = event["object"]["metadata"].get("resourceVersion", version)
                    self._take(event["type"], event["object"])
                    if stop.is_set():
                        return
            except KubeError as error:
                if error.status == 410:
                    version = None
                stop.wait(RETRY_SECONDS)

    def _list(self) -> str:
        answer = self._api.get(self._path, **self._query)
        there = set()
        for item in answer.get("items", []):
            there.add(item["metadata"]["name"])
            self._take("MODIFIED", item)
        if self._kind != "event":
            for name in set(self._seen) - there:
                self._gone(name)
        self.listed.set()
        return str(answer["metadata"]["resourceVersion"])

    def _take(self, change: str, item: Json) -> None:
        if change == "BOOKMARK":
            return
        name = item["metadata"]["name"]
        if change == "DELETED":
            if self._kind != "event":
                self._gone(name)
            return
        kept = summary(self._kind, item)
        if kept is not None and self._seen.get(name) != kept:
            self._seen[name] = kept
            self._timeline.add(self._kind, **kept)

    def _gone(self, name: str) -> None:
        last = self._seen.pop(name, None)
        if last is not None:
            self._timeline.add(self._kind, **{**last, "ready": None, "gone": True})
