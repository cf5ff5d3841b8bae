"""What one replica carries within the limit: ramps of the open model until it breaks, from their timelines to a rate with its interval. Pure.

A coarse ramp, by equal factors, finds about where; further ones go evenly through there. Of each the best falling function of
the rate is taken through the shares in time of all its moments (``service.py``), and where that crosses the share that is
asked for the limit breaks. What failed was not in time, however quickly.

On a ramp that shows later than it is: what comes above the capacity c waits, and only when the work that waits takes as long
as the limit leaves room for (w), answers are late. On a slope of s a second more every second that takes sqrt(2 w c / s)
seconds (a fluid queue: the area between the ramp and c is w c requests), in which the ramp rose by sqrt(2 w c s). So much is
taken off.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..loadtest import histogram
from ..loadtest.answers import each, together
from ..loadtest.curve import Curve
from ..loadtest.slo import Asked
from ..loadtest.timeline import of_kind, since, value_at
from .measured import serving
from .service import Observation, best_falling

Json = dict[str, Any]
Kind = Literal["at", "at least", "less than"]

REPORT_AGE = 1.5
"""Seconds that a count of the workers is old on average, which report every 3 s."""

CLIENT_LIMITS = ("http 429", "grpc RESOURCE_EXHAUSTED")
"""What the proxy answers to an address that has too much, however much the replica could carry."""

OF_CLIENTS = 1.05
"""A ramp that would have gone on for more than this without such answers was ended by them."""

PIECES, COARSE = 18, (0.7, 1.35)
"""Straight pieces of the coarse ramp; and the next ramp's begin and end, as multiples of what it found."""

FINE, HIGHER, LOWER = (0.82, 1.2), (0.9, 1.5), (0.5, 1.1)
"""The same for later ones: by the mean of those before, after one that never broke, and after one that broke at once."""

REFUSED_MOST = 3
"""Runs that prove nothing, until it is no use to go on."""

_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t at 97.5 %, by degrees of freedom from 1."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """How it is measured. Rates in requests a second."""

    first: float
    last: float
    repeats: int
    within_percent: float
    ramp_seconds: float
    seconds: float
    """all of it"""
    arrivals: str = "even"


@dataclasses.dataclass(frozen=True)
class Ramp:
    """What a run says. ``refused``: why it says nothing; otherwise the limit broke ``at`` a rate, never (``at least``), or at once
    (``less than``)."""

    run: str
    refused: str = ""
    kind: Kind = "at"
    rate: float = 0.0
    first: float = 0.0
    last: float = 0.0
    """the rates that were offered"""
    requests: int = 0
    start: float | None = None
    """seconds from its node until it is ready that the replica took"""
    moments: tuple[Observation, ...] = ()
    """by rate, in place of pressure"""


@dataclasses.dataclass(frozen=True)
class Capacity:
    """Requests a second that a replica carries within the limit; the 95 % interval's ends, where two ramps or more broke."""

    kind: Kind
    rate: float
    low: float | None
    high: float | None
    repeats: int
    """ramps that it is made of; 0 for the coarse one alone"""


@dataclasses.dataclass(frozen=True)
class Step:
    """What comes next: ``shape`` of the next run, or None, and why that was all."""

    shape: Json | None
    seed: int
    why: str = ""


@dataclasses.dataclass(frozen=True)
class _Moment:
    rate: float
    slope: float
    requests: int
    in_time: int
    limited: int
    """answered as ``CLIENT_LIMITS``"""


def ramp(run: str, events: list[Json], asked: Asked, problems: Sequence[str]) -> Ramp:
    """``problems``: why its report says that it proves nothing."""
    begun = next(iter(of_kind(events, "run")), None)
    if problems or begun is None:
        return Ramp(run, "; ".join(problems) or "no load began")
    most = _replicas(events, begun)
    if most > 1:
        return Ramp(
            run, f"{most} replicas answered, not one: does something else than this HPA scale the Deployment?"
        )
    moments = _moments(events, begun, asked)
    if not moments:
        return Ramp(run, "there was no load of the open model")
    answered = together(answers for _event, answers in each(events)).answered
    wait = max(0.0, asked.milliseconds - (histogram.percentile(answered, 0.05) or 0.0)) / 1000
    kind, rate = _broke(moments, asked.share, wait)
    freed = [dataclasses.replace(one, requests=one.requests - one.limited) for one in moments]
    without, then = _broke(freed, asked.share, wait)
    limited = sum(one.limited for one in moments)
    if limited and kind != "at least" and (without == "at least" or then > rate * OF_CLIENTS):
        return Ramp(
            run,
            f"the proxy refused {limited} requests, as one address had too much (429), before the replica was full: raise "
            "serving_client_requests or serving_client_rate, or loadtest_workers, each of which has an address of its own",
        )
    return Ramp(
        run, "", kind, rate, moments[0].rate, moments[-1].rate, sum(one.requests for one in moments), _start(events, begun),
        tuple(Observation(one.rate, one.requests, one.in_time / one.requests) for one in moments),
    )  # fmt: skip


def _replicas(events: list[Json], begun: Json) -> int:
    steps = since(serving(events, begun["deployment"]), begun["t"], begun["replicas"])
    loads = of_kind(events, "load")
    return max((int(value_at(steps, event["t"])) for event in loads), default=0)


def _moments(events: list[Json], begun: Json, asked: Asked) -> list[_Moment]:
    plan = begun["plan"] or {}
    if plan.get("model") != "open":
        return []
    curve, found = Curve(plan["pieces"]), []
    before, limited = 0.0, 0
    for event, answers in each(events):
        # A look before the next report has nothing new: the one after it tells of both.
        if event["elapsed"] is None or not answers.total:
            continue
        a, b = max(0.0, before - REPORT_AGE), min(curve.length, event["elapsed"] - REPORT_AGE)
        before = event["elapsed"]
        now = sum(event["errors"].get(kind, 0) for kind in CLIENT_LIMITS)
        fresh, limited = now - limited, now
        if b <= a:
            continue
        slope = (curve.level(b - 1e-6) - curve.level(a)) / (b - a)
        good = round(answers.within(asked.milliseconds))
        found.append(_Moment((curve.area(b) - curve.area(a)) / (b - a), slope, answers.total, good, fresh))
    return found


def _broke(moments: Sequence[_Moment], share: float, wait: float) -> tuple[Kind, float]:
    """Whether, and at which rate, less than the share was in time, the queue's delay taken off."""
    points = best_falling(
        Observation(one.rate, one.requests, one.in_time / one.requests) for one in moments if one.requests
    )
    broken = next((index for index, (_rate, value) in enumerate(points) if value < share), None)
    if broken is None:
        return "at least", _begun(moments[-1].rate, moments[-1].slope, wait)
    if not broken:
        return "less than", points[0][0]
    (r0, v0), (r1, v1) = points[broken - 1], points[broken]
    seen = r0 + (r1 - r0) * (v0 - share) / (v0 - v1)
    slope = min(moments, key=lambda one: abs(one.rate - seen)).slope
    return "at", _begun(seen, slope, wait)


def _begun(seen: float, slope: float, wait: float) -> float:
    """The c of c + sqrt(2 wait c slope) = seen."""
    part = math.sqrt(2 * wait * max(0.0, slope))
    return ((math.sqrt(part * part + 4 * seen) - part) / 2) ** 2


def _start(events: list[Json], begun: Json) -> float | None:
    """Of the pods of the Deployment that Kubernetes says it of, the median."""
    found = {
        event["name"]: event["ready"] - event["scheduled"]
        for event in of_kind(events, "pod")
        if event["app"] == begun["deployment"]
        and event["ready"]
        and event["scheduled"]
        and not event["leaving"]
    }
    return statistics.median(found.values()) if found else None


def capacity(ramps: Sequence[Ramp]) -> Capacity | None:
    """From the runs so far; None where none says anything."""
    valid = [one for one in ramps if not one.refused]
    if not valid:
        return None
    broke = [one.rate for one in valid[1:] if one.kind == "at"]
    if not broke:
        last = valid[-1]
        return Capacity(last.kind, last.rate, None, None, 0)
    mean = statistics.fmean(broke)
    if len(broke) == 1:
        return Capacity("at", mean, None, None, 1)
    degrees = len(broke) - 1
    t = _T95[degrees - 1] if degrees <= len(_T95) else 1.96
    half = t * statistics.stdev(broke) / math.sqrt(len(broke))
    return Capacity("at", mean, max(0.0, mean - half), mean + half, len(broke))


def step(ramps: Sequence[Ramp], wanted: Wanted, elapsed: float) -> Step:
    """What to run next. ``elapsed``: seconds since the first run was begun."""
    seed = len(ramps) + 1
    valid = [one for one in ramps if not one.refused]
    refused = len(ramps) - len(valid)
    if refused >= REFUSED_MOST:
        return Step(None, seed, f"{refused} runs prove nothing, so it was given up")
    found, last = capacity(ramps), valid[-1] if valid else None
    if last and last.kind == "at least" and last.last >= wanted.last * 0.97:
        return Step(
            None, seed, f"the limit was kept up to the end of the range, {wanted.last:g}/s (capacity_last)"
        )
    if last and last.kind == "less than" and last.first <= wanted.first * 1.03:
        return Step(
            None,
            seed,
            f"the limit was not even kept at the begin of the range, {wanted.first:g}/s (capacity_first)",
        )
    if found and found.low is not None and found.repeats >= wanted.repeats:
        assert found.high is not None  # noqa: S101 - both or neither
        wide = 100 * (found.high - found.low) / 2 / found.rate
        if wide <= wanted.within_percent:
            return Step(None, seed, f"the interval is within {wanted.within_percent:g} %")
    if ramps and elapsed + elapsed / len(ramps) > wanted.seconds:
        return Step(
            None, seed, f"there is no time for another ramp in {wanted.seconds / 60:g} min (capacity_minutes)"
        )
    if found is None or last is None:
        return Step(_coarse(wanted), seed)
    if len(valid) == 1:
        begin, end = COARSE if found.kind == "at" else HIGHER if found.kind == "at least" else LOWER
    elif found.repeats:
        begin, end = FINE
    else:
        begin, end = HIGHER if last.kind == "at least" else LOWER
    top = min(wanted.last, found.rate * end)
    shape = {
        "kind": "ramp", "model": "open", "arrivals": wanted.arrivals, "first": round(min(max(wanted.first, found.rate * begin), 0.9 * top), 3),
        "last": round(top, 3), "duration": wanted.ramp_seconds,
    }  # fmt: skip
    return Step(shape, seed)


def _coarse(wanted: Wanted) -> Json:
    """From the first rate to the last, each piece by the same factor."""
    factor = (wanted.last / wanted.first) ** (1 / PIECES)
    seconds = f"{wanted.ramp_seconds / PIECES:.3f}s"
    stages = [
        {"duration": seconds, "target": round(wanted.first * factor**n, 3)} for n in range(1, PIECES + 1)
    ]
    return {
        "kind": "stages",
        "model": "open",
        "arrivals": wanted.arrivals,
        "start": wanted.first,
        "stages": stages,
    }


def words(found: Capacity | None) -> str:
    """For people."""
    if found is None:
        return "What one replica carries is not known: no run proves anything."
    rate = f"{found.rate:.1f} requests/s within the limit"
    if found.kind != "at":
        return f"One replica carries {found.kind} {rate}."
    if found.low is None or found.high is None:
        return f"One replica carries {rate} (no interval: of {found.repeats or 'the coarse'} ramp{'' if found.repeats else ' alone'})."
    half = 100 * (found.high - found.low) / 2 / found.rate if found.rate else 0.0
    return f"One replica carries {rate} ({found.low:.1f} to {found.high:.1f}, 95 %, of {found.repeats} ramps: ±{half:.1f} %)."


def told(one: Ramp) -> str:
    """A run for people."""
    if one.refused:
        return f"{one.run} proves nothing: {one.refused}"
    offered = f"{one.requests} requests, {one.first:.1f} to {one.last:.1f}/s"
    if one.kind == "at":
        return f"{one.run}: the limit broke at {one.rate:.1f}/s ({offered})"
    if one.kind == "at least":
        return f"{one.run}: the limit was kept up to {one.rate:.1f}/s ({offered})"
    return f"{one.run}: the limit was broken from the begin on, at {one.rate:.1f}/s ({offered})"


def sizes(events: list[Json], app: str) -> Json:
    """What a replica's containers request and may use at most of the CPU, in thousandths of a core: other replicas carry otherwise."""
    for event in reversed(of_kind(events, "pod_spec")):
        if event["labels"].get("app") == app:
            return {
                part: {name: one["cpu"] for name, one in sorted(event[part].items()) if "cpu" in one}
                for part in ("requests", "limits")
            }
    return {}


def as_json(
    ramps: Sequence[Ramp], found: Capacity, asked: Asked, site: Mapping[str, Any], arrivals: str, why: str
) -> Json:
    """What capacity.json holds. ``site``: where and of what it was measured."""
    starts = [one.start for one in ramps if one.start is not None]
    return {
        **site,
        "limit": {"words": asked.words, "milliseconds": asked.milliseconds, "share": asked.share},
        "arrivals": arrivals,
        "capacity": {
            "kind": found.kind, "repeats": found.repeats,
            **{name: None if value is None else round(value, 3) for name, value in (("rate", found.rate), ("low", found.low), ("high", found.high))},
        },
        "start_seconds": round(statistics.median(starts), 1) if starts else None,
        "runs": [
            {
                "run": one.run, "refused": one.refused, "kind": None if one.refused else one.kind, "rate": round(one.rate, 3),
                "first": round(one.first, 3), "last": round(one.last, 3), "requests": one.requests,
            }
            for one in ramps
        ],
        "ended": why,
    }  # fmt: skip
