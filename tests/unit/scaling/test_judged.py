"""A recorded run: every look explained, what was measured, the best that was possible, and its cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.pages import render
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.retrace import looks
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import of_kind, read
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.bill import bill
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.rates import prices
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.cost import cost
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.judged import best
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.measured import NotMeasured, measured
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.settings import setting
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.settings import Pool

from tests.loadtest.published import violations

RECORDED = Path(__file__).parent / "data" / "demo-on-1.34.jsonl"
Json = dict[str, Any]


@pytest.fixture(name="events")
def _events() -> list[Json]:
    return read(RECORDED)


def test_each_look_of_the_real_controller_is_explained(events: list[Json]) -> None:
    found = looks(events)
    assert (len(found["all"]), found["unexplained"], found["hidden"]) == (17, 0, 0)
    assert found["period"] == pytest.approx(15.02, abs=0.02)
    assert {look.rule for look in found["all"]} == {"ratio", "tolerance", "unready", "missing", "stabilised"}
    assert [look.desired for look in found["all"] if look.desired != look.replicas] == [2, 1]
    assert sum(not look.seen for look in found["all"]) == 2


def test_a_recording_with_other_samples_is_not_explained(events: list[Json]) -> None:
    for event in of_kind(events, "samples"):
        for sample in event["pods"]:
            sample["usage"]["tfserving"]["cpu"] = round(sample["usage"]["tfserving"]["cpu"] * 1.1)
    assert looks(events)["unexplained"] >= 10


def test_what_the_run_measured(events: list[Json]) -> None:
    run = measured(events, ["p95_ms <= 2500"])
    assert run.service.cpu_ms == pytest.approx(17.5, abs=1.0)
    assert run.service.idle < 10
    assert 0 <= run.times.late <= 10
    assert (run.service.request, run.service.limit) == (300, 300)
    assert run.times.start == 20
    assert run.times.assumed == ("node_start", "node_end")
    assert run.site.controller.minor == 34
    assert run.limit == 2.5


@pytest.mark.parametrize(
    ("line", "seconds", "share"),
    [
        ("p95_ms <= 2.5 s", 2.5, 0.95),
        ("p90_ms < 0.05 min while steady", 3.0, 0.9),
        ("p99_ms<=2500ms", 2.5, 0.99),
    ],
)
def test_a_limit_is_read_as_the_report_reads_it(
    events: list[Json], line: str, seconds: float, share: float
) -> None:
    run = measured(events, ["no limit", "failed == 0", "p50_ms <= 1 while users <= 3", line])
    assert (run.limit, run.share, run.limit_words) == (pytest.approx(seconds), share, line)


def test_the_judges_agree_on_what_was_in_time(events: list[Json]) -> None:
    """As many were in time as the percentile says: of 300 in each of forty looks half was refused at once."""
    for event in of_kind(events, "load")[-40:]:
        event |= {
            "histogram": {"56": 150, "250": 150}, "failed_histogram": {"56": 150},
            "going": {"histogram": {}, "failed_histogram": {}},
        }  # fmt: skip
    for share in range(10, 100, 5):
        value = analyse(events, slo=[f"p{share}_ms <= 2500"], workers=2, users=36, environment={})["checks"][
            0
        ]
        actual = measured(events, [f"p{share}_ms <= 2500"]).actual
        assert value["ok"] == (actual.in_time >= share / 100 * actual.requests), (share, value)


def test_a_run_without_a_p95_and_without_a_limit_is_not_guessed_at(events: list[Json]) -> None:
    for event in of_kind(events, "load"):
        event["failed_histogram"] = event["histogram"] if event["requests"] > 900 else {}
    with pytest.raises(NotMeasured, match="there is no p95 to go by; give a limit"):
        measured(events, [])


def test_what_failed_quickly_was_not_in_time(events: list[Json]) -> None:
    before = measured(events, ["p95_ms <= 2500"]).actual
    loads = of_kind(events, "load")
    for event in loads[-40:]:
        event |= {"failures": 100, "errors": {"http 503": 90, "timeout": 10}}
    after = measured(events, ["p95_ms <= 2500"]).actual
    lost = before.in_time - after.in_time
    assert after.requests == before.requests
    # Of 90 as many as that look had requests in time.
    assert 0 < lost <= 90


def test_the_best_is_no_dearer_than_the_run_where_the_run_kept_the_limit(events: list[Json]) -> None:
    found = best(events, ["failed == 0", "p95_ms <= 2500 while steady"])
    assert found["attained"] >= found["share"] == 0.95
    assert 0 < found["bound"] <= found["schedule_cost"] <= found["replica_seconds"]
    assert found["ratio"] == pytest.approx(found["replica_seconds"] / found["bound"], abs=0.001)
    assert found["node_bound"] <= found["node_seconds"]
    assert found["schedule"][0] == [0.0, 1.0]


def test_a_limit_that_no_replicas_keep_is_said_to_be_so(events: list[Json]) -> None:
    assert "no number of replicas keeps p95_ms <= 1" in best(events, ["p95_ms <= 1"])["problem"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("samples", "earlier version"), ("load", "no load"), ("pod_spec", "no pod of the model server")],
)
def test_what_a_timeline_lacks_is_told(events: list[Json], kind: str, words: str) -> None:
    with pytest.raises(NotMeasured, match=words):
        measured([event for event in events if event["kind"] != kind], [])


def test_report_and_page_tell_it(events: list[Json]) -> None:
    made = analyse(
        events, slo=["p95_ms <= 2500"], workers=2, users=36, environment={"model": "m", "host": "h"}
    )
    assert violations(events, made) == []
    page = render(made, {}, "r")
    assert "times the fewest" in page
    assert "for 1,000 predictions" in page
    made["cost"] |= {"price": None, "unpriced": ["e2-medium"]}
    assert "the price table has no e2-medium" in render(made, {}, "r")


def test_cost_by_hand() -> None:
    table = prices({"machine_types": {"mine": 0.36}, "disk_gib_month": {"pd-balanced": 0}})

    def spent(machine: str, requests: float, **options: bool) -> Json:
        billed = bill([(Pool("", machine, **options), 1.0)], 2.0, table, cluster=False, balanced=False)
        return dict(cost(7200, 7200, requests, billed))

    found = spent("mine", 2000)
    assert (found["replica_hours"], found["node_hours"], found["price"]) == (2, 1, 0.36)
    assert (found["price_per_1000"], found["price_per_hour"]) == (0.18, 0.18)
    assert spent("mine", 0)["price_per_1000"] is None
    assert spent("nobody-knows", 1)["price"] is None
    assert spent("mine", 1, spot=True)["price"] == pytest.approx(0.36 * 0.4)


@pytest.mark.parametrize(
    "metrics",
    [
        [{"type": "Pods", "pods": {"metric": {"name": "r"}, "target": {"type": "AverageValue", "averageValue": "10"}}}],
        ["as it was", {"type": "External", "external": {"metric": {"name": "r"}, "target": {"type": "AverageValue", "averageValue": "10"}}}],
    ],
    ids=["by requests alone", "by CPU and requests"],
)  # fmt: skip
def test_whatever_the_hpa_goes_by_the_best_is_the_same_and_no_simulation_is_made(
    events: list[Json], metrics: list[Any]
) -> None:
    before = best(events, ["p95_ms <= 2500"])
    assert before["bound"]
    for event in of_kind(events, "hpa_spec"):
        was = event["spec"]["metrics"][0]
        event["spec"]["metrics"] = [was if one == "as it was" else one for one in metrics]
    assert best(events, ["p95_ms <= 2500"]) == before
    with pytest.raises(NotMeasured, match="a simulation knows one of CPU alone"):
        setting({"name": "as it was"}, measured(events, ["p95_ms <= 2500"]))
