"""The HPA's looks are found in a timeline, and explained as the HPA decided; what is not explained is said to be so."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.look import decider
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.pages import render
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.retrace import grouped, looks
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import read
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse

from tests.loadtest.published import violations

sys.path.insert(0, str(Path(__file__).parent))

from acted import Acted, hpa_spec

Json = dict[str, Any]


def report(events: list[Json]) -> Json:
    return analyse(events, slo=[], workers=2, users=2, environment={"model": "m", "host": "h"})


@pytest.mark.parametrize("seed", range(12))
def test_each_look_is_found_and_explained_as_it_was_decided(seed: int) -> None:
    acted = Acted(seed)
    found = looks(acted.events)
    assert found["unexplained"] == 0, [look for look in found["all"] if not look.explained]
    assert found["hidden"] == 0
    assert found["period"] == pytest.approx(15.03, abs=0.1)
    ours = {round((look.t - acted.truth[0][0]) / 15.03): look for look in found["all"]}
    for number, (t, decision) in enumerate(acted.truth):
        if number in ours:
            assert abs(ours[number].t - t) < 1.0
            assert ours[number].desired == decision.replicas
            # A pod that came to run within a second of the look: it had no sample, or was not ready.
            waiting = {"missing", "unready"}
            assert ours[number].rule == decider(decision) or {ours[number].rule, decider(decision)} == waiting
    assert len(acted.truth) - len(ours) <= 1


def test_the_runs_have_every_rule_that_such_a_run_can_have() -> None:
    specs = [hpa_spec(), hpa_spec(maxReplicas=3), hpa_spec(minReplicas=4)]
    met = {
        look.rule
        for seed in range(4)
        for spec in specs
        for look in looks(Acted(seed, spec=spec).events)["all"]
    }
    assert met >= {
        "ratio", "tolerance", "unready", "stabilised", "TooManyReplicas", "TooFewReplicas", "below-min",
    }  # fmt: skip


def test_a_look_that_no_rule_gives_is_shown_as_such_and_those_after_it_are_explained_again() -> None:
    events = copy.deepcopy(Acted(3).events)
    said = [event for event in events if event["kind"] == "hpa"]
    spoilt = said[len(said) // 2]
    spoilt["metrics"][0]["current"] += 9
    found = looks(events)
    (wrong,) = [look for look in found["all"] if not look.explained]
    assert wrong.t == pytest.approx(spoilt["t"], abs=0.01)
    assert "is not explained" in wrong.words
    assert found["unexplained"] == 1


def test_an_hpa_that_goes_by_other_rules_is_not_explained() -> None:
    """The spec that is written down says another target than the one that was decided by."""
    events = copy.deepcopy(Acted(4).events)
    for event in events:
        if event["kind"] == "hpa_spec":
            event["spec"]["metrics"][0]["containerResource"]["target"]["averageUtilization"] = 30
    found = looks(events)
    assert found["unexplained"] > 3


def test_looks_while_the_hpa_could_not_be_seen_are_counted_and_left_out() -> None:
    events = Acted(5, spec=hpa_spec(maxReplicas=1)).events
    quiet = [look for look in looks(events)["all"] if not look.seen]
    if not quiet:
        pytest.skip("every look left a trace")
    gap = {"t": quiet[0].t + 5, "kind": "gap", "of": "hpa", "since": quiet[0].t - 5, "seconds": 10.0}
    found = looks(sorted([*events, gap], key=lambda event: event["t"]))
    assert found["hidden"] == 1


def test_a_timeline_of_before_says_why_it_has_no_looks() -> None:
    found = looks(read(Path(__file__).parent / "data" / "demo.jsonl"))
    assert (found["all"], "earlier version" in found["problem"]) == ([], True)
    assert looks([])["problem"] == "the run had no HPA"


def test_report_and_page_have_them() -> None:
    events = Acted(6).events
    made = report(events)
    assert violations(events, made) == []
    page = render(made, {}, "r")
    assert "What the HPA saw" in page
    assert "rounded up" in page
    events[:] = [event for event in events if event["kind"] != "samples"]
    assert "earlier version" in render(report(events), {}, "r")


def test_looks_that_were_alike_are_one_line() -> None:
    one = {
        "replicas": 1,
        "pods": 1,
        "counted": 1,
        "values": [3],
        "rule": "tolerance",
        "desired": 1,
        "explained": True,
    }
    groups = grouped([{**one, "t": 1}, {**one, "t": 2}, {**one, "t": 3, "values": [4]}])
    assert [(first["t"], last["t"]) for first, last in groups] == [(1, 2), (3, 3)]
