"""How much load there is at any moment, and when each request is due. Pure; Locust's workers import it, too.

A curve is a list of straight pieces ``(seconds, first, last)``. Its level is users in the closed model and
requests a second in the open one. In the open model the area under the curve counts requests: request number n
(from 0) is due when the area reaches n + 1/2, or, at random moments, the n-th mark of a Poisson process.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Iterator, Sequence

Piece = tuple[float, float, float]


class Curve:
    """Level and area of a curve. Times in seconds since its begin; the level is 0 before and after it."""

    def __init__(self, pieces: Sequence[Sequence[float]]) -> None:
        self.pieces: list[Piece] = [(float(s), float(a), float(b)) for s, a, b in pieces if s > 0]
        self._starts, self._areas = [0.0], [0.0]
        for seconds, first, last in self.pieces:
            self._starts.append(self._starts[-1] + seconds)
            self._areas.append(self._areas[-1] + seconds * (first + last) / 2)

    @property
    def length(self) -> float:
        """Seconds from begin to end."""
        return self._starts[-1]

    @property
    def peak(self) -> float:
        return max((max(first, last) for _unused, first, last in self.pieces), default=0.0)

    def level(self, t: float) -> float:
        """The level at a time; where it jumps, the one after the jump."""
        if not 0 <= t < self.length:
            return 0.0
        index = bisect.bisect_right(self._starts, t) - 1
        seconds, first, last = self.pieces[index]
        return first + (last - first) * (t - self._starts[index]) / seconds

    def range(self, begin: float, end: float) -> tuple[float, float]:
        """The lowest and highest level between two times, both sides of any jump included."""
        levels = [self.level(begin), self.level(end)]
        for start, (seconds, first, last) in zip(self._starts, self.pieces, strict=False):
            if begin <= start <= end:
                levels.append(first)
            if begin <= start + seconds <= end:
                levels.append(last)
        return min(levels), max(levels)

    def area(self, t: float) -> float:
        """The area until a time."""
        if t >= self.length:
            return self._areas[-1]
        if t <= 0:
            return 0.0
        index = bisect.bisect_right(self._starts, t) - 1
        seconds, first, last = self.pieces[index]
        within = t - self._starts[index]
        return self._areas[index] + first * within + (last - first) * within * within / (2 * seconds)

    def when(self, area: float) -> float | None:
        """The first time at which the area is reached; None when it never is."""
        if area > self._areas[-1]:
            return None
        index = max(0, bisect.bisect_left(self._areas, area) - 1)
        if index >= len(self.pieces):
            return self.length
        seconds, first, last = self.pieces[index]
        missing, slope = area - self._areas[index], (last - first) / seconds
        if missing <= 0:
            return self._starts[index]
        # first * x + slope * x * x / 2 = missing, in the form that does not cancel.
        root = math.sqrt(max(0.0, first * first + 2 * slope * missing))
        return self._starts[index] + min(seconds, 2 * missing / (first + root))


def users_at(curve: Curve, t: float, *, whole: bool = False) -> int | None:
    """Users of the closed model; None when the curve is over. Whoever has begun counts as one, or, ``whole``, as none."""
    return None if t >= curve.length else _users(curve.level(t), whole)


def most_users(curve: Curve, *, whole: bool = False) -> int:
    """The most that `users_at` ever says."""
    # The last level of a piece is neared and not reached: what comes next counts there.
    ends = ((first, last - 1e-6 if last > first else last) for _unused, first, last in curve.pieces)
    return max((_users(level, whole) for piece in ends for level in piece), default=0)


def _users(level: float, whole: bool) -> int:
    if whole:
        return math.floor(level + 1e-9)
    return max(1, math.ceil(level - 1e-9)) if level > 0 else 0


def due_times(
    curve: Curve, *, worker: int, workers: int, poisson: bool = False, seed: int = 1
) -> Iterator[float]:
    """When this worker's requests are due, in order. All workers' together make the whole curve.

    Evenly: each worker has every n-th request. Poisson: each worker has a process of its own with its share of
    the rate, which together are one process of the whole rate.
    """
    if poisson:
        dice = random.Random(seed * 1_000_003 + worker)  # noqa: S311 - a load, not a secret
        mark = dice.expovariate(1.0)
        while (moment := curve.when(mark * workers)) is not None:
            yield moment
            mark += dice.expovariate(1.0)
        return
    number = worker
    while (moment := curve.when(number + 0.5)) is not None:
        yield moment
        number += workers
