"""A load test from the workers' arrival until everything has scaled in again.

Before the load starts a run fails; after that it never does: what goes wrong is written into the timeline as
``trouble``, the load is stopped, and the report says that the run proves nothing, and why.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..retry import Clock
from . import answers, histogram
from .locust import Locust, LocustError
from .schema import ClockOffset, Enough, Gap, Going, Json, Load, Run, Standstill, Trouble
from .shapes import Plan
from .slo import Asked
from .timeline import Timeline
from .watch import Follower

SAMPLE_SECONDS = 2.0
PROGRESS_SECONDS = 6.0
WINDOW_SECONDS = 6.0
"""Rates and percentiles are of the last two reports of the workers, which come every 3 s."""

BROKEN_SECONDS = 12.0
"""How long a limit is not kept before that is no hiccup: twice the time that a percentile is of."""

QUIET_SECONDS = 15.0
"""How long the last counts of a worker are waited for that says no more; workers report every 3 s."""

QUIET_PAUSE = 0.5

LOST_SECONDS = 45.0
"""How long the master may be silent before the run is given up: longer than the dead man's switch takes."""

JUMP_SECONDS = 1.0
"""A change of the wall clock against the steady one that is more than drift."""


class RunFailed(Exception):
    """The run could not be started; in words, with the way out."""


@dataclass(frozen=True)
class Settings:
    """What to run. Times in seconds."""

    namespace: str
    deployment: str
    workers: int
    start_timeout: float
    load_timeout: float
    settle_timeout: float
    plan: Plan | None = None
    locustfile: str | None = None
    kubernetes: str | None = None
    cluster: str | None = None
    until: Asked | None = None
    """ends the load when this has not been kept for a while"""


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
        self._told = -math.inf
        self._polls: deque[tuple[float, int, _Counted]] = deque()
        self._first_nodes = 0
        self._drift = self._wall_drift()
        self._broken_since: float | None = None
        self.troubles: list[str] = []
        self.begun = False
        """Whether Locust was told to start: only then it has something to bring home."""

    def run(self) -> None:
        """Raises ``RunFailed`` while nothing has been loaded yet; see ``troubles`` afterwards."""
        master = self._await_workers()
        pods, nodes = self._ready_pods(), self._ready_nodes()
        self._first_nodes = nodes
        plan = self._settings.plan
        run = Run(
            namespace=self._settings.namespace, deployment=self._settings.deployment,
            replicas=pods, nodes=nodes, workers=self._settings.workers,
            plan=None if plan is None else plan.as_json(), locustfile=self._settings.locustfile,
            kubernetes=self._settings.kubernetes, cluster=self._settings.cluster,
        )  # fmt: skip
        self._timeline.add("run", **run)
        self.begun = True
        try:
            self._locust.start()
        except LocustError as error:
            self._locust.stop()
            raise RunFailed(str(error)) from error
        try:
            problem = self._follow_load(master)
        except BaseException:
            self._locust.stop()
            raise
        if problem:
            self._trouble(problem)
        if problem or self._broken_since is not None:
            self._stop(master)

    def _trouble(self, words: str) -> None:
        self.troubles.append(words)
        self._timeline.add("trouble", **Trouble(reason=words))
        self._say(words)

    def _stop(self, master: str) -> None:
        """Ends the load and takes down the last counts, as far as the master still answers and is the same."""
        self._locust.stop()
        stats, begun, patience = None, self._clock.now(), QUIET_SECONDS
        # As an observer: a master that could not be told has its dead man's switch.
        while (stats is None or stats["outstanding"]) and self._clock.now() < begun + patience:
            if stats is not None:
                self._clock.sleep(QUIET_PAUSE)
            looked = self._locust.poll(observer=True)
            if looked is None:
                self._clock.sleep(QUIET_PAUSE)
                continue
            if looked["state"] in ("spawning", "running"):
                self._locust.stop()
            stats, patience = looked, QUIET_SECONDS + looked["stop_s"]
        if stats is not None and str(stats.get("id", "")) == master:
            self._sample(stats, self._clock.now())

    def _await_workers(self) -> str:
        """The master's identity, once it has its workers."""
        wanted, deadline = self._settings.workers, self._clock.now() + self._settings.start_timeout
        while True:
            asked = self._clock.now()
            stats = self._locust.poll()
            there = len(_alive(stats)) if stats else 0
            if stats and there >= wanted:
                if "time" in stats:
                    middle, width = (asked + self._clock.now()) / 2, self._clock.now() - asked
                    ahead, within = round(stats["time"] - middle, 3), round(width / 2, 3)
                    clock = ClockOffset(of="Locust's master", ahead_s=ahead, within_s=within)
                    self._timeline.add("clock", **clock)
                return str(stats.get("id", ""))
            why = self._clock.cancelled()
            if why:
                raise RunFailed(f"{why} before the load began.")
            if self._clock.now() > deadline:
                silent = self._locust.refusal or "its master did not answer"
                state = f"{there} of {wanted} workers came" if stats else silent
                raise RunFailed(
                    f"Locust was not ready within {self._settings.start_timeout:.0f} s: {state}. Look at the pods "
                    f"labelled app.kubernetes.io/name=locust in namespace {self._settings.namespace}."
                )
            self._tell(f"waiting for Locust: {there} of {wanted} workers")
            self._clock.sleep(1.0)

    def _follow_load(self, master: str) -> str | None:
        """Follows the load to its end; what went wrong, in words."""
        begun = answered = self._clock.now()
        quiet_since: float | None = None
        running = False
        while True:
            stats, now = self._locust.poll(), self._clock.now()
            problem = self._clock.cancelled() or self._clock_jump() or self._too_long(now - begun)
            if problem:
                return problem
            if stats is None:
                if now - answered > LOST_SECONDS:
                    why = self._locust.refusal or "look at its pod"
                    return f"Locust's master was not reachable for {now - answered:.0f} s: {why}"
                self._clock.sleep(SAMPLE_SECONDS)
                continue
            if str(stats.get("id", "")) != master:
                return "Locust's master was restarted: what the workers had counted is lost"
            if now - answered > 3 * SAMPLE_SECONDS + 1:
                gap = Gap(of="Locust", since=round(answered, 3), seconds=round(now - answered, 1))
                self._timeline.add("gap", **gap)
            answered = now
            met = self._sample(stats, now)
            if stats.get("stopped_by"):
                return f"the load was stopped by {stats['stopped_by']}"
            if self._enough(met, stats.get("elapsed"), now):
                return None
            running = running or stats["state"] in ("spawning", "running")
            if running and stats["state"] in ("stopped", "ready") and stats["users"] == 0:
                quiet_since = now if quiet_since is None else quiet_since
                if not stats["outstanding"]:
                    return None
                if now - quiet_since >= QUIET_SECONDS:
                    self._trouble(
                        f"the last counts of {stats['outstanding']} workers never came: what they asked at the end, and what failed of "
                        "it, is not known; look at the pods of Locust's worker Job"
                    )
                    return None
            else:
                quiet_since = None
            self._clock.sleep(SAMPLE_SECONDS if quiet_since is None else QUIET_PAUSE)

    def _enough(self, met: answers.Answers, elapsed: float | None, now: float) -> bool:
        """Whether the limit has been broken for so long that the load need not go on."""
        until = self._settings.until
        if until is None or elapsed is None or not met.total or until.kept(met):
            self._broken_since = None
            return False
        if self._broken_since is None:
            self._broken_since = now
        if now - self._broken_since < BROKEN_SECONDS:
            return False
        words = f"{until.words} has not been kept for {now - self._broken_since:.0f} s"
        self._timeline.add("enough", **Enough(reason=words, elapsed=elapsed))
        self._say(f"{words}: the load ends")
        return True

    def _too_long(self, seconds: float) -> str | None:
        if seconds <= self._settings.load_timeout:
            return None
        return f"the load did not end within {self._settings.load_timeout:.0f} s and was stopped"

    def _wall_drift(self) -> float:
        return self._clock.wall() - self._clock.now()

    def _clock_jump(self) -> str | None:
        jump, self._drift = self._wall_drift() - self._drift, self._wall_drift()
        if abs(jump) <= JUMP_SECONDS:
            return None
        return (
            f"the controller's clock jumped by {jump:+.1f} s during the run: its times and the cluster's can't "
            "be compared; let it be set before a run, and steadily (chrony, timesyncd)"
        )

    def _sample(self, stats: Json, now: float) -> answers.Answers:
        """What became of the requests of the last seconds."""
        counted = {name: histogram.parse(stats[name]) for name in _HISTOGRAMS}
        before = self._polls[-1][2] if self._polls else {name: {} for name in _HISTOGRAMS}
        self._polls.append((now, stats["requests"], counted))
        while len(self._polls) > 2 and self._polls[1][0] <= now - WINDOW_SECONDS:
            self._polls.popleft()
        then, requests, earlier = self._polls[0]
        rate = (stats["requests"] - requests) / (now - then) if now > then else 0.0
        window = _new(counted, earlier)
        met = answers.of({"histogram": window["buckets"], "failed_histogram": window["failed_buckets"]})
        p50, p95, p99 = (histogram.rounded(met.percentile(share)) for share in (0.5, 0.95, 0.99))
        fresh = _new(counted, before)
        alive = _alive(stats)
        elapsed, plan = stats.get("elapsed"), self._settings.plan
        sample = Load(
            state=stats["state"],
            users=stats["users"] if plan is None or plan.model == "closed" else None,
            elapsed=elapsed,
            finished=stats.get("finished"),
            offered=None if plan is None or elapsed is None else round(plan.curve.level(elapsed), 2),
            requests=stats["requests"],
            failures=stats["failures"],
            errors=stats.get("errors", {}),
            examples=stats.get("examples", {}),
            rate=round(rate, 2),
            workers=len(alive),
            worker_cpu=max((worker["cpu"] for worker in alive), default=0.0),
            standstills=[
                Standstill(
                    worker=worker["id"],
                    longest_ms=worker["still"]["longest_ms"],
                    delayed_s=worker["still"]["delayed_s"],
                )
                for worker in alive
                if "still" in worker
            ],
            silent_s=max((worker.get("silent_s", 0.0) for worker in stats["workers"]), default=0.0),
            clock_s=max((worker.get("clock_s", 0.0) for worker in alive), default=0.0, key=abs),
            backlog=sum(worker.get("backlog", 0) for worker in alive),
            in_flight=sum(worker.get("in_flight", 0) for worker in alive),
            leaving=sum(worker.get("leaving", 0) for worker in alive),
            late_ms=max((worker.get("late_ms", 0.0) for worker in alive), default=0.0),
            started=stats["started"],
            histogram=fresh["buckets"],
            failed_histogram=fresh["failed_buckets"],
            going=Going(histogram=fresh["going_buckets"], failed_histogram=fresh["going_failed_buckets"]),
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
        )
        self._timeline.add("load", **sample)
        waiting = sum(worker.get("backlog", 0) for worker in alive)
        load = (
            f"{stats['users']:3d} users"
            if plan is None or plan.model == "closed"
            else f"{waiting:3d} waiting"
        )
        self._tell(
            f"{load}  {rate:5.1f} requests/s  p95 {'-' if p95 is None else histogram.words(p95)} ms  "
            f"{stats['failures']} failed  {self._cluster_words()}"
        )
        return met

    def settle(self, followed: Iterable[Follower] = ()) -> bool:
        """Waits until replicas are back at the HPA's minimum and nodes at their first count; False if they don't."""
        settled = self._wait_to_settle()
        for unseen in filter(None, (one.unseen() for one in followed)):
            self._trouble(unseen)
        return settled

    def _wait_to_settle(self) -> bool:
        deadline = self._clock.now() + self._settings.settle_timeout
        while not self._settled():
            if self._clock.now() > deadline:
                return False
            why = self._clock.cancelled()
            if why:
                self._trouble(f"{why} before replicas and nodes had gone again")
                return False
            self._tell(f"scaling in: {self._cluster_words()}")
            self._clock.sleep(1.0)
        return True

    def _settled(self) -> bool:
        hpa = self._timeline.now_known("hpa")
        minimum = hpa[0]["min"] if hpa else None
        mine = [p for p in self._timeline.now_known("pod") if p["app"] == self._settings.deployment]
        wanted = [d["wanted"] for d in self._timeline.now_known("deployment")]
        if minimum is not None and wanted and wanted[0] > minimum:
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


_HISTOGRAMS = ("buckets", "failed_buckets", "going_buckets", "going_failed_buckets")
_Counted = dict[str, histogram.Buckets]


def _new(later: _Counted, earlier: _Counted) -> dict[str, dict[str, int]]:
    """What was counted between two looks, as a timeline has it."""
    return {
        name: {str(b): count for b, count in histogram.difference(later[name], earlier[name]).items()}
        for name in _HISTOGRAMS
    }


def _alive(stats: Json) -> list[Json]:
    return [worker for worker in stats["workers"] if worker["state"] != "missing"]
