"""The timeline of a run: how it is written, how it is read, and the numbers that can be read off it.

One line an event: ``{"t": seconds since 1970, "kind": ...}``; schema.py has all kinds and fields.
"""

from __future__ import annotations

import bisect
import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from .schema import Json


class Timeline:
    """The events of a run, in memory and, line by line, in a file. Safe for threads. ``now``: its clock."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8")
        self.now = now
        self.events: list[Json] = []
        self.latest: dict[str, dict[str, Json]] = {}

    def add(self, kind: str, **fields: Any) -> None:
        """Writes an event of now; ``fields`` as schema.py has them for the kind."""
        with self._lock:
            event = {"t": round(self.now(), 3), "kind": kind, **fields}
            self.events.append(event)
            if "name" in fields:
                known = self.latest.setdefault(kind, {})
                if fields.get("gone"):
                    known.pop(fields["name"], None)
                else:
                    known[fields["name"]] = event
            self._file.write(json.dumps(event) + "\n")
            self._file.flush()

    def now_known(self, kind: str) -> list[Json]:
        """The newest state of every object of the kind that exists."""
        with self._lock:
            return list(self.latest.get(kind, {}).values())

    def close(self) -> None:
        with self._lock:
            self._file.close()


def read(path: Path) -> list[Json]:
    """A timeline's events in order of time; the last line of an interrupted run may be half, and others anything."""
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(line)
            if _is_event(found):
                events.append(lift(found))
    return sorted(events, key=lambda event: event["t"])


def _is_event(found: Any) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        return False
    return isinstance(found.get("t"), int | float) and math.isfinite(found["t"])


_ADDED: dict[str, Json] = {
    "run": {"workers": None, "plan": None, "locustfile": None, "kubernetes": None, "cluster": None},
    "load": {
        "elapsed": None, "finished": None, "offered": None, "errors": {}, "examples": {}, "standstills": [], "silent_s": 0.0,
        "clock_s": 0.0, "backlog": 0, "in_flight": 0, "leaving": 0, "late_ms": 0.0, "started": 0,
        "failed_histogram": None, "going": None,
    },
    "hpa": {"averages": [], "conditions": {}, "rescaled": None, "gone": False}, "deployment": {"selector": {}, "gone": False},
    "node": {"pool": "", "machine": "", "spot": False, "accelerators": {}, "disk_type": "", "gone": False},
    "pod": {"metrics_port": None, "accepted": None, "readiness": None, "readiness_since": None, "gone": False},
}  # fmt: skip
"""Fields that lines of earlier versions lack."""


def lift(event: Json) -> Json:
    """An event of any version as this one writes it."""
    event = {**_ADDED.get(event["kind"], {}), **event}
    event.pop(
        "lag_ms", None
    )  # a percentile of wake-ups, in which a loop that mostly stood still was punctual
    if event["kind"] == "gap":
        event.setdefault("since", round(event["t"] - event["seconds"], 3))
    if event["kind"] == "run" and event["plan"] and "ramp_down" not in event["plan"]:
        event["plan"] = {**event["plan"], "ramp_down": _ramp_down(event["plan"])}
    if event["kind"] == "hpa" and "metrics" not in event:
        seen = {"current": event.pop("cpu_percent", None), "target": event.pop("target_percent", None)}
        event.pop("ready", None)
        event["metrics"] = [{"name": "cpu", "type": "ContainerResource", "of": "", **seen, "unit": "%"}]
    return event


def _ramp_down(plan: Json) -> float:
    """Of a plan that does not say so. A sine that falls, and a last stage to 0, are the load itself."""
    pieces: list[list[float]] = plan["pieces"] or [[0.0, 0.0, 0.0]]
    seconds, first, last = pieces[-1]
    flat = plan["kind"] in ("steps", "constant", "spike", "replay")
    added = flat or (plan["kind"] == "ramp" and len(pieces) > 1)
    return seconds if added and first > last == 0 else 0.0


def of_kind(events: Iterable[Json], kind: str) -> list[Json]:
    return [event for event in events if event["kind"] == kind]


def counts_over_time(events: list[Json], kind: str, **fields: Any) -> list[tuple[float, int]]:
    """(t, how many objects of the kind are ready) after every change; ``fields`` choose among them."""
    alive: set[str] = set()
    steps: list[tuple[float, int]] = []
    for event in of_kind(events, kind):
        if any(event.get(key) != value for key, value in fields.items()):
            continue
        if event["gone"] or event["ready"] is None:
            alive.discard(event["name"])
        else:
            alive.add(event["name"])
        if not steps or steps[-1][1] != len(alive):
            steps.append((event["t"], len(alive)))
    return steps


def since(steps: list[tuple[float, int]], begin: float, first: int) -> list[tuple[float, int]]:
    """Steps since the run began: the first list of objects comes one by one and is no change."""
    return [(begin, first), *((t, value) for t, value in steps if t > begin)]


def value_at(steps: Sequence[tuple[float, float]], t: float) -> float:
    """The value in force at a time; 0 before the first."""
    index = bisect.bisect_right(steps, t, key=lambda step: step[0])
    return steps[index - 1][1] if index else 0


def load_of(event: Json) -> float:
    """How much load there is in a sample: users, or, in the open model, requests a second that are due."""
    if event["users"] is None:
        return float(event["offered"] or 0.0)
    return float(event["users"])


HELD_SECONDS = 30.0
"""A level that was held for longer is none of a ramp on its way down, where no plan says which that is."""


def steady_until(events: list[Json]) -> float:
    """When the load begins to go: with the plan's `ramp_down`. Infinite where it ends at once, or goes on."""
    run = next(iter(of_kind(events, "run")), {})
    loads, plan = of_kind(events, "load"), run.get("plan")
    if plan is None:
        return _falls_at(loads)
    if not plan["ramp_down"]:
        return math.inf
    begun = next((event["t"] - event["elapsed"] for event in loads if event["elapsed"] is not None), run["t"])
    return float(begun + plan["seconds"] - plan["ramp_down"])


def _falls_at(loads: list[Json]) -> float:
    """The same of an early run that says nothing of its plan: the begin of the last fall that does not rest."""
    levels = [load_of(event) for event in loads]
    found, index = math.inf, len(loads) - 1
    while index > 0 and levels[index] <= levels[index - 1]:
        first = index - 1
        while first > 0 and levels[first - 1] == levels[first]:
            first -= 1
        if levels[index] < levels[index - 1]:
            found = float(loads[index]["t"])
            if loads[index]["t"] - loads[first]["t"] > HELD_SECONDS:
                break
        index = first
    return found
