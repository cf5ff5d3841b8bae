"""The bound is never above any schedule that keeps the limit, and near the cheapest."""

from __future__ import annotations

import itertools
import random

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.bound import (
    cost_of,
    fewest,
    late_by_slot,
    of_run,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.service import (
    Curve,
    Load,
    Server,
    Service,
)

WITHIN = Curve([(0.0, 1.0), (0.5, 1.0), (0.8, 0.9), (1.0, 0.4), (1.2, 0.0)])
SERVICE = Service(20.0, 0.0, 200, 200.0, WITHIN, Curve([(0.0, 0.05), (0.9, 0.2), (1.0, 0.4)]))
"""Ten requests a second keep a replica busy."""


@pytest.mark.parametrize("seed", range(150))
def test_no_schedule_that_keeps_the_limit_costs_less(seed: int) -> None:
    dice = random.Random(seed)
    slots, most = dice.randint(1, 6), dice.randint(1, 3)
    table = [
        sorted((dice.choice((0, 0, 1, 2, 5, 9)) for _ in range(most + 1)), reverse=True) for _ in range(slots)
    ]
    if dice.random() < 0.3:
        table = [[dice.uniform(0, 5) for _ in range(most + 1)] for _ in range(slots)]
    allowed, first, least = dice.choice((0, 1, 3, 8)), dice.randint(0, most), dice.choice((0, 0, 1))
    up, down, slot = dice.choice((0.0, 0.4, 3.0, 20.0)), dice.choice((0.0, 2.5)), dice.choice((1.0, 2.0))
    costs = [
        cost_of(schedule, first, up=up, down=down, slot=slot)
        for schedule in itertools.product(range(least, most + 1), repeat=slots)
        if sum(row[n] for row, n in zip(table, schedule, strict=True)) <= allowed
    ]
    bound = fewest(table, allowed, first, up=up, down=down, slot=slot, least=least)
    if not costs:
        assert bound.schedule == ()
        return
    assert bound.seconds <= min(costs) + 1e-6
    assert bound.cost >= min(costs) - 1e-6
    assert bound.late <= allowed + 1e-6
    assert cost_of(bound.schedule, first, up=up, down=down, slot=slot) == pytest.approx(bound.cost)


def test_without_any_allowance_it_is_the_cheapest_itself() -> None:
    """Three levels, a dip too short to end a replica for, and one that is long enough."""
    need = [1, 3, 3, 1, 3, 1, 1, 1, 1, 1, 1, 1, 1, 3]
    table = [[0.0 if n >= least else 1.0 for n in range(5)] for least in need]
    bound = fewest(table, 0, 1, up=2.0, down=1.0)
    assert list(bound.schedule) == [1, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 3]
    assert bound.seconds == pytest.approx(bound.cost, rel=0.01)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("think", [None, 1.0])
def test_schedules_of_the_same_service_are_not_below_it(seed: int, think: float | None) -> None:
    dice = random.Random(seed)
    levels = [max(0.0, 20 + 20 * dice.uniform(-1, 1)) for _ in range(40)]
    if think is not None:
        levels = [float(int(level)) for level in levels]
    load = Load(tuple(levels), think)
    bound = of_run(SERVICE, load, 0.9, 2, up=5.0, down=2.0)
    kept = 0
    for _unused in range(60):
        base, schedule = dice.randint(2, 6), []
        for _t in range(40):
            base = min(8, max(1, base + dice.choice((-1, 0, 0, 0, 1))))
            schedule.append(base)
        server = Server(SERVICE, load)
        for t, replicas in enumerate(schedule):
            server.second(t, replicas)
        if server.in_time >= 0.9 * server.requests:
            kept += 1
            assert cost_of(schedule, 2, up=5.0, down=2.0) >= bound.seconds - 1e-6
    assert kept or seed


def test_the_bound_of_a_constant_load_is_what_it_needs() -> None:
    load = Load((32.0,) * 100)
    bound = of_run(SERVICE, load, 0.9, 4, up=5.0, down=2.0)
    # Four at pressure 0.8 are just enough.
    assert set(bound.schedule) == {4}
    assert bound.seconds == pytest.approx(400, rel=0.01)


def test_a_long_run_of_many_replicas_has_longer_slots() -> None:
    load = Load(tuple(600.0 + 500 * (t % 600 > 300) for t in range(3600)))
    bound = of_run(SERVICE, load, 0.95, 100, up=20.0, down=20.0)
    assert bound.slot > 1
    assert 0.97 * bound.cost <= bound.seconds <= bound.cost


def test_late_requests_are_fewer_with_more_replicas() -> None:
    table, total = late_by_slot(SERVICE, Load((5.0, 50.0, 0.0, 9.5)), 2, 8)
    assert total == 64.5
    assert all(a >= b for row in table for a, b in itertools.pairwise(row))
