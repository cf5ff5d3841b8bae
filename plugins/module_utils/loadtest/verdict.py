"""From a timeline to numbers, checks and a verdict. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from . import histogram
from .phases import reactions
from .timeline import Json, counts_over_time, falls_at, of_kind

CPU_LIMIT = 90.0
"""Percent of a core: above it Locust itself warns that its numbers can't be trusted."""


@dataclass(frozen=True)
class Check:
    """One thing that must hold. ``relation``: at most or at least; ``evidence``: where to look."""

    name: str
    value: float | None
    relation: str
    limit: float
    ok: bool
    evidence: str


def analyse(
    events: list[Json], *, slo: Mapping[str, Any], workers: int, users: int, environment: Json
) -> Json:
    """The whole report of a run, as report.json has it."""
    run = next(iter(of_kind(events, "run")), {})
    app = run.get("deployment", "")
    numbers = _requests(events)
    scaling = _scaling(events, app)
    generator = _generator(events, workers, users)
    checks = [_check(name, limit, numbers, scaling) for name, limit in slo.items() if limit is not None]
    failed = [check for check in checks if not check.ok]
    verdict = "invalid" if generator["problems"] else "fail" if failed else "pass"
    moments = [event["t"] for event in events]
    return {
        "verdict": verdict,
        "summary": _words(verdict, numbers, scaling, failed, generator),
        "checks": [asdict(check) for check in checks],
        "requests": numbers,
        "scaling": scaling,
        "generator": generator,
        "environment": {**environment, "namespace": run.get("namespace"), "deployment": app},
        "started": min(moments, default=None),
        "ended": max(moments, default=None),
    }


def _requests(events: list[Json]) -> Json:
    loads = of_kind(events, "load")
    if not loads:
        return {"total": 0, "failed": 0, "failed_steady": 0, "rate": 0.0, "rate_max": 0.0, "p50_ms": None,
                "p95_ms": None, "p99_ms": None}  # fmt: skip
    falls = falls_at(events)
    steady = [event for event in loads if falls is None or event["t"] < falls]
    working = [event for event in loads if event["users"] > 0]
    whole = histogram.total(histogram.parse(event["histogram"]) for event in loads)
    calm = histogram.total(histogram.parse(event["histogram"]) for event in steady)
    length = working[-1]["t"] - working[0]["t"] if working else 0

    def at(buckets: histogram.Buckets, share: float) -> float | None:
        value = histogram.percentile(buckets, share)
        return None if value is None else round(value, 1)

    return {
        "total": loads[-1]["requests"],
        "failed": loads[-1]["failures"],
        # What fails while pods go is told apart: until the users begin to go nothing goes.
        "failed_steady": steady[-1]["failures"] if steady else 0,
        "rate": round(loads[-1]["requests"] / length, 2) if length else 0.0,
        "rate_max": max(event["rate"] for event in loads),
        "p50_ms": at(whole, 0.5),
        "p95_ms": at(whole, 0.95),
        "p99_ms": at(whole, 0.99),
        "p95_steady_ms": at(calm, 0.95),
    }


def _scaling(events: list[Json], app: str) -> Json:
    run = next(iter(of_kind(events, "run")), {})
    began = run.get("t", 0.0)
    ready = _steps(counts_over_time(events, "pod", app=app), began, run.get("replicas", 0))
    nodes = _steps(counts_over_time(events, "node"), began, run.get("nodes", 0))
    wanted = [event["wanted"] for event in of_kind(events, "deployment")] or [run.get("replicas", 0)]
    return {
        "replicas_min": min(wanted),
        "replicas_max": max(value for _, value in ready),
        "replicas_end": max(wanted[-1], ready[-1][1]),
        "replicas_wanted_max": max(wanted),
        # While a node's last pod moves there may be none that is ready.
        "seconds_without_replica": _seconds_at_zero(ready, max((e["t"] for e in events), default=began)),
        "nodes_min": min(value for _, value in nodes),
        "nodes_max": max(value for _, value in nodes),
        "nodes_end": nodes[-1][1],
        "reactions": [reaction.as_json() for reaction in reactions(events, app)],
    }


def _steps(counts: list[tuple[float, int]], began: float, first: int) -> list[tuple[float, int]]:
    """Counts since the run began: the first list of objects comes one by one and is no change."""
    return [(began, first), *((t, value) for t, value in counts if t > began)]


def _seconds_at_zero(steps: list[tuple[float, int]], end: float) -> float:
    ends = [t for t, _ in steps[1:]] + [end]
    return round(sum(later - t for (t, value), later in zip(steps, ends, strict=True) if value == 0), 1)


def _generator(events: list[Json], workers: int, users: int) -> Json:
    loads = of_kind(events, "load")
    running = [event for event in loads if event["state"] in ("running", "spawning")]
    seen = max((event["workers"] for event in running), default=0)
    fewest = min((event["workers"] for event in running), default=0)
    cpu = max((event["worker_cpu"] for event in loads), default=0.0)
    reached = max((event["users"] for event in loads), default=0)
    problems = []
    if seen < workers:
        problems.append(
            f"only {seen} of {workers} workers took part: look at the pods of Locust's worker Job"
        )
    elif fewest < workers:
        problems.append(f"a worker was lost: {fewest} of {workers} were left, with fewer users than planned")
    if reached < users:
        problems.append(f"only {reached} of {users} users were reached: add workers or raise spawn_rate")
    if cpu >= CPU_LIMIT:
        problems.append(f"a worker used {cpu:.0f} % of its core: the load was limited by Locust; add workers")
    return {
        "workers_expected": workers,
        "workers_seen": seen,
        "users_expected": users,
        "users_reached": reached,
        "cpu_max": cpu,
        "valid": not problems,
        "problems": problems,
    }


_CHECKS: dict[str, tuple[str, str, str, str]] = {
    "requests_min": ("requests", "at least", "requests.total", "Locust's count"),
    "failed_max": (
        "failed requests under load",
        "at most",
        "requests.failed_steady",
        "until the users began to go",
    ),
    "p95_ms_max": ("95th percentile, ms", "at most", "requests.p95_steady_ms", "until the users began to go"),
    "replicas_max_at_least": (
        "most replicas ready",
        "at least",
        "scaling.replicas_max",
        "pods' Ready conditions",
    ),
    "replicas_back_to": ("replicas at the end", "at most", "scaling.replicas_end", "pods' Ready conditions"),
    "nodes_max_at_least": ("most nodes ready", "at least", "scaling.nodes_max", "nodes' Ready conditions"),
    "nodes_back_to": ("nodes at the end", "at most", "scaling.nodes_end", "nodes' Ready conditions"),
}
SLO_KEYS = tuple(_CHECKS)


def _check(name: str, limit: float, numbers: Json, scaling: Json) -> Check:
    title, relation, where, evidence = _CHECKS[name]
    section, _, key = where.partition(".")
    value = (numbers if section == "requests" else scaling)[key]
    ok = value is not None and (value <= limit if relation == "at most" else value >= limit)
    return Check(title, value, relation, limit, ok, evidence)


def _words(verdict: str, numbers: Json, scaling: Json, failed: list[Check], generator: Json) -> str:
    if verdict == "invalid":
        return f"The run proves nothing: {'; '.join(generator['problems'])}."
    told = (
        f"{numbers['total']} requests, {numbers['failed_steady']} failed under load, p95 {numbers['p95_ms']} ms; "
        f"replicas {scaling['replicas_min']} to {scaling['replicas_max']} and back to {scaling['replicas_end']}, "
        f"nodes {scaling['nodes_min']} to {scaling['nodes_max']} and back to {scaling['nodes_end']}."
    )
    if not failed:
        return told
    misses = "; ".join(
        f"{check.name} is {check.value}, not {check.relation} {check.limit}" for check in failed
    )
    return f"{misses}. {told}"
