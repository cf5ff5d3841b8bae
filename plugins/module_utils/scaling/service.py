"""How well so many replicas answer so much load: from what a run measured to a function of pressure. Pure.

*Pressure* is what a replica is asked for in a second as a multiple of what it can do in one, plus the seconds that it
would need for the requests that wait already. At pressure 0.5 a replica has half of what it can do; at 1.2 it is full, and
requests wait for a fifth of a second and more. More replicas are never more pressure.

Each second of a recorded run has a pressure, and a share of requests that were answered in time. Of these the best
falling function is taken (isotonic regression by pool-adjacent-violators: Ayer, Brunk, Ewing, Reid, Silverman, "An
Empirical Distribution Function for Sampling with Incomplete Information", 1955), which has the run's own share in the mean.
Above the pressure that the run met, it goes on as a queue's would, by Kingman's approximation ("The single server queue in
heavy traffic", 1961): P(wait > w) = x exp(-2 (1 - x) w / ((1 + v) s)), x the load as a multiple of what can be done,
s a request's time at full speed, v its squared coefficient of variation, arrivals at random.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence

STEP = 0.01
"""Pressures are told apart by so much."""

MOST = 4.0
"""Above this pressure everything is as at it."""

VARIATION = 0.1
"""Squared coefficient of variation of a request's work: that of a model is nearly constant."""

PATIENCE = 10
"""Seconds after which a request that waits is answered badly and gone: the serving role's ``serving_queue_timeout``."""

ROOM = 72
"""Requests that a replica has at a time at most, and refuses what comes above: the serving role's ``serving_concurrency`` and
``serving_queue_length``. Where the run met refusals, it says how many there were."""

NEAR = 7
"""Moments of which the middle one counts, where one alone may be far off."""

POINT = 50
"""Requests that a point of the curve is made of, at least."""


@dataclasses.dataclass(frozen=True)
class Observation:
    """A moment of a run: its pressure, and what became of the requests answered in it."""

    pressure: float
    requests: float
    value: float
    """share in time, or seconds on average"""


class Curve:
    """A function of pressure, by a table."""

    def __init__(self, points: Sequence[tuple[float, float]], met: float = MOST) -> None:
        """``points``: (pressure, value) in order of pressure; between them it is straight, beyond them level. ``met``: the highest
        pressure at which it was measured; above it is what a queue would do."""
        self.points = tuple(points)
        self.met = min(met, MOST)
        xs = [x for x, _unused in points]
        self._table = []
        for step in range(int(MOST / STEP) + 1):
            x = step * STEP
            index = bisect.bisect_right(xs, x)
            if index == 0 or index == len(xs):
                self._table.append(points[min(index, len(xs) - 1)][1])
                continue
            (x0, y0), (x1, y1) = points[index - 1], points[index]
            self._table.append(y0 + (y1 - y0) * (x - x0) / (x1 - x0))

    def at(self, pressure: float) -> float:
        return self._table[min(int(pressure / STEP), len(self._table) - 1)]

    def most(self, least: float) -> float:
        """The highest pressure at which a falling function is at least so much; 0 where it never is."""
        found = [step for step, value in enumerate(self._table) if value >= least]
        return found[-1] * STEP if found else 0.0


def in_time(observed: Iterable[Observation], limit: float, fastest: float, work: float) -> Curve:
    """The share of requests answered within ``limit`` seconds. ``fastest``: seconds of an answer when there is no load,
    ``work``: seconds of a request's work at full speed."""
    points = _monotone(observed, falling=True)

    def queue(x: float) -> float:
        wait = limit - fastest
        if wait <= 0:
            return 0.0
        if x < 1:
            late = x * math.exp(-2 * (1 - x) * wait / ((1 + VARIATION) * work)) if x > 0 else 0.0
            return 1 - late
        # All wait for what is over one; who waits longer than there is time is late.
        return 0.0

    return Curve(_extended(points, queue, falling=True), met=points[-1][0] if points else 0.0)


def on_average(observed: Iterable[Observation], fastest: float, work: float) -> Curve:
    """Seconds that an answer takes on average. Of moments with much the same pressure the middle one counts: a moment in which
    the machine stood still says nothing of the pressure it stood under."""
    points = _monotone(_middles(observed), falling=False)

    def queue(x: float) -> float:
        full = min(x, 0.97)
        wait = full * work * (1 + VARIATION) / 2 / (1 - full)
        return fastest + wait + max(0.0, x - 1)

    return Curve(_extended(points, queue, falling=False))


def _middles(observed: Iterable[Observation]) -> list[Observation]:
    """The median of each ``NEAR`` moments whose pressures are next to each other."""
    ordered = sorted(observed, key=lambda one: one.pressure)
    groups = [ordered[n : n + NEAR] for n in range(0, len(ordered), NEAR)]
    return [
        Observation(
            statistics.fmean(one.pressure for one in group),
            sum(one.requests for one in group),
            statistics.median(one.value for one in group),
        )
        for group in groups
    ]


def best_falling(observed: Iterable[Observation]) -> list[tuple[float, float]]:
    """Points of the best falling function through what was observed."""
    return _monotone(observed, falling=True)


def _monotone(observed: Iterable[Observation], *, falling: bool) -> list[tuple[float, float]]:
    """Points of the best falling, or rising, function through what was observed."""
    sign = -1 if falling else 1
    binned: list[list[float]] = []
    for one in sorted(observed, key=lambda one: one.pressure):
        if not one.requests:
            continue
        if not binned or binned[-1][0] >= POINT:
            binned.append([0.0, 0.0, 0.0])
        last = binned[-1]
        last[0] += one.requests
        last[1] += one.requests * one.pressure
        last[2] += one.requests * one.value * sign
    pools: list[list[float]] = []
    for requests, pressures, values in binned:
        pools.append([requests, pressures, values, pressures / requests, pressures / requests])
        while len(pools) > 1 and pools[-2][2] / pools[-2][0] >= pools[-1][2] / pools[-1][0]:
            last = pools.pop()
            before = pools[-1]
            for index in range(3):
                before[index] += last[index]
            before[4] = last[4]
    points: list[tuple[float, float]] = []
    for requests, _unused, values, first, last_x in pools:
        level = sign * values / requests
        points += [(first, level)] if first == last_x else [(first, level), (last_x, level)]
    return points


def _extended(
    points: list[tuple[float, float]], queue: object, *, falling: bool
) -> list[tuple[float, float]]:
    """Goes on above the highest pressure that was met as the queue does, from the value that was met there."""
    assert callable(queue)  # noqa: S101 - two of them, above
    begin, level = points[-1] if points else (0.0, queue(0.0))
    if not points:
        points = [(0.0, level)]
    theirs = queue(begin)
    more = []
    x = math.floor(begin / 0.05) * 0.05 + 0.05
    while x <= MOST:
        if falling:
            value = level * queue(x) / theirs if theirs > 0 else 0.0
            value = min(value, level)
        else:
            value = max(level, level * queue(x) / theirs if theirs > 0 else queue(x))
        more.append((x, value))
        x += 0.05
    return [*points, *more]


@dataclasses.dataclass(frozen=True)
class Service:
    """What a replica can do, as it was measured. CPU in thousandths of a core."""

    cpu_ms: float
    """CPU that a request takes, in milliseconds of a core"""
    idle: float
    """CPU of a replica that is asked nothing"""
    request: int
    """what the container requests: the HPA's hundred per cent"""
    limit: float
    """what it can use at most"""
    within: Curve
    """share answered in time, by pressure"""
    average: Curve
    """seconds of an answer, by pressure"""
    room: float = ROOM
    """requests that wait or are answered at a time, of which it has no more"""

    @property
    def capacity(self) -> float:
        """Requests a second that keep a replica busy all the time."""
        return max(0.001, (self.limit - self.idle) / self.cpu_ms)


@dataclasses.dataclass(frozen=True)
class Load:
    """What is asked for in each second. Open: requests that come. Closed: users, who think between two requests."""

    levels: tuple[float, ...]
    think: float | None = None
    """seconds; None for the open model"""

    @property
    def seconds(self) -> int:
        return len(self.levels)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a load, in a run, in a simulation, or in several on average; each of the sequences has a number for each second."""

    requests: float
    in_time: float
    ready: tuple[float, ...]
    """replicas that answer"""
    wanted: tuple[float, ...]
    existing: tuple[float, ...]
    """those that start or drain, too"""
    nodes: tuple[float, ...]
    spread: float = 0.0
    """the variance of the requests in time, were each on its own"""
    beyond: float = 0.0
    """requests at more pressure than the run met, so that their share in time is not measured"""
    beyond_in_time: float = 0.0
    """of these, those taken for in time"""

    @property
    def replica_seconds(self) -> float:
        return float(sum(self.existing))

    @property
    def node_seconds(self) -> float:
        return float(sum(self.nodes))

    @property
    def attained(self) -> float:
        """Share of the requests that were answered in time; 1 without requests."""
        return self.in_time / self.requests if self.requests else 1.0

    def until(self, seconds: int) -> Outcome:
        """Its first seconds. No request may come after them."""
        ready, wanted, existing, nodes = (
            line[:seconds] for line in (self.ready, self.wanted, self.existing, self.nodes)
        )
        return dataclasses.replace(self, ready=ready, wanted=wanted, existing=existing, nodes=nodes)


class Server:
    """Answers second by second. Requests that find no room wait; users who wait ask nothing."""

    def __init__(self, service: Service, load: Load) -> None:
        self._service = service
        self._load = load
        self._levels, self._seconds = load.levels, load.seconds
        self._within = service.within
        self._unmet = service.within.met + STEP if service.within.met < MOST else math.inf
        self._capacity = service.capacity
        self._waiting = self._recent = 0.0
        self._closed: dict[tuple[float, int], tuple[float, float]] = {}
        self.requests = 0.0
        self.in_time = 0.0
        self.spread = self.beyond = self.beyond_in_time = 0.0
        self.pressure = 0.0
        """of the last second"""

    def second(self, t: int, ready: int) -> float:
        """One second with so many replicas ready: CPU that each uses, in thousandths of a core."""
        levels, end = self._levels, self._seconds
        level = levels[t] if t < end else 0.0
        service = self._service
        if self._load.think is not None:
            rate, self.pressure = self._asked(level, ready)
            self._answer(rate, ready)
            return service.idle + service.cpu_ms * rate / ready if ready else 0.0
        can, asked = self._capacity * ready, level + self._waiting
        done = min(asked, can)
        past = t - PATIENCE
        self._recent += level - (levels[past] if 0 <= past < end else 0.0)
        # Those who wait came within their patience, however many replicas there are, and found room; others are refused, which
        # the share in time at such a pressure has in it.
        self._waiting = min(asked - done, max(0.0, self._recent), service.room * max(1, ready))
        self.pressure = asked / can if ready else MOST
        self._answer(level, ready)
        return service.idle + service.cpu_ms * done / ready if ready else 0.0

    def _answer(self, requests: float, ready: int) -> None:
        self.requests += requests
        if not ready:
            return
        share = self._within.at(self.pressure)
        good = requests * share
        self.in_time += good
        self.spread += good * (1 - share)
        if self.pressure > self._unmet:
            self.beyond += requests
            self.beyond_in_time += good

    def _asked(self, users: float, ready: int) -> tuple[float, float]:
        """(requests a second, pressure) of users who ask, wait for the answer, and think."""
        if users <= 0:
            return 0.0, 0.0
        if not ready:
            return unanswered(users, self._load.think or 0.0), MOST
        key = (users, ready)
        if key not in self._closed:
            self._closed[key] = balance(
                users, self._load.think or 0.0, self._capacity * ready, self._service.average
            )
        return self._closed[key]


def unanswered(users: float, think: float) -> float:
    """Late requests a second of users who find no replica: they wait, and each asks once in a second and a pause."""
    return users / (1.0 + think)


def balance(users: float, think: float, can: float, average: Curve) -> tuple[float, float]:
    """(requests a second, pressure) at which users and servers agree: as many come as think and wait let come."""
    low, high = 0.0, MOST
    for _unused in range(20):
        pressure = (low + high) / 2
        asked = users / max(0.001, think + average.at(pressure))
        if asked > min(pressure, 1.0) * can:
            low = pressure
        else:
            high = pressure
    pressure = (low + high) / 2
    if pressure >= 1.0:
        # All are busy: an answer takes what is left of the users' round, and that is how much they wait.
        asked = can
        waits = users / can - think - average.at(1.0)
        return asked, min(MOST, 1.0 + max(0.0, waits))
    return min(can, users / max(0.001, think + average.at(pressure))), pressure
