"""The simulator: rules that must hold whatever the load, and cases that can be reckoned by hand."""

from __future__ import annotations

import dataclasses
import itertools
import random

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.seen import Controller
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.spec import read_spec
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.bound import of_run
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.measured import Site, Times
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.service import (
    Curve,
    Load,
    Observation,
    Server,
    Service,
    balance,
    in_time,
    on_average,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.simulate import Case, simulate

WITHIN = Curve([(0.0, 1.0), (0.5, 1.0), (0.8, 0.9), (1.0, 0.4), (1.2, 0.0)])
SERVICE = Service(20.0, 0.0, 200, 200.0, WITHIN, Curve([(0.0, 0.05), (0.9, 0.2), (1.0, 0.4)]))
TIMES = Times(start=20.0, drain=10.0, node_start=30.0, node_end=60.0)
SITE = Site(replicas=1, nodes=1, per_node=2, nodes_max=4, controller=Controller(36))


def spec(target: int = 60, **more: object) -> dict[str, object]:
    source = {
        "name": "cpu",
        "container": "c",
        "target": {"type": "Utilization", "averageUtilization": target},
    }
    return {
        "minReplicas": 1, "maxReplicas": 10, "metrics": [{"type": "ContainerResource", "containerResource": source}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}, **more,
    }  # fmt: skip


def case(load: Load, **more: object) -> Case:
    usual = Case(load, SERVICE, TIMES, SITE, read_spec(spec()), load.seconds)
    return dataclasses.replace(usual, **more)  # type: ignore[arg-type]


def wave(seed: int, seconds: int = 900, think: float | None = None) -> Load:
    dice, level, levels = random.Random(seed), 8.0, []
    for _unused in range(seconds):
        level = min(60.0, max(1.0, level * dice.choice((0.97, 1.0, 1.0, 1.035))))
        levels.append(float(int(level)) if think is not None else level)
    return Load(tuple(levels), think)


@pytest.mark.parametrize("seed", range(40))
def test_more_replicas_never_lower_attainment(seed: int) -> None:
    dice, load = random.Random(seed), wave(seed, 200)
    fewer = [dice.randint(0, 5) for _ in range(200)]
    more = [n + dice.choice((0, 0, 1, 3)) for n in fewer]
    few, many = Server(SERVICE, load), Server(SERVICE, load)
    for t in range(load.seconds):
        few.second(t, fewer[t])
        many.second(t, more[t])
        assert many.pressure <= few.pressure + 1e-9
    assert many.requests == pytest.approx(few.requests)
    assert many.in_time >= few.in_time - 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_more_replicas_are_never_more_pressure_for_users_who_wait(seed: int) -> None:
    dice = random.Random(seed)
    users, think = float(dice.randint(1, 300)), dice.choice((0.0, 0.5, 3.0))
    found = [balance(users, think, SERVICE.capacity * n, SERVICE.average) for n in range(1, 60)]
    assert all(a[1] >= b[1] - 1e-4 for a, b in itertools.pairwise(found))
    assert all(a[0] <= b[0] + 1e-2 for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("think", [None, 1.0])
def test_the_bound_is_not_above_what_the_hpa_did_where_it_kept_the_limit(
    seed: int, think: float | None
) -> None:
    load = wave(seed, think=think)
    found = simulate(case(load))
    share = found.attained - 1e-9
    assert 0.2 < share <= 1
    bound = of_run(SERVICE, load, share, 1, up=TIMES.start, down=TIMES.drain)
    assert bound.seconds <= found.replica_seconds
    # And a higher minimum of the HPA is more replicas, and no fewer in time.
    raised = dataclasses.replace(case(load), spec=read_spec(spec(minReplicas=6)))
    assert simulate(raised).attained >= found.attained - 1e-6


def test_a_step_is_followed_as_the_rules_say() -> None:
    """8 requests a second are 80 % of one replica: above 66 %, so the first look that sees them wants two."""
    load = Load((0.0,) * 30 + (8.0,) * 300)
    found = simulate(case(load))
    changed = [t for t in range(1, len(found.wanted)) if found.wanted[t] != found.wanted[t - 1]]
    # Samples end at 30, 45, ...; that of 45 is seen from 47 on, by the look at 50.
    assert changed == [50]
    assert found.wanted[50] == 2
    assert found.ready.index(2) == 70
    assert found.existing[50] == 2


def test_a_replica_waits_for_its_node() -> None:
    load = Load((30.0,) * 400)
    found = simulate(case(load, times=dataclasses.replace(TIMES, look_first=20.0)))
    # 1 at 100 % wants 2, who fit; then more, who don't.
    third = found.ready.index(max(found.ready))
    assert found.nodes[0] == 1
    assert max(found.nodes) == -(-max(found.existing) // SITE.per_node)
    first_over = next(t for t, n in enumerate(found.existing) if n > 2)
    assert third >= first_over + TIMES.start + TIMES.node_start - 1


def test_nodes_go_when_they_are_not_needed_and_never_below_the_minimum() -> None:
    load = Load((30.0,) * 300 + (1.0,) * 600)
    found = simulate(case(load))
    assert max(found.nodes) > found.nodes[-1] == 1
    kept = simulate(case(load, nodes_min=2))
    assert min(kept.nodes) == 2
    few = simulate(case(load, nodes_max=1))
    assert max(few.ready) == 2


def test_draining_replicas_are_paid_and_answer_nothing() -> None:
    load = Load((30.0,) * 300 + (1.0,) * 300)
    found = simulate(case(load))
    last = len(found.existing) - 1
    assert found.existing[last] == found.ready[last] == 1
    assert sum(found.existing) > sum(found.wanted)


def test_what_was_measured_is_kept_in_the_mean_and_never_rises_with_pressure() -> None:
    dice = random.Random(1)
    seen = [
        Observation(x, dice.randint(20, 90), min(1.0, max(0.0, 1.1 - x + dice.uniform(-0.2, 0.2))))
        for x in (dice.uniform(0.1, 0.8) for _ in range(300))
    ]
    curve = in_time(seen, 0.3, 0.05, 0.06)
    values = [curve.at(x / 100) for x in range(400)]
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(values))
    total = sum(one.requests for one in seen)
    ours = sum(one.requests * curve.at(one.pressure) for one in seen) / total
    theirs = sum(one.requests * one.value for one in seen) / total
    assert ours == pytest.approx(theirs, abs=0.01)
    assert values[95] < values[79]
    slower = on_average([Observation(one.pressure, one.requests, one.pressure) for one in seen], 0.05, 0.06)
    rising = [slower.at(x / 100) for x in range(400)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(rising))


def test_without_load_there_is_nothing_to_be_late() -> None:
    found = simulate(case(Load((0.0,) * 100)))
    assert (found.requests, found.attained, set(found.wanted)) == (0.0, 1.0, {1})


def test_room_in_stock_saves_the_wait_for_a_node_and_costs_nodes() -> None:
    load = Load((5.0,) * 60 + (15.0,) * 540)
    site = dataclasses.replace(SITE, per_node=1, nodes_max=9)
    without, with_it = (simulate(case(load, site=site, stock=stock)) for stock in (0, 1))
    second = [next(t for t, ready in enumerate(found.ready) if ready == 2) for found in (without, with_it)]
    assert TIMES.node_start <= second[0] - second[1] <= TIMES.node_start + 10, (
        "a look of the node autoscaler at most"
    )
    assert with_it.attained > without.attained
    assert min(with_it.nodes) == 2, "from the beginning, and after it there is room for one more again"
    assert with_it.nodes[-1] == with_it.existing[-1] + 1
    assert with_it.node_seconds > without.node_seconds
    few = simulate(case(load, site=site, stock=3, nodes_max=2))
    assert max(few.nodes) == 2


def test_by_requests_a_second_one_look_asks_for_all_that_are_needed() -> None:
    """By the CPU, which stops at the limit, one replica asks for two at most."""
    per_second = {"metric": {"name": "requests"}, "target": {"type": "AverageValue", "averageValue": "5"}}
    both = [*spec(90)["metrics"], {"type": "External", "external": per_second}]  # type: ignore[misc]
    step = Load((1.0,) * 50 + (40.0,) * 250)
    by_cpu, by_both = (
        simulate(case(step, spec=read_spec(one), site=dataclasses.replace(SITE, per_node=10)))
        for one in (spec(60), spec(90, metrics=both))
    )
    first = next(n for n in by_cpu.wanted if n > 1)
    assert first == 2
    # 40 requests a second are 8 times 5; the four pods in 15 s that Kubernetes lets an HPA add come between.
    assert next(n for n in by_both.wanted if n > 1) == 5
    assert max(by_both.wanted) == 8
    assert by_both.wanted[-1] == 8
    assert by_both.in_time > by_cpu.in_time
