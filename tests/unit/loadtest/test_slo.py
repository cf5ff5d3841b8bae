"""Limits as lines: what they mean, against brute force, and what is refused."""

from __future__ import annotations

import math
import operator
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import histogram
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.slo import SloError, parse
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from story import START, Story, story


def check(line: str, s: Story | None = None) -> dict[str, Any]:
    report = analyse((s or story()).events, slo=[line], workers=2, users=10, environment={})
    return dict(report["checks"][0])


@pytest.mark.parametrize(
    ("line", "value", "ok"),
    [
        ("requests >= 1000", 1525, True),
        ("failed == 0", 3, False),
        ("failed == 0 while steady", 0, True),
        ("failed_percent < 0.1", 0.19672, False),
        ("replicas.max >= 2", 2, True),
        ("replicas.end <= 1", 1, True),
        ("nodes.max > 2", 2, False),
        ("reaction.ready_s <= 60", 60, True),
        ("reaction.ready_s <= 59", 60, False),
        ("reaction.schedule_s <= 1 min", 23, True),
        ("reaction.node_wait_s < 20", 20, False),
        ("reaction.drain_s <= 30", 22, True),
        ("replicas back to min within 60 s", 58, True),
        ("replicas back to min within 30 s", 58, False),
        ("replicas back to 1 within 1 min", 58, True),
        ("nodes back to start within 96 s", 96, True),
        ("nodes back to 1", 96, True),
        ("seconds_without_replica == 0", 0, True),
    ],
)
def test_a_line_says_what_it_says(line: str, value: float, ok: bool) -> None:
    found = check(line)
    assert (found["value"], found["ok"]) == (value, ok), found


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        ("p95_ms <= 300", 300), ("p95_ms <= 300 ms", 300), ("p95_ms <= 0.3s", 300), ("p99.9_ms <= 0.5 min", 30000),
        ("reaction.ready_s <= 60", 60), ("reaction.ready_s <= 60000ms", 60), ("reaction.ready_s <= 1 min", 60),
        ("reaction.node_wait_s <= 2 min", 120), ("seconds_without_replica <= 100 ms", 0.1),
        ("failed_percent < 0.1 %", 0.1), ("rate >= 5/s", 5), ("rate.max >= 30 /s", 30), ("requests >= 1000", 1000),
        ("metric.cpu <= 90 % while offered <= 20 /s", 90),
    ],
)  # fmt: skip
def test_a_unit_that_fits_is_converted(line: str, limit: float) -> None:
    comparison = parse(line).comparison
    assert comparison is not None
    assert comparison.limit == pytest.approx(limit)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("replicas.max >= 3 min", "replicas.max is not measured in min: write the number alone"),
        ("failed_percent <= 1 min", "failed_percent is not measured in min: write the number alone or in %"),
        ("rate >= 600 min", "rate is not measured in min: write the number alone or in /s"),
        ("p95_ms <= 300 %", "p95_ms is not measured in %: write the number alone or in ms, s, min"),
        ("reaction.ready_s <= 5 /s", "write the number alone or in ms, s, min"),
        ("requests >= 1000 s", "requests is not measured in s"),
        ("failed == 0 %", "failed is not measured in %"),
        ("metric.queue <= 5 s", "metric.queue is not measured in s"),
        ("p95_ms <= 300 while users <= 10 s", "users is not measured in s"),
        ("skew.max <= 2 ms", "skew.max is not measured in ms"),
        ("p95 <= 300 ms", "p95 is not known"),
    ],
)
def test_a_unit_that_does_not_fit_is_refused_with_those_that_do(line: str, words: str) -> None:
    with pytest.raises(SloError) as refused:
        parse(line)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [
        "p95_ms <= 300 while users <= 4 and users >= 5",
        "reaction.drain_s <= 5 ",
        "p95_ms <= 300 while metric.cpu > 900",
    ],
)
def test_what_was_never_measured_is_not_kept(line: str) -> None:
    s = story()
    s.events = [event for event in s.events if event["t"] < START + 120]
    found = check(line, s)
    assert (found["value"], found["ok"]) == (None, False)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("p95 <= 300", "p95 is not known"),
        ("p95_ms = 300", "no comparison"),
        ("p95_ms <= fast", "no comparison"),
        ("p0_ms <= 3", "not known"),
        ("p95_ms <= 300 while", "after `while` comes a condition"),
        ("p95_ms <= 300 while sun == 1", "can't choose samples"),
        ("replicas.max >= 2 while users > 1", "not known with `while`"),
        ("users <= 3", "users is not known"),
        ("replicas back to the roots", "no comparison"),
        ("", "no comparison"),
    ],
)
def test_a_line_that_says_nothing_is_refused_with_what_would_do(line: str, words: str) -> None:
    with pytest.raises(SloError) as refused:
        parse(line)
    assert words in str(refused.value)


SAMPLES = st.lists(
    st.tuples(st.integers(1, 20), st.lists(st.floats(1, 2000), max_size=12), st.integers(0, 2)),
    min_size=1,
    max_size=30,
)


def buckets(times: list[float]) -> dict[str, int]:
    found: dict[str, int] = {}
    for time in times:
        key = str(histogram.bucket_of(time))
        found[key] = found.get(key, 0) + 1
    return found


RELATIONS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}


@given(
    SAMPLES, st.integers(1, 99), st.sampled_from(sorted(RELATIONS)), st.integers(1, 20), st.integers(1, 2000)
)
def test_percentiles_and_failures_of_chosen_samples_against_brute_force(
    samples: list[tuple[int, list[float], int]], share: int, relation: str, users: int, limit: int
) -> None:
    s = Story()
    s.at(0, "run", namespace="x", deployment="m", replicas=1, nodes=1)
    requests = failures = 0
    for index, (count, times, failed) in enumerate(samples):
        requests, failures = requests + len(times), failures + min(failed, len(times))
        s.load(2 * index + 2, count, requests=requests, failures=failures)
        s.events[-1] |= {"histogram": buckets(times), "failed_histogram": buckets(times[:failed])}
    mine, spoiled = [], -99.0
    for index, (count, times, failed) in enumerate(samples):
        if not RELATIONS[relation](count, users):
            spoiled = 2 * index
        elif 2 * index - spoiled > 6:
            mine.append((times, min(failed, len(times))))
    # Failed ones are slower than any, however quick they were.
    times = sorted(
        time for part, failed in mine for time in [*part[failed:], *[math.inf] * min(failed, len(part))]
    )
    found = check(f"p{share}_ms <= {limit} while users {relation} {users}", s)
    if not times:
        assert (found["value"], found["ok"]) == (None, False)
    else:
        exact = times[max(1, math.ceil(share / 100 * len(times))) - 1]
        if math.isinf(exact):
            assert (found["value"], found["ok"]) == (None, False)
            assert "failed: more than" in found["evidence"]
            return
        assert abs(found["value"] - exact) <= 0.01 * exact + 0.006
        assert found["ok"] == (found["value"] <= limit) or abs(found["value"] - limit) < 0.01
    lost = check(f"failed == 0 while users {relation} {users}", s)
    assert lost["value"] == (sum(part for _, part in mine) if mine else None)
