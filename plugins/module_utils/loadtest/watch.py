"""Follows the cluster's objects by watches and keeps what changes in the timeline, without gaps or doubles."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from ..k8s.autoscalers import scales
from ..k8s.errors import KubeError
from .objects import ASIDE, summary
from .schema import Gap, Json
from .timeline import Timeline

WATCH_SECONDS = 60
"""How long one watch lasts; the next begins where it ended."""

RETRY_SECONDS = 1.0

GAP_SECONDS = 5.0
"""A watch that could not be renewed for longer is noted: changes within have the time at which they were seen."""


UNSEEN_SECONDS = 2.0 * WATCH_SECONDS
"""A watch that was lost for longer was not taken up again: a quiet one is only known to be there when it ends."""


class Watchable(Protocol):
    """What following needs of the API."""

    def get(self, path: str, **query: object) -> Json: ...

    def watch(
        self, path: str, *, resource_version: str, timeout_seconds: int, **query: object
    ) -> Iterator[Json]: ...


class CannotList(Exception):
    """The cluster's objects can't be seen; in words."""


class Follower:
    """One kind of objects at one path, followed in a thread. ``mine`` says which of them are looked at."""

    def __init__(
        self,
        api: Watchable,
        timeline: Timeline,
        kind: str,
        path: str,
        mine: Callable[[Json], bool] = lambda item: True,
        query: Mapping[str, object] | None = None,
    ) -> None:
        self._api = api
        self._timeline = timeline
        self._kind = kind
        self._path = path
        self._mine = mine
        self._query = query or {}
        self._seen: dict[str, tuple[str, Mapping[str, Any] | None]] = {}
        self._beside: dict[str, Mapping[str, Any] | None] = {}
        self._lost: float | None = None
        self.listed = threading.Event()
        self.error = ""

    def run(self, stop: threading.Event) -> None:
        """Lists, then watches from there; lists again when the server has forgotten that far back."""
        version: str | None = None
        while not stop.is_set():
            try:
                if version is None:
                    version = self._list()
                    self._found()
                for event in self._api.watch(
                    self._path, resource_version=version, timeout_seconds=WATCH_SECONDS, **self._query
                ):
                    if stop.is_set():
                        return
                    self._found()
                    self._take(event["type"], event["object"])
                    version = event["object"]["metadata"].get("resourceVersion", version)
                self._found()
            except KubeError as error:
                self.error = error.message
                self._lose()
                if error.status in (400, 404, 410):
                    version = None
                stop.wait(RETRY_SECONDS)
            except (ValueError, KeyError, TypeError) as error:
                # Half a line of a stream that was cut, or an object without what all objects have.
                self.error = f"{self._path}: an answer that makes no sense: {error!r}"
                self._lose()
                stop.wait(RETRY_SECONDS)

    def _lose(self) -> None:
        if self._lost is None:
            self._lost = self._timeline.now()

    def _found(self) -> None:
        """The server answers again; a longer silence is noted."""
        if self._lost is not None:
            since, self._lost = self._lost, None
            silent = self._timeline.now() - since
            if silent > GAP_SECONDS:
                gap = Gap(of=self._kind, since=round(since, 3), seconds=round(silent, 1))
                self._timeline.add("gap", **gap)

    def unseen(self) -> str | None:
        """What is not known in the end, since this watch was never taken up again; in words."""
        lost, now = self._lost, self._timeline.now()
        if lost is None or now - lost <= UNSEEN_SECONDS or self._kind == "event":
            return None
        self._timeline.add("gap", **Gap(of=self._kind, since=round(lost, 3), seconds=round(now - lost, 1)))
        return f"each {self._kind} of the cluster was not seen any more in the last {now - lost:.0f} s, and may have come or gone: {self.error}"

    def _list(self) -> str:
        answer = self._api.get(self._path, **self._query)
        there = set()
        for item in answer.get("items") or []:
            there.add(item["metadata"]["name"])
            self._take("MODIFIED", item)
        for name in set(self._seen) - there:
            self._gone(name)
        self.listed.set()
        return str(answer["metadata"]["resourceVersion"])

    def _take(self, change: str, item: Json) -> None:
        if change == "BOOKMARK":
            return
        name, uid = item["metadata"]["name"], str(item["metadata"].get("uid", ""))
        if change == "DELETED":
            self._gone(name)
            return
        known = self._seen.get(name)
        kept = summary(self._kind, item) if self._mine(item) else None
        if known is not None and (known[0] != uid or (kept is None and known[1] is not None)):
            # Another object of the same name, the first one's end was not seen; or it is ours no more.
            self._gone(name)
            known = None
        if known is None or known[1] != kept:
            self._seen[name] = (uid, kept)
            if kept is not None:
                self._timeline.add(self._kind, **kept)
        aside = ASIDE.get(self._kind)
        if aside and kept is not None:
            beside = summary(aside, item)
            if beside is not None and self._beside.get(name) != beside:
                self._beside[name] = beside
                self._timeline.add(aside, **beside)

    def _gone(self, name: str) -> None:
        last = self._seen.pop(name, None)
        self._beside.pop(name, None)
        if last is not None and last[1] is not None and self._kind != "event":
            ready = {"ready": None} if "ready" in last[1] else {}
            self._timeline.add(self._kind, **{**last[1], **ready, "gone": True})


def followers(api: Watchable, timeline: Timeline, namespace: str, deployment: str) -> list[Follower]:
    """Everything that is followed in the cluster. Nodes' events are in namespace default."""
    space = f"/namespaces/{namespace}"
    hpas = f"/apis/autoscaling/v2{space}/horizontalpodautoscalers"
    named = {"fieldSelector": f"metadata.name={deployment}"}
    return [
        Follower(api, timeline, "deployment", f"/apis/apps/v1{space}/deployments", query=named),
        Follower(api, timeline, "hpa", hpas, lambda hpa: scales(hpa, deployment)),
        Follower(api, timeline, "pod", f"/api/v1{space}/pods"),
        Follower(api, timeline, "node", "/api/v1/nodes"),
        *(
            Follower(api, timeline, "event", f"/api/v1/namespaces/{place}/events")
            for place in sorted({namespace, "default"})
        ),
    ]


def follow(items: list[Follower], stop: threading.Event, timeout: float) -> list[threading.Thread]:
    """Starts every follower; returns once each has its first list. Raises ``CannotList`` when one has not."""
    threads = [threading.Thread(target=item.run, args=(stop,), daemon=True) for item in items]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for item in items:
        if not item.listed.wait(max(0.0, deadline - time.monotonic())):
            stop.set()
            raise CannotList(f"the cluster's objects can't be watched: {item.error or 'no answer yet'}")
    return threads
