"""Limits as people write them, and whether a run keeps them. Pure.

    p95_ms <= 300
    p95_ms <= 300 while users <= 10 and replicas >= 2
    metric.cpu <= 90 while replicas >= 2
    failed == 0 while steady
    reaction.ready_s <= 60
    replicas.max >= 3
    replicas back to min within 360 s
    nodes back to start within 900 s

``while`` chooses samples of the load (one each 2 s); what is left of the condition is then evaluated on the
histograms and counts of these samples together, never on an average of percentiles. A sample counts only if the
condition held for the 6 s before it, too, since workers report every 3 s.
"""

from __future__ import annotations

import contextlib
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import histogram
from .answers import Answers, each, of, together
from .hpa import share
from .phases import PHASES
from .schema import Check, Json
from .timeline import counts_over_time, of_kind, since, steady_until, value_at

SETTLE_SECONDS = 6.0
"""Requests in a sample were answered within the 6 s before it: a report each 3 s, a look each 2 s."""

_RELATIONS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "<=": (operator.le, "at most"), "<": (operator.lt, "below"), ">=": (operator.ge, "at least"),
    ">": (operator.gt, "above"), "==": (operator.eq, "exactly"), "!=": (operator.ne, "not"),
}  # fmt: skip
# What a number may be given in, and how much of the metric's own unit that is.
_MILLISECONDS = {"": 1.0, "ms": 1.0, "s": 1000.0, "min": 60000.0}
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0}
_PERCENT = {"": 1.0, "%": 1.0}
_RATE = {"": 1.0, "/s": 1.0}
_COUNT = {"": 1.0}
_COMPARISON = re.compile(
    r"(?P<metric>metric\.[^\s<>=!]+|[a-z0-9_.]+)\s*(?P<relation><=|>=|==|!=|<|>)\s*(?P<number>-?\d+(?:\.\d+)?)\s*(?P<unit>%|ms|min|s|/s)?"
)
_BACK = re.compile(
    r"(?P<what>replicas|nodes)\s+back\s+to\s+(?P<goal>min|start|\d+)"
    r"(?:\s+within\s+(?P<seconds>\d+(?:\.\d+)?)\s*(?P<unit>s|min)?)?"
)
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)_ms")
_SAMPLED = ("users", "offered", "rate", "replicas", "nodes", "backlog")
_METRIC = "metric."
_COUNTED = ("requests", "failed", "failed_percent")
_REACTION = ("ready_s", "total_s", "node_wait_s", "metric_lag_s", *(f"{phase}_s" for phase in PHASES))
_SCALARS = {
    "rate.max": ("requests", "rate_max"), "replicas.min": ("scaling", "replicas_min"),
    "replicas.max": ("scaling", "replicas_max"), "replicas.end": ("scaling", "replicas_end"),
    "nodes.min": ("scaling", "nodes_min"), "nodes.max": ("scaling", "nodes_max"),
    "nodes.end": ("scaling", "nodes_end"), "seconds_without_replica": ("scaling", "seconds_without_replica"),
    "backlog.max": ("requests", "backlog_max"), "skew.max": ("scaling", "skew_max"),
}  # fmt: skip


class SloError(ValueError):
    """A limit that says nothing; names the place and what would do."""


@dataclass(frozen=True)
class Comparison:
    metric: str
    relation: str
    limit: float


@dataclass(frozen=True)
class Limit:
    """A parsed line: a comparison and where it applies, or a way back."""

    text: str
    comparison: Comparison | None = None
    conditions: tuple[Comparison, ...] = ()
    steady: bool = False
    back: tuple[str, str, float | None] | None = None


@dataclass(frozen=True)
class Asked:
    """So many of all requests (``share``, 0 to 1) answered, within so many milliseconds."""

    words: str
    milliseconds: float
    share: float

    def kept(self, met: Answers) -> bool:
        return met.within(self.milliseconds) >= self.share * met.total


def asked_of_all(slo: Iterable[str]) -> Asked | None:
    """The first line with a percentile and no condition, if there is one."""
    for line in slo:
        with contextlib.suppress(SloError):  # whoever judges the run refuses it
            limit = parse(line)
            asked = limit.comparison
            share = asked and percentile_of(asked.metric)
            if asked and share and asked.relation in ("<=", "<") and not limit.conditions:
                return Asked(line, asked.limit, share)
    return None


def parse(text: str) -> Limit:
    """The limit that a line states. Raises SloError."""
    line = " ".join(str(text).split())
    back = _BACK.fullmatch(line)
    if back:
        seconds = back["seconds"] and float(back["seconds"]) * _SECONDS[back["unit"] or "s"]
        return Limit(line, back=(back["what"], back["goal"], seconds or None))
    head, word, condition = f"{line} ".partition(" while ")
    if word and not condition.strip():
        raise SloError(f"SLO {line!r}: after `while` comes a condition, as in `while users <= 10`")
    comparison = _comparison(head, line)
    if not word:
        _check_metric(comparison.metric, line, conditional=False)
        return Limit(line, comparison)
    _check_metric(comparison.metric, line, conditional=True)
    conditions, steady = [], False
    for part in condition.split(" and "):
        if part.strip() == "steady":
            steady = True
            continue
        found = _comparison(part, line)
        if not _sampled(found.metric):
            raise SloError(
                f"SLO {line!r}: {found.metric} can't choose samples; these can: steady, {', '.join(_SAMPLED)}, "
                "metric.NAME"
            )
        conditions.append(found)
    return Limit(line, comparison, tuple(conditions), steady)


def _comparison(text: str, line: str) -> Comparison:
    match = _COMPARISON.fullmatch(text.strip())
    if match is None:
        raise SloError(
            f"SLO {line!r}: {text.strip()!r} is no comparison; write `p95_ms <= 300`, `failed == 0 while steady`, "
            "`reaction.ready_s <= 60` or `replicas back to min within 360 s`"
        )
    metric, unit = match["metric"], match["unit"] or ""
    units = _units(metric)
    if units is None:
        return Comparison(metric, match["relation"], float(match["number"]))
    if unit not in units:
        known = ", ".join(filter(None, units))
        raise SloError(
            f"SLO {line!r}: {metric} is not measured in {unit}: write the number {f'alone or in {known}' if known else 'alone'}"
        )
    return Comparison(metric, match["relation"], float(match["number"]) * units[unit])


def percentile_of(metric: str) -> float | None:
    """The share (0 to 1) of which a metric like `p95_ms` is the percentile; None for other metrics."""
    found = _PERCENTILE.fullmatch(metric)
    return float(found[1]) / 100 if found else None


def _units(metric: str) -> Mapping[str, float] | None:
    """None for a metric that is not known."""
    if _PERCENTILE.fullmatch(metric):
        return _MILLISECONDS
    if metric.removeprefix("reaction.") in _REACTION or metric == "seconds_without_replica":
        return _SECONDS
    if metric == "failed_percent" or metric.startswith(_METRIC):
        return _PERCENT
    if metric in ("rate", "rate.max", "offered"):
        return _RATE
    return _COUNT if metric in (*_COUNTED, *_SAMPLED, *_SCALARS) else None


def _check_metric(metric: str, line: str, *, conditional: bool) -> None:
    share = _PERCENTILE.fullmatch(metric)
    if share is not None and 0 < float(share[1]) < 100:
        return
    if metric in _COUNTED or metric == "rate" or (_sampled(metric) and conditional):
        return
    if not conditional and (metric in _SCALARS or metric.removeprefix("reaction.") in _REACTION):
        return
    known = ["p50_ms (or any pN_ms)", *_COUNTED, "rate"]
    if not conditional:
        known += [*_SCALARS, *(f"reaction.{name}" for name in _REACTION)]
    else:
        known += [*(name for name in _SAMPLED if name != "rate"), "metric.NAME (a metric of the HPA)"]
    raise SloError(
        f"SLO {line!r}: {metric} is not known{' with `while`' if conditional else ''}; there are {', '.join(known)}"
    )


def _sampled(metric: str) -> bool:
    return metric in _SAMPLED or metric.startswith(_METRIC)


def evaluate(limit: Limit, events: list[Json], report: Mapping[str, Any]) -> Check:
    """Whether a run keeps a limit. ``report``: requests and scaling as report.json has them."""
    if limit.back is not None:
        return _way_back(limit.text, limit.back, events)
    comparison = limit.comparison or Comparison("", "==", 0)
    value, evidence = _value(limit, comparison, events, report)
    holds, words = _RELATIONS[comparison.relation]
    ok = value is not None and holds(value, comparison.limit)
    return Check(limit.text, _rounded(value), words, _rounded(comparison.limit) or 0, ok, evidence)


def _rounded(value: float | None) -> float | None:
    if value is None:
        return None
    if float(value).is_integer():
        return int(value)
    return round(float(value), 2) if abs(value) >= 10 else histogram.rounded(value)


def _value(
    limit: Limit, comparison: Comparison, events: list[Json], report: Mapping[str, Any]
) -> tuple[float | None, str]:
    metric = comparison.metric
    if metric in _SCALARS:
        section, key = _SCALARS[metric]
        return report[section].get(key), f"{section}.{key}"
    if metric.startswith("reaction."):
        return _reaction(metric.removeprefix("reaction."), comparison, report)
    samples = chosen(limit, events)
    evidence = f"{len(samples)} of {len(of_kind(events, 'load'))} samples of the load"
    if not samples:
        return None, f"{evidence}: nothing was measured there"
    share = _PERCENTILE.fullmatch(metric)
    if share is not None:
        met, part = together(sample["answers"] for sample in samples), float(share[1])
        evidence = f"{evidence}, {met.total} requests"
        if met.failed:
            evidence += f", {met.failed} of them failed"
        value = met.percentile(part / 100)
        if value is None and met.total:
            evidence += f": more than {100 - part:g} %, so that there is no {metric.removesuffix('_ms')}"
        return value, evidence
    if _sampled(metric):
        worst = max if comparison.relation in ("<=", "<") else min
        values = [
            sample[metric]
            for sample in samples
            if sample.get(metric) is not None and (sample["calm"] or not limit.steady)
        ]
        return (worst(values) if values else None), f"{evidence}, the {worst.__name__}imum"
    requests, failed = sum(s["fresh_requests"] for s in samples), sum(s["fresh_failures"] for s in samples)
    if metric == "failed_percent":
        return (100 * failed / requests if requests else None), f"{evidence}, {failed} of {requests}"
    return float(requests if metric == "requests" else failed), evidence


def _reaction(name: str, comparison: Comparison, report: Mapping[str, Any]) -> tuple[float | None, str]:
    """The worst reaction decides."""
    direction = "in" if name in ("drain_s", "node_gone_s") else "out"
    reactions = [r for r in report["scaling"]["reactions"] if r["direction"] == direction]
    if not reactions:
        return None, "there was no such reaction"
    values = []
    for reaction in reactions:
        if name in ("ready_s", "total_s", "node_wait_s", "metric_lag_s"):
            value = reaction[name if name == "ready_s" else name.removesuffix("_s")]
        else:
            value = reaction["phases"].get(name.removesuffix("_s"))
        # What one that ended has none of, it did not need: a node, say. How the HPA came to decide is over before it.
        if value is None and reaction["ended"] is None and name != "metric_lag_s":
            return (
                None,
                f"the reaction to {reaction['replicas_to']} replicas never ended: {_missing(reaction)}",
            )
        if value is not None:
            values.append(value)
    worst = min if comparison.relation in (">=", ">") else max
    return worst(values, default=None), f"the worst of {len(reactions)} reactions"


def _missing(reaction: Mapping[str, Any]) -> str:
    if reaction["direction"] == "in":
        return "a pod was never gone"
    return f"pod {reaction['pod']} was never ready" if reaction["pod"] else "a pod was never made"


def samples_of(events: list[Json]) -> list[Json]:
    """Samples of the load, each with what is new in it and the cluster's state at that time."""
    run = next(iter(of_kind(events, "run")), {})
    app, begun = run.get("deployment", ""), run.get("t", 0.0)
    replicas = since(counts_over_time(events, "pod", app=app), begun, run.get("replicas", 0))
    nodes = since(counts_over_time(events, "node"), begun, run.get("nodes", 0))
    metrics = _metrics_over_time(events)
    steady = steady_until(events)
    found, requests, failures = [], 0, 0
    for event, answers in each(events):
        t = event["t"]
        found.append(
            {
                **event,
                "replicas": value_at(replicas, t),
                "nodes": value_at(nodes, t),
                **{name: value_at(steps, t) for name, steps in metrics.items() if steps[0][0] <= t},
                "calm": t < steady,
                "answers": answers,
                "fresh_requests": event["requests"] - requests,
                "fresh_failures": event["failures"] - failures,
            }
        )
        requests, failures = event["requests"], event["failures"]
    return found


def _metrics_over_time(events: list[Json]) -> dict[str, list[tuple[float, float]]]:
    """(t, value) after each look of the HPA, by ``metric.NAME``; of equal names the one furthest up."""
    found: dict[str, list[tuple[float, float]]] = {}
    for event in of_kind(events, "hpa"):
        for metric in sorted(event["metrics"], key=lambda metric: share(metric) or 0.0):
            if metric["current"] is not None:
                found.setdefault(_METRIC + metric["name"], []).append((event["t"], metric["current"]))
    return found


def chosen(limit: Limit, events: list[Json]) -> list[Json]:
    """The samples that a limit speaks of."""
    samples = samples_of(events)
    if limit.steady:
        samples = [part for part in map(_before_it_goes, samples) if part is not None]
    if not limit.conditions:
        return samples
    broken = float("-inf")
    found = []
    for sample in samples:
        if not all(_holds(condition, sample) for condition in limit.conditions):
            broken = sample["t"]
        elif sample["t"] - broken > SETTLE_SECONDS:
            found.append(sample)
    return found


def _before_it_goes(sample: Json) -> Json | None:
    """The part of a sample whose requests began before the load began to go; None for nothing."""
    if sample["going"] is None:
        return sample if sample["calm"] else None
    going = of(sample["going"])
    left = sample["fresh_requests"] - going.total
    if left <= 0 and not sample["calm"]:
        return None
    met: Answers = sample["answers"]
    return {
        **sample, "answers": met.without(going), "fresh_requests": left,
        "fresh_failures": sample["fresh_failures"] - going.failed,
    }  # fmt: skip


def _holds(condition: Comparison, sample: Json) -> bool:
    value = sample.get(condition.metric)
    return value is not None and _RELATIONS[condition.relation][0](value, condition.limit)


def _way_back(text: str, back: tuple[str, str, float | None], events: list[Json]) -> Check:
    """Seconds from the end of the load until the number was reached for good."""
    what, goal, within = back
    run = next(iter(of_kind(events, "run")), {})
    hpa = of_kind(events, "hpa")
    if goal == "min" and what == "replicas":
        target = hpa[-1]["min"] if hpa else run.get("replicas", 0)
    elif goal in ("min", "start"):
        target = run.get(what, 0)
    else:
        target = int(goal)
    begun = run.get("t", 0.0)
    counts = (
        counts_over_time(events, "pod", app=run.get("deployment", ""))
        if what == "replicas"
        else (counts_over_time(events, "node"))
    )
    steps = since(counts, begun, run.get(what, 0))
    ended = _load_ended(events)
    last = steps[-1][1]
    # Fewer are fine where the HPA wants no more, or the autoscaler removed what stood empty; dead ones are none that went.
    if what == "replicas":
        fewest = min(target, max(hpa[-1]["desired"], hpa[-1]["min"])) if hpa else target
    else:
        fewest = min(target, last + _unready_nodes(events))
    if not fewest <= last <= target:
        words = f"{'still' if last > target else 'only'} {last} at the end, not {target}"
        return Check(text, None, "at most", within or 0, False, words)
    above = [index for index, (_unused, value) in enumerate(steps) if value > target]
    reached = steps[above[-1] + 1][0] if above else begun
    if ended is None:
        return Check(text, None, "at most", within or 0, False, "the load never ended")
    seconds = round(max(0.0, reached - ended), 1)
    ok = within is None or seconds <= within
    return Check(
        text, seconds, "at most", within if within is not None else seconds, ok,
        f"seconds from the end of the load until {what} were {target} for good",
    )  # fmt: skip


def _unready_nodes(events: list[Json]) -> int:
    """Nodes that are there at the end, and not ready."""
    last = {event["name"]: event for event in of_kind(events, "node")}
    return sum(not event["gone"] and event["ready"] is None for event in last.values())


def _load_ended(events: list[Json]) -> float | None:
    """When the last users went."""
    loads = of_kind(events, "load")
    busy = [index for index, event in enumerate(loads) if event["state"] in ("running", "spawning")]
    if not busy or busy[-1] + 1 >= len(loads):
        return None
    return float(loads[busy[-1] + 1]["t"])
