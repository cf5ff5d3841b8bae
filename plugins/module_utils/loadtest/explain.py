"""Why latency rose, and what would help, as an experienced colleague would say it from the same picture. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model_server.refusals import in_words
from . import histogram
from .hpa import leading, share
from .hpa import words as amount
from .schema import Finding, Json, Metric
from .slo import SETTLE_SECONDS, samples_of
from .timeline import of_kind

WORTH_TELLING = 1.5
"""p95 must have been this many times its median over the run before there is anything to explain."""

HINTS = {
    "decide": "A lower target of the HPA reacts to a smaller rise; faster metrics (GKE's performance HPA profile) see it "
    "sooner.",
    "create": "The Deployment's controller was slow: look at the API server's load and at quotas.",
    "schedule": "Keep room for one more replica: autoscaling_buffer_replicas: 1, or a higher minimum of nodes.",
    "fetch": "Make image and model smaller, or bring them nearer: image streaming, a model baked in or on a disk.",
    "load": "Loading and warming take the time: a smaller model, more CPU while it starts, fewer warm-up requests; "
    "or start earlier, with a lower target of the HPA.",
    "serve": "A ready pod got no traffic: clients keep the connections that they have. serving_balancing: least_requests hands it "
    "requests at once.",
}
"""What would shorten a phase."""

BY_CPU_ALONE = (
    " CPU stops at its limit, whatever waits: requests a second say at the next look how many replicas they need "
    "(autoscaling_metrics)."
)
"""What a decision by CPU alone lacks; docs/tuning.md has one load by either."""

NAMES = {
    "decide": "until the HPA decided",
    "create": "until the pod was created",
    "schedule": "until it was scheduled",
    "fetch": "until its server started (image, model fetched)",
    "load": "until it was ready (model loaded, warm)",
    "serve": "until it answered its first request",
}


def findings(events: list[Json], report: Mapping[str, Any]) -> list[Finding]:
    """What there is to say, most important first."""
    found = [
        *_latency(events, report),
        *_slowest(report),
        *_failures(events, report),
        *_refused(report),
        *_shares(report),
    ]
    return [finding for finding in found if finding.text]


def _latency(events: list[Json], report: Mapping[str, Any]) -> list[Finding]:
    samples = [
        sample
        for sample in samples_of(events)
        if sample["state"] in ("running", "spawning") and sample["p95_ms"] is not None
    ]
    if not samples:
        return []
    worst = max(samples, key=lambda sample: sample["p95_ms"])
    middle = sorted(sample["p95_ms"] for sample in samples)[len(samples) // 2]
    if worst["p95_ms"] < WORTH_TELLING * middle:
        if any(sample["answers"].failed and sample["p95_ms"] is None for sample in samples_of(events)):
            return []  # there were moments without a p95, so many requests failed
        return [
            Finding(
                f"Latency was even: p95 never rose above {histogram.words(worst['p95_ms'])} ms, median {histogram.words(middle)} ms."
            )
        ]
    t = worst["t"]
    # What a percentile is of began some seconds before: a pod that became ready meanwhile did not answer all of it.
    ready = min(sample["replicas"] for sample in samples if t - SETTLE_SECONDS <= sample["t"] <= t)
    wanted = next((e["wanted"] for e in reversed(of_kind(events, "deployment")) if e["t"] <= t), None)
    known = [event for event in of_kind(events, "hpa") if event["t"] <= t and leading(event["metrics"])]
    metric, limit = (leading(known[-1]["metrics"]), known[-1]["max"]) if known else (None, None)
    run = next(iter(of_kind(events, "run")), {"t": t})
    words = (
        f"p95 was highest {t - run['t']:.0f} s into the run, {histogram.words(worst['p95_ms'])} ms against {histogram.words(middle)} ms in the "
        f"median: {ready} replica{'s were' if ready != 1 else ' was'} ready"
    )
    if wanted is not None and wanted > ready:
        words += f" of {wanted} wanted"
    if metric is not None:
        words += f", {metric['name']} at {amount(metric['current'], metric)} (target {amount(metric['target'], metric)})"
    short = f"p95 {histogram.words(worst['p95_ms'])} ms: {ready}"
    short += f" of {wanted} replicas ready" if wanted is not None else " replicas ready"
    short += f", {metric['name']} {amount(metric['current'], metric)}" if metric is not None else ""
    return [Finding(words + ".", _why(report, t, worst, metric, wanted, limit), t, short)]


def _why(
    report: Mapping[str, Any],
    t: float,
    worst: Json,
    metric: Metric | None,
    wanted: int | None,
    limit: int | None,
) -> str:
    """What to change, from what was under way at the worst moment."""
    for reaction in report["scaling"]["reactions"]:
        if reaction["ended"] != "ready":
            continue
        end = reaction["started"] + reaction["total"]
        if reaction["started"] <= t <= end + 10:
            phase = max(
                (name for name in reaction["phases"] if name in HINTS), key=lambda n: reaction["phases"][n]
            )
            return (
                f"The replica that relieved it was {reaction['phases'][phase]:.0f} s under way {NAMES[phase]}. "
                f"{_hint(phase, report)}"
            )
    above = None if metric is None else (share(metric) or 0) > 1
    if limit is not None and wanted == limit and above:
        return f"The HPA was at its maximum of {limit} replicas: raise it, or give each replica more CPU."
    if worst["backlog"]:
        return "Requests waited in the generator for an answer: the server was saturated."
    if metric is not None and not above:
        return f"The HPA's {metric['name']} was below its target, so it saw no reason: look at queues, batching and the network."
    return ""


def _hint(phase: str, report: Mapping[str, Any]) -> str:
    by_cpu = [metric["name"] for metric in report["scaling"].get("metrics", [])] == ["cpu"]
    return HINTS[phase] + (BY_CPU_ALONE if phase == "decide" and by_cpu else "")


def _slowest(report: Mapping[str, Any]) -> list[Finding]:
    found = [r for r in report["scaling"]["reactions"] if r["direction"] == "out"]
    out = [r for r in found if r["ended"] == "ready" and r["ready_s"]]
    if never := [r for r in found if r["ended"] != "ready"]:
        return [_never(never[0])]
    if not out:
        return []
    slowest = max(out, key=lambda reaction: reaction["ready_s"])
    phase = max((n for n in slowest["phases"] if n in HINTS), key=lambda name: slowest["phases"][name])
    words = (
        f"The slowest reaction, to {slowest['replicas_to']} replicas, took {slowest['ready_s']:.0f} s from the rise of "
        f"load to a ready pod; {slowest['phases'][phase]:.0f} s of it {NAMES[phase]}"
    )
    if phase == "schedule" and slowest["node_wait"]:
        words += f", {slowest['node_wait']:.0f} s for a new node"
    return [Finding(words + ".", _hint(phase, report), slowest["started"])]


def _never(reaction: Json) -> Finding:
    """Of a reaction that did not come to its ready pods; one that goes on has no phase that it is in."""
    phases = ("create", "schedule", "fetch", "load")
    reached = [name for name in phases if name in reaction["phases"]]
    phase = reached[-1] if reaction["ended"] and reached else phases[min(len(reached), len(phases) - 1)]
    words = f"The reaction to {reaction['replicas_to']} replicas never came to its ready pods: "
    words += (
        f"{reaction['pod']} was waited for {NAMES[phase]}" if reaction["pod"] else "not all of them were made"
    )
    if reaction["ended"]:
        words += f", and taken back by the HPA after {reaction['total']:.0f} s"
    return Finding(words + ".", HINTS[phase], reaction["started"])


def _failures(events: list[Json], report: Mapping[str, Any]) -> list[Finding]:
    errors = report["requests"]["errors"]
    if not report["requests"]["failed"]:
        return []
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(errors.items(), key=lambda item: -item[1]))
    before, first = 0, None
    for event in of_kind(events, "load"):
        if event["failures"] > before and first is None:
            first = event["t"]
        before = event["failures"]
    examples = report["requests"]["examples"]
    sample = next(iter(examples.values()), "")
    return [
        Finding(
            f"{report['requests']['failed']} requests failed{f' ({kinds})' if kinds else ''}.",
            f"One of them: {sample}" if sample else "", first, "first failure",
        )
    ]  # fmt: skip


def _refused(report: Mapping[str, Any]) -> list[Finding]:
    refused = report["requests"].get("refused")
    if not refused:
        return []
    return [
        Finding(
            f"The pods' proxies refused {in_words(refused)}.",
            "What each means, and which variable it hangs on: docs/serving.md, What clients may send.",
        )
    ]


def _shares(report: Mapping[str, Any]) -> list[Finding]:
    skew = report["scaling"]["skew_max"]
    if skew is None or skew < 1.5:
        return []
    return [
        Finding(
            f"Load was shared unevenly: one pod had {skew:.1f} times its fair share.",
            "Clients stay with the replica that their connection leads to: serving_balancing: least_requests lets replicas hand "
            "requests on to one that has less to do.",
        )
    ]
