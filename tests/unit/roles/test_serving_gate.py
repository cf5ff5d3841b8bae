"""What the gate makes of the version that runs, when that does not answer."""

from __future__ import annotations

from typing import Any

from serving_role import ROLE, evaluate, yaml

ITEM = {"golden": [{"name": "line", "instances": [1.0], "expect": [2.0]}]}
ANSWERED = {"failed_when_result": False, "pods": [{"latency": {"m/1": {"p50_ms": 20.0}}}]}
FAILED = {
    "failed_when_result": False,
    "failed": False,
    "msg": "pod a: 400: signature x is not found",
    "pods": [{"latency": {}}],
}


def found(result: dict[str, Any]) -> dict[str, Any]:
    given = {
        "serving_gate_before": {"results": [result]},
        "serving_index": 0,
        "item": ITEM,
        "serving_is_one": True,
    }
    return {
        "limit": evaluate("serving_gate_latency", **given).get("p50_ms"),
        "told": evaluate("serving_unanswered | map(attribute='msg') | list", **given),
    }


def test_how_fast_it_was_is_the_limit_of_the_new_one() -> None:
    assert found(ANSWERED) == {"limit": 60.0, "told": []}


def test_one_that_fails_sets_no_limit_and_is_told() -> None:
    assert found(FAILED) == {"limit": None, "told": [FAILED["msg"]]}


def test_its_failure_ends_nothing() -> None:
    """It may have another signature, or be what is to be cured; only the new one's own answers refuse it."""
    old, _told, new = yaml.safe_load((ROLE / "tasks/compare.yml").read_text())
    assert old["failed_when"] is False
    assert "failed_when" not in new
