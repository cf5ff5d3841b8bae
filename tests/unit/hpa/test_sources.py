"""Metrics beside the CPU: what each source is asked, and that the HPA is told the same by all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.sources import (
    Site,
    adapter_rules,
    gke_metrics,
    hpa_metric,
    prometheus_config,
    promql,
    trigger,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.spec import read_spec
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.pod_names import pods_of

Json = dict[str, Any]
SITE = Site("image-classifier", "tfserving", "tfserving", 60, "prometheus", 15, "http://p:9090")
GKE = replace(SITE, source="gke")
PODS = f'namespace="tfserving",pod=~"{pods_of("image-classifier")}"'
IN_FLIGHT: Json = {"type": "in_flight", "target": 2.5}
GAUGE: Json = {"type": "gauge", "name": "waiting", "gauge": "batch_queue", "port": "9000", "target": 4}
QUERY: Json = {
    "type": "promql",
    "name": "late",
    "query": "max(late_ratio)",
    "target": 0.01,
    "per_replica": False,
}
WANTED: list[Json] = [
    {"type": "cpu"}, IN_FLIGHT, {"type": "queue", "target": 1}, {"type": "requests", "target": 20},
    {"type": "gpu", "target": 70}, GAUGE, QUERY,
]  # fmt: skip


@pytest.mark.parametrize("word", [False, "false", "no", "Off", "0", 0])
def test_a_metric_that_is_no_total_is_told_so_by_any_word(word: Any) -> None:
    assert hpa_metric({**QUERY, "per_replica": word}, SITE)["external"]["target"] == {
        "type": "Value",
        "value": "0.01",
    }


@pytest.mark.parametrize("word", [True, "yes", "1", 1, None])
def test_a_metric_is_a_total_by_any_word_and_where_nothing_is_said(word: Any) -> None:
    assert hpa_metric({**QUERY, "per_replica": word}, SITE)["external"]["target"]["type"] == "AverageValue"


@pytest.mark.parametrize(
    ("metric", "query"),
    [
        (
            IN_FLIGHT,
            f'sum(avg_over_time(haproxy_backend_current_sessions{{{PODS},proxy=~"rest|grpc"}}[15s]))',
        ),
        (WANTED[2], f'sum(avg_over_time(haproxy_backend_current_queue{{{PODS},proxy=~"rest|grpc"}}[15s]))'),
        (WANTED[3], f'sum(rate(haproxy_backend_http_requests_total{{{PODS},proxy=~"rest|grpc"}}[15s]))'),
        (WANTED[4], f"sum(avg by (pod) (avg_over_time(DCGM_FI_DEV_GPU_UTIL{{{PODS}}}[15s])))"),
        (GAUGE, f"sum(avg_over_time(batch_queue{{{PODS}}}[15s]))"),
        (QUERY, "max(late_ratio)"),
    ],
)
def test_a_prometheus_is_asked_for_the_total(metric: Json, query: str) -> None:
    assert promql(metric, SITE) == query


def test_gauges_may_be_taken_as_they_are_and_rates_may_not() -> None:
    at_once = replace(SITE, seconds=0)
    assert "over_time" not in promql(IN_FLIGHT, at_once)
    assert "[15s]" in promql(WANTED[3], at_once)


@pytest.mark.parametrize("site", [SITE, GKE])
def test_of_each_metric_the_hpa_is_told_the_same_target(site: Site) -> None:
    """So that one replica of the same load is one replica, whoever brings the number."""
    spec = {"maxReplicas": 3, "metrics": [hpa_metric(one, site) for one in WANTED]}
    read = read_spec(spec).metrics
    assert [one.target for one in read] == [60, 2500, 1000, 20_000, 70_000, 4000, 10]
    assert [one.target_type for one in read] == ["Utilization", *["AverageValue"] * 5, "Value"]
    names = [one.name for one in read][1:]
    assert all(name == name.lower() for name in names), "the HPA finds no external metric with capitals"
    assert len(set(names)) == 6


def test_gke_reads_gauges_of_the_pods_and_asks_for_the_rest() -> None:
    pods, *queries = gke_metrics(WANTED[1:], GKE)
    assert pods["pod"]["selector"] == {"matchLabels": {"app": "image-classifier"}}
    load, own = pods["pod"]["containers"]
    assert load["endpoint"] == {"port": 8404, "path": "/load"}
    assert [(one["gauge"]["name"], one["gauge"]["prometheusMetricName"]) for one in load["metrics"]] == [
        ("in-flight", "tfserving_requests_in_flight"),
        ("queue", "tfserving_requests_queued"),
        ("requests", "tfserving_requests_per_second"),
    ]
    assert own["endpoint"] == {"port": 9000, "path": "/metrics"}
    assert [one["promql"]["name"] for one in queries] == ["gpu", "late"]
    assert "container_accelerator_duty_cycle" in queries[0]["promql"]["query"]
    assert (
        hpa_metric(IN_FLIGHT, GKE)["pods"]["metric"]["name"]
        == "autoscaling.gke.io|image-classifier|in-flight"
    )


def test_the_adapter_answers_by_the_names_that_the_hpa_asks_for() -> None:
    wanted = WANTED[1:]
    rules = adapter_rules(wanted, SITE)
    asked = [hpa_metric(one, SITE)["external"]["metric"]["name"] for one in wanted]
    assert [rule["name"]["as"] for rule in rules] == asked
    assert [rule["metricsQuery"] for rule in rules] == [promql(one, SITE) for one in wanted]


def test_the_role_s_prometheus_reads_what_is_asked_for_and_nothing_else() -> None:
    proxy, own = prometheus_config([IN_FLIGHT, GAUGE, {**GAUGE, "gauge": "other"}], SITE)["scrape_configs"]
    assert (proxy["metrics_path"], own["metrics_path"]) == ("/metrics", "/metrics")
    assert own["relabel_configs"][2]["replacement"] == "$1:9000"
    assert own["metric_relabel_configs"][0]["regex"] == "batch_queue|other"
    assert "haproxy_backend_current_sessions" in proxy["metric_relabel_configs"][0]["regex"]


def test_keda_takes_no_answer_for_no_load() -> None:
    cpu, in_flight = trigger(WANTED[0], SITE), trigger(IN_FLIGHT, SITE)
    assert cpu["metadata"] == {"containerName": "tfserving", "value": "60"}
    assert in_flight["metricType"] == "AverageValue"
    assert in_flight["metadata"] == {
        "serverAddress": "http://p:9090", "query": promql(IN_FLIGHT, SITE), "threshold": "2.5", "ignoreNullValues": "false",
    }  # fmt: skip
