"""Shapes as people write them become the curves they mean; mistakes are told in words."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.curve import users_at
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import Plan, ShapeError, plan

LAB = {"max_steps": 11, "step_time": 60, "step_load": 2, "spawn_rate": 1, "ramp_down": 60}


def test_the_labs_step_load_with_the_ramp_down_that_it_promised() -> None:
    made = plan(LAB)
    assert (made.kind, made.model, made.users, made.curve.length) == ("steps", "closed", 22, 11 * 60 + 60)
    for minute in range(11):
        assert made.curve.level(minute * 60) == made.curve.level(minute * 60 + 59.9) == 2 * (minute + 1)
    assert math.isclose(made.curve.level(11 * 60 + 30), 11)


@pytest.mark.parametrize(
    ("shape", "levels"),
    [
        ({"kind": "constant", "level": 5, "duration": 10}, {0: 5, 9.9: 5, 10: 0}),
        ({"kind": "ramp", "last": 10, "duration": 10, "hold": 5}, {0: 0, 5: 5, 12: 10, 15: 0}),
        (
            {"kind": "spike", "base": 1, "peak": 9, "before": 5, "duration": 2, "after": 5},
            {4.9: 1, 5: 9, 7: 1},
        ),
        (
            {"kind": "sine", "low": 2, "high": 10, "period": 100, "periods": 2},
            {0: 2, 50: 10, 100: 2, 150: 10},
        ),
        ({"kind": "replay", "csv": "time,rate\n10,3\n12,6\n20,0"}, {0: 3, 1.9: 3, 2: 6, 9.9: 6, 10: 0}),
        ({"kind": "replay", "csv": "0,3\n10,3", "speed": 2, "scale": 4}, {0: 12, 4.9: 12, 5: 0}),
    ],
)
def test_each_kind_has_the_levels_that_it_says(shape: dict[str, Any], levels: dict[float, float]) -> None:
    made = plan(shape)
    assert {t: round(made.curve.level(t), 6) for t in levels} == levels


STAGES = [
    {"duration": "10s", "target": 5}, {"duration": "1m", "target": 5}, {"duration": "0s", "target": 2}, {"duration": "2s", "target": 0},
]  # fmt: skip


def test_stages_are_k6s() -> None:
    """The numbers are those that k6's own algorithm gives: user n comes when the line reaches n, and falls at once."""
    made = plan({"kind": "stages", "stages": STAGES})
    seen = {
        t: users_at(made.curve, t, whole=made.whole) for t in (0, 2.4, 2.5, 9.9, 10, 69.9, 70, 70.1, 71.5, 72)
    }
    assert seen == {0: 1, 2.4: 1, 2.5: 2, 9.9: 4, 10: 5, 69.9: 5, 70: 2, 70.1: 1, 71.5: 0, 72: None}
    assert made.users == 5


def test_no_more_users_are_expected_of_stages_than_come() -> None:
    """The last stage's target is reached as the run ends."""
    made = plan({"kind": "stages", "start": 0, "stages": [{"duration": "1m30s", "target": 7}]})
    assert (made.users, made.curve.length) == (6, 90)


def test_stages_of_the_open_model_are_rates() -> None:
    made = plan(
        {
            "kind": "stages",
            "model": "open",
            "stages": [{"duration": "500ms", "target": 8}, {"duration": "1s", "target": 8}],
        }
    )
    assert made.requests == 10


def test_a_sine_is_a_sine() -> None:
    made = plan({"kind": "sine", "low": 0, "high": 100, "period": 600})
    for t in range(0, 600, 7):
        assert abs(made.curve.level(t) - 50 * (1 - math.cos(2 * math.pi * t / 600))) < 0.3


def test_recorded_moments_are_replayed_one_by_one() -> None:
    text = "2026-01-31T12:00:00Z\n2026-01-31T12:00:01.5Z\n2026-01-31T12:00:04Z\n"
    made = plan({"kind": "replay", "model": "open", "csv": text, "speed": 2})
    assert made.moments == (0.0, 0.75, 2.0)
    assert made.requests == 3
    assert Plan.from_json(made.as_json()).moments == made.moments


def test_the_open_model_knows_how_many_requests_are_due() -> None:
    made = plan({"kind": "constant", "model": "open", "level": 8, "duration": 10})
    assert (made.requests, made.users) == (80, 0)
    assert "80 in all" in made.words()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"kind": "zigzag"}, "there are steps, constant"),
        ({**LAB, "level": 3}, "has no level"),
        ({"kind": "constant", "level": 5}, "needs duration"),
        ({"kind": "constant", "level": 0, "duration": 5}, "no load at all"),
        ({"kind": "constant", "level": -1, "duration": 5}, "at least 0"),
        ({"kind": "constant", "level": "many", "duration": 5}, "must be a number, not 'many'"),
        ({"kind": "constant", "level": float("nan"), "duration": 5}, "at least 0"),
        ({"kind": "constant", "level": 1, "duration": 1e6}, "more than a day"),
        # Each would fill all memory if it was expanded first.
        ({"max_steps": 10**9, "step_time": 30, "step_load": 1}, "more than a day"),
        ({"max_steps": 10**9, "step_time": 0, "step_load": 1}, "1000000000 pieces"),
        ({"kind": "sine", "high": 5, "period": 1, "periods": 10**9}, "more than a day"),
        ({"kind": "replay", "model": "open", "csv": "0\n1e12\n"}, "more than a day"),
        ({"kind": "spike", "base": 5, "peak": 5, "before": 1, "duration": 1, "after": 1}, "above its base"),
        ({"kind": "sine", "low": 5, "high": 5, "period": 10}, "above low"),
        ({"kind": "replay", "csv": "5\n1\n"}, "must not go back"),
        ({"kind": "replay", "csv": "1\n5\n"}, "needs `model: open`"),
        ({"kind": "replay", "csv": "1,2\n5,x\n"}, "line 2"),
        ({"kind": "stages", "stages": []}, "must be a list"),
        ({"kind": "stages", "stages": [{"duration": "30s"}]}, "stage 1 must have a duration and a target"),
        (
            {"kind": "stages", "stages": [{"duration": 30, "target": 3}]},
            "stage 1: duration 30 must be a number with a unit",
        ),
        ({"kind": "stages", "stages": [{"duration": "30s", "target": 2.5}]}, "stage 1 has 2.5 users"),
        ({"kind": "stages", "stages": [{"duration": "30h", "target": 2}]}, "more than a day"),
        ({**LAB, "model": "ajar"}, "there are closed"),
        ({**LAB, "arrivals": "late"}, "there are even"),
    ],
)
def test_what_can_not_be_meant_is_refused_in_words(shape: dict[str, Any], words: str) -> None:
    with pytest.raises(ShapeError, match=words.replace("(", r"\(")):
        plan(shape)
