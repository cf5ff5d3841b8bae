"""What is proposed keeps the limit, costs less, says why, and is nothing where the simulation can't tell."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.seen import Controller
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.spec import read_spec
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import read
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.likely import mean
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.measured import (
    Measured,
    Site,
    Times,
    measured,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.search import (
    as_written,
    carries,
    diff,
    propose,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.service import (
    Curve,
    Load,
    Observation,
    Service,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.settings import (
    asked,
    in_force,
    setting,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.simulate import Case, simulate
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.whatif import outcomes_of, what_if

RECORDED = Path(__file__).parent / "data" / "demo-on-1.34.jsonl"
WITHIN = Curve([(0.0, 1.0), (0.7, 0.999), (0.85, 0.95), (1.0, 0.4), (1.2, 0.0)])
SERVICE = Service(20.0, 0.0, 200, 200.0, WITHIN, Curve([(0.0, 0.05), (0.9, 0.2), (1.0, 0.4)]))


def run_of(minor: int = 36, share: float = 0.99, seconds: int = 1500, **hpa: object) -> Measured:
    """A run that went exactly as the simulation says: waves of 6 to 66 requests a second."""
    source = {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 50}}
    spec = {
        "minReplicas": 1, "maxReplicas": 12, "metrics": [{"type": "ContainerResource", "containerResource": source}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}}, **hpa,
    }  # fmt: skip
    load = Load(tuple(36 - 30 * math.cos(t / 80) for t in range(seconds)))
    times = Times(start=15.0, drain=10.0, node_start=30.0, node_end=60.0)
    site = Site(2, 1, 4, 4, controller=Controller(minor))
    length = seconds + 100
    found = simulate(Case(load, SERVICE, times, site, read_spec(spec), length))
    return Measured(load, SERVICE, times, site, found, spec, 0.3, share, "p99_ms <= 300", 0.0)


def test_the_run_as_it_was_is_met_exactly() -> None:
    found, _unused = propose(run_of())
    assert found.error["replicas_percent"] == found.error["attained_points"] == 0


def test_a_proposal_keeps_the_limit_for_less_and_no_less_than_the_bound() -> None:
    run = run_of()
    found, proposal = propose(run)
    was, now = found.first.outcome, proposal.row.outcome
    assert proposal.kept
    assert now.attained >= run.share
    assert found.bound.seconds <= now.replica_seconds < 0.9 * was.replica_seconds
    assert proposal.changed["autoscaling_scale_down_stabilization_seconds"] < 300
    *reasons, _cheaper = proposal.reasons
    assert len(reasons) == len(proposal.changed) == len(diff(proposal)) / 2
    for name, reason in zip(proposal.changed, reasons, strict=True):
        assert reason.startswith(f"{name} {proposal.before[name]} → {proposal.changed[name]}")
    # Each change makes a difference: without it the limit is not kept, or it costs more.
    for name in proposal.changed:
        rest = {key: value for key, value in proposal.changed.items() if key != name}
        without = mean(outcomes_of(run, setting(rest, run), run.load, found.seconds))
        assert without.attained < run.share or without.replica_seconds > 1.005 * now.replica_seconds


def test_a_target_is_proposed_where_it_counts() -> None:
    _found, proposal = propose(run_of())
    target = proposal.changed["autoscaling_target_cpu_percent"]
    for metrics in ([], [{"type": "cpu"}], [{"type": "cpu", "target": 50}, {"type": "queue", "target": 1}]):
        assert as_written(proposal, metrics) == proposal
    own = as_written(proposal, [{"type": "cpu", "target": "40"}])
    assert own.changed["autoscaling_metrics"] == [{"type": "cpu", "target": target}]
    assert "autoscaling_target_cpu_percent" not in own.changed
    assert '-autoscaling_metrics: [{"type": "cpu", "target": 50}]' in diff(own)
    assert f'+autoscaling_metrics: [{{"type": "cpu", "target": {target}}}]' in diff(own)
    assert any(one.startswith("the target of cpu in autoscaling_metrics 50 →") for one in own.reasons)


def test_what_is_in_force_is_by_the_variables_that_it_could_be_made_of() -> None:
    spec = run_of().hpa
    assert in_force(spec, [{"type": "cpu"}]) == asked(spec)
    assert in_force(spec, [{"type": "cpu", "target": 70}])["autoscaling_metrics"] == [
        {"type": "cpu", "target": 50}
    ]
    cpu = spec["metrics"][0]["containerResource"]
    amount = {"type": "AverageValue", "averageValue": "500m"}
    memory = {"type": "Resource", "resource": {**cpu, "name": "memory"}}
    for other in (
        [*spec["metrics"], memory],
        [memory],
        [{"type": "ContainerResource", "containerResource": {**cpu, "target": amount}}],
    ):
        assert in_force({**spec, "metrics": other}, [{"type": "cpu"}]) == {}


def test_replicas_that_are_kept_for_failures_are_not_proposed_away() -> None:
    """One would do for hours of little load."""
    run = run_of(minReplicas=3)
    _found, proposal = propose(run)
    assert setting(proposal.changed, run).spec.min >= 3
    one = simulate(
        Case(
            run.load,
            SERVICE,
            run.times,
            run.site,
            setting({**proposal.changed, "autoscaling_min_replicas": 1}, run).spec,
            1600,
        )
    )
    assert one.replica_seconds < proposal.row.outcome.replica_seconds, "it would be cheaper"


@pytest.mark.parametrize("share", [0.9, 0.995])
@pytest.mark.parametrize("hopeful", [0.0, 0.01])
def test_rows_beside_the_best_are_what_they_are_called(share: float, hopeful: float) -> None:
    """Also where the simulation was too hopeful, so that more than the limit's own share has to be in time."""
    run = run_of(share=share)
    actual = dataclasses.replace(run.actual, in_time=run.actual.in_time - hopeful * run.actual.requests)
    found, proposal = propose(dataclasses.replace(run, actual=actual))
    least = min(1.0, share + max(0.0, found.error["attained_points"] / 100))
    best, *others = found.rows
    assert best.setting.name.startswith("best found: " if proposal.kept else "most in time: ")
    for row in others:
        kind, _unused, settings = row.setting.name.partition(": ")
        costs_more = row.outcome.replica_seconds > best.outcome.replica_seconds
        assert (
            costs_more == (row.outcome.attained > best.outcome.attained) == (kind == "dearer, more in time")
        )
        if kind == "cheaper, less in time" and proposal.kept:
            assert row.outcome.attained < least
            told = proposal.reasons[-1]
            assert f"Cheaper, but not proposed: {settings}, with" in told
            assert (
                f"{100 * row.outcome.attained:.1f} % would be in time, and {100 * least:.1f} % have to be"
                in told
            )
            assert ("too hopeful" in told) == (hopeful > 0)


def test_kubernetes_before_1_35_is_proposed_no_tolerance() -> None:
    assert "autoscaling_tolerance_up" not in propose(run_of(34))[1].changed


def test_where_nothing_keeps_the_limit_it_says_what_limits() -> None:
    slow = dataclasses.replace(run_of(share=0.9999), times=Times(60.0, 10.0, 120.0, 60.0))
    proposal = propose(slow)[1]
    if proposal.kept:
        pytest.fail("it should not be kept")
    assert "what limits is the reaction" in proposal.words or "something else" in proposal.words


def test_settings_that_are_the_best_are_left() -> None:
    run = run_of()
    changed = propose(run)[1].changed
    again = setting(changed, run)
    behavior = {
        "scaleDown": {"stabilizationWindowSeconds": changed["autoscaling_scale_down_stabilization_seconds"]}
    }
    if "autoscaling_tolerance_up" in changed:
        behavior["scaleUp"] = {"tolerance": str(changed["autoscaling_tolerance_up"])}
    target = {"type": "Utilization", "averageUtilization": again.spec.metrics[0].target}
    source = {"name": "cpu", "container": "c", "target": target}
    tuned = run_of(
        minReplicas=again.spec.min,
        behavior=behavior,
        metrics=[{"type": "ContainerResource", "containerResource": source}],
    )
    found, proposal = propose(tuned)
    assert proposal.changed == {}
    assert found.rows[0].setting.name.startswith("best found: ")
    assert proposal.words.startswith("Nothing is proposed")


def test_a_run_that_the_simulation_misses_gets_no_proposal() -> None:
    """Recorded on a machine that other work slowed down: its own error is ten points and more."""
    found, proposal = propose(measured(read(RECORDED), []))
    assert abs(found.error["attained_points"]) > 5
    assert proposal.changed == {}
    assert "Was the machine busy" in proposal.words


def test_a_run_that_kept_its_limit_is_proposed_nothing_dearer() -> None:
    """The simulation is two points too gloomy on it."""
    target = {"type": "Utilization", "averageUtilization": 80}
    source = {"name": "cpu", "container": "c", "target": target}
    run = run_of(
        metrics=[{"type": "ContainerResource", "containerResource": source}],
        behavior={"scaleDown": {"stabilizationWindowSeconds": 30}},
    )
    simulated = run.actual.attained
    actual = dataclasses.replace(run.actual, in_time=run.actual.requests * min(1.0, simulated + 0.02))
    kept = dataclasses.replace(run, actual=actual, share=simulated + 0.015)
    assert simulated < kept.share <= actual.attained
    proposal = propose(kept)[1]
    assert proposal.changed == {}
    assert "nothing that keeps it is cheaper" in proposal.words


def test_what_a_replica_carries_has_an_interval_around_it() -> None:
    seen = tuple(
        Observation(x / 100, 100, max(0.0, min(1.0, WITHIN.at(x / 100) + (0.01 if x % 2 else -0.01))))
        for x in range(30, 110)
    )
    run = dataclasses.replace(run_of(share=0.95), observed=seen, fastest=0.05)
    best, low, high = carries(run)
    assert low <= best <= high
    assert best == pytest.approx(8.5, abs=0.3)
    assert high - low < 2
    assert carries(run) == (best, low, high)


@pytest.mark.parametrize("per_node", [1, 12])
def test_room_in_stock_is_told_where_replicas_wait_for_nodes(per_node: int) -> None:
    run = run_of()
    site = dataclasses.replace(run.site, per_node=per_node, nodes=2)
    slow = dataclasses.replace(run, site=site, times=dataclasses.replace(run.times, node_start=100.0))
    found, proposal = propose(slow)
    lines = [line for line in proposal.beside if "autoscaling_buffer_replicas" in line]
    assert "autoscaling_buffer_replicas" not in proposal.changed, "tune_apply could not prove it"
    if per_node == 12:
        assert len(lines) == 1 and "next to nothing" in lines[0]
        return
    given = {**proposal.changed, "autoscaling_buffer_replicas": 1}
    now, then = (
        what_if(slow, setting({}, slow), [setting(one, slow)], seconds=found.seconds).rows[0].outcome
        for one in (proposal.changed, given)
    )
    assert then.attained > now.attained
    assert lines[0].startswith(
        f"Beside it, autoscaling_buffer_replicas: 1 would make {100 * then.attained:.1f} % in time for {100 * now.attained:.1f} %"
    )
    assert f"{then.node_seconds / found.seconds:.2f} nodes for" in lines[0]


def test_what_is_not_searched_is_said_with_the_way_to_measure_it() -> None:
    said = propose(run_of())[1].beside[-1]
    assert said.startswith("Not searched: serving_cpu")
    assert "10.0 requests/s on its 200 mCPU" in said and "playbooks/capacity.yml" in said
    assert "50 % of 200 m is 100 m" in said


@pytest.mark.parametrize("most", [5, 40])
def test_a_maximum_that_is_reached_is_told_with_what_more_would_do(most: int) -> None:
    beside = propose(run_of(maxReplicas=most))[1].beside
    told = [
        line
        for line in beside
        if line.startswith(f"It comes to autoscaling_max_replicas ({most}). With {2 * most}")
    ]
    assert len(told) == (most == 5)


def test_an_hpa_by_requests_is_told_where_it_does_better_and_is_not_proposed() -> None:
    load = Load(tuple(6.0 if t % 300 < 150 else 60.0 for t in range(1500)))
    run = run_of()
    found, proposal = propose(dataclasses.replace(run, load=load))
    assert "autoscaling_metrics" not in proposal.changed, "tune_apply could not prove it"
    (line,) = [line for line in proposal.beside if "requests a second" in line]
    told = re.search(r"target: ([\d.]+)}], ([\d.]+) % would be in time for ([\d.]+) %", line)
    assert told, line
    metrics = [{"type": "cpu", "target": 90}, {"type": "requests", "target": float(told[1])}]
    changed = {name: value for name, value in proposal.changed.items() if "target" not in name}
    again = setting({**changed, "autoscaling_metrics": metrics}, run)
    then = what_if(found.run, setting({}, run), [again], seconds=found.seconds).rows[0].outcome
    assert float(told[2]) == pytest.approx(100 * then.attained, abs=0.05)
    assert float(told[2]) > float(told[3])
    assert "autoscaling_metrics_source" in line
