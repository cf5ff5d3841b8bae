"""Phases of reactions against definitions by brute force: each tenth of a second asked what was being waited for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.phases import RISE_GAP, reactions
from hypothesis import assume, given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from story import START, Story

MILESTONES = {"create": "created", "schedule": "scheduled", "fetch": "started", "load": "ready"}
# Tenths of a second from one milestone of a pod to the next; the first counts from the decision.
PODS = st.lists(
    st.tuples(st.integers(-40, 100), st.integers(0, 400), st.integers(0, 100), st.integers(0, 300)),
    min_size=1, max_size=4,
)  # fmt: skip
LOADS = st.lists(st.tuples(st.integers(10, 90), st.integers(0, 4)), min_size=1, max_size=12)


def begins(loads: list[tuple[int, int]], decided: int) -> int:
    """The first sample of the last rise: every sample from there on has risen, each soon after the one before."""
    before = [(0, 0), *((t, level) for t, level in loads if t <= decided)]
    rises = [i for i in range(1, len(before)) if before[i][1] > before[i - 1][1]]
    if not rises:
        return decided
    return min(
        before[i][0]
        for i in rises
        if all(
            k in rises and before[k][0] - before[k - 1][0] <= 10 * RISE_GAP
            for k in range(i + 1, rises[-1] + 1)
        )
    )


def waited_for(pod: dict[str, int], started: int, decided: int) -> dict[str, int]:
    """How many tenths of a second each phase had, until the pod was ready."""
    found = dict.fromkeys(("decide", *MILESTONES), 0)
    for tick in range(started, max(decided, *pod.values())):
        if tick < decided:
            found["decide"] += 1
            continue
        # What comes first of all that is missing; a milestone that came early is not waited for.
        found[next(phase for phase, milestone in MILESTONES.items() if tick < pod[milestone])] += 1
    return found


@given(LOADS, st.integers(200, 1500), st.lists(PODS, min_size=1, max_size=3))
def test_each_moment_of_a_reaction_is_in_the_phase_that_was_waited_for(
    loads: list[tuple[int, int]], first: int, groups: list[list[tuple[int, ...]]]
) -> None:
    story, t = Story(), 0
    samples = []
    for gap, level in loads:
        t += gap
        samples.append((t, level))
        story.load(t / 10, level, requests=t)
    story.hpa(-1, 1)
    story.at(0, "run", namespace="x", deployment="m", replicas=1, nodes=1)
    expected = []
    for number, group in enumerate(groups):
        decided = first + number * 300
        story.hpa(decided / 10, number + 2)
        pods: dict[str, dict[str, int]] = {}
        for index, (created, scheduled, fetched, loaded) in enumerate(group):
            moments = [decided + created]
            for length in (scheduled, fetched, loaded):
                moments.append(moments[-1] + length)
            pods[f"p{number}-{index}"] = dict(zip(MILESTONES.values(), moments, strict=True))
        for name, pod in pods.items():
            times: dict[str, Any] = {}
            for milestone, moment in pod.items():
                times[milestone] = moment / 10
                story.pod(max(moment, decided) / 10, name, **times)
        ready = [pod["ready"] for pod in pods.values()]
        assume(len(set(ready)) == len(ready))
        expected.append((decided, max(pods.items(), key=lambda item: item[1]["ready"])))
    story.events.sort(key=lambda event: event["t"])
    found = reactions(story.events, "m")
    assert len(found) == len(expected)
    for reaction, (decided, (name, pod)) in zip(found, expected, strict=True):
        started = begins(samples, decided)
        assert reaction.started == pytest.approx(START + started / 10)
        assert reaction.pod == name
        waits = waited_for(pod, started, decided)
        for phase, tenths in waits.items():
            assert reaction.phases[phase] == pytest.approx(tenths / 10, abs=0.051), phase
        assert reaction.total == pytest.approx(sum(waits.values()) / 10, abs=0.3)


# Of each new pod: when it was created, ready and removed, in seconds after the decision, each None if never.
FATES = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 20)), st.one_of(st.none(), st.integers(1, 200)),
        st.one_of(st.none(), st.integers(1, 300)),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@given(FATES, st.one_of(st.none(), st.integers(60, 250)))
def test_a_reaction_ends_with_its_last_pod_or_not_at_all(
    fates: list[tuple[int | None, int | None, int | None]], taken: int | None
) -> None:
    """``taken``: when the HPA takes all of them back, which removes those that are left."""
    story, first = Story(), 100
    story.at(0, "run", namespace="x", deployment="m", replicas=1, nodes=1)
    story.hpa(0, 1)
    story.load(90, 5, requests=10)
    story.hpa(first, 1 + len(fates))
    if taken is not None:
        story.hpa(first + taken, 1)
    waited: list[float] = []  # seconds after the decision; infinite: in vain
    for number, (created, after, removed) in enumerate(fates):
        assume(removed is None or taken is None or removed < taken - 10)  # by somebody else
        left = taken if removed is None else removed
        if created is None:
            waited.append(float("inf") if taken is None else taken)
            continue
        assume(left is None or created < left)
        ready = None if after is None else created + after
        if ready is not None and left is not None and ready >= left:
            ready = None
        stamps: dict[str, float] = {"created": first + created}
        story.pod(first + created, f"p{number}", **stamps)
        if ready is not None:
            stamps |= dict.fromkeys(("scheduled", "started", "ready"), first + ready)
            story.pod(first + ready, f"p{number}", **stamps)
            waited.append(ready)
        elif removed is None:
            waited.append(float("inf") if taken is None else taken)
        if left is not None:
            story.pod(first + left, f"p{number}", leaving=True, created=first + created)
            story.pod(first + left + 1, f"p{number}", gone=True, created=first + created)
    story.events.sort(key=lambda event: event["t"])
    reaction = reactions(story.events, "m")[0]
    longest = max(waited, default=float("inf"))
    if longest == float("inf"):
        assert (reaction.ended, reaction.total, reaction.ready_s) == (None, None, None)
    else:
        assert reaction.ready_s == reaction.total == pytest.approx(10 + longest)
        assert reaction.ended in ("ready", "taken back")
        if longest != taken:
            assert reaction.ended == "ready"


@pytest.mark.parametrize(
    ("gone", "ended", "drain"), [(("b", "c"), "gone", 20), (("b",), None, None), ((), None, None)]
)
def test_scaling_in_ends_with_the_last_pod_that_goes(
    gone: tuple[str, ...], ended: str | None, drain: float | None
) -> None:
    story = Story()
    for name in "abc":
        story.pod(-1, name, created=-9, ready=-5)
    story.hpa(0, 3)
    story.hpa(100, 1)
    for name in "bc":
        story.pod(101, name, leaving=True, created=-9, ready=-5)
    for name in gone:
        story.pod(120, name, gone=True, leaving=True, created=-9)
    (found,) = reactions(story.events, "m")
    assert (found.ended, found.phases.get("drain")) == (ended, drain)
    assert (found.total is None) == (ended is None)


def test_pods_that_do_not_go_at_all_have_not_gone() -> None:
    story = Story()
    for name in "abc":
        story.pod(-1, name, created=-9, ready=-5)
    story.hpa(0, 3)
    story.hpa(100, 1)
    (found,) = reactions(story.events, "m")
    assert (found.ended, found.total) == (None, None)
