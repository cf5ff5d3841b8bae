"""From a timeline to numbers, checks and a verdict. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from . import baseline, histogram
from .explain import findings
from .phases import reactions
from .shares import shares, skew_max
from .slo import Check, Limit, SloError, evaluate, parse
from .timeline import Json, counts_over_time, falls_at, load_of, of_kind, since
from .validity import generator

EXIT_CODES = {"pass": 0, "fail": 2, "invalid": 3}
"""What a pipeline gets to see of each verdict."""


def analyse(
    events: list[Json],
    *,
    slo: Mapping[str, Any] | Sequence[str],
    workers: int,
    users: int,
    environment: Json,
    earlier: tuple[str, Mapping[str, Any]] | None = None,
) -> Json:
    """The whole report of a run, as report.json has it. ``earlier``: name and report of a run to compare with."""
    run = next(iter(of_kind(events, "run")), {})
    app = run.get("deployment", "")
    numbers, scaling = _requests(events), _scaling(events, app)
    made = generator(events, workers, users)
    measured = {"requests": numbers, "scaling": scaling}
    if isinstance(slo, Mapping):
        checks = [_check(name, limit, numbers, scaling) for name, limit in slo.items() if limit is not None]
    else:
        checks = [evaluate(limit, events, measured) for limit in limits(slo)]
    failed = [check for check in checks if not check.ok]
    verdict = "invalid" if made["problems"] else "fail" if failed else "pass"
    moments = [event["t"] for event in events]
    report = {
        "verdict": verdict,
        "exit_code": EXIT_CODES[verdict],
        "summary": _words(verdict, numbers, scaling, failed, made),
        "checks": [asdict(check) for check in checks],
        "requests": numbers,
        "scaling": scaling,
        "generator": made,
        "plan": run.get("plan"),
        "environment": {**environment, "namespace": run.get("namespace"), "deployment": app},
        "started": min(moments, default=None),
        "ended": max(moments, default=None),
    }
    report["findings"] = [asdict(finding) for finding in findings(events, report)]
    if earlier is not None:
        report["comparison"] = baseline.compare(report, earlier[1], earlier[0])
    return report


def limits(slo: Sequence[str]) -> list[Limit]:
    """The limits of a list of lines. Raises SloError."""
    return [parse(line) for line in slo]


def check_slo(slo: object) -> None:
    """Raises SloError when limits are neither known keys with numbers nor lines that can be read."""
    if isinstance(slo, Mapping):
        for key, limit in slo.items():
            if key not in _CHECKS:
                raise SloError(
                    f"SLO {key} is not known; there are {', '.join(SLO_KEYS)}, or a list of lines as `p95_ms <= 300`"
                )
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
                raise SloError(f"SLO {key} must be a number, not {limit!r}")
    elif isinstance(slo, Sequence) and not isinstance(slo, str):
        limits(slo)
    else:
        raise SloError("SLOs are a dict of known keys, or a list of lines as `p95_ms <= 300`")


def _requests(events: list[Json]) -> Json:
    loads = of_kind(events, "load")
    if not loads:
        return {"total": 0, "failed": 0, "failed_steady": 0, "rate": 0.0, "rate_max": 0.0, "p50_ms": None,
                "p95_ms": None, "p99_ms": None, "p95_steady_ms": None, "errors": {}, "examples": {},
                "backlog_max": 0}  # fmt: skip
    falls = falls_at(events)
    steady = [event for event in loads if falls is None or event["t"] < falls]
    working = [event for event in loads if load_of(event) > 0]
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
        "errors": loads[-1].get("errors") or {},
        "examples": loads[-1].get("examples") or {},
        "backlog_max": max(event.get("backlog") or 0 for event in loads),
    }


def _scaling(events: list[Json], app: str) -> Json:
    run = next(iter(of_kind(events, "run")), {})
    began = run.get("t", 0.0)
    ready = since(counts_over_time(events, "pod", app=app), began, run.get("replicas", 0))
    nodes = since(counts_over_time(events, "node"), began, run.get("nodes", 0))
    wanted = [event["wanted"] for event in of_kind(events, "deployment")] or [run.get("replicas", 0)]
    found = [reaction.as_json() for reaction in reactions(events, app)]
    pods = shares(events, app)
    return {
        "replicas_min": min(wanted),
        "replicas_max": max(value for _unused, value in ready),
        "replicas_end": max(wanted[-1], ready[-1][1]),
        "replicas_wanted_max": max(wanted),
        # While a node's last pod moves there may be none that is ready.
        "seconds_without_replica": _seconds_at_zero(ready, max((e["t"] for e in events), default=began)),
        "nodes_min": min(value for _unused, value in nodes),
        "nodes_max": max(value for _unused, value in nodes),
        "nodes_end": nodes[-1][1],
        "ready_s_max": max((r["ready_s"] for r in found if r["ready_s"] is not None), default=None),
        "node_wait_max": max((r["node_wait"] for r in found if r["node_wait"] is not None), default=None),
        "reactions": found,
        "pods": [share.as_json() for share in pods],
        "skew_max": skew_max(pods),
    }


def _seconds_at_zero(steps: list[tuple[float, int]], end: float) -> float:
    ends = [t for t, _unused in steps[1:]] + [end]
    return round(sum(later - t for (t, value), later in zip(steps, ends, strict=True) if value == 0), 1)


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
_TITLES = {title for title, *_unused in _CHECKS.values()}


def _check(name: str, limit: float, numbers: Json, scaling: Json) -> Check:
    title, relation, where, evidence = _CHECKS[name]
    section, _unused, key = where.partition(".")
    value = (numbers if section == "requests" else scaling)[key]
    ok = value is not None and (value <= limit if relation == "at most" else value >= limit)
    return Check(title, value, relation, limit, ok, evidence)


def _words(verdict: str, numbers: Json, scaling: Json, failed: list[Check], made: Json) -> str:
    if verdict == "invalid":
        return f"The run proves nothing: {'; '.join(made['problems'])}."
    told = (
        f"{numbers['total']} requests, {numbers['failed_steady']} failed under load, p95 {numbers['p95_ms']} ms; "
        f"replicas {scaling['replicas_min']} to {scaling['replicas_max']} and back to {scaling['replicas_end']}, "
        f"nodes {scaling['nodes_min']} to {scaling['nodes_max']} and back to {scaling['nodes_end']}."
    )
    if not failed:
        return told
    return f"{'; '.join(map(miss, failed))}. {told}"


def miss(check: Check) -> str:
    """In what a check failed."""
    if check.value is None:
        return f"{check.name}: {check.evidence}"
    if check.name in _TITLES:
        return f"{check.name} is {check.value}, not {check.relation} {check.limit}"
    return f"{check.name}: it was {check.value}"
