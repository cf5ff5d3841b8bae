"""The fewest replica-seconds that would have kept the limit, for somebody who knew the load in advance. Pure.

A schedule says how many replicas are ready in each slot of time. It costs a second for each second that one is ready, and,
for each that is started or ended on the way, the seconds that starting and draining take (a pod is there and answers
nothing). It keeps the limit if no more requests are late than may be. Asked for is the cheapest that does.

Lagrange's relaxation gives a bound that no schedule that keeps the limit is below: each late request is given a price p;
for each p >= 0 the cheapest schedule by ``cost + p (late - allowed)`` costs no more than any that keeps the limit, since
for those the second term is not above 0. The cheapest for a p is found exactly, slot by slot (dynamic programming); the best p
by bisection, since the bound is concave in it. (Geoffrion, "Lagrangean Relaxation for Integer Programming", 1974.) What is
left between the bound and the cheapest schedule that was found on the way is told as the gap.

Assumed: replicas share the load as evenly as they did in the run; no request waits from one slot to the next, which makes
the bound lower, not higher; a schedule changes only between slots; what is there when the load begins costs no start, and
what is there at its end no drain.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .service import Curve, Load, Service, balance, unanswered

ROUNDS = 24
"""Of the bisection: the price of a late request is then known to a millionth."""

CELLS = 90_000
"""Slots times numbers of replicas that are looked at, at most: more makes slots longer."""


@dataclasses.dataclass(frozen=True)
class Bound:
    """``seconds``: no schedule that keeps the limit costs less. ``schedule``: the cheapest that was found, a number for each
    slot; empty if none keeps the limit."""

    seconds: float
    schedule: tuple[int, ...]
    cost: float
    """what that schedule costs"""
    late: float
    """requests that are late by it"""
    slot: int = 1
    """seconds of a slot"""


def fewest(
    late: Sequence[Sequence[float]],
    allowed: float,
    first: int,
    *,
    up: float,
    down: float,
    slot: float = 1.0,
    least: int = 0,
) -> Bound:
    """``late``: for each slot, requests that are late with 0, 1, 2, ... replicas; ``allowed``: how many may be in all;
    ``first``: replicas that are there at the begin; ``least``: how many have to be there all the time; ``up``, ``down``:
    seconds that one costs when it is started, and ended.
    """
    best, found = 0.0, None
    low, high = 0.0, 1.0
    for _unused in range(60):
        schedule, cost, missed = _cheapest(late, high, first, up, down, slot, least)
        best = max(best, cost + high * (missed - allowed))
        if missed <= allowed + 1e-9:
            found = (schedule, cost, missed)
            break
        low, high = high, high * 4
    if found is None:
        return Bound(best, (), 0.0, 0.0, int(slot))
    schedule, cost, missed = _cheapest(late, 0.0, first, up, down, slot, least)
    best = max(best, cost + 0.0)
    if missed <= allowed + 1e-9:
        return Bound(cost, tuple(schedule), cost, missed, int(slot))
    for _unused in range(ROUNDS):
        price = (low + high) / 2
        schedule, cost, missed = _cheapest(late, price, first, up, down, slot, least)
        best = max(best, cost + price * (missed - allowed))
        if missed <= allowed + 1e-9:
            high = price
            if cost < found[1]:
                found = (schedule, cost, missed)
        else:
            low = price
    return Bound(min(best, found[1]), tuple(found[0]), found[1], found[2], int(slot))


def _cheapest(
    late: Sequence[Sequence[float]], price: float, first: int, up: float, down: float, slot: float, least: int
) -> tuple[list[int], float, float]:
    """(schedule, its cost, late requests) that is cheapest when each late request costs ``price``."""
    most = len(late[0])
    infinite = float("inf")
    before = [infinite] * max(most, first + 1)
    before[first] = 0.0
    came: list[list[int]] = []
    for row in late:
        # From below: the best start to climb from; from above: the best to come down from.
        lower, lower_at = [0.0] * len(before), [0] * len(before)
        value, at = infinite, 0
        for n, known in enumerate(before):
            value += up
            if known <= value:
                value, at = known, n
            lower[n], lower_at[n] = value, at
        value, at = infinite, 0
        after, come = [infinite] * most, [0] * most
        for n in range(len(before) - 1, -1, -1):
            value += down
            if before[n] < value:
                value, at = before[n], n
            if n < most:
                if value < lower[n]:
                    reached, come[n] = value, at
                else:
                    reached, come[n] = lower[n], lower_at[n]
                if n >= least:
                    after[n] = reached + n * slot + price * row[n]
        came.append(come)
        before = after
    n = min(range(most), key=before.__getitem__)
    schedule = [0] * len(late)
    for index in range(len(late) - 1, -1, -1):
        schedule[index] = n
        n = came[index][n]
    missed = sum(row[n] for row, n in zip(late, schedule, strict=True))
    return schedule, cost_of(schedule, first, up=up, down=down, slot=slot), missed


def cost_of(schedule: Sequence[int], first: int, *, up: float, down: float, slot: float = 1.0) -> float:
    """Replica-seconds of a schedule."""
    total, before = 0.0, first
    for n in schedule:
        total += n * slot + (up * (n - before) if n > before else down * (before - n))
        before = n
    return total


def late_by_slot(
    service: Service, load: Load, slot: int, most: int, each: int = 1
) -> tuple[list[list[float]], float]:
    """(requests that are late in each slot with 0, 1, 2, ... times ``each`` replicas, requests in all). Of the closed
    model, where fewer replicas are asked for less, late counts against what as many as there can be would be asked."""
    table, total = [], 0.0
    closed: dict[tuple[float, int], float] = {}
    for begin in range(0, load.seconds, slot):
        levels = load.levels[begin : begin + slot]
        row = []
        for n in range(most + 1):
            replicas = n * each
            row.append(sum(_late(service, load.think, level, replicas, closed) for level in levels))
        table.append(row)
        total += sum(_asked(service, load.think, level, most * each) for level in levels)
    return table, total


def _asked(service: Service, think: float | None, level: float, replicas: int) -> float:
    if think is None or not level:
        return level
    return balance(level, think, service.capacity * replicas, service.average)[0]


def _late(
    service: Service, think: float | None, level: float, replicas: int, known: dict[tuple[float, int], float]
) -> float:
    if not level:
        return 0.0
    if not replicas:
        return level if think is None else unanswered(level, think)
    if think is None:
        return level * (1 - service.within.at(level / (service.capacity * replicas)))
    key = (level, replicas)
    if key not in known:
        rate, pressure = balance(level, think, service.capacity * replicas, service.average)
        known[key] = rate * (1 - service.within.at(pressure))
    return known[key]


def needed_at_most(service: Service, load: Load, share: float) -> int:
    """So many replicas keep the limit in each second by itself; more are of no use."""
    busiest = max(load.levels, default=0.0)
    if load.think is not None:
        busiest = busiest / max(0.001, load.think + service.average.at(0.0))
    pressure = max(0.05, _comfortable(service.within, share))
    return max(1, int(busiest / (service.capacity * pressure)) + 2)


def _comfortable(within: Curve, share: float) -> float:
    """The highest pressure at which a little more than the share is in time: beyond it there is nothing to gain."""
    best = within.at(0.0)
    return within.most(min(best, share + (best - share) * 0.9))


def of_run(
    service: Service,
    load: Load,
    share: float,
    first: int,
    *,
    up: float,
    down: float,
    each: int = 1,
    seconds: int = 0,
) -> Bound:
    """The bound of a load. ``share`` of its requests have to be in time; ``each``: replicas that come and go together (a
    node's); ``seconds``: how long it is looked at, if that is longer than the load."""
    most = max(-(-needed_at_most(service, load, share) // each), first)
    length = max(load.seconds, seconds)
    slot = max(1, -(-length * (most + 1) // CELLS))
    table, total = late_by_slot(service, load, slot, most, each)
    idle = [0.0] * (most + 1)
    table += [idle] * (-(-length // slot) - len(table))
    return fewest(table, (1 - share) * total, first, up=up, down=down, slot=float(slot), least=1)
