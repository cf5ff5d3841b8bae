"""A load test from the workers' arrival until everything has scaled in again."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import histogram
from .locust import FILES, Locust, LocustError
from .timeline import Json
from .watch import Follower, Timeline, Watchable

SAMPLE_SECONDS = 2.0
PROGRESS_SECONDS = 6.0
WINDOW_SECONDS = 6.0
"""Rates and percentiles are of the last two reports of the workers, which come every 3 s."""

QUIET_SECONDS = 5.0
"""Workers report every 3 s: by then the last counts have reached the master."""

LOST_SECONDS = 30.0
"""How long the master may be silent before the run is given up."""


class RunFailed(Exception):
    """The run could not be carried out; in words, with the way out."""


@dataclass(frozen=True)
class Settings:
    """What to run. Times in seconds."""

    namespace: str
    deployment: str
    workers: int
    start_timeout: float
    load_timeout: float
    settle_timeout: float


@dataclass
class Clock:
    """Time as a parameter."""

    now: Callable[[], float]
    sleep: Callable[[float], None]


def followers(api: Watchable, timeline: Timeline, settings: Settings) -> list[Follower]:
    """Everything that is followed in the cluster."""
    space = f"/namespaces/{settings.namespace}"
    mine = {"fieldSelector": f"metadata.name={settings.deployment}"}
    return [
        Follower(api, timeline, "deployment", f"/apis/apps/v1{space}/deployments", **mine),
        Follower(api, timeline, "hpa", f"/apis/autoscaling/v2{space}/horizontalpodautoscalers", **mine),
        Follower(api, timeline, "pod", f"/api/v1{space}/pods"),
        Follower(api, timeline, "node", "/api/v1/nodes"),
        Follower(api, timeline, "event", f"/api/v1{space}/events"),
        Follower(api, timeline, "event", "/api/v1/namespaces/default/events"),
    ]


class LoadTest:
    """One run. ``say`` shows a line of progress."""

    def __init__(
        self,
        locust: Locust,
        timeline: Timeline,
        settings: Settings,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self._locust = locust
        self._timeline = timeline
        self._settings = settings
        self._clock = clock
        self._say = say
        self._told = 0.0
        self._looks: deque[tuple[float, int, histogram.Buckets]] = deque()
        self._first_nodes = 0

    def run(self) -> None:
        """Raises ``RunFailed``; what was seen until then is in the timeline."""
        self._await_workers()
        pods, nodes = self._ready_pods(), self._ready_nodes()
        self._first_nodes = nodes
        self._timeline.add(
            "run", namespace=self._settings.namespace, deployment=self._settings.deployment,
            replicas=pods, nodes=nodes,
        )  # fmt: skip
        try:
            self._locust.start()
        except LocustError as error:
            raise RunFailed(str(error)) from error
        try:
            self._follow_load()
        except BaseException:
            self._locust.stop()
            raise

    def _await_workers(self) -> None:
        wanted, deadline = self._settings.workers, self._clock.now() + self._settings.start_timeout
        while True:
            look = self._locust.look()
            there = len(_alive(look)) if look else 0
            if there >= wanted:
                return
            if self._clock.now() > deadline:
                state = f"{there} of {wanted} workers came" if look else "its master did not answer"
                raise RunFailed(
                    f"Locust was not ready within {self._settings.start_timeout:.0f} s: {state}. Look at the pods "
                    f"labelled app.kubernetes.io/name=locust in namespace {self._settings.namespace}."
                )
            self._tell(f"waiting for Locust: {there} of {wanted} workers")
            self._clock.sleep(1.0)

    def _follow_load(self) -> None:
        deadline = self._clock.now() + self._settings.load_timeout
        quiet_since: float | None = None
        answered = self._clock.now()
        running = False
        while True:
            look, now = self._locust.look(), self._clock.now()
            if look is None:
                if now - answered > LOST_SECONDS:
                    raise RunFailed(
                        f"Locust's master has been silent for {LOST_SECONDS:.0f} s: look at its pod."
                    )
                self._clock.sleep(SAMPLE_SECONDS)
                continue
            answered = now
            self._sample(look, now)
            running = running or look["state"] in ("spawning", "running")
            if running and look["state"] in ("stopped", "ready") and look["users"] == 0:
                quiet_since = quiet_since or now
                if now - quiet_since >= QUIET_SECONDS:
                    return
            else:
                quiet_since = None
            if now > deadline:
                self._locust.stop()
                raise RunFailed(
                    f"the load did not end within {self._settings.load_timeout:.0f} s and was stopped."
                )
            self._clock.sleep(SAMPLE_SECONDS)

    def _sample(self, look: Json, now: float) -> None:
        buckets = histogram.parse(look["buckets"])
        before = self._looks[-1][2] if self._looks else {}
        self._looks.append((now, look["requests"], buckets))
        while len(self._looks) > 2 and self._looks[1][0] <= now - WINDOW_SECONDS:
            self._looks.popleft()
        then, requests, earlier = self._looks[0]
        rate = (look["requests"] - requests) / (now - then) if now > then else 0.0
        window = histogram.difference(buckets, earlier)
        quantiles = {
            f"p{int(share * 100)}_ms": histogram.percentile(window, share) for share in (0.5, 0.95, 0.99)
        }
        fresh = histogram.difference(buckets, before)
        alive = _alive(look)
        self._timeline.add(
            "load",
            state=look["state"],
            users=look["users"],
            requests=look["requests"],
            failures=look["failures"],
            rate=round(rate, 2),
            workers=len(alive),
            worker_cpu=max((worker["cpu"] for worker in alive), default=0.0),
            histogram={str(bucket): count for bucket, count in fresh.items()},
            **{name: None if value is None else round(value, 1) for name, value in quantiles.items()},
        )
        p95 = quantiles["p95_ms"]
        self._tell(
            f"{look['users']:3d} users  {rate:5.1f} requests/s  p95 {'-' if p95 is None else f'{p95:.0f}'} ms  "
            f"{look['failures']} failed  {self._cluster_words()}"
        )

    def settle(self) -> bool:
        """Waits until replicas are back at the HPA's minimum and nodes at their first count; False if they don't."""
        deadline = self._clock.now() + self._settings.settle_timeout
        while not self._settled():
            if self._clock.now() > deadline:
                return False
            self._tell(f"scaling in: {self._cluster_words()}")
            self._clock.sleep(1.0)
        return True

    def _settled(self) -> bool:
        hpa = self._timeline.now_known("hpa")
        least = hpa[0]["min"] if hpa else None
        mine = [p for p in self._timeline.now_known("pod") if p["app"] == self._settings.deployment]
        wanted = [d["wanted"] for d in self._timeline.now_known("deployment")]
        if least is not None and wanted and wanted[0] > least:
            return False
        return (
            not any(pod["leaving"] for pod in mine)
            and self._ready_pods() == (wanted[0] if wanted else 0)
            and len(self._timeline.now_known("node")) <= self._first_nodes
        )

    def _ready_pods(self) -> int:
        pods = self._timeline.now_known("pod")
        return sum(1 for p in pods if p["app"] == self._settings.deployment and p["ready"] is not None)

    def _ready_nodes(self) -> int:
        return sum(1 for node in self._timeline.now_known("node") if node["ready"] is not None)

    def _cluster_words(self) -> str:
        wanted = next((d["wanted"] for d in self._timeline.now_known("deployment")), 0)
        return f"{self._ready_pods()} of {wanted} replicas ready  {self._ready_nodes()} nodes"

    def _tell(self, text: str) -> None:
        if self._clock.now() - self._told >= PROGRESS_SECONDS:
            self._told = self._clock.now()
            self._say(text)


def bring_home(locust: Locust, folder: Path) -> list[str]:
    """Locust's own reports and tables as files; the names of those that came."""
    came = []
    for name, path in FILES.items():
        content = locust.fetch(path)
        if content is not None:
            (folder / name).write_bytes(content)
            came.append(name)
    return came


def follow(items: list[Follower], stop: threading.Event, timeout: float) -> list[threading.Thread]:
    """Starts every follower; returns once each has its first list. Raises ``RunFailed`` when one has not."""
    threads = [threading.Thread(target=item.run, args=(stop,), daemon=True) for item in items]
    for thread in threads:
        thread.start()
    for item in items:
        if not item.listed.wait(timeout):
            stop.set()
            raise RunFailed(
                "the cluster's objects can't be listed: is the API server reachable, and may this identity?"
            )
    return threads


def _alive(look: Json) -> list[Json]:
    return [worker for worker in look["workers"] if worker["state"] != "missing"]
