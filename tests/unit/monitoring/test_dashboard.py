"""Each query of the dashboard answers with the numbers that were put in; what draws it takes it as its owner would."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.tfserving.plugins.filter.alert_rules import alert_rules
from ansible_collections.mlops.tfserving.plugins.filter.dashboard import dashboard
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.dashboard import (
    Price,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.dashboard import (
    dashboard as described,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.rules import Objectives
from by_promtool import play
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from kube_names import pod_name
from site_metrics import SHOWN, SITE, STEP, STEPS, scraped

from sandbox.google.discovery import load

Json = dict[str, Any]
PANELS = described(Objectives.of(SITE), Price(0.25)).panels


def samples(title: str, legend: str, alone: bool) -> list[Json]:
    """What a query is to answer: its own number where it has one, else a number for each value of a label."""
    shown = SHOWN[title]
    if not alone:
        shown = {"": shown[legend]}
    return [
        {"labels": "{" + re.sub(r"(.+)=(.+)", r'\1="\2"', label) + "}", "value": value}
        for label, value in shown.items()
    ]


def asked(query: str, expected: list[Json], by: str) -> Json:
    """Of its labels only the one that the legend names counts; and of its numbers what is above a thousandth."""
    expr = f"round(sum by ({by}) ({query}), {1 / 1024})"
    rounded = [{**one, "value": round(one["value"] * 1024) / 1024} for one in expected]
    return {"expr": expr, "eval_time": f"{STEP * STEPS}s", "exp_samples": rounded}


def test_every_query_answers_with_the_numbers_that_were_put_in(tmp_path: Path) -> None:
    tests = [
        asked(
            query.expr,
            samples(panel.title, query.legend, len(panel.queries) == 1),
            "".join(re.findall(r"\{(\w+)\}", query.legend)),
        )
        for panel in PANELS
        for query in panel.queries
    ]
    assert {panel.title for panel in PANELS} == set(SHOWN)
    play(alert_rules(SITE), scraped(), f"{STEP}s", {"promql_expr_test": tests}, tmp_path)


@pytest.mark.parametrize("length", [39, 40, 50, 51, 52])
def test_a_canary_s_requests_are_its_own_however_long_the_name_is(length: int, tmp_path: Path) -> None:
    """Kubernetes shortens what it calls the pods."""
    app = "m" * length
    rates = {pod_name(app): 7, pod_name(f"{app}-canary"): 1}
    told = {
        f'haproxy_frontend_http_requests_total{{namespace="s",pod="{pod}",proxy="rest"}}': f"0+{rate * STEP}x{STEPS}"
        for pod, rate in rates.items()
    }
    panels = described(Objectives.of(SITE | {"app": app}), Price()).panels
    (query,) = next(panel for panel in panels if panel.title == "Versions: requests a second").queries
    tracks = [
        {"labels": f'{{track="{track}"}}', "value": rate} for track, rate in (("running", 7), ("canary", 1))
    ]
    play(
        alert_rules(SITE),
        told,
        f"{STEP}s",
        {"promql_expr_test": [asked(query.expr, tracks, "track")]},
        tmp_path,
    )


def test_a_query_that_answers_nothing_fails_this(tmp_path: Path) -> None:
    nothing = asked("sum(haproxy_backend_sessions)", [{"labels": "{}", "value": 9}], "")
    with pytest.raises(AssertionError, match="nil"):
        play(alert_rules(SITE), scraped(), f"{STEP}s", {"promql_expr_test": [nothing]}, tmp_path)


def test_grafana_knows_every_field_of_it() -> None:
    """Read by Grafana's own description of dashboards, and written again: nothing is lost, and nothing is added but defaults."""
    register_default_plugins()
    made = dashboard(SITE, node_hour=0.25)
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(made)))
    assert missing(made, again) == []
    assert len(made["panels"]) == len(PANELS)
    assert {panel["type"] for panel in made["panels"]} == {"timeseries"}


def missing(part: Any, whole: Any, at: str = "") -> list[str]:
    """What of a part the whole does not have, or has otherwise."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [one for key in part for one in missing(part[key], whole.get(key), f"{at}.{key}")]
    if isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        pairs = enumerate(zip(part, whole, strict=True))
        return [one for index, pair in pairs for one in missing(*pair, f"{at}[{index}]")]
    return [] if part == whole else [f"{at}: {part!r} became {whole!r}"]


def test_what_grafana_does_not_know_would_be_found() -> None:
    register_default_plugins()
    made = dashboard(SITE)
    made["panels"][0]["fieldConfig"]["defaults"]["custom"]["colour"] = "red"
    made["panels"][0]["targets"][0]["query"] = "up"
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(made)))
    assert [one.partition(":")[0] for one in missing(made, again)] == [
        ".panels[0].targets[0].query", ".panels[0].fieldConfig.defaults.custom.colour",
    ]  # fmt: skip


def test_cloud_monitoring_takes_it() -> None:
    made = dashboard(SITE, "cloud_monitoring", node_hour=0.25)
    assert list(load("monitoring.v1").violations("Dashboard", made)) == []
    tiles = made["mosaicLayout"]["tiles"]
    assert [tile["widget"]["title"] for tile in tiles] == [panel.title for panel in PANELS]
    assert all(tile["xPos"] + tile["width"] <= made["mosaicLayout"]["columns"] for tile in tiles)
    asked = [
        data["timeSeriesQuery"]["prometheusQuery"]
        for tile in tiles
        for data in tile["widget"]["xyChart"]["dataSets"]
    ]
    assert asked == [query.expr for panel in PANELS for query in panel.queries], "both ask the same"


def test_legends_are_each_one_s_own() -> None:
    made = [dashboard(SITE, form) for form in ("grafana", "cloud_monitoring")]
    assert made[0]["panels"][0]["targets"][0]["legendFormat"] == "{{proxy}}"
    first = made[1]["mosaicLayout"]["tiles"][0]["widget"]["xyChart"]["dataSets"][0]
    assert first["legendTemplate"] == "${proxy}"


def test_without_a_price_there_is_no_cost() -> None:
    assert "Cost of an hour" not in [panel["title"] for panel in dashboard(SITE)["panels"]]


def test_a_long_name_still_has_an_identifier_of_its_own() -> None:
    uids = {dashboard({"app": "a" * 40, "namespace": name})["uid"] for name in ("x", "y")}
    assert len(uids) == 2
    assert all(len(uid) <= 40 for uid in uids), "no more is taken by Grafana"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"form": "kibana"}, "there is grafana, cloud_monitoring"),
        ({"node_hour": "cheap"}, "could not convert"),
    ],
)
def test_what_no_dashboard_can_be_made_of(given: Json, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        dashboard(SITE, **given)
