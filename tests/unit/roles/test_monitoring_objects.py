"""What the monitoring role applies, and what it removes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.rules import HAPROXY, LATENCY
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.check import judged
from jsonschema import Draft202012Validator
from role_work import ROOT, defaults_of

Json = dict[str, Any]
SITE = {"monitoring_namespace": "tfserving", "monitoring_name": "image-classifier"}
ON = {"monitoring_enabled": "true"}
KINDS = {
    "gke": ["PodMonitoring/image-classifier", "Rules/image-classifier"],
    "prometheus-operator": ["PodMonitor/image-classifier", "PrometheusRule/image-classifier"],
    "prometheus": ["ConfigMap/image-classifier-monitoring"],
}


def evaluate(expression: str, **variables: Any) -> Any:
    """An expression in the role."""
    role, loader = ROOT / "roles/monitoring", DataLoader()
    known: Json = {"role_path": str(role), "ansible_search_path": [str(role)]}
    for part in ("defaults", "vars"):
        known |= loader.load_from_file(str(role / part / "main.yml"), trusted_as_template=True)
    templar = Templar(loader=loader, variables=known | SITE | variables)
    return templar.template(trust_as_template("{{ " + expression + " }}"))


def applied(source: str, **variables: Any) -> dict[str, Json]:
    found = evaluate("monitoring_objects", **ON, monitoring_source=source, **variables)
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in found}


def strict(schema: Any) -> Any:
    """A schema of a kind without room for fields that it does not name: an API server drops those without a word."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = (
        {"additionalProperties": False} if schema.get("type") == "object" and "properties" in schema else {}
    )
    return {**{key: strict(value) for key, value in schema.items()}, **closed}


def schemas() -> dict[str, Any]:
    """Of ``spec``, by kind."""
    file = Path(ROOT / "molecule/monitoring/files/crds.yml")
    return {
        one["spec"]["names"]["kind"]: strict(
            one["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        )
        for one in yaml.safe_load_all(file.read_text())
    }


@pytest.mark.parametrize("source", KINDS)
def test_each_source_gets_its_own_objects_after_the_dashboard_that_names_them(source: str) -> None:
    found = applied(source)
    assert [*found] == ["ConfigMap/image-classifier-dashboard", *KINDS[source]]
    dashboard = found["ConfigMap/image-classifier-dashboard"]["metadata"]
    assert dashboard["annotations"] == {"mlops.tfserving/beside": f"dashboard {source}"}
    labels = {"app": "image-classifier", "app.kubernetes.io/managed-by": "mlops.tfserving"}
    for one in found.values():
        assert labels.items() <= one["metadata"]["labels"].items()
        assert one["metadata"]["namespace"] == "tfserving"


@pytest.mark.parametrize("source", ["gke", "prometheus-operator"])
def test_their_kinds_have_every_field(source: str) -> None:
    for one in applied(source, monitoring_alert_labels={"team": "ml"}).values():
        if one["kind"] != "ConfigMap":
            problems = [
                error.message for error in Draft202012Validator(schemas()[one["kind"]]).iter_errors(one["spec"])
            ]  # fmt: skip
            assert problems == []


def test_google_s_rules_leave_the_namespace_to_google() -> None:
    """Which takes none that has it: the same would be said twice."""
    rules = {source: rules_of(source) for source in KINDS}
    assert all("namespace" not in rule["labels"] for rule in rules["gke"])
    bare = [
        {**rule, "labels": {k: v for k, v in rule["labels"].items() if k != "namespace"}}
        for rule in rules["prometheus"]
    ]
    assert bare == rules["gke"]
    assert rules["prometheus-operator"] == rules["prometheus"]


def rules_of(source: str, **variables: Any) -> list[Json]:
    found = [*applied(source, **variables).values()][-1]
    whole = found["spec"] if "spec" in found else yaml.safe_load(found["data"]["rules.yml"])
    return [rule for group in whole["groups"] for rule in group["rules"]]


def slow(**variables: Any) -> str:
    return str(
        next(
            rule["expr"]
            for rule in rules_of("prometheus", **variables)
            if rule.get("alert") == "TFServingSlow"
        )
    )


def test_what_the_load_test_demands_is_promised_unless_something_else_is() -> None:
    assert "(0.95," in slow() and slow().endswith("> 500000")
    limits = ["p99_ms <= 300", "failed == 0 while steady"]
    assert "(0.99," in slow(loadtest_slo=limits) and slow(loadtest_slo=limits).endswith("> 300000")
    own = {"loadtest_slo": limits, "monitoring_latency_ms": "200"}
    assert "(0.99," in slow(**own) and slow(**own).endswith("> 200000")


def test_the_pods_that_are_read_are_replicas_canaries_and_holders_by_both_paths() -> None:
    paths = ["/metrics", "/monitoring/prometheus/metrics"]
    apps = ["image-classifier", "image-classifier-canary", "image-classifier-hold"]
    google = applied("gke")["PodMonitoring/image-classifier"]["spec"]
    theirs = applied("prometheus-operator")["PodMonitor/image-classifier"]["spec"]
    for spec, ends in ((google, "endpoints"), (theirs, "podMetricsEndpoints")):
        assert spec["selector"]["matchExpressions"][0]["values"] == apps
        assert [end["path"] for end in spec[ends]] == paths
    assert "node" in google["targetLabels"]["metadata"], "dashboards count nodes"
    port = google["endpoints"][0]["port"]
    for name in ("pod", "hold"):
        pod = (ROOT / f"roles/serving/templates/{name}.yml.j2").read_text()
        assert f"{{name: {port}, containerPort: 8404}}" in pod
    files = applied("prometheus")["ConfigMap/image-classifier-monitoring"]["data"]
    configs = yaml.safe_load(files["scrape.yml"])["scrape_configs"]
    assert [config["metrics_path"] for config in configs] == paths


def test_of_what_a_pod_shows_all_is_kept_that_is_looked_at() -> None:
    google = applied("gke")["PodMonitoring/image-classifier"]["spec"]["endpoints"]
    theirs = applied("prometheus-operator")["PodMonitor/image-classifier"]["spec"]["podMetricsEndpoints"]
    files = applied("prometheus")["ConfigMap/image-classifier-monitoring"]["data"]
    kept = [
        [one["metricRelabeling"][0]["regex"] for one in google],
        [one["metricRelabelings"][0]["regex"] for one in theirs],
        [
            one["metric_relabel_configs"][0]["regex"]
            for one in yaml.safe_load(files["scrape.yml"])["scrape_configs"]
        ],
    ]
    histogram = ":tensorflow:serving:request_latency"
    looked_at = {*HAPROXY, LATENCY, f"{histogram}_sum", f"{histogram}_count"}
    for of_proxy, of_server in kept:
        assert all(re.fullmatch(f"{of_proxy}|{of_server}", name) for name in looked_at)
        assert not re.fullmatch(f"{of_proxy}|{of_server}", "haproxy_server_status")


def panels(**variables: Any) -> list[str]:
    data = applied("gke", **variables)["ConfigMap/image-classifier-dashboard"]["data"]
    assert [*data] == ["tfserving-image-classifier.json"]
    return [f"{one['title']}: {one['description']}" for one in json.loads(data.popitem()[1])["panels"]]


def test_the_cost_is_that_of_the_pool_that_may_grow_to_most_nodes() -> None:
    small = {"name": "a", "machine_type": "e2-small", "node_count": 1}
    large = {
        "name": "b",
        "machine_type": "e2-micro",
        "autoscaling": {"min_node_count": 0, "max_node_count": 9},
    }
    prices = {"machine_types": {"e2-micro": 0.5}, "disk_gib_month": {"pd-balanced": 0}, "currency": "EUR"}
    told = panels(cluster_node_pools=[small, large], preflight_prices=prices)[-1]
    assert told.startswith("Cost of an hour: ") and " 0.5 EUR each" in told
    assert not panels(cluster_node_pools=[small], cluster_existing_kubeconfig="~/.kube/config")[-1].startswith("Cost")  # fmt: skip
    assert not panels(cluster_node_pools=[small], monitoring_node_hour="0")[-1].startswith("Cost")
    assert " 7 USD each" in panels(monitoring_node_hour=7, cluster_existing_kubeconfig="~/.kube/config")[-1]
    assert not panels(cluster_node_pools=[{"name": "a", "machine_type": "x9-huge"}])[-1].startswith("Cost")


def left(mark: str, **variables: Any) -> list[str]:
    mine = {"metadata": {"annotations": {"mlops.tfserving/beside": mark}} if mark else {}}
    found = evaluate("monitoring_objects_left", monitoring_found={"resources": [mine]}, **variables)
    return [f"{one['kind']}/{one['metadata']['name']}" for one in found]


def test_the_next_run_removes_what_is_no_longer_asked_for_and_the_dashboard_last() -> None:
    assert left("dashboard gke") == [*KINDS["gke"], "ConfigMap/image-classifier-dashboard"]
    assert left("dashboard gke", **ON, monitoring_source="prometheus") == KINDS["gke"]
    assert left("dashboard gke", **ON) == left("") == []
    assert evaluate("monitoring_objects") == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"monitoring_interval_seconds": 60}, "5 to 30 seconds"),
        ({"monitoring_availability": 1}, "it is no share"),
        ({"monitoring_latency_quantile": 95}, "it is no share"),
        ({"monitoring_latency_ms": 0}, "no request is answered at once"),
        ({"monitoring_node_hour": -1}, "out of range"),
        ({"monitoring_start_seconds": 0}, "out of range"),
        ({"monitoring_alert_labels": {"severity": "page"}}, "alerts have severity already"),
        ({"monitoring_alert_labels": {"cluster": "a"}}, "alerts have cluster already"),
        ({"monitoring_labels": {"release": ["a"]}}, "release is no label"),
    ],
)
def test_mistakes(given: Json, words: str) -> None:
    found = judged(defaults_of("monitoring") | given, ["monitoring"]).findings
    assert [words in one.message or words in one.hint for one in found] == [True], found
    assert judged(defaults_of("monitoring"), ["monitoring"]).findings == []


def test_a_label_that_google_gives_is_free_elsewhere() -> None:
    given = {"monitoring_source": "prometheus", "monitoring_alert_labels": {"cluster": "a"}}
    assert judged(defaults_of("monitoring") | given, ["monitoring"]).findings == []


def test_prices_that_are_none_are_told() -> None:
    with pytest.raises(AnsibleError, match="preflight_prices: there is no cpu"):
        panels(preflight_prices={"cpu": 1})


def seen(kind: str, *places: str, **annotations: str) -> Json:
    named = [place.split("/") for place in places]
    return {
        "resources": [
            {
                "metadata": {
                    "namespace": namespace, "name": name if kind == "Deployment" else f"{name}-dashboard",
                    "labels": {"app": name}, **({"annotations": annotations} if annotations else {}),
                }
            }
            for namespace, name in named
        ]
    }  # fmt: skip


def test_what_an_earlier_name_left_is_told_and_another_site_is_not() -> None:
    beside = {"mlops.tfserving/beside": "dashboard prometheus"}
    dashboards = seen(
        "ConfigMap",
        "tfserving/old",
        "old/image-classifier",
        "team/words",
        "tfserving/image-classifier",
        **beside,
    )
    files = seen("ConfigMap", "tfserving/files")
    maps = {"resources": dashboards["resources"] + files["resources"]}
    deployments = seen("Deployment", "tfserving/image-classifier", "team/words")
    assert evaluate("monitoring_orphans", monitoring_elsewhere={"results": [maps, deployments]}) == [
        "old/image-classifier", "tfserving/old",
    ]  # fmt: skip
    forbidden = {"failed": False, "reason": "Forbidden"}
    assert evaluate("monitoring_orphans", monitoring_elsewhere={"results": [maps, forbidden]}) == []
