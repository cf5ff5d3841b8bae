"""Pods compared with each other, and how fast they answer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.compare import (
    Tolerance,
    Tolerances,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.latency import (
    Latency,
    Limits,
    measure,
    percentile,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.skew import (
    skew,
    spread,
    version_skew,
)
from hypothesis import given
from hypothesis import strategies as st

CLOSE = Tolerances(Tolerance(0.01))


def test_the_pod_that_differs_from_most_is_named_with_where_and_how_much() -> None:
    found = skew("golden coffee", {"a": [0.5], "b": [0.9], "c": [0.501]}, CLOSE)
    assert [(one.pod, one.reference) for one in found] == [("b", "a")]
    assert found[0].sentence == "golden coffee: differs from a: $[0]: expected 0.5, got 0.9 (off by 0.4)"


def test_the_first_pod_may_be_the_odd_one() -> None:
    assert [one.pod for one in skew("s", {"a": ["x"], "b": ["y"], "c": ["y"]}, CLOSE)] == ["a"]


def test_an_output_that_only_one_pod_has_is_a_difference() -> None:
    [found] = skew("s", {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1}}, CLOSE)
    assert (found.pod, found.differences) == ("b", ("$.y: missing (there is 'x')",))


@given(st.dictionaries(st.text(min_size=1), st.floats(0, 1), max_size=6))
def test_pods_within_tolerance_are_never_apart(answers: dict[str, float]) -> None:
    assert skew("s", answers, Tolerances(Tolerance(1.0))) == []


def test_pods_with_other_versions_are_named() -> None:
    states = {
        "a": {"3": "AVAILABLE"},
        "b": {"3": "AVAILABLE", "2": "END"},
        "c": {"10": "AVAILABLE", "9": "AVAILABLE"},
    }
    [found] = version_skew("m", states)
    assert found.sentence == "versions of m: differs from a: available are 9, 10 instead of 3"


def test_the_spread_is_the_largest_difference_within_tolerance_or_not() -> None:
    assert spread({"a": [{"s": [0.5, 1]}], "b": [{"s": [0.5, 1.25]}], "c": [{"s": [0.25, 1]}]}) == 0.25
    assert spread({"a": ["x"], "b": ["y"]}) is None
    assert spread({"a": [1.0]}) is None


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_its_share_does_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_requests_are_timed_one_by_one_and_in_turn() -> None:
    asked: list[str] = []
    ticks = _ticks(asked)
    asks = [lambda: asked.append("one"), lambda: asked.append("two")]
    found = measure(asks, lambda: asked.append("trip"), 8, lambda: next(ticks))
    assert asked == ["trip"] * 3 + ["one", "two"] * 4
    measured = (found.p50_ms, found.p95_ms, found.max_ms, found.round_trip_ms)
    assert measured == pytest.approx((10.0, 30.0, 30.0, 1.0))


def _ticks(asked: list[str]) -> Iterator[float]:
    """Seconds: what is asked takes 1 ms (trip), 10 ms (one) or 30 ms (two)."""
    now, costs = 0.0, {"trip": 0.001, "one": 0.01, "two": 0.03}
    for step in count():
        if step % 2:
            now += costs[asked[-1]]
        yield round(now, 6)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(20), []),
        (Limits(20, p50_ms=50, p95_ms=90), []),
        (Limits(20, p50_ms=49), ["p50 of 20 requests is 50.0 ms, allowed are 49 ms"]),
        (
            Limits(20, p50_ms=10, p95_ms=80),
            ["p50", "p95 of 20 requests is 90.0 ms, allowed are 80 ms (of which the way"],
        ),
    ],
)
def test_limits_that_are_exceeded_are_told(limits: Limits, words: list[str]) -> None:
    problems = Latency(20, 50.0, 90.0, 200.0, 4.0).problems(limits)
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems, strict=True))
