"""What the driver of the load test sees of the master, and what happens when there is no driver any more.

The master adds up what its workers report and shows it, with exact counts, at /loadtest. When nobody has looked for
some seconds, it stops the load: its driver is gone.
"""

from __future__ import annotations

import collections
import logging
import os
import signal
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import gevent
from counting import COUNTS
from locust import events
from settings import CONFIG

ABANDONED_SECONDS = 900
log = logging.getLogger("loadtest")

REPORTS: dict[str, dict[str, Any]] = {}
OFFSETS: dict[str, collections.deque[float]] = collections.defaultdict(lambda: collections.deque(maxlen=5))
HEARD: dict[str, float] = {}
SILENCES: dict[str, float] = collections.defaultdict(float)
"""The longest that each worker said nothing, in seconds."""
WORKERS: set[str] = set()


@dataclass
class Driver:
    """What the master knows of the run and its driver; times on time.monotonic's clock."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    begun: float = field(default_factory=time.monotonic)
    ended: float | None = None
    seen: float = field(default_factory=time.monotonic)
    stopped_by: str | None = None
    finished: bool = False


DRIVER = Driver()


@events.test_start.add_listener
def begin(environment: Any, **_: Any) -> None:
    REPORTS.clear()
    HEARD.clear()
    SILENCES.clear()
    WORKERS.clear()
    WORKERS.update(worker.id for worker in getattr(environment.runner, "clients", {}).values())
    DRIVER.begun, DRIVER.ended, DRIVER.finished = time.monotonic(), None, False


@events.test_stop.add_listener
def end(**_: Any) -> None:
    DRIVER.ended = time.monotonic()


@events.worker_report.add_listener
def received(client_id: str, data: dict[str, Any], **_: Any) -> None:
    part = data["loadtest"]
    SILENCES[client_id] = silence(client_id)
    HEARD[client_id] = time.monotonic()
    COUNTS.merge(part)
    OFFSETS[client_id].append(time.time() - part["time"])
    clock: float = min(OFFSETS[client_id], key=abs)
    REPORTS[client_id] = {
        key: part[key]
        for key in ("in_flight", "waiting", "backlog", "late_ms", "started", "all_due", "leaving", "still")
    } | {"clock_s": round(clock, 3), "had_users": data["user_count"]}


def silence(worker: str) -> float:
    """The longest until now, in seconds."""
    return max(SILENCES[worker], time.monotonic() - HEARD.get(worker, DRIVER.begun))


def here(runner: Any) -> set[str]:
    """The workers that the run began with, without those that are missing."""
    return WORKERS - {worker.id for worker in runner.clients.values() if worker.state == "missing"}


def outstanding(runner: Any) -> int:
    """How many workers have counts that have not come: no report since all users went, or requests under way then."""
    ended = DRIVER.ended

    def has_told_all(worker: str) -> bool:
        last = REPORTS.get(worker)
        if ended is None or last is None or HEARD[worker] < ended:
            return False
        return not last["had_users"] and not last["in_flight"]

    return sum(not has_told_all(worker) for worker in here(runner))


def show(environment: Any) -> None:
    """Adds /loadtest to Locust's pages, and the dead man's switch."""
    gevent.spawn(guard, environment)

    @environment.web_ui.app.route("/loadtest")
    def loadtest() -> dict[str, Any]:
        from flask import request  # noqa: PLC0415 - only the master has it at hand

        silent = time.monotonic() - DRIVER.seen
        if not request.args.get("observer"):
            DRIVER.seen = time.monotonic()
        return look(environment, silent)


def look(environment: Any, silent: float) -> dict[str, Any]:
    """What the driver of the load test sees."""
    runner = environment.runner
    workers = [
        {"id": worker.id, "state": worker.state, "cpu": worker.cpu_usage, "users": worker.user_count}
        | {"silent_s": round(silence(worker.id), 1)}
        | REPORTS.get(worker.id, {})
        for worker in runner.clients.values()
    ]
    active = runner.state in ("spawning", "running")
    return {
        "id": DRIVER.id,
        "time": time.time(),
        "state": runner.state,
        "stopped_by": DRIVER.stopped_by,
        "finished": DRIVER.finished,
        "driver_silent_s": round(silent, 1),
        "elapsed": round(environment.shape_class.get_run_time(), 2) if active else None,
        "users": runner.user_count,
        "requests": COUNTS.requests,
        "failures": COUNTS.failures,
        "errors": dict(COUNTS.errors),
        "examples": COUNTS.examples,
        **{
            name: {str(bucket): number for bucket, number in counted.items()}
            for name, counted in COUNTS.histograms.items()
        },
        "started": sum(last["started"] for last in REPORTS.values()),
        "outstanding": outstanding(runner),
        "stop_s": environment.stop_timeout,
        "workers": workers,
    }


def guard(environment: Any) -> None:
    """The dead man's switch: without a driver the load stops, and later the process ends."""
    while True:
        gevent.sleep(1)
        silent = time.monotonic() - DRIVER.seen
        if environment.runner.state in ("spawning", "running") and silent > CONFIG["dead_man_seconds"]:
            DRIVER.stopped_by = f"the dead man's switch: nobody asked for {silent:.0f} s"
            log.error("stopped by %s", DRIVER.stopped_by)
            environment.runner.stop()
        if silent > ABANDONED_SECONDS:
            log.error("nobody has asked for %.0f s: the end", silent)
            os.kill(os.getpid(), signal.SIGTERM)
