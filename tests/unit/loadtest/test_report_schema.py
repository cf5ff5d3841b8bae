"""Real timelines and reports against the published schema; page and schema against the types they are made from."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import matplotlib.pyplot as plt
import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.baseline import compare
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.pages import index
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import read
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse

from tests.loadtest.published import ROOT, violations
from tools import pictures, report_format

sys.path.insert(0, str(Path(__file__).parent))

from story import big, metrics, story

DATA = Path(__file__).parent / "data"
Json = dict[str, Any]


def test_page_and_schemas_are_made_from_the_types_as_they_are() -> None:
    for path, content in report_format.files().items():
        assert (ROOT / path).read_text() == content, f"{path} is out of date: python tools/report_format.py"
    for made in report_format.schemas().values():
        jsonschema.Draft202012Validator.check_schema(made)


def test_the_pages_pictures_are_as_a_report_s_are_now() -> None:
    for path, png in pictures.files().items():
        theirs, ours = (plt.imread(io.BytesIO(one)) for one in ((ROOT / path).read_bytes(), png))
        assert theirs.shape == ours.shape
        different = int((abs(theirs - ours) > 0.1).any(axis=2).sum())
        assert different < 50, f"{path} is out of date: python tools/pictures.py"


def test_every_field_says_what_it_means() -> None:
    """A cell that is empty, or a record that nobody described, would be a page that says nothing."""
    for path, content in report_format.files().items():
        assert "|  |\n" not in content, path
        assert "Mapping" not in content, path


def report(events: list[Json], **more: Any) -> Json:
    return analyse(
        events, slo=["p95_ms <= 300", "reaction.ready_s <= 60"], workers=2, users=36, environment={}, **more
    )


def recorded() -> list[Json]:
    return read(DATA / "demo.jsonl")


def full_story() -> list[Json]:
    s = story()
    metrics(s, 93, "b", 4)
    return s.events


@pytest.mark.parametrize("events", [recorded, full_story, lambda: big(20, 5).events])
def test_timelines_and_their_reports_are_as_published(events: Any) -> None:
    found = events()
    first = report(found)
    assert violations(found, first) == []
    second = report(found, earlier=("first", first))
    assert violations(found, second) == []


@pytest.mark.parametrize("length", [1, 5, 30])
def test_the_report_of_an_interrupted_run_is_as_published(length: int) -> None:
    found = recorded()[:length]
    assert violations(found, report(found)) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda events, report: events[0].update(cpu_percent=3), "cpu_percent"),
        (lambda events, report: events[0].pop("metrics"), "metrics"),
        (lambda events, report: report.pop("verdict"), "verdict"),
        (lambda events, report: report["requests"].update(p95_ms="fast"), "fast"),
        (lambda events, report: report["scaling"]["reactions"][0]["phases"].update(dream=3), "dream"),
    ],
)
def test_what_is_not_as_published_is_found(spoil: Any, words: str) -> None:
    events, found = recorded(), report(recorded())
    spoil(events, found)
    assert any(words in one for one in violations(events, found))


def test_a_timeline_of_before_is_read_as_one_of_now() -> None:
    """The recorded run knows cpu_percent and has no gone, workers, plan or errors."""
    raw = [json.loads(line) for line in (DATA / "demo.jsonl").read_text().splitlines()]
    (before,) = [one for one in raw if one["kind"] == "hpa" and one.get("cpu_percent") == 98]
    (after,) = [one for one in recorded() if one["kind"] == "hpa" and one["t"] == before["t"]]
    assert "cpu_percent" not in after
    assert after["metrics"] == [
        {"name": "cpu", "type": "ContainerResource", "of": "", "current": 98, "target": 60, "unit": "%"}
    ]
    (seen,) = report(recorded())["scaling"]["metrics"]
    assert (seen["name"], seen["max"], seen["target"]) == ("cpu", 98, 60)


def test_a_report_of_before_is_listed_and_compared_with() -> None:
    old = json.loads((DATA / "old-report.json").read_text())
    assert "advice" in old["findings"][0]
    assert "old/report.html" in index([("old", old)])
    compared = compare(report(recorded()), old, "old")
    assert {row["judgement"] for row in compared["numbers"]} == {"same"}
