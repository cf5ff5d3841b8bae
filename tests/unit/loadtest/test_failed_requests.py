"""Failed requests in a verdict: never in time, and of the load under which they began."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import answers, histogram
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.baseline import words
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.pages import render
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import plan
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import lift, steady_until
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse

sys.path.insert(0, str(Path(__file__).parent))

from story import START, Story

DEFAULT = ["requests >= 1000", "failed == 0 while steady"]
NONE: dict[str, Any] = {"histogram": {}, "failed_histogram": {}}


def counted(**times: int) -> dict[str, int]:
    """Requests by their milliseconds, as `ms300=2`."""
    return {str(histogram.bucket_of(float(name[2:]))): number for name, number in times.items()}


def run(shape: dict[str, Any], bad_from: float, *, version: str = "now", level: int = 20) -> Story:
    """Half of what is asked from a moment on is refused at once, all over the shape."""
    s, made = Story(), plan(shape)
    s.hpa(-1, 1)
    s.deployment(-1, 1)
    s.pod(-1, "a", created=-100, scheduled=-100, started=-95, ready=-90)
    s.node(-1, "n1", -200)
    told = {key: value for key, value in made.as_json().items() if version == "now" or key != "ramp_down"}
    s.at(
        0,
        "run",
        namespace="x",
        deployment="m",
        replicas=1,
        nodes=1,
        plan=None if version == "first" else told,
    )
    requests = failures = 0
    for t in range(2, int(made.curve.length) + 1, 2):
        bad = level // 2 if t > bad_from else 0
        requests, failures = requests + level, failures + bad
        s.load(t, max(1, round(made.curve.level(t - 1))), requests=requests, failures=failures)
        new = {"histogram": counted(ms3=bad, ms50=level - bad), "failed_histogram": counted(ms3=bad)}
        s.events[-1] |= {"elapsed": float(t), "finished": True}
        s.events[-1]["errors"] = {"http 503": failures} if failures else {}
        if version == "now":
            going = t > made.curve.length - made.ramp_down if made.ramp_down else False
            s.events[-1] |= {**new, "going": new if going else NONE}
        else:
            s.events[-1]["histogram"] = new["histogram"]
    s.load(made.curve.length + 2, 0, requests=requests, failures=failures, state="stopped")
    s.events[-1]["errors"] = {"http 503": failures} if failures else {}
    s.events[-1] |= NONE | {"going": NONE} if version == "now" else {"histogram": {}}
    return s


def judged(s: Story, *slo: str, **more: Any) -> dict[str, Any]:
    return analyse(s.events, slo=slo or DEFAULT, workers=2, users=0, environment={}, **more)


SPIKE = {"kind": "spike", "base": 10, "peak": 20, "before": 60, "duration": 10, "after": 530}
SINE = {"kind": "sine", "low": 0, "high": 20, "period": 600}
STAGES = {"kind": "stages", "stages": [{"duration": "1m", "target": 20}, {"duration": "9m", "target": 0}]}
REPLAY = {"kind": "replay", "csv": "time,rate\n0,10\n60,20\n70,9\n400,8\n600,0"}
STEPS = {"max_steps": 2, "step_time": 150, "step_load": 10, "ramp_down": 60}


# Without its plan, as the first version had it, a load that only falls after its peak is a ramp on its way down.
@pytest.mark.parametrize(
    ("shape", "peak", "version"),
    [
        *((shape, peak, version) for shape, peak in ((SPIKE, 72), (SINE, 310), (STAGES, 62), (REPLAY, 72))
          for version in ("now", "before")),
        (SPIKE, 72, "first"), (REPLAY, 72, "first"),
    ],
    ids=lambda it: str(it)[:16],
)  # fmt: skip
def test_what_fails_after_the_peak_fails_under_load(shape: dict[str, Any], peak: float, version: str) -> None:
    found = judged(run(shape, peak, version=version))
    assert (found["verdict"], found["generator"]["problems"]) == ("fail", [])
    assert found["requests"]["failed_steady"] == found["requests"]["failed"] > 1000


@pytest.mark.parametrize("version", ["now", "before", "first"])
def test_what_fails_in_the_ramp_down_is_told_apart(version: str) -> None:
    found = judged(run(STEPS, 305, version=version))
    assert found["verdict"] == "pass", found["summary"]
    assert "0 failed under load and 280 in the ramp-down" in found["summary"]
    assert judged(run(STEPS, 305, version=version), "failed == 0")["verdict"] == "fail"
    assert judged(run(STEPS, 290, version=version))["verdict"] == "fail"


def test_a_failure_counts_for_the_moment_at_which_its_request_began() -> None:
    """Asked under full load, lost by a timeout in the ramp-down."""
    s = run(STEPS, 999)
    late = next(event for event in s.events if event["kind"] == "load" and event["t"] == START + 330)
    whole, failed = dict(late["histogram"]), counted(ms30000=10)
    late |= {"histogram": {**whole, **failed}, "failed_histogram": failed}
    for event in s.events:
        if event["kind"] == "load" and event["t"] >= START + 330:
            event |= {"requests": event["requests"] + 10, "failures": 10, "errors": {"timeout": 10}}
    found = judged(s)
    assert (found["verdict"], found["requests"]["failed_steady"]) == ("fail", 10)
    assert found["checks"][1]["value"] == 10
    # Users and the like are those of its own time.
    assert judged(s, "users >= 10 while steady")["checks"][0]["ok"]
    assert not judged(s, "users >= 10 while users >= 0")["checks"][0]["ok"]


def test_the_steady_part_ends_where_the_plan_says() -> None:
    assert steady_until(run(STEPS, 0).events) == START + 300
    assert steady_until(run(SPIKE, 0).events) == float("inf")
    assert plan({**SPIKE, "ramp_down": 30}).ramp_down == 30
    assert plan({**REPLAY, "ramp_down": 30}).ramp_down == 30
    assert plan({**SINE, "ramp_down": 30}).ramp_down == 0, "it has gone by then"


@pytest.mark.parametrize(
    ("shape", "seconds"),
    [
        (STEPS, 60), ({**SPIKE, "ramp_down": 30}, 30), ({"kind": "ramp", "first": 9, "last": 0, "duration": 60}, 0),
        ({"kind": "ramp", "last": 9, "duration": 60, "ramp_down": 20}, 20), (SINE, 0), (STAGES, 0), (REPLAY, 0),
    ],
)  # fmt: skip
def test_an_earlier_plan_is_read_as_it_was_meant(shape: dict[str, Any], seconds: float) -> None:
    made = plan(shape).as_json()
    old = {key: value for key, value in made.items() if key != "ramp_down"}
    assert lift({"t": 0.0, "kind": "run", "plan": old})["plan"]["ramp_down"] == seconds == made["ramp_down"]


@pytest.mark.parametrize("version", ["now", "before"])
def test_what_failed_quickly_is_slower_than_any_answer(version: str) -> None:
    found = judged(run(STEPS, 0, version=version), "p95_ms <= 300")
    assert found["verdict"] == "fail"
    assert "3600 requests, 1800 of them failed: more than 5 %, so that there is no p95" in found["summary"]
    requests = found["requests"]
    assert [requests[key] for key in ("p50_ms", "p95_ms", "p99_ms", "p95_steady_ms")] == [
        pytest.approx(50, rel=0.01), None, None, None,
    ]  # fmt: skip
    assert requests["p95_answered_ms"] == pytest.approx(50, rel=0.01)
    assert "no p95, as more than 5 % failed" in found["summary"]
    assert "p95 of those that were answered" in render(found, {}, "r")
    assert not judged(run(STEPS, 0, version=version), "p95_ms >= 1")["checks"][0]["ok"]
    assert judged(run(STEPS, 0, version=version), "p49_ms <= 300")["checks"][0]["ok"]


def test_a_few_failures_leave_a_percentile_that_is_right() -> None:
    met = answers.Answers(
        {histogram.bucket_of(ms): 1 for ms in (10, 20, 30, 40)} | {histogram.bucket_of(50): 15}, 1
    )
    assert met.percentile(0.05) == pytest.approx(10, rel=0.01)
    assert met.percentile(0.95) == pytest.approx(50, rel=0.01)
    assert met.percentile(0.96) is None
    assert (met.total, met.within(35)) == (20, 3)


def test_timeouts_of_earlier_versions_were_the_slowest_and_refusals_the_quickest() -> None:
    s = Story()
    s.load(2, 5, requests=10, failures=3)
    s.events[-1] |= {"histogram": counted(ms3=2, ms50=7, ms3000=1), "errors": {"http 503": 2, "timeout": 1}}
    s.load(4, 5, requests=20, failures=3)
    s.events[-1] |= {"histogram": counted(ms3=2, ms50=8), "errors": {"http 503": 2, "timeout": 1}}
    (_, first), (_, second) = answers.each(s.events)
    assert (first.failed, set(first.answered)) == (3, {histogram.bucket_of(50)})
    assert (second.failed, second.total) == (0, 10)


def test_more_failures_than_a_percentile_leaves_out_are_worse_than_any_time() -> None:
    good = judged(run(STEPS, 999))
    found = judged(run(STEPS, 0), earlier=("e", good))
    rows = {row["name"]: row for row in found["comparison"]["numbers"]}
    assert (rows["p95, ms"]["now"], rows["p95, ms"]["judgement"]) == (None, "worse")
    assert "p95, ms 49.95 → none (too many failed)" in words(found["comparison"])
    back = judged(run(STEPS, 999), earlier=("e", found))
    assert {row["name"]: row for row in back["comparison"]["numbers"]}["p95, ms"]["judgement"] == "better"
    same = judged(run(STEPS, 0), earlier=("e", found))
    assert same["comparison"]["worse"] == []
