"""How fast a pod answers: measured one request after the other, judged by its percentiles.

Pure, but for the clock that is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """How many requests are measured, and milliseconds that must not be exceeded (None: no limit)."""

    requests: int
    p50_ms: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True)
class Latency:
    """What was measured, in milliseconds, the way through the API server included.

    `round_trip_ms` is the median of requests that only ask for the model's state: about what the way takes.
    """

    requests: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    round_trip_ms: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "p50_ms": round(self.p50_ms, 2),
            "p95_ms": round(self.p95_ms, 2),
            "max_ms": round(self.max_ms, 2),
            "round_trip_ms": round(self.round_trip_ms, 2),
        }

    def problems(self, limits: Limits) -> list[str]:
        """Which limits are exceeded, in words."""
        return [
            f"too slow: {name} of {self.requests} requests is {value:.1f} ms, allowed are {limit:g} ms "
            f"(of which the way through the API server takes about {self.round_trip_ms:.1f} ms)"
            for name, value, limit in (
                ("p50", self.p50_ms, limits.p50_ms),
                ("p95", self.p95_ms, limits.p95_ms),
            )
            if limit is not None and value > limit
        ]


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank: the smallest value that at least `share` (0 to 1) of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def measure(
    asks: Sequence[Callable[[], object]], trip: Callable[[], object], requests: int, now: Callable[[], float]
) -> Latency:
    """Asks in turn, `requests` times in all; `now` gives seconds. What the asks raise goes through."""
    trips = [_milliseconds(trip, now) for _unused in range(max(3, requests // 4))]
    taken = [_milliseconds(asks[index % len(asks)], now) for index in range(requests)]
    return Latency(
        requests, percentile(taken, 0.5), percentile(taken, 0.95), max(taken), percentile(trips, 0.5)
    )


def _milliseconds(ask: Callable[[], object], now: Callable[[], float]) -> float:
    began = now()
    ask()
    return (now() - began) * 1000
