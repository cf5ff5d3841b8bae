"""From a timeline to phases, checks, verdict and page."""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.page import junit, render
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.phases import reactions
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.plot import draw
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse

sys.path.insert(0, str(Path(__file__).parent))

from story import Story, story

SLO = {
    "requests_min": 1000,
    "failed_max": 0,
    "replicas_max_at_least": 2,
    "replicas_back_to": 1,
    "nodes_max_at_least": 2,
    "nodes_back_to": 1,
}


def report(s: Story, **slo: Any) -> dict[str, Any]:
    return analyse(s.events, slo={**SLO, **slo}, workers=2, users=10, environment={"host": "http://m"})


def test_each_second_of_a_reaction_is_in_one_phase() -> None:
    out, back = reactions(story().events, "m")
    assert (out.direction, out.replicas_from, out.replicas_to, out.pod) == ("out", 1, 2, "b")
    assert out.phases == {"decide": 15, "create": 0, "schedule": 23, "fetch": 5, "load": 17}
    assert out.node_wait == 20
    assert out.total == 90 - 30
    assert (back.direction, back.phases) == ("in", {"decide": 36, "drain": 22, "node_gone": 38})


def test_a_good_run_passes_with_numbers_that_can_be_counted_by_hand() -> None:
    found = report(story())
    assert found["verdict"] == "pass", found["summary"]
    scaling = found["scaling"]
    assert [scaling[f"replicas_{k}"] for k in ("min", "max", "end")] == [1, 2, 1]
    assert [scaling[f"nodes_{k}"] for k in ("min", "max", "end")] == [1, 2, 1]
    assert (found["requests"]["total"], found["requests"]["failed"], found["requests"]["failed_steady"]) == (
        1525,
        3,
        0,
    )


@pytest.mark.parametrize(
    ("slo", "words"),
    [
        ({"requests_min": 5000}, "requests is 1525, not at least 5000"),
        ({"p95_ms_max": 10}, "95th percentile"),
        ({"replicas_max_at_least": 3}, "most replicas ready is 2"),
        ({"nodes_max_at_least": 3}, "most nodes ready is 2"),
    ],
)
def test_a_limit_that_is_missed_fails_the_run_in_words(slo: dict[str, Any], words: str) -> None:
    found = report(story(), **slo)
    assert found["verdict"] == "fail"
    assert words in found["summary"]


def test_failures_under_load_fail_the_run() -> None:
    s = story()
    for event in s.events:
        if event["kind"] == "load" and event["users"] == 10 and event["requests"] == 1500:
            event["failures"] = 1
    assert report(s)["verdict"] == "fail"


def lost_worker(s: Story) -> None:
    s.load(60, 10, requests=700, workers=1)


def busy_worker(s: Story) -> None:
    s.load(60, 10, requests=700, cpu=97)


@pytest.mark.parametrize(
    ("spoil", "words"), [(lost_worker, "a worker was lost"), (busy_worker, "97 % of its core")]
)
def test_a_run_that_proves_nothing_is_invalid(spoil: Any, words: str) -> None:
    s = story()
    spoil(s)
    s.events.sort(key=lambda e: e["t"])
    found = report(s)
    assert found["verdict"] == "invalid"
    assert words in found["summary"]


def test_users_that_were_not_reached_make_the_run_invalid() -> None:
    found = analyse(story().events, slo={}, workers=2, users=50, environment={})
    assert found["verdict"] == "invalid"
    assert "10 of 50 users" in found["summary"]


def test_a_timeline_that_ends_early_still_gives_a_report() -> None:
    events = story().events
    for length in range(1, len(events)):
        assert analyse(events[:length], slo=SLO, workers=2, users=10, environment={})["verdict"] in (
            "pass",
            "fail",
            "invalid",
        )


class Outline(HTMLParser):
    """What a browser would have to fetch, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else_and_says_the_verdict(tmp_path: Path) -> None:
    found = report(story())
    picture = tmp_path / "timeline.png"
    draw(story().events, found, str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    page = Outline()
    page.feed(render(found, picture.read_bytes(), "<run>"))
    assert len(page.fetched) == 1
    assert page.fetched[0].startswith("data:image/png;base64,")
    assert found["summary"] in page.text
    assert "Load test <run>" in page.text
    json.dumps(found)


def test_junit_has_a_case_for_each_check() -> None:
    suite = ElementTree.fromstring(junit(report(story(), requests_min=9999), "r"))
    assert suite.attrib["tests"] == str(len(SLO) + 1)
    failed = [case.attrib["name"] for case in suite if case.find("failure") is not None]
    assert failed == ["requests"]
