"""From a timeline to phases, checks, verdict and page."""

from __future__ import annotations

import json
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.baseline import words
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.explain import findings
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.figures import draw_all, for_page
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.junit import junit
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.pages import index, render
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.phases import reactions
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shares import shares, skew_max
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import of_kind, read
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse

sys.path.insert(0, str(Path(__file__).parent))

from story import Story, big, metrics, story

from tests.loadtest.agreement import comparisons

SLO = [
    "requests >= 1000",
    "failed == 0 while steady",
    "replicas.max >= 2",
    "replicas back to min",
    "nodes.max >= 2",
    "nodes back to start",
]


def report(s: Story, *slo: str) -> dict[str, Any]:
    return analyse(s.events, slo=[*SLO, *slo], workers=2, users=10, environment={"host": "http://m"})


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
        ("requests >= 5000", "requests >= 5000: it was 1525"),
        ("p95_ms <= 10 while steady", "p95_ms <= 10 while steady: it was 51.97"),
        ("replicas.max >= 3", "replicas.max >= 3: it was 2"),
        ("nodes.max >= 3", "nodes.max >= 3: it was 2"),
    ],
)
def test_a_limit_that_is_missed_fails_the_run_in_words(slo: str, words: str) -> None:
    found = report(story(), slo)
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


def node_off(seconds: float) -> Any:
    """The clock of the second pod's node."""

    def spoil(s: Story) -> None:
        for event in of_kind(s.events, "pod"):
            for stamp in ("started", "ready"):
                if event["name"] == "b" and event[stamp]:
                    event[stamp] += seconds

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lost_worker, "a worker was lost"),
        (busy_worker, "97 % of its core"),
        (node_off(30), "the clock of node n2 is +30 s off"),
        (node_off(-30), "the clock of node n2 is -30 s off"),
    ],
)
def test_a_run_that_proves_nothing_is_invalid(spoil: Any, words: str) -> None:
    s = story()
    spoil(s)
    s.events.sort(key=lambda e: e["t"])
    found = report(s)
    assert found["verdict"] == "invalid"
    assert words in found["summary"]


@pytest.mark.parametrize("samples", [1, 3, 5])
def test_without_a_request_nothing_is_proved(samples: int) -> None:
    s = Story()
    s.at(0, "run", namespace="x", deployment="m", replicas=1, nodes=1)
    for number in range(samples):
        s.load(2 + 2 * number, 10, requests=0)
    s.load(2 + 2 * samples, 0, requests=0, state="stopped")
    found = analyse(s.events, slo=["failed == 0"], workers=2, users=10, environment={})
    assert found["verdict"] == "invalid"
    assert "no request was made" in found["summary"]


def test_a_server_that_refuses_everything_fails_whatever_the_limits_are() -> None:
    s = story()
    for event in of_kind(s.events, "load"):
        event |= {"failures": event["requests"], "errors": {"http 503": event["requests"]}}
    found = analyse(s.events, slo=["p95_ms <= 300"], workers=2, users=10, environment={})
    assert found["verdict"] == "fail"
    assert "failed_percent: it was 100" in found["summary"]
    assert found["checks"][-1]["evidence"] == "1525 of 1525: http 503"


def test_users_that_were_not_reached_make_the_run_invalid() -> None:
    found = analyse(story().events, slo=[], workers=2, users=50, environment={})
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


RECORDED = Path(__file__).parent / "data/demo.jsonl"


def recorded() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    events = read(RECORDED)
    return events, analyse(
        events, slo=[], workers=2, users=36, environment={"deployment": "image-classifier"}
    )


def test_phases_of_a_recorded_run_agree_with_what_scheduler_and_kubelets_said() -> None:
    found = list(comparisons(*recorded()))
    assert len(found) == 18
    assert [one for one in found if not one.agrees] == []


def test_a_phase_that_is_off_by_two_seconds_does_not_agree() -> None:
    events, found = recorded()
    for phase in ("decide", "schedule", "load"):
        wrong = json.loads(json.dumps(found))
        wrong["scaling"]["reactions"][1]["phases"][phase] += 2.2
        assert any(not one.agrees for one in comparisons(events, wrong)), phase


def test_the_first_request_of_a_new_pod_ends_its_reaction() -> None:
    s = story()
    metrics(s, 88, "b", 0)
    metrics(s, 93, "b", 4)
    out = reactions(s.events, "m")[0]
    assert out.phases["serve"] == 3
    assert (out.ready_s, out.total) == (60, 63)


def test_a_metric_that_lags_is_told_apart_from_a_slow_decision() -> None:
    s = story()
    s.hpa(40, 1)
    s.events.sort(key=lambda event: event["t"])
    assert reactions(s.events, "m")[0].metric_lag == 10


def test_shares_are_what_the_counters_grew_by_against_an_even_split() -> None:
    s = Story()
    s.pod(-2, "a", created=-9, ready=-5)
    metrics(s, -1, "a", 1000)
    s.at(0, "run", namespace="x", deployment="m", replicas=1, nodes=1)
    s.load(2, 1, requests=0)
    s.load(10, 1, requests=100)
    s.pod(11, "b", created=5, ready=11)
    s.load(20, 1, requests=300)
    metrics(s, 21, "a", 1250)
    metrics(s, 21, "b", 30)
    metrics(s, 22, "b", 5)  # its server was restarted
    metrics(s, 23, "b", 50)
    first, second = shares(s.events, "m")
    assert (first.pod, first.requests, first.fair, first.skew) == ("a", 250, 200, 1.25)
    assert (second.pod, second.requests, second.fair) == ("b", 80, 100)
    assert skew_max([first, second]) == 1.25
    assert shares(story().events, "m") == [], "pods without metrics have no shares"


def test_a_baseline_says_what_got_worse_and_by_how_much() -> None:
    slow = story()
    for event in slow.events:
        if event["kind"] == "load":
            event["histogram"] = {"250": 100}
    found = analyse(
        slow.events,
        slo=SLO,
        workers=2,
        users=10,
        environment={"host": "b"},
        earlier=("earlier", report(story())),
    )
    rows = {row["name"]: row for row in found["comparison"]["numbers"]}
    assert rows["p95, ms"]["judgement"] == "worse"
    assert 160 < rows["p95, ms"]["change_percent"] < 175, "fifty buckets of 2 % each"
    assert rows["most replicas"]["judgement"] == "same"
    assert found["comparison"]["settings_differ"] == ["host"]
    assert words(found["comparison"]).startswith("Worse than in run earlier: p50, ms 5")
    same = analyse(
        story().events, slo=[], workers=2, users=10, environment={}, earlier=("e", report(story()))
    )
    assert words(same["comparison"]) == "Nothing is worse than in run e."


@pytest.mark.parametrize(("verdict", "code"), [("pass", 0), ("fail", 2), ("invalid", 3)])
def test_each_verdict_has_an_exit_code(verdict: str, code: int) -> None:
    s = story()
    if verdict == "invalid":
        lost_worker(s)
    found = report(s, *(["requests >= 1000000"] if verdict == "fail" else []))
    assert (found["verdict"], found["exit_code"]) == (verdict, code)


def test_the_report_says_why_p95_rose_and_what_to_change() -> None:
    s = story()
    for event in s.events:
        if event["kind"] == "load" and event["requests"] == 300:
            event.update(t=event["t"] + 22, p95_ms=480.0, requests=800)
        if event["kind"] == "load" and event["requests"] == 10:
            event["t"] += 28
    s.load(60, 10, requests=850)
    s.load(80, 10, requests=900)
    s.events.sort(key=lambda event: event["t"])
    first = report(s)["findings"][0]
    assert "p95 was highest 52 s into the run, 480 ms against 52 ms in the median" in first["text"]
    assert "1 replica was ready of 2 wanted, cpu at 80 % (target 60 %)" in first["text"]
    assert "until it was scheduled" in first["hint"]
    assert "autoscaling_buffer_replicas" in first["hint"]
    # A pod that became ready a moment ago did not answer what the percentile is of.
    s.load(86, 10, requests=950)
    s.load(91, 10, requests=960)
    s.events[-1].update(p95_ms=900.0)
    s.events.sort(key=lambda event: event["t"])
    first = report(s)["findings"][0]
    assert "900 ms" in first["text"]
    assert "1 replica was ready of 2 wanted" in first["text"]
    slowest = report(story())["findings"][1]
    assert "20 s for a new node" in slowest["text"]


def test_of_a_slow_decision_by_cpu_alone_it_says_which_metric_decides_sooner() -> None:
    s = story()
    found = report(s)
    for reaction in found["scaling"]["reactions"]:
        reaction["phases"]["decide"] = 100.0
    (by_cpu,) = found["scaling"]["metrics"]
    for several, told in (([by_cpu], True), ([by_cpu, {**by_cpu, "name": "requests"}], False)):
        found["scaling"]["metrics"] = several
        hints = [one.hint for one in findings(s.events, found) if "slowest reaction" in one.text]
        assert ["autoscaling_metrics" in hint for hint in hints] == [told]


class Outline(HTMLParser):
    """What a browser would fetch by itself, what can be followed, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in ("img", "script", "link", "iframe", "image"):
            self.fetched.append(tag)
        if tag == "a":
            self.links.append(values["href"])
        if "id" in values:
            self.ids.append(values["id"])

    def handle_data(self, data: str) -> None:
        self.text += data


def page(found: dict[str, Any], events: list[dict[str, Any]], run: str = "<run>") -> tuple[Outline, str]:
    figures = {name: for_page(svg, name) for name, (_, svg) in draw_all(events, found).items()}
    html = render(found, figures, run, ["junit.xml"])
    outline = Outline()
    outline.feed(html)
    return outline, html


def test_the_page_needs_nothing_else_and_says_everything() -> None:
    s = story()
    metrics(s, 50, "a", 700)
    metrics(s, 103, "b", 300)
    found = report(s)
    outline, html = page(found, s.events)
    assert outline.fetched == []
    assert "url(" not in html.replace("url(#", "")
    assert "@import" not in html
    assert outline.links == ["junit.xml"]
    assert len(outline.ids) == len(set(outline.ids)), "figures in one page must not share identifiers"
    for words_of_it in (
        found["summary"], "Load test <run>", "Response time", "HPA metric: cpu", "Nodes", "▲1", "1 → 2",
        "Sound: nothing limited the load", "replicas.max >= 2", "had all ready pods shared evenly",
    ):  # fmt: skip
        assert words_of_it in outline.text
    for colour in ("#0072b2", "#e69f00", "#111827"):
        assert colour not in html.split("</style>")[1].lower(), "colours must follow the page's scheme"
    json.dumps(found)


def test_each_figure_comes_as_png_and_svg() -> None:
    s = story()
    metrics(s, 103, "b", 300)
    made = draw_all(s.events, report(s))
    assert set(made) == {"timeline", "waterfall", "shares"}
    for png, svg in made.values():
        assert png.startswith(b"\x89PNG")
        ElementTree.fromstring(svg)


def test_a_figure_is_the_same_when_it_is_drawn_again() -> None:
    s = story()
    assert draw_all(s.events, report(s))["waterfall"] == draw_all(s.events, report(s))["waterfall"]


def test_what_failed_and_what_could_not_be_seen_is_on_the_page() -> None:
    s = story()
    s.at(90, "gap", of="pod", seconds=12.0)
    for event in s.events:
        if event["kind"] == "load" and event["failures"]:
            event.update(errors={"http 503": 3}, examples={"http 503": "<queue> is full"})
    s.events.sort(key=lambda event: event["t"])
    outline, _ = page(report(s), s.events)
    assert "<queue> is full" in outline.text
    assert "pod could not be seen for 12 s" in outline.text


def test_an_open_models_page_shows_what_was_due() -> None:
    s = story()
    for event in s.events:
        if event["kind"] == "load":
            event.update(users=None, offered=float(event["users"]), backlog=2)
    outline, _ = page(report(s), s.events)
    assert "requests/s due" in outline.text
    assert "waiting to be sent" in outline.text


def test_the_index_lists_all_runs_newest_first() -> None:
    older, newer = report(story()), report(story(), "requests >= 1000000")
    newer["started"] += 1000
    outline = Outline()
    outline.feed(index([("old", older), ("new", newer)]))
    assert outline.links == ["new/report.html", "old/report.html"]
    assert "✗ fail" in outline.text
    assert "2 runs, newest first" in outline.text


def test_junit_has_a_case_for_each_check() -> None:
    suite = ElementTree.fromstring(junit(report(story(), "requests >= 9999"), "r"))
    assert suite.attrib["tests"] == str(len(SLO) + 2)
    failed = [case.attrib["name"] for case in suite if case.find("failure") is not None]
    assert failed == ["requests >= 9999"]


def test_a_thousand_pods_and_three_hundred_nodes_are_all_in_the_report() -> None:
    s = big(1000, 300)
    found = analyse(s.events, slo=[], workers=2, users=60, environment={})
    assert (found["scaling"]["replicas_max"], found["scaling"]["nodes_max"]) == (1000, 300)
    assert len(found["scaling"]["pods"]) == 1000
    assert len(found["scaling"]["reactions"]) == 10
    outline, html = page(found, s.events)
    assert "1000 pods in all" in outline.text
    assert len(html) < 3_000_000


def test_a_report_costs_in_proportion_to_its_run() -> None:
    """Ten times the pods must not cost a hundred times the work; drawing apart, which is bounded."""

    def seconds(pods: int) -> float:
        s = big(pods, pods // 3)
        best = float("inf")
        for _ in range(2):
            begun = time.process_time()
            analyse(s.events, slo=["p95_ms <= 9 while replicas > 3"], workers=2, users=60, environment={})
            best = min(best, time.process_time() - begun)
        return best

    assert seconds(2000) / max(seconds(200), 1e-3) < 40


def test_workers_that_the_master_lets_go_of_after_the_load_are_not_lost() -> None:
    """As Locust does at the end of every run: the recorded one has none of its two workers in its last samples."""
    events = read(Path(__file__).parents[1] / "scaling/data/demo-on-1.34.jsonl")
    last = [event for event in events if event["kind"] == "load"][-1]
    assert (last["state"], last["workers"]) == ("stopped", 0)
    made = analyse(events, slo=[], workers=2, users=36, environment={})
    assert not any("a worker was lost" in problem for problem in made["generator"]["problems"])
