"""Limits as lines: what they mean, against brute force, and what is refused."""

from __future__ import annotations

import math
import operator
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import histogram
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.baseline import compare
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


def wanted(*pods: dict[str, float], back: float | None = None, extra: bool = False) -> Story:
    """The HPA wants as many more replicas as there are pods, and later takes them ``back``; ``extra``: one more is never made."""
    s = Story()
    s.pod(-1, "a", created=-100, scheduled=-100, started=-95, ready=-90)
    s.node(-1, "n1", -200)
    s.at(0, "run", namespace="x", deployment="m", replicas=1, nodes=1)
    s.hpa(0, 1)
    s.load(10, 5, requests=10)
    s.hpa(20, 1 + len(pods) + extra)
    for number, stamps in enumerate(pods):
        s.pod(21, f"p{number}", **{"created": 20, **stamps})
    if back is not None:
        s.hpa(back, 1)
        for number, stamps in enumerate(pods):
            s.pod(back, f"p{number}", leaving=True, **{"created": 20, **stamps})
            s.pod(back + 9, f"p{number}", gone=True, leaving=True, created=20)
    s.load(400, 0, requests=20, state="stopped")
    s.events.sort(key=lambda event: event["t"])
    return s


CAME = {"scheduled": 21.0, "started": 22.0, "ready": 40.0}


@pytest.mark.parametrize(
    "line",
    [
        "reaction.ready_s <= 60", "reaction.total_s <= 120", "reaction.schedule_s <= 30", "reaction.fetch_s <= 30",
        "reaction.load_s <= 30", "reaction.serve_s <= 30", "reaction.node_wait_s <= 30",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("s", "words"),
    [
        (wanted({}), "the reaction to 2 replicas never ended: pod p0 was never ready"),
        (wanted(CAME, {}), "the reaction to 3 replicas never ended: pod p1 was never ready"),
        (wanted(CAME, extra=True), "the reaction to 3 replicas never ended: a pod was never made"),
    ],
)
def test_a_pod_that_never_came_keeps_no_limit_of_its_reaction(s: Story, words: str, line: str) -> None:
    found = check(line, s)
    assert (found["value"], found["ok"], found["evidence"]) == (None, False, words)


@pytest.mark.parametrize(
    ("line", "value", "ok"),
    [
        ("reaction.create_s <= 30", 0, True),
        ("reaction.schedule_s <= 30", 1, True),
        ("reaction.load_s <= 30", None, False),
    ],
)
def test_phases_that_an_unready_pod_has_behind_it_are_judged(
    line: str, value: float | None, ok: bool
) -> None:
    found = check(line, wanted(CAME, {"scheduled": 21.0, "started": 22.0}))
    assert (found["value"], found["ok"]) == (value, ok)


@pytest.mark.parametrize(
    ("s", "line", "value", "ok"),
    [
        (wanted(CAME, {}, back=320), "reaction.ready_s <= 60", 310, False),
        (wanted(CAME, {}, back=320), "reaction.total_s <= 120", 310, False),
        (wanted(CAME, {}, back=320), "reaction.schedule_s <= 30", 300, False),
        (wanted(CAME, {}, back=50), "reaction.ready_s <= 60", 40, True),
        (wanted(CAME, back=320, extra=True), "reaction.ready_s <= 60", 310, False),
        (wanted(CAME, back=320, extra=True), "reaction.create_s <= 5", 300, False),
        (wanted(CAME, {}, back=30), "reaction.ready_s <= 60", 30, True),
        (wanted(CAME, back=320), "reaction.ready_s <= 60", 30, True),
    ],
)  # fmt: skip
def test_a_pod_that_the_hpa_took_back_was_waited_for_until_then(
    s: Story, line: str, value: float, ok: bool
) -> None:
    found = check(line, s)
    assert (found["value"], found["ok"]) == (value, ok), found


def died(*, desired: int = 2, minimum: int = 2, nodes: int = 1, node_gone: bool = False) -> Story:
    """Of three replicas one went as it should; those that were to stay died, with their node."""
    s = Story()
    for name in "abc":
        s.pod(-1, name, created=-9, ready=-5)
    for name in ("n1", "n2"):
        s.node(-1, name, -200)
    s.at(0, "run", namespace="x", deployment="m", replicas=2, nodes=2)
    s.hpa(0, 3)
    s.load(10, 5, requests=10)
    s.load(50, 0, requests=20, state="stopped")
    s.hpa(55, desired)
    s.events[-1]["min"] = minimum
    s.pod(60, "c", gone=True, leaving=True, created=-9)
    for name in "ab"[: 2 - (desired if node_gone else 0)]:
        s.pod(70, name, created=-9)
    for name in ("n1", "n2")[: 2 - nodes]:
        s.node(70, name, None, gone=node_gone)
    return s


@pytest.mark.parametrize(
    ("s", "line", "evidence"),
    [
        (died(), "replicas back to min within 60 s", "only 0 at the end, not 2"),
        (died(), "replicas back to start", "only 0 at the end, not 2"),
        (died(), "replicas back to 2 within 1 min", "only 0 at the end, not 2"),
        (died(nodes=1), "nodes back to start", "only 1 at the end, not 2"),
    ],
)
def test_what_died_has_not_come_back(s: Story, line: str, evidence: str) -> None:
    found = check(line, s)
    assert (found["value"], found["ok"], found["evidence"]) == (None, False, evidence)


@pytest.mark.parametrize(
    "line", ["replicas back to min", "replicas back to start", "replicas back to 2", "nodes back to start"]
)
def test_less_than_at_the_start_is_a_way_back_where_no_more_is_wanted(line: str) -> None:
    found = check(line, died(desired=1, minimum=1, nodes=1, node_gone=True))
    assert found["ok"], found


@pytest.mark.parametrize(("back", "value"), [(320, 295), (None, None)])
def test_a_node_that_never_came_was_waited_for_as_long_as_its_pod(
    back: float | None, value: float | None
) -> None:
    s = wanted({}, back=back)
    s.at(26, "event", reason="TriggeredScaleUp", object="Pod/p0", at=START + 25, message="")
    found = check("reaction.node_wait_s <= 120", s)
    assert (found["value"], found["ok"]) == (value, False)


@pytest.mark.parametrize(
    ("s", "words"),
    [
        (wanted(CAME, {}), "to 3 replicas never came to its ready pods: p1 was waited for until it was scheduled."),
        (wanted({"scheduled": 21.0}), "to 2 replicas never came to its ready pods: p0 was waited for until its server started "
         "(image, model fetched)."),
        (wanted({}, back=320), "p0 was waited for until it was scheduled, and taken back by the HPA after 310 s."),
        (wanted(CAME, extra=True), "to 3 replicas never came to its ready pods: not all of them were made."),
    ],
)  # fmt: skip
def test_a_reaction_that_never_ended_is_told_and_is_worse_than_any(s: Story, words: str) -> None:
    report = analyse(s.events, slo=[], workers=2, users=10, environment={})
    assert any(words in one["text"] for one in report["findings"]), report["findings"]
    if "taken back" not in words:
        assert report["scaling"]["ready_s_max"] is None
        earlier = analyse(wanted(CAME).events, slo=[], workers=2, users=10, environment={})
        assert "slowest reaction to a ready pod, s" in compare(report, earlier, "earlier")["worse"]
