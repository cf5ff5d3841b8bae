"""Surveys from argument specifications, held against AWX's own rules for them."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from controller import check_answers, check_survey
from hypothesis import given, settings
from hypothesis import strategies as st
from project import ROOT, job_templates


def plugin(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"awx_{name}", ROOT / f"awx/filter_plugins/{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


survey, workflow = plugin("survey"), plugin("workflow")
OPTIONS = survey.declared(str(ROOT))
BY_TYPE = {
    "count": {"type": "int", "description": "How many, of O(this).", "default": 4},
    "share": {"type": "float", "description": "How much.", "default": 0.5},
    "enabled": {"type": "bool", "description": ["Whether it is.", "Mostly."], "default": True},
    "kind": {"type": "str", "description": "Which.", "choices": ["", "a", "b"], "default": ""},
    "name": {"type": "str", "description": "What.", "default": ""},
    "title": {"type": "str", "description": "What.", "default": "x"},
    "folder": {"type": "path", "description": "Where.", "default": ""},
    "labels": {"type": "dict", "description": "Labels.", "default": {}},
    "zones": {"type": "list", "description": "Zones.", "default": []},
    "hidden": {"type": "str", "description": "A secret.", "default": "", "no_log": True},
    "api_token": {"type": "str", "description": "A secret.", "default": ""},
}


def one(question: dict[str, Any]) -> dict[str, Any]:
    spec = survey.survey_spec([question], BY_TYPE)
    check_survey(spec)
    return dict(spec["spec"][0])


def test_every_job_template_s_survey_is_one_that_awx_takes() -> None:
    for template in job_templates():
        spec = survey.survey_spec(template.get("survey", []), OPTIONS)
        if spec:
            check_survey(spec)


def test_answers_to_yes_or_no_are_texts_which_every_use_of_them_converts() -> None:
    questions = [question for template in job_templates() for question in template.get("survey", [])]
    asked = {
        q["variable"] for q in questions if {**OPTIONS.get(q["variable"], {}), **q}.get("type") == "bool"
    }
    assert asked == {
        "serving_gate_enabled", "cluster_bootstrap", "teardown_cluster", "teardown_bucket", "status_exit", "tune_apply", "tune_measure",
        "capacity_confirmed",
    }  # fmt: skip
    files = [
        p
        for folder in ("roles", "playbooks")
        for p in (ROOT / folder).rglob("*")
        if p.suffix in (".yml", ".j2")
    ]
    lines = [line for path in files for line in path.read_text().splitlines()]
    for name in asked:
        used = [line for line in lines if re.search(rf"(when:|{{{{|{{%| if |^ *- ).*\b{name}\b", line)]
        assert used
        assert [line for line in used if not re.search(rf"\b{name} \| bool", line)] == []


def test_types() -> None:
    assert (one({"variable": "count"})["type"], one({"variable": "share"})["type"]) == ("integer", "float")
    assert (one({"variable": "name"})["type"], one({"variable": "folder"})["type"]) == ("text", "text")
    assert (one({"variable": "enabled"})["type"], one({"variable": "enabled"})["choices"]) == (
        "multiplechoice",
        "true\nfalse",
    )
    assert one({"variable": "kind"})["choices"] == "a\nb", "no choice of nothing: that is leaving it out"


def test_what_a_question_says() -> None:
    made = one({"variable": "count", "question": "How many", "min": 1, "max": 9})
    assert made == {
        "question_name": "How many", "variable": "count", "type": "integer", "required": False, "min": 1, "max": 9,
        "question_description": "How many, of this. Left out: what the inventory says, or else 4.",
    }  # fmt: skip
    assert one({"variable": "enabled"})["question_description"] == (
        "Whether it is. Mostly. Left out: what the inventory says, or else true."
    )
    assert one({"variable": "name"})["question_description"] == "What. Left out: what the inventory says."


def test_a_role_s_default_is_not_handed_over_since_it_would_beat_the_inventory() -> None:
    assert "default" not in one({"variable": "count"})
    assert one({"variable": "count", "default": 2})["default"] == 2
    assert one({"variable": "share", "default": 2})["default"] == 2.0
    assert one({"variable": "enabled", "default": False})["default"] == "false"


def test_a_playbook_s_own_variable() -> None:
    (made,) = survey.survey_spec([{"variable": "canary_action", "required": True}], OPTIONS)["spec"]
    assert (made["type"], made["choices"]) == ("multiplechoice", "start\npromote\nwithdraw")
    assert made["required"] and made["question_description"].startswith("Start a canary")


@pytest.mark.parametrize(
    ("questions", "words"),
    [
        ([{"variable": "labels"}], "AWX can't ask for a dict"),
        ([{"variable": "zones"}], "AWX can't ask for a list"),
        ([{"variable": "hidden"}], "secrets are not asked for"),
        ([{"variable": "api_token"}], "secrets are not asked for"),
        ([{"variable": "title"}], "AWX may hand over an empty text"),
        ([{"variable": "nothing"}], "no role and no playbook has such a variable"),
        ([{"variable": "count", "maximum": 3}], "maximum is not known"),
        ([{"question": "What?"}], "variable is missing"),
        ([{"variable": "count"}, {"variable": "count"}], "asked for twice in one survey: count."),
        ([{"variable": "kind", "default": "c"}], "the default c is none of its choices"),
        ([{"variable": "count", "default": "many"}], "the default many is no integer"),
    ],
)
def test_what_can_not_be_asked(questions: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        survey.survey_spec(questions, BY_TYPE)


@settings(max_examples=200)
@given(st.sampled_from(sorted(OPTIONS)), st.booleans(), st.none() | st.integers(0, 5))
def test_whatever_is_made_awx_takes_and_an_answer_left_out_changes_nothing(
    name: str, required: bool, least: int | None
) -> None:
    try:
        spec = survey.survey_spec([{"variable": name, "required": required, "min": least}], OPTIONS)
    except AnsibleFilterError as refused:
        assert name in str(refused)
        return
    check_survey(spec)
    assert (check_answers(spec, {}) == []) == (not required)
    assert "default" not in spec["spec"][0]


def test_nodes_of_a_workflow() -> None:
    nodes = [
        {"name": "a", "on_success": ["b"], "on_failure": ["c"]},
        {"name": "b", "always": ["c"]},
        {"name": "c"},
    ]
    made = workflow.workflow_nodes(nodes, "dev")
    assert made[0] == {
        "identifier": "a", "unified_job_template": {"name": "a: dev", "type": "job_template"},
        "related": {"success_nodes": [{"identifier": "b"}], "failure_nodes": [{"identifier": "c"}]},
    }  # fmt: skip
    assert [sorted(node["related"]) for node in made[1:]] == [["always_nodes"], []]
    with pytest.raises(AnsibleFilterError, match="leads to d, which is no node"):
        workflow.workflow_nodes([{"name": "a", "on_success": ["d"]}], "dev")
    with pytest.raises(AnsibleFilterError, match="on_error is not known"):
        workflow.workflow_nodes([{"name": "a", "on_error": ["a"]}], "dev")
