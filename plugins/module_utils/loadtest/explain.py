"""Why latency rose, and what would help, as an experienced colleague would say it from the same picture. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .slo import SETTLE_SECONDS, samples_of
from .timeline import Json, of_kind

WORTH_TELLING = 1.5
"""p95 must have been this many times its median over the run before there is anything to explain."""

ADVICE = {
    "decide": "A lower CPU target reacts to a smaller rise; faster metrics (GKE's performance HPA profile) see it "
    "sooner.",
    "create": "The Deployment's controller was slow: look at the API server's load and at quotas.",
    "schedule": "Keep room for one more replica: placeholder pods, or a higher minimum of nodes.",
    "fetch": "Make image and model smaller, or bring them nearer: image streaming, a model baked in or on a disk.",
    "load": "Loading and warming take the time: a smaller model, more CPU while it starts, fewer warm-up requests; "
    "or start earlier, with a lower CPU target.",
    "serve": "A ready pod got no traffic: let clients renew their connections more often.",
}
"""What would shorten a phase."""

NAMES = {
    "decide": "until the HPA decided",
    "create": "until the pod was created",
    "schedule": "until it was scheduled",
    "fetch": "until its server started (image, model fetched)",
    "load": "until it was ready (model loaded, warm)",
    "serve": "until it answered its first request",
}


@dataclass(frozen=True)
class Finding:
    """A sentence about the run. ``t``: the moment it speaks of; ``short``: for the picture's margin."""

    text: str
    advice: str = ""
    t: float | None = None
    short: str = ""


def findings(events: list[Json], report: Mapping[str, Any]) -> list[Finding]:
    """What there is to say, most important first."""
    found = [*_latency(events, report), *_slowest(report), *_failures(events, report), *_shares(report)]
    return [finding for finding in found if finding.text]


def _latency(events: list[Json], report: Mapping[str, Any]) -> list[Finding]:
    samples = [
        sample
        for sample in samples_of(events, report)
        if sample["state"] in ("running", "spawning") and sample.get("p95_ms") is not None
    ]
    if not samples:
        return []
    worst = max(samples, key=lambda sample: sample["p95_ms"])
    middle = sorted(sample["p95_ms"] for sample in samples)[len(samples) // 2]
    if worst["p95_ms"] < WORTH_TELLING * middle:
        return [
            Finding(
                f"Latency was even: p95 never rose above {worst['p95_ms']:.0f} ms, median {middle:.0f} ms."
            )
        ]
    t = worst["t"]
    # What a percentile is of began some seconds before: a pod that became ready meanwhile did not answer all of it.
    ready = min(sample["replicas"] for sample in samples if t - SETTLE_SECONDS <= sample["t"] <= t)
    wanted = _last(events, "deployment", t, "wanted")
    usage, target, limit = (_last(events, "hpa", t, key) for key in ("cpu_percent", "target_percent", "max"))
    run = next(iter(of_kind(events, "run")), {"t": t})
    words = (
        f"p95 was highest {t - run['t']:.0f} s into the run, {worst['p95_ms']:.0f} ms against {middle:.0f} ms in the "
        f"median: {ready} replica{'s were' if ready != 1 else ' was'} ready"
    )
    if wanted is not None and wanted > ready:
        words += f" of {wanted:.0f} wanted"
    if usage is not None and target:
        words += f", at {usage:.0f} % of its CPU request (target {target:.0f} %)"
    short = f"p95 {worst['p95_ms']:.0f} ms: {ready}"
    short += f" of {wanted:.0f} replicas ready" if wanted is not None else " replicas ready"
    short += f", CPU {usage:.0f} %" if usage is not None else ""
    return [Finding(words + ".", _why(report, t, worst, usage, target, wanted, limit), t, short)]


def _why(
    report: Mapping[str, Any],
    t: float,
    worst: Json,
    usage: float | None,
    target: float | None,
    wanted: float | None,
    limit: float | None,
) -> str:
    """What to change, from what was under way at the worst moment."""
    for reaction in report["scaling"]["reactions"]:
        end = reaction["started"] + reaction["total"]
        if reaction["direction"] == "out" and reaction["started"] <= t <= end + 10:
            phase = max(
                (name for name in reaction["phases"] if name in ADVICE), key=lambda n: reaction["phases"][n]
            )
            return (
                f"The replica that relieved it was {reaction['phases'][phase]:.0f} s under way {NAMES[phase]}. "
                f"{ADVICE[phase]}"
            )
    if limit is not None and wanted == limit and usage and target and usage > target:
        return f"The HPA was at its maximum of {limit:.0f} replicas: raise it, or give each replica more CPU."
    if worst.get("backlog"):
        return "Requests waited in the generator for an answer: the server was saturated."
    if usage is not None and target and usage < target:
        return "CPU was below its target, so the HPA saw no reason: look at queues, batching and the network."
    return ""


def _last(events: list[Json], kind: str, t: float, key: str) -> float | None:
    known = [event[key] for event in of_kind(events, kind) if event["t"] <= t and event.get(key) is not None]
    return float(known[-1]) if known else None


def _slowest(report: Mapping[str, Any]) -> list[Finding]:
    out = [r for r in report["scaling"]["reactions"] if r["direction"] == "out" and r.get("ready_s")]
    if not out:
        return []
    slowest = max(out, key=lambda reaction: reaction["ready_s"])
    phase = max((n for n in slowest["phases"] if n in ADVICE), key=lambda name: slowest["phases"][name])
    words = (
        f"The slowest reaction, to {slowest['replicas_to']} replicas, took {slowest['ready_s']:.0f} s from the rise of "
        f"load to a ready pod; {slowest['phases'][phase]:.0f} s of it {NAMES[phase]}"
    )
    if phase == "schedule" and slowest.get("node_wait"):
        words += f", {slowest['node_wait']:.0f} s for a new node"
    return [Finding(words + ".", ADVICE[phase], slowest["started"])]


def _failures(events: list[Json], report: Mapping[str, Any]) -> list[Finding]:
    errors = report["requests"].get("errors") or {}
    if not report["requests"]["failed"]:
        return []
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(errors.items(), key=lambda item: -item[1]))
    before, first = 0, None
    for event in of_kind(events, "load"):
        if event["failures"] > before and first is None:
            first = event["t"]
        before = event["failures"]
    examples = report["requests"].get("examples") or {}
    sample = next(iter(examples.values()), "")
    return [
        Finding(
            f"{report['requests']['failed']} requests failed{f' ({kinds})' if kinds else ''}.",
            f"One of them: {sample}" if sample else "", first, "first failure",
        )
    ]  # fmt: skip


def _shares(report: Mapping[str, Any]) -> list[Finding]:
    skew = report["scaling"].get("skew_max")
    if skew is None or skew < 1.5:
        return []
    return [
        Finding(
            f"Load was shared unevenly: one pod had {skew:.1f} times its fair share.",
            "Let clients renew their connections more often (loadtest_requests_per_connection), or balance requests.",
        )
    ]
