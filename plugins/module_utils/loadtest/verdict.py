"""From a timeline to numbers, checks and a verdict. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..preflight.bill import Terms
from ..scaling.judged import best, cost_of_run
from . import baseline, histogram
from .answers import Answers, together
from .explain import findings
from .phases import reactions
from .retrace import looks
from .schema import Check, Generator, Json, Metric, MetricSeen, Requests, as_json
from .shares import refused, shares, skew_max
from .slo import Limit, chosen, evaluate, parse, samples_of
from .timeline import counts_over_time, load_of, of_kind, since
from .validity import generator

EXIT_CODES = {"pass": 0, "fail": 2, "invalid": 3}
"""What a pipeline gets to see of each verdict."""


def analyse(
    events: list[Json],
    *,
    slo: Sequence[str],
    workers: int,
    users: int,
    environment: Json,
    earlier: tuple[str, Mapping[str, Any]] | None = None,
    terms: Terms | None = None,
) -> Json:
    """The whole report of a run, as report.json has it. Raises SloError. ``earlier``: name and report of a run to compare
    with; ``terms``: by what it is billed.
    """
    run = next(iter(of_kind(events, "run")), {})
    app = run.get("deployment", "")
    numbers, scaling = _requests(events), _scaling(events, app, slo)
    made = generator(events, workers, users)
    measured = {"requests": numbers, "scaling": scaling}
    checks = [evaluate(parse(line), events, measured) for line in slo]
    if 0 < numbers["total"] == numbers["failed"]:
        # Whatever else is asked of it: times of refusals are none of the model's.
        nothing = f"{numbers['failed']} of {numbers['total']}: {', '.join(numbers['errors'])}"
        checks.append(Check("failed_percent", 100, "below", 100, ok=False, evidence=nothing))
    failed = [check for check in checks if not check.ok]
    verdict = "invalid" if made["problems"] else "fail" if failed else "pass"
    moments = [event["t"] for event in events]
    cluster = {"cluster": run["cluster"]} if run.get("cluster") else {}
    report = {
        "verdict": verdict,
        "exit_code": EXIT_CODES[verdict],
        "summary": _words(verdict, numbers, scaling, failed, made),
        "checks": [as_json(check) for check in checks],
        "requests": numbers,
        "scaling": scaling,
        "generator": made,
        "cost": cost_of_run(events, terms or Terms()),
        "plan": run.get("plan"),
        "environment": {**environment, "namespace": run.get("namespace"), "deployment": app, **cluster},
        "started": min(moments, default=None),
        "began": run.get("t", min(moments, default=None)),
        "ended": max(moments, default=None),
    }
    report["findings"] = [as_json(finding) for finding in findings(events, report)]
    if earlier is not None:
        report["comparison"] = baseline.compare(report, earlier[1], earlier[0])
    return report


def _requests(events: list[Json]) -> Requests:
    loads = of_kind(events, "load")
    if not loads:
        return {"total": 0, "failed": 0, "failed_steady": 0, "rate": 0.0, "rate_max": 0.0, "p50_ms": None,
                "p95_ms": None, "p99_ms": None, "p95_steady_ms": None, "p95_answered_ms": None,
                "errors": {}, "examples": {},
                "backlog_max": 0, "refused": {}}  # fmt: skip
    steady = chosen(Limit("", steady=True), events)
    working = [event for event in loads if load_of(event) > 0]
    whole = together(sample["answers"] for sample in samples_of(events))
    length = working[-1]["t"] - working[0]["t"] if working else 0

    def at(met: Answers, share: float) -> float | None:
        return histogram.rounded(met.percentile(share))

    return {
        "total": loads[-1]["requests"],
        "failed": loads[-1]["failures"],
        # What fails while the load goes at the end is told apart.
        "failed_steady": sum(sample["fresh_failures"] for sample in steady),
        "rate": round(loads[-1]["requests"] / length, 2) if length else 0.0,
        "rate_max": max(event["rate"] for event in loads),
        "p50_ms": at(whole, 0.5),
        "p95_ms": at(whole, 0.95),
        "p99_ms": at(whole, 0.99),
        "p95_steady_ms": at(together(sample["answers"] for sample in steady), 0.95),
        "p95_answered_ms": at(Answers(whole.answered), 0.95),
        "errors": loads[-1]["errors"],
        "examples": loads[-1]["examples"],
        "backlog_max": max(event["backlog"] for event in loads),
        "refused": refused(events),
    }


def _scaling(events: list[Json], app: str, slo: Sequence[str]) -> Json:
    run = next(iter(of_kind(events, "run")), {})
    began = run.get("t", 0.0)
    ready = since(counts_over_time(events, "pod", app=app), began, run.get("replicas", 0))
    nodes = since(counts_over_time(events, "node"), began, run.get("nodes", 0))
    wanted = [event["wanted"] for event in of_kind(events, "deployment")] or [run.get("replicas", 0)]
    found = [as_json(reaction) for reaction in reactions(events, app)]
    outwards = [r["ready_s"] for r in found if r["direction"] == "out"]
    pods = shares(events, app)
    return {
        "metrics": _metrics(events),
        "replicas_min": min(wanted),
        "replicas_max": max(value for _unused, value in ready),
        "replicas_end": max(wanted[-1], ready[-1][1]),
        "replicas_wanted_max": max(wanted),
        # While a node's last pod moves there may be none that is ready.
        "seconds_without_replica": _seconds_at_zero(ready, max((e["t"] for e in events), default=began)),
        "nodes_min": min(value for _unused, value in nodes),
        "nodes_max": max(value for _unused, value in nodes),
        "nodes_end": nodes[-1][1],
        "ready_s_max": None if None in outwards else max(outwards, default=None),
        "node_wait_max": max((r["node_wait"] for r in found if r["node_wait"] is not None), default=None),
        "reactions": found,
        "looks": _looks(events),
        "best": best(events, slo),
        "pods": [as_json(share) for share in pods],
        "skew_max": skew_max(pods),
    }


def _looks(events: list[Json]) -> Json:
    found = looks(events)
    return {**found, "all": [as_json(look) for look in found["all"]]}


def _metrics(events: list[Json]) -> list[MetricSeen]:
    """The HPA's metrics as it saw them last, and the most of each."""
    polls: list[list[Metric]] = [event["metrics"] for event in of_kind(events, "hpa")]
    found: list[MetricSeen] = []
    for place, metric in enumerate(polls[-1] if polls else []):
        values = [poll[place]["current"] for poll in polls if len(poll) == len(polls[-1])]
        maximum = max((value for value in values if value is not None), default=None)
        found.append({**metric, "max": maximum})
    return found


def _seconds_at_zero(steps: list[tuple[float, int]], end: float) -> float:
    ends = [t for t, _unused in steps[1:]] + [end]
    return round(sum(later - t for (t, value), later in zip(steps, ends, strict=True) if value == 0), 1)


def _words(verdict: str, numbers: Requests, scaling: Json, failed: list[Check], made: Generator) -> str:
    if verdict == "invalid":
        return f"The run proves nothing: {'; '.join(made['problems'])}."
    going = numbers["failed"] - numbers["failed_steady"]
    told = (
        f"{numbers['total']} requests, {numbers['failed_steady']} failed under load"
        f"{f' and {going} in the ramp-down' if going else ''}, {_p95(numbers)}; "
        f"replicas {scaling['replicas_min']} to {scaling['replicas_max']} and back to {scaling['replicas_end']}, "
        f"nodes {scaling['nodes_min']} to {scaling['nodes_max']} and back to {scaling['nodes_end']}."
    )
    if not failed:
        return told
    return f"{'; '.join(map(miss, failed))}. {told}"


def _p95(numbers: Requests) -> str:
    if numbers["p95_ms"] is None and numbers["failed"]:
        return "no p95, as more than 5 % failed"
    return f"p95 {numbers['p95_ms']} ms"


def miss(check: Check) -> str:
    """In what a check failed."""
    if check.value is None:
        return f"{check.name}: {check.evidence}"
    return f"{check.name}: it was {check.value}"
