"""What a what-if says of its own doubt holds: of recorded runs told by one another, and of what no run has met."""

from __future__ import annotations

import dataclasses
import gzip
import random
from pathlib import Path

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import read
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.bill import Terms
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.likely import (
    Doubt,
    likely,
    overdispersion,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.measured import Measured, measured
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.service import (
    Curve,
    Load,
    Observation,
    Outcome,
    Server,
    Service,
    in_time,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.settings import asked, setting
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.whatif import (
    WhatIf,
    as_json,
    outcome_of,
    warnings,
    what_if,
)

DATA = Path(__file__).parent / "data"
NAMES = ("lab", "balanced")
FLAT = Curve([(0.0, 1.0), (0.9, 1.0), (1.1, 0.0)])


@pytest.fixture(name="runs", scope="module")
def _runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measured]:
    folder, found = tmp_path_factory.mktemp("recorded"), {}
    for name in (*NAMES, "requests"):
        (folder / name).write_bytes(gzip.decompress((DATA / f"slow-sine-{name}.jsonl.gz").read_bytes()))
        found[name] = measured(read(folder / name), ["p95_ms <= 300"])
    return found


def told(source: Measured, of: Measured) -> WhatIf:
    """Of one run by another: by the settings and the load of the former, over its seconds."""
    before = asked(source.hpa)
    given = {name: value for name, value in asked(of.hpa).items() if value != before[name]}
    load = None if source is of else of.load
    return what_if(source, setting({}, source), [setting(given, source)], load, seconds=len(of.actual.ready))


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("of", NAMES)
def test_a_run_is_in_the_range_that_another_told(runs: dict[str, Measured], source: str, of: str) -> None:
    """Of both a seventh and more was late, one refused requests, and the HPA of one kept more replicas."""
    found = told(runs[source], runs[of])
    actual, said = runs[of].actual, found.rows[0].likely
    assert said.attained.low <= actual.attained <= said.attained.high
    assert said.replicas.low <= actual.replica_seconds / len(actual.ready) <= said.replicas.high
    assert said.attained.high - said.attained.low < 0.4, "and a range that says nothing would hold, too"
    assert abs(found.rows[0].outcome.attained - actual.attained) < 0.05


def test_of_an_hpa_by_requests_the_replicas_are_as_they_came_to_be(runs: dict[str, Measured]) -> None:
    """Told by the run of the same balancing by CPU. Of that run four in ten were late, of this one in twenty: too much is told as late."""
    source, of = runs["balanced"], runs["requests"]
    metrics = [{"type": "cpu", "target": 90}, {"type": "requests", "target": 10}]
    one = setting({"autoscaling_metrics": metrics}, source)
    seconds = len(of.actual.ready)
    (row,) = what_if(source, setting({}, source), [one], seconds=seconds).rows
    actual = of.actual.replica_seconds
    assert row.outcome.replica_seconds == pytest.approx(actual, rel=0.05)
    assert source.actual.replica_seconds < 0.85 * actual, "and the run by CPU had other ones"
    assert 0 < of.actual.attained - row.outcome.attained < 0.1
    assert row.outcome.attained > source.actual.attained + 0.2


def test_where_looks_may_fall_is_in_the_range(runs: dict[str, Measured]) -> None:
    run = runs["balanced"]
    said = told(run, run).rows[0].likely
    seconds = len(run.actual.ready)
    shares = []
    for step in range(10):
        times = dataclasses.replace(
            run.times, look_first=1.5 * step, scrape_first=(run.times.scrape_first + 7 * step) % 15
        )
        shares.append(
            outcome_of(dataclasses.replace(run, times=times), setting({}, run), run.load, seconds).attained
        )
    assert max(shares) - min(shares) > 0.08, "what luck alone makes of this load"
    assert said.attained.low <= min(shares) and max(shares) <= said.attained.high


def test_a_replica_has_no_more_than_it_has_room_for(runs: dict[str, Measured]) -> None:
    assert runs["balanced"].service.room == pytest.approx(72, abs=10), "the proxy's 8 and 64, by its refusals"
    assert runs["lab"].service.room == 72
    service = Service(20.0, 0.0, 200, 200.0, FLAT, FLAT, room=30)
    pressures = {}
    for room in (30, 60):
        server = Server(dataclasses.replace(service, room=room), Load((40.0,) * 60 + (0.0,) * 10))
        for t in range(60):
            server.second(t, 1)
        pressures[room] = server.pressure
        for t in range(60, 64):
            server.second(t, 1)
        # Ten a second: what waited in the smaller room is answered.
        assert (server.pressure > 0) == (room == 60)
    assert pressures[30] == pytest.approx((40 + 30) / 10)


def test_more_pressure_than_the_run_met_is_told(runs: dict[str, Measured]) -> None:
    """A light load's run knows nothing of a heavy one."""
    calm = tuple(one for one in runs["lab"].observed if one.pressure < 0.6)
    run = runs["lab"]
    within = in_time(calm, run.limit, run.fastest, run.service.cpu_ms / run.service.limit)
    run = dataclasses.replace(run, observed=calm, service=dataclasses.replace(run.service, within=within))
    few = Load(tuple(level / 10 for level in run.load.levels))
    words = {}
    for name, load in {"few": few, "many": run.load}.items():
        found = what_if(
            run, setting({}, run), [setting({"name": "one", "autoscaling_max_replicas": 1}, run)], load
        )
        said = as_json(found, Terms())
        words[name] = " ".join(warnings(said))
        unsure = found.rows[0].likely
        assert (unsure.beyond > 0.5) == (name == "many")
        if name == "many":
            assert unsure.attained.high - unsure.attained.low >= unsure.beyond * within.at(within.met)
            assert f"{100 * unsure.beyond:.1f} % of 'one'" in words[name]
            assert f"no more than {within.met:.2f} times" in words[name]
    assert words["few"] == ""


@pytest.mark.parametrize(("alike", "low", "high"), [(1, 1.0, 3.0), (40, 8.0, 200.0)])
def test_moments_that_are_bad_together_make_it_less_sure(alike: int, low: float, high: float) -> None:
    """Requests each on their own vary as a coin does; a machine that is slow for a minute makes all of them late."""
    dice, observed = random.Random(3), []
    share = 0.9
    for moment in range(600):
        if moment % alike == 0:
            share = 0.9 if alike == 1 else dice.choice((0.8, 1.0))
        good = sum(dice.random() < share for _unused in range(40))
        observed.append(Observation(dice.uniform(0.3, 0.7), 40, good / 40))
    assert low <= overdispersion(observed, lambda seen: in_time(seen, 0.3, 0.05, 0.02)) <= high


def test_what_was_never_met_may_be_late_altogether_or_in_time_as_the_last_that_was_met() -> None:
    """Of 100 requests 20 at more pressure than the run met, of which 4 are taken for in time; at what it met 0.5 of them are."""
    sure = Doubt(overdispersion=0.0, attained=0.0, replicas=0.0, drain=0.0)
    outcome = Outcome(100, 74, (1,) * 9, (1,) * 9, (1,) * 9, (1,) * 9, 12.0, beyond=20, beyond_in_time=4)
    found = likely([outcome] * 3, sure, most=0.5)
    assert (found.attained.low, found.attained.high) == pytest.approx((0.7, 0.8))
    assert (found.replicas.low, found.replicas.high, found.beyond) == (1, 1, 0.2)


def test_of_too_little_nothing_is_made_up() -> None:
    assert overdispersion([], lambda _seen: FLAT) == 1.0
    assert overdispersion([Observation(0.5, 40, 0.5)] * 10, lambda _seen: FLAT) == 1.0
