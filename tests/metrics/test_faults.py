"""What brings the metric fails, for real: the fleet is never smaller than the CPU alone would make it.

Eight requests are in flight, of which each replica may have two: four replicas. Their CPU would need two. A drill of `make drills`:
what was counted goes to reports/drills.json.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.drills.report import enter

from .on_loopback import NAME, OnLoopback
from .test_on_loopback import COMMON

BY_METRIC, BY_CPU, BY_MORE_CPU = 4, 2, 5
# More than the 15 s that are averaged, and for the adapter to learn that there is no such metric any more.
OUTAGE_SECONDS = 25
# The API server waits a minute for another API, which waits for a Prometheus that says nothing, and the HPA waits for both.
LONGEST_LOOK = 90
Fault = Callable[[OnLoopback], AbstractContextManager[None]]


def gone(part: str) -> Fault:
    @contextmanager
    def fault(cluster: OnLoopback) -> Iterator[None]:
        cluster.scale(f"{NAME}-{part}", 0)
        try:
            yield
        finally:
            cluster.scale(f"{NAME}-{part}", 1)

    return fault


def hung(container: str) -> Fault:
    @contextmanager
    def fault(cluster: OnLoopback) -> Iterator[None]:
        process = cluster.program(container).pid
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    return fault


def silent(every: int) -> Fault:
    """Each so-manieth pod tells nothing any more: what it told goes stale."""

    @contextmanager
    def fault(cluster: OnLoopback) -> Iterator[None]:
        cluster.proxies.silent = set(cluster.proxies.addresses[::every])
        try:
            yield
        finally:
            cluster.proxies.silent = set()

    return fault


def said(word: str) -> Fault:
    @contextmanager
    def fault(cluster: OnLoopback) -> Iterator[None]:
        cluster.proxies.said = word
        try:
            yield
        finally:
            cluster.proxies.said = None

    return fault


# What the HPA notices at once lets no replica go. A number that is wrong it believes, and of what goes stale in one pod after
# the other the rest.
AT_ONCE, LATE, NEVER = "at once", "late", "never"
FAULTS: dict[str, dict[str, tuple[Fault, str]]] = {
    "prometheus": {
        "adapter gone": (gone("metrics-adapter"), AT_ONCE),
        "adapter hangs": (hung("adapter"), AT_ONCE),
        "Prometheus gone": (gone("prometheus"), AT_ONCE),
        "Prometheus hangs": (hung("prometheus"), AT_ONCE),
        "stale": (silent(1), LATE),
        "stale by half": (silent(2), NEVER),
        "no number": (said("NaN"), NEVER),
        "nothing": (said("0"), NEVER),
    },
    "gke": {
        "adapter hangs": (hung("gke"), AT_ONCE),
        "stale": (silent(1), LATE),
        "stale by half": (silent(2), NEVER),
        "no number": (said("NaN"), LATE),
        "nothing": (said("0"), NEVER),
    },
}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnLoopback]:
    cluster = OnLoopback(tmp_path_factory.mktemp("faults"))
    yield cluster
    cluster.close()


class Tally:
    """Of a run and a source, what each fault came to, in the report as soon as it is known."""

    def __init__(self) -> None:
        self._faults: dict[tuple[int, str], dict[str, dict[str, int | bool]]] = {}

    def add(self, run: int, source: str, fault: str, looks: int, fewest: int, *, ok: bool) -> None:
        tried = self._faults.setdefault((run, source), {})
        tried[fault] = {"looks": looks, "fewest": fewest, "ok": ok}
        smallest = min(one["fewest"] for one in tried.values())
        enter(
            f"metric_source_fails_{source}", run, ok=len(tried) == len(FAULTS[source]) and all(one["ok"] for one in tried.values()),
            note=f"{len(tried)} of {len(FAULTS[source])} faults; at least {smallest} replicas, by the CPU alone {BY_CPU}",
            faults=tried, looks=sum(one["looks"] for one in tried.values()), fewest=smallest, by_cpu=BY_CPU,
        )  # fmt: skip


@pytest.fixture(scope="module")
def tally() -> Tally:
    return Tally()


@pytest.mark.parametrize(
    ("source", "fault"),
    [(source, fault) for source in FAULTS for fault in FAULTS[source]],
)
def test_the_fleet_is_never_smaller_than_by_the_cpu(
    there: OnLoopback, tally: Tally, source: str, fault: str, run: int
) -> None:
    happens, noticed = FAULTS[source][fault]
    looks, fewest, ok = 0, BY_METRIC, False
    try:
        there.proxies.total, there.cpu = 8, 300
        there.goes_by(source, COMMON)
        there.settles(BY_METRIC, "nothing is wrong")
        with happens(there):
            ends = time.monotonic() + OUTAGE_SECONDS
            while time.monotonic() < ends:
                looks, fewest = looks + 1, min(fewest, there.replicas)
                time.sleep(0.3)
            if noticed != NEVER:
                says_so = lambda: any(one.startswith("FailedGet") for one in there.reasons())  # noqa: E731
                there.wait(says_so, "the HPA says so", 2 * LONGEST_LOOK)
            assert fewest >= (BY_METRIC if noticed == AT_ONCE else BY_CPU)
            there.cpu = 900
            there.wait(
                lambda: there.replicas >= BY_MORE_CPU, "the CPU asks for more meanwhile", 2 * LONGEST_LOOK
            )
        ok = True
    finally:
        tally.add(run, source, fault, looks, fewest, ok=ok)
