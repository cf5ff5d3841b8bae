"""The HPA's rules against what Kubernetes' own controller answered (tests/hpa/compare.py wrote it down)."""

from __future__ import annotations

import copy
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


@pytest.mark.parametrize("seed", range(200))
def test_a_crowd_of_pods_counts_as_so_many(seed: int) -> None:
    """Pods that are alike, told as one with a count, give what they give one by one."""
    chance = random.Random(seed)
    given = cases.scenario(chance, 36)
    times = chance.randint(2, 5)
    crowds, single = copy.deepcopy(given), copy.deepcopy(given)
    for each in single["Looks"]:
        first = {pod["Name"] for pod in each["Pods"]}
        each["StatusReplicas"] *= times
        each["Replicas"] = None if each["Replicas"] is None else each["Replicas"] * times
        each["Pods"] = [
            {**pod, "Name": f"{pod['Name']}-{n}" if n else pod["Name"]}
            for pod in each["Pods"]
            for n in range(times)
        ]
        for reading in each["Readings"]:
            for name, sample in list((reading.get("Samples") or {}).items()):
                if name in first:
                    reading["Samples"] |= {f"{name}-{n}": sample for n in range(1, times)}
    for each in crowds["Looks"]:
        each["StatusReplicas"] *= times
        each["Replicas"] = None if each["Replicas"] is None else each["Replicas"] * times
    ours = cases.decisions(crowds, 36, count=times)
    theirs = cases.decisions(single, 36)
    assert [one.replicas for one in ours] == [one.replicas for one in theirs]
    assert [[p.value for p in one.proposals] for one in ours] == [
        [p.value for p in one.proposals] for one in theirs
    ]
