"""A load test on loopback as the tests drive it."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.locust import Locust
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.run import LoadTest, Settings
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import plan
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import Timeline
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock
from loopback import Cluster

STEPS = {"max_steps": 2, "step_time": 4, "step_load": 3, "spawn_rate": 6, "ramp_down": 3}
LONG = {"kind": "constant", "level": 4, "duration": 60}


class Driven:
    """A load test with its driver on the tests' clock; `at` does something once some requests were answered."""

    def __init__(self, made: Cluster, folder: Path, shape: dict[str, Any], workers: int) -> None:
        self.cluster = made
        self.plan = plan(shape)
        self.locust = Locust(made.proxy, "n", "s")  # type: ignore[arg-type]
        self.timeline = Timeline(folder / "timeline.jsonl")
        self.interrupt_after = math.inf
        self.enough: Callable[[list[dict[str, Any]]], bool] = lambda loads: False
        self._events: list[tuple[int, Callable[[], None]]] = []
        settings = Settings("n", "m", workers, 240, self.plan.curve.length + 60, 5, self.plan)
        clock = Clock(time.time, time.sleep, cancelled=self._cancelled)
        self.test = LoadTest(self.locust, self.timeline, settings, clock, lambda _: None)

    def own(self, locustfile: str) -> None:
        """The users are those of that file."""
        self.test._settings = dataclasses.replace(self.test._settings, locustfile=locustfile)

    def at(self, requests: int, action: Callable[[], None]) -> None:
        self._events.append((requests, action))

    def _cancelled(self) -> str | None:
        loads = [e for e in self.timeline.events if e["kind"] == "load"]
        done = loads[-1]["requests"] if loads else 0
        for event in [event for event in self._events if done >= event[0]]:
            self._events.remove(event)
            event[1]()
        begun = next((e["t"] for e in self.timeline.events if e["kind"] == "run"), math.inf)
        if time.time() > begun + self.interrupt_after:
            return "the run was interrupted"
        if loads and self.enough(loads):
            return "the test has seen enough"
        return None

    def run(self) -> dict[str, Any]:
        self.test.run()
        return self.report()

    def report(self) -> dict[str, Any]:
        return analyse(
            self.timeline.events, slo=[], workers=self.test._settings.workers, users=self.plan.users,
            environment={},
        )  # fmt: skip
