"""What a container's probes said of it, from the kubelet's events.

Pure. The kubelet writes "<Kind> probe failed: <answer>" (reason Unhealthy), and "Container <name> failed
<kind> probe, will be restarted" (reason Killing).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .objects import Json, event_count, event_time

_FAILED = re.compile(r"(Readiness|Liveness|Startup) probe (?:failed|errored)[^:]*: ?(.*)", re.DOTALL)
_KILLED = re.compile(r"ontainer (\S+) failed (liveness|startup) probe")

RECENT = 600.0
"""Seconds during which a probe's answer counts as belonging to this rollout."""


@dataclass(frozen=True)
class Answer:
    """The last time that a probe failed: `kind` is readiness, liveness or startup."""

    kind: str
    said: str
    times: int
    at: float

    @property
    def text(self) -> str:
        return f"{self.said or 'no answer'} ({self.times} time{'' if self.times == 1 else 's'})"


def last_answer(events: Sequence[Json], container: str, now: float, kind: str | None = None) -> Answer | None:
    """The newest failure of a container's probes (of that kind); `events` are the pod's, oldest first."""
    for event in reversed(events):
        found = _FAILED.match(str(event.get("message", "")))
        if event.get("reason") != "Unhealthy" or found is None or not _about(event, container):
            continue
        probe = found.group(1).lower()
        if now - event_time(event) <= RECENT and kind in (None, probe):
            said = " ".join(found.group(2).split())
            return Answer(probe, said, event_count(event), event_time(event))
    return None


def kills(events: Sequence[Json], container: str, now: float) -> tuple[str, int]:
    """Which probe had the container killed last (startup, liveness, or "" for none), and how many times."""
    for event in reversed(events):
        found = _KILLED.search(str(event.get("message", "")))
        if event.get("reason") == "Killing" and found and found.group(1) == container:
            if now - event_time(event) > RECENT:
                break
            return found.group(2), event_count(event)
    return "", 0


def budget(probe: Mapping[str, Any]) -> float:
    """Seconds that a startup probe allows: Kubernetes' defaults are every 10 s, 3 times."""
    return float(
        probe.get("initialDelaySeconds", 0)
        + probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
    )


def hint_for(said: str) -> str:
    """What a probe's answer points at."""
    for pattern, hint in (
        (r"statuscode: 404", "is what it asks for there: the model's name and version in the probe's path?"),
        (r"statuscode: (401|403)", "let the probe's path answer without credentials"),
        (r"statuscode: 5|statuscode: 4", "the server answers, but says no: its log says why"),
        (r"connection refused", "nothing listens on the probe's port: still loading, or another port"),
        (
            r"deadline exceeded|[Tt]imeout|timed out",
            "the server is too busy or the probe's timeoutSeconds too short",
        ),
        (r"no such file|not found", "the image lacks the command that the probe runs"),
        (r"unknown service|rpc", "is the server's gRPC health service enabled?"),
    ):
        if re.search(pattern, said):
            return hint
    return "look at what the probe asks and at the container's log"


def _about(event: Json, container: str) -> bool:
    path = str((event.get("involvedObject") or {}).get("fieldPath", ""))
    return not path or path.endswith(f"{{{container}}}")
