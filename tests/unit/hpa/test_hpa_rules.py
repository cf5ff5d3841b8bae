"""The HPA's rules against what Kubernetes' own controller answered (tests/hpa/compare.py wrote it down)."""

from __future__ import annotations

import random

import pytest

from tests.hpa import cases, oracle


@pytest.mark.parametrize("minor", oracle.RELEASES)
def test_each_look_is_decided_as_the_controller_decided(minor: int) -> None:
    chance = random.Random(minor)
    answered = oracle.recorded(minor)
    assert len(answered) >= 50
    for theirs in answered:
        given = cases.scenario(chance, minor)
        for ours, answer in zip(cases.decisions(given, minor), theirs, strict=True):
            assert cases.difference(ours, answer) == ""


def test_the_recorded_looks_have_every_rule_and_limit() -> None:
    met = set()
    for minor in oracle.RELEASES:
        chance = random.Random(minor)
        for _ in oracle.recorded(minor):
            for decision in cases.decisions(cases.scenario(chance, minor), minor):
                met |= {decision.by, decision.limit, *(one.rule for one in decision.proposals)}
                met |= {"held"} if decision.stabilised != decision.recommendation else set()
    assert met == {
        "metric", "above-max", "below-min", "zero", "unreadable", "held",
        "ratio", "tolerance", "unready", "missing", "length",
        "", "ScaleUpLimit", "ScaleDownLimit", "TooManyReplicas", "TooFewReplicas",
    }  # fmt: skip
