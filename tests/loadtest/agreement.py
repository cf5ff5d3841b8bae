"""A report's reactions against an independent record: what scheduler, kubelets and autoscalers said of themselves.

The report takes its phases from conditions of pods and nodes, and from when the HPA's status changed. Events are
written by others, on their own clocks: the HPA controller, the scheduler, the node autoscaler, kubelets (probes),
the Deployment controller (which counts ready pods). Events are whole seconds, so that two truths may be a second
apart.

    python tests/loadtest/agreement.py reports/latest
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
APART_SECONDS = 1.05
"""One second, and what is lost when durations are rounded to a tenth."""
NODE_MONITOR_SECONDS = 5.0
"""How often the node controller looks for new nodes, and so how late it may be: its --node-monitor-period.
https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/"""

WARMING_SECONDS = 10.0
"""How long a startup probe that warms the model up waits for it by itself (``serving_warmup_probe``): where a model takes
longer, the last one that failed did so up to this long before the pod was ready."""


@dataclass(frozen=True)
class Comparison:
    """A moment of a reaction, ours and theirs, in seconds since 1970.

    ``late`` and ``early``: how much later or earlier they may have seen it.
    """

    what: str
    ours: float
    theirs: float
    late: float = 0.0
    early: float = 0.0

    @property
    def agrees(self) -> bool:
        return -self.early - APART_SECONDS <= self.theirs - self.ours <= self.late + APART_SECONDS


def comparisons(events: list[Json], report: Json) -> Iterator[Comparison]:
    """``events``: of timeline.jsonl; ``report``: report.json."""
    app = report["environment"]["deployment"]
    for reaction in report["scaling"]["reactions"]:
        decided = reaction["started"] + reaction["phases"]["decide"]
        name = f"{reaction['replicas_from']} to {reaction['replicas_to']} replicas"
        rescaled = _said(events, "SuccessfulRescale", f"HorizontalPodAutoscaler/{app}")
        yield Comparison(f"{name}: the HPA decided", decided, _nearest(rescaled, decided))
        if reaction["ended"] == "ready":
            yield from _outward(events, reaction, name, decided)
        elif reaction["direction"] == "in":
            # Kubelets stop containers at once; the drain is counted from the decision.
            killed = _said(events, "Killing", f"Pod/{app}", prefix=True)
            yield Comparison(f"{name}: pods were told to go", decided, _nearest(killed, decided))


def _outward(events: list[Json], reaction: Json, name: str, decided: float) -> Iterator[Comparison]:
    phases, pod = reaction["phases"], f"Pod/{reaction['pod']}"
    created = decided + phases["create"]
    scaled = _said(events, "ScalingReplicaSet", "Deployment/", prefix=True)
    yield Comparison(f"{name}: its pod was created", created, _nearest(scaled, created))
    scheduled = created + phases["schedule"]
    yield Comparison(
        f"{name}: its pod was scheduled", scheduled, _nearest(_said(events, "Scheduled", pod), scheduled)
    )
    started = scheduled + phases["fetch"]
    startup = [e for e in events if str(e.get("message", "")).startswith("Startup probe failed")]
    probes = [at for at in _said(startup, "Unhealthy", pod) if at >= started - APART_SECONDS]
    ready = started + phases["load"]
    if probes:
        # Startup probes come every second, unless they wait for the model themselves, as those that warm it up and name
        # what they asked: the last that failed was just before the pod was ready.
        warming = any("failed: /" in event["message"] for event in startup)
        yield Comparison(
            f"{name}: its pod was ready",
            ready - 1,
            _nearest(probes, ready - 1),
            early=WARMING_SECONDS if warming else 0.0,
        )
    counted = _ready_counts(events, ready - 3)
    if counted:
        yield Comparison(f"{name}: the Deployment counted it", ready + 0.5, _nearest(counted, ready + 0.5))
    if reaction["node_wait"] is not None:
        (asked,) = _said(events, "TriggeredScaleUp", pod)[:1]
        node = next(
            e["node"] for e in events if e["kind"] == "pod" and f"Pod/{e['name']}" == pod and e["node"]
        )
        there = asked + reaction["node_wait"]
        registered = _said(events, "RegisteredNode", f"Node/{node}")
        yield Comparison(
            f"{name}: its node was there", there, _nearest(registered, there), NODE_MONITOR_SECONDS
        )


def _said(events: list[Json], reason: str, about: str, *, prefix: bool = False) -> list[float]:
    return [
        event["at"]
        for event in events
        if event["kind"] == "event"
        and event["reason"] == reason
        and (event["object"].startswith(about) if prefix else event["object"] == about)
    ]


def _ready_counts(events: list[Json], after: float) -> list[float]:
    """When the Deployment's number of ready pods rose."""
    counts = [event for event in events if event["kind"] == "deployment"]
    return [
        later["t"]
        for earlier, later in itertools.pairwise(counts)
        if later["ready"] > earlier["ready"] and later["t"] >= after
    ]


def _nearest(moments: list[float], to: float) -> float:
    return min(moments, key=lambda moment: abs(moment - to), default=float("nan"))


def of_run(folder: Path) -> list[Comparison]:
    """Of a folder in reports/."""
    lines = (folder / "timeline.jsonl").read_text().splitlines()
    return list(
        comparisons([json.loads(line) for line in lines], json.loads((folder / "report.json").read_text()))
    )


if __name__ == "__main__":
    found = of_run(Path(sys.argv[1]))
    for one in found:
        print(f"{'ok ' if one.agrees else 'NOT'} {one.what}: {one.ours - one.theirs:+.2f} s")
    sys.exit(0 if found and all(one.agrees for one in found) else 1)
