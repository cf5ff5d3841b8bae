"""How far a simulation may be off: by the moments at which samples and looks fall, by what a run's parts say of each other, and by
what the run never met. Pure.

The HPA looks every 15 s at samples that are as old, and where in the load these moments fall is luck: where replicas come
late, it alone makes ten points of the share in time. So a setting is simulated with several such moments.

The share in time at a pressure is measured in a run, and another run has another: machines are slower for a minute, a replica gets
more than its part. Each tenth of the run is told by the other nine, by how much that misses is held against what it would if each
request were on its own (overdispersion: McCullagh and Nelder, "Generalized Linear Models", 1989, 4.5), and a simulated
share is that much less sure.

Where requests come at more pressure than the run met, nothing is known but that they are no more in time than at what it met.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable, Sequence

from .service import Curve, Observation, Outcome

PARTS = 10
"""Of a run, each told by the others."""

PART = 30
"""Moments of a part, at least: those near each other are alike."""

MOMENTS = ((0.0, 0.0), (0.25, 0.5), (0.5, 0.25), (0.75, 0.75))
"""Later by which part of a period looks and samples fall than in the run."""

SURE = 2.0
"""Standard deviations to both sides: 95 %."""

FEW = 3
"""Times that something was met at least so that the run says how much it varies."""


@dataclasses.dataclass(frozen=True)
class Range:
    """95 % of the runs are in it."""

    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Likely:
    """What a run with these settings would probably have come to."""

    replicas: Range
    attained: Range
    beyond: float
    """share of the requests that come at more pressure than the run met"""


@dataclasses.dataclass(frozen=True)
class Doubt:
    """Of a run's simulation, whatever the setting."""

    overdispersion: float
    attained: float
    """by how much it is off on the run itself, as a share of the requests"""
    replicas: float
    """likewise, as a share of the replicas"""
    drain: float
    """standard deviation of a drain's seconds"""


def overdispersion(observed: Sequence[Observation], curve: Callable[[list[Observation]], Curve]) -> float:
    """How many times as much parts of a run vary about what the others say of them as independent requests would; 1 where that
    can't be told. ``observed``: in order of time."""
    size = max(PART, math.ceil(len(observed) / PARTS))
    parts = [list(observed[n : n + size]) for n in range(0, len(observed), size)]
    if len(parts) < 2:
        return 1.0
    missed = alone = 0.0
    for part in parts:
        told = curve([one for other in parts if other is not part for one in other])
        missed += sum(one.requests * (told.at(one.pressure) - one.value) for one in part) ** 2
        alone += sum(one.requests * one.value * (1 - one.value) for one in part)
    return max(1.0, missed / alone) if alone else 1.0


def mean(outcomes: Sequence[Outcome]) -> Outcome:
    """Of simulations of the same load."""

    def of(name: str) -> float:
        return statistics.fmean(getattr(one, name) for one in outcomes)

    def line(name: str) -> tuple[float, ...]:
        return tuple(
            sum(values) / len(outcomes)
            for values in zip(*(getattr(one, name) for one in outcomes), strict=True)
        )

    return Outcome(
        of("requests"), of("in_time"), line("ready"), line("wanted"), line("existing"), line("nodes"),
        of("spread"), of("beyond"), of("beyond_in_time"),
    )  # fmt: skip


def likely(outcomes: Sequence[Outcome], doubt: Doubt, most: float) -> Likely:
    """``outcomes``: with looks and samples at several moments; ``most``: the share in time at the highest pressure that was met."""
    middle, seconds = mean(outcomes), max(1, len(outcomes[0].existing))
    requests = middle.requests or 1.0
    off = SURE * math.hypot(
        _deviation([one.attained for one in outcomes]),
        math.sqrt(doubt.overdispersion * middle.spread) / requests,
        doubt.attained,
    )
    low = middle.attained - off - middle.beyond_in_time / requests
    high = middle.attained + off + max(0.0, middle.beyond * most - middle.beyond_in_time) / requests
    replicas = [one.replica_seconds / seconds for one in outcomes]
    about = statistics.fmean(replicas)
    aside = SURE * math.hypot(
        _deviation(replicas),
        doubt.replicas * about,
        statistics.fmean(map(_removed, outcomes)) * doubt.drain / seconds,
    )
    return Likely(
        Range(max(0.0, about - aside), about + aside),
        Range(max(0.0, low), min(1.0, high)),
        middle.beyond / requests,
    )


def _removed(outcome: Outcome) -> float:
    return sum(max(0.0, before - now) for before, now in itertools.pairwise(outcome.wanted))


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def spread(met: Sequence[float], taken: float) -> float:
    """Standard deviation of something that a run met so many times; of what it met too seldom, all of what is taken for it."""
    return statistics.stdev(met) if len(met) >= FEW else taken
