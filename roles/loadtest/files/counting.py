"""What a worker counts, and reports to the master every 3 s.

Response times are counted in buckets 2 % wide: counts of all workers can be added, and differences of two looks
give the percentiles of the time between them.
"""

from __future__ import annotations

import collections
import time
from typing import Any

import gevent
import histogram
from failures import kind_of
from locust import events
from settings import STEADY_SECONDS

LOOK_SECONDS = 0.01
HISTOGRAMS = ("buckets", "failed_buckets", "going_buckets", "going_failed_buckets")
"""Requests by response time; those that failed; and of both those that began after the load had begun to go."""


class Counts:
    """Requests, failures and response times since the beginning, or since they were taken."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.requests = 0
        self.failures = 0
        self.histograms = {name: collections.Counter[int]() for name in HISTOGRAMS}
        self.errors: collections.Counter[str] = collections.Counter()
        self.examples: dict[str, str] = {}

    def add(self, milliseconds: float, error: BaseException | None, *, going: bool = False) -> None:
        """``going``: it began after the load had begun to go."""
        self.requests += 1
        bucket = histogram.bucket_of(milliseconds)
        self.histograms["buckets"][bucket] += 1
        if going:
            self.histograms["going_buckets"][bucket] += 1
        if error is not None:
            self.histograms["failed_buckets"][bucket] += 1
            if going:
                self.histograms["going_failed_buckets"][bucket] += 1
            self.failures += 1
            kind = kind_of(error)
            self.errors[kind] += 1
            self.examples.setdefault(
                kind, getattr(error, "example", f"{type(error).__name__}: {error}")[:200]
            )

    def take(self) -> dict[str, Any]:
        taken = {
            "requests": self.requests, "failures": self.failures,
            "errors": dict(self.errors), "examples": dict(self.examples),
            **{name: dict(counted) for name, counted in self.histograms.items()},
        }  # fmt: skip
        self.clear()
        return taken

    def merge(self, other: dict[str, Any]) -> None:
        self.requests += other["requests"]
        self.failures += other["failures"]
        for name, counted in self.histograms.items():
            counted.update({int(bucket): count for bucket, count in other[name].items()})
        self.errors.update(other["errors"])
        self.examples = {**other["examples"], **self.examples}


class Standstills:
    """How long this process answered nobody, which it adds to what it measures.

    It looks at the clock every LOOK_SECONDS; by how much a look comes late it stood still.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.longest = 0.0
        self.delayed = [0.0] * len(histogram.DELAYS)

    def run(self) -> None:
        while True:
            due = time.perf_counter() + LOOK_SECONDS
            gevent.sleep(LOOK_SECONDS)
            self.add(1000 * (time.perf_counter() - due))

    def add(self, milliseconds: float) -> None:
        self.longest = max(self.longest, milliseconds)
        for index, delay in enumerate(histogram.DELAYS):
            if milliseconds <= delay:
                break
            self.delayed[index] += (milliseconds - delay) / 1000

    def look(self) -> dict[str, Any]:
        """Since the begin of the test, as schema.py's Standstill has it."""
        return {
            "longest_ms": round(self.longest, 1), "delayed_s": [round(seconds, 3) for seconds in self.delayed],
        }  # fmt: skip


COUNTS, STANDSTILLS = Counts(), Standstills()
BEGUN = {"at": 0.0}
# Of the open model: requests under way, due ones that wait for a place now, and at most since the last report;
# and whether no more will be due. Of both: users who were told to go and wait for their last answer.
FLOW = {
    "in_flight": 0, "waiting": 0, "backlog": 0, "late_ms": 0.0, "started": 0, "all_due": False, "leaving": 0,
}  # fmt: skip


@events.test_start.add_listener
def begin(**_: Any) -> None:
    BEGUN["at"] = time.perf_counter()
    COUNTS.clear()
    STANDSTILLS.clear()
    FLOW.update(in_flight=0, waiting=0, backlog=0, late_ms=0.0, started=0, all_due=False)


@events.request.add_listener
def count(response_time: float | None, exception: BaseException | None, **_: Any) -> None:
    took = response_time or 0
    COUNTS.add(took, exception, going=time.perf_counter() - took / 1000 - BEGUN["at"] >= STEADY_SECONDS)


@events.report_to_master.add_listener
def report(data: dict[str, Any], **_: Any) -> None:
    data["loadtest"] = {**COUNTS.take(), **FLOW, "still": STANDSTILLS.look(), "time": time.time()}
    FLOW.update(late_ms=0.0, backlog=FLOW["waiting"])
