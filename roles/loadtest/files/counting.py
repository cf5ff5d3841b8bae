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

LOOK_SECONDS = 0.01


class Counts:
    """Requests, failures and response times since the beginning, or since they were taken."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.requests = 0
        self.failures = 0
        self.buckets: collections.Counter[int] = collections.Counter()
        self.errors: collections.Counter[str] = collections.Counter()
        self.examples: dict[str, str] = {}

    def add(self, milliseconds: float, error: BaseException | None) -> None:
        self.requests += 1
        self.buckets[histogram.bucket_of(milliseconds)] += 1
        if error is not None:
            self.failures += 1
            kind = kind_of(error)
            self.errors[kind] += 1
            self.examples.setdefault(
                kind, getattr(error, "example", f"{type(error).__name__}: {error}")[:200]
            )

    def take(self) -> dict[str, Any]:
        taken = {
            "requests": self.requests, "failures": self.failures, "buckets": dict(self.buckets),
            "errors": dict(self.errors), "examples": dict(self.examples),
        }  # fmt: skip
        self.clear()
        return taken

    def merge(self, other: dict[str, Any]) -> None:
        self.requests += other["requests"]
        self.failures += other["failures"]
        self.buckets.update({int(bucket): count for bucket, count in other["buckets"].items()})
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
# Of the open model: requests under way, due ones that wait for a place now, and at most since the last report;
# and whether no more will be due. Of both: users who were told to go and wait for their last answer.
FLOW = {
    "in_flight": 0, "waiting": 0, "backlog": 0, "late_ms": 0.0, "started": 0, "all_due": False, "leaving": 0,
}  # fmt: skip


@events.test_start.add_listener
def begin(**_: Any) -> None:
    COUNTS.clear()
    STANDSTILLS.clear()
    FLOW.update(in_flight=0, waiting=0, backlog=0, late_ms=0.0, started=0, all_due=False)


@events.request.add_listener
def count(response_time: float | None, exception: BaseException | None, **_: Any) -> None:
    COUNTS.add(response_time or 0, exception)


@events.report_to_master.add_listener
def report(data: dict[str, Any], **_: Any) -> None:
    data["loadtest"] = {**COUNTS.take(), **FLOW, "still": STANDSTILLS.look(), "time": time.time()}
    FLOW.update(late_ms=0.0, backlog=FLOW["waiting"])
