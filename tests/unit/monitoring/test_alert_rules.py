"""Alerts fire for their own fault and not for what comes close to it, by Prometheus' own promtool."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.tfserving.plugins.filter.alert_rules import alert_rules
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.runtime import TF_SERVING
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring import rules as made
from by_promtool import play, promtool
from kube_names import pod_name

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
SITE = {
    "app": "m",
    "namespace": "s",
    "start_seconds": 120,
    "hosts": ["models.example.com", "*.ml.example.com"],
}
POD = 'namespace="s",pod="m-5d4f-x7k2p"'
HPA = 'namespace="s",horizontalpodautoscaler="m"'
DEPLOYMENT = 'namespace="s",deployment="m"'
MINUTES = 400
"""So many are played; the longest window is six hours."""


def requests(errors: float, code: str = "5xx", proxy: str = "rest") -> dict[str, str]:
    """A hundred requests a minute of which this share fails."""
    return {
        f'haproxy_frontend_http_requests_total{{{POD},proxy="{proxy}"}}': f"0+100x{MINUTES}",
        f'haproxy_frontend_http_responses_total{{{POD},proxy="{proxy}",code="{code}"}}': f"0+{100 * errors:g}x{MINUTES}",
    }  # fmt: skip


def counted(each: int, *at: int) -> str:
    """A counter that rises by so much each minute, or by one at each of these minutes."""
    values = [sum(minute <= now for minute in at) for now in range(MINUTES + 1)]
    return " ".join(map(str, values)) if at else f"0+{each}x{MINUTES}"


def rare(*failed: int, every: int = 1) -> dict[str, str]:
    """A request each so many minutes, of which those at these minutes fail."""
    return {
        f'haproxy_frontend_http_requests_total{{{POD},proxy="rest"}}': counted(0, *range(1, MINUTES, every)),
        f'haproxy_frontend_http_responses_total{{{POD},proxy="rest",code="5xx"}}': counted(0, *failed or (MINUTES + 1,)),
    }  # fmt: skip


def slow_ones(*at: int, every: int) -> dict[str, str]:
    """A request each so many minutes that takes 100 ms, and those at these minutes 900 ms."""
    fast = [minute for minute in range(1, MINUTES, every) if minute not in at]
    name = f':tensorflow:serving:request_latency_bucket{{{POD},model_name="m",API="Predict",entrypoint="REST",le='
    return {
        f'{name}"200000"}}': counted(0, *fast),
        f'{name}"1000000"}}': counted(0, *fast, *at),
        f'{name}"+Inf"}}': counted(0, *fast, *at),
    }


def latency(milliseconds: float) -> dict[str, str]:
    """Requests that all take as long, in buckets as TF Serving has them."""
    limits = [10 * 1.8**k for k in range(33)]
    return {
        f':tensorflow:serving:request_latency_bucket{{{POD},model_name="m",API="Predict",entrypoint="REST",le="{le}"}}':
            f"0+{100 if upper >= milliseconds * 1000 else 0}x{MINUTES}"
        for le, upper in [*((f"{limit:g}", limit) for limit in limits), ("+Inf", float("inf"))]
    }  # fmt: skip


def replicas(available: int, wanted: int = 3) -> dict[str, str]:
    return {
        f"kube_deployment_spec_replicas{{{DEPLOYMENT}}}": f"{wanted}x{MINUTES}",
        f"kube_deployment_status_replicas_available{{{DEPLOYMENT}}}": f"{available}x{MINUTES}",
    }


def holding(available: int) -> dict[str, str]:
    """Of two pods that hold requests."""
    return {
        'kube_deployment_status_replicas_available{namespace="s",deployment="m-hold"}': f"{available}x{MINUTES}"
    }


def woken(minute: int) -> dict[str, str]:
    """None is wanted until then, and none is available afterwards."""
    return replicas(0) | {
        f"kube_deployment_spec_replicas{{{DEPLOYMENT}}}": f"0x{minute} 1x{MINUTES - minute}"
    }


def autoscaler(desired: int, hpa: str = HPA, least: int = 1) -> dict[str, str]:
    return {
        f"kube_horizontalpodautoscaler_spec_min_replicas{{{hpa}}}": f"{least}x{MINUTES}",
        f"kube_horizontalpodautoscaler_spec_max_replicas{{{hpa}}}": f"4x{MINUTES}",
        f"kube_horizontalpodautoscaler_status_desired_replicas{{{hpa}}}": f"{desired}x{MINUTES}",
    }


def without(part: str, scraped: dict[str, str]) -> dict[str, str]:
    return {series: values for series, values in scraped.items() if part not in series}


def gone(scraped: dict[str, str]) -> dict[str, str]:
    """Of what was deleted in the 100th minute kube-state-metrics tells nothing."""
    return {series: f"{values.rpartition('x')[0]}x99 stale" for series, values in scraped.items()}


def renamed(scraped: dict[str, str]) -> dict[str, str]:
    """Another site's of the namespace."""
    return {series.replace('="m"', '="n"'): values for series, values in scraped.items()}


def active(status: str, condition: str = "ScalingActive") -> dict[str, str]:
    labels = f'{HPA},condition="{condition}",status="{status}"'
    return {f"kube_horizontalpodautoscaler_status_condition{{{labels}}}": f"1x{MINUTES}"}


def refused(proxy: str, share: int) -> dict[str, str]:
    return {
        f'haproxy_backend_http_requests_total{{{POD},proxy="{proxy}"}}': f"0+{share}x{MINUTES}",
        **requests(0, proxy="grpc"),
    }


def turned_away(values: str, pod: str = "m-hold-5d9c-x7k2p", protocol: str = "rest") -> dict[str, str]:
    """By a pod that holds requests while there is no replica."""
    labels = f'namespace="s",pod="{pod}",protocol="{protocol}",reason="late"'
    return {f"tfserving_held_requests_failed_total{{{labels}}}": values}


def noted(created: int, configmap: str = "m-refused") -> dict[str, str]:
    """``created``: in minutes."""
    return {f'kube_configmap_created{{namespace="s",configmap="{configmap}"}}': f"{created * 60}x{MINUTES}"}


def certificate(instance: str, days: float) -> dict[str, str]:
    """One that ends so long after the 20th minute."""
    return {
        f'probe_ssl_earliest_cert_expiry{{instance="{instance}"}}': f"{1200 + days * 86400:.0f}x{MINUTES}"
    }


CASES: list[tuple[str, dict[str, str], str, set[str]]] = [
    # Name, what is scraped each minute, when it is looked at, which alerts fire.
    ("nothing is scraped", {}, "400m", set()),
    ("all is well", requests(0) | latency(100) | replicas(3) | autoscaler(2) | active("true"), "400m", set()),
    ("a tenth fails", requests(0.1), "10m", {"page", "ticket"}),
    ("a tenth fails since a minute", requests(0.1), "1m", set()),
    ("0.8 % fail", requests(0.008), "400m", {"ticket"}),
    ("0.5 % fail", requests(0.005), "400m", set()),
    ("clients' own errors", requests(0.5, code="4xx"), "400m", set()),
    ("gRPC refused by a full queue", refused("grpc_full", 10), "15m", {"page", "ticket", "TFServingQueueFull"}),
    ("gRPC refused for its size", refused("grpc_size", 10), "15m", set()),
    ("all wait for a replica in vain", turned_away("0+10x400", protocol="grpc"), "15m", {"page", "ticket"}),
    ("one waits for a replica in vain", turned_away(counted(0, 100)), "103m", set()),
    ("0.8 % wait in vain", requests(0) | turned_away("0+0.8x400"), "400m", {"ticket"}),
    ("0.5 % wait in vain", requests(0) | turned_away("0+0.5x400"), "400m", set()),
    ("another site's wait in vain", requests(0) | turned_away("0+10x400", pod="m-other-hold-5d9c-x7k2p"), "15m", set()),
    ("one of sixty an hour fails", rare(100), "103m", set()),
    ("one of thirty an hour fails", rare(101, every=2), "104m", set()),
    ("four of sixty an hour fail", rare(60, 80, 98, 100), "103m", set()),
    ("five of sixty an hour fail", rare(60, 70, 80, 98, 100), "103m", {"page", "ticket"}),
    ("all of twelve an hour fail", rare(*range(1, MINUTES, 5), every=5), "60m", {"page", "ticket"}),
    ("one of twelve an hour is slow", slow_ones(100, every=5), "104m", set()),
    ("all of sixty an hour are slow", slow_ones(*range(1, MINUTES), every=1), "104m", {"TFServingSlow"}),
    ("slow", latency(900), "10m", {"TFServingSlow"}),
    ("nearly slow", latency(300), "10m", set()),
    ("no replica", replicas(0), "3m", {"TFServingDown", "TFServingReplicasMissing"}),
    ("none is wanted", replicas(0, 0) | active("false"), "60m", set()),
    ("none is wanted, and requests are held", replicas(0, 0) | holding(1), "60m", set()),
    ("none is wanted, and nobody holds requests", replicas(0, 0) | holding(0), "3m", {"TFServingDown"}),
    ("replicas are there, and nobody would hold requests", replicas(3) | holding(0), "60m", set()),
    ("none was wanted", woken(60), "62m", set()),
    ("none was wanted a while ago", woken(60), "66m", {"TFServingDown", "TFServingReplicasMissing"}),
    ("the Deployment was deleted", gone(replicas(3)) | autoscaler(3), "102m", {"TFServingDown"}),
    ("it was deleted down to zero", gone(replicas(0, 0)) | holding(1) | autoscaler(0), "102m", {"TFServingDown"}),
    ("it was deleted a moment ago", gone(replicas(3)) | autoscaler(3), "100m", set()),
    ("its HPA was deleted, too", gone(replicas(3) | autoscaler(3)), "399m", set()),
    ("kube-state-metrics is gone", gone(replicas(3) | holding(1) | autoscaler(3)) | requests(0), "399m", set()),
    ("another one's was deleted", gone(renamed(replicas(3))) | renamed(autoscaler(3)) | replicas(3), "399m", set()),
    ("at zero, with its HPA", replicas(0, 0) | holding(1) | autoscaler(0, least=0), "399m", set()),
    ("one is missing", replicas(2), "3m", {"TFServingReplicasMissing"}),
    ("one is on its way", replicas(2), "1m", set()),
    ("at the maximum", replicas(4, 4) | autoscaler(4), "16m", {"TFServingAtMaximum"}),
    ("at the maximum for a while", replicas(4, 4) | autoscaler(4), "14m", set()),
    ("below it", replicas(3) | autoscaler(3), "60m", set()),
    ("no fewer than the maximum are allowed", replicas(4, 4) | autoscaler(4, least=4), "60m", set()),
    ("at the maximum, and nothing tells of a minimum", replicas(4, 4) | without("min_replicas", autoscaler(4)), "16m", {"TFServingAtMaximum"}),
    ("another one's HPA at its maximum", autoscaler(4, 'namespace="s",horizontalpodautoscaler="n"'), "60m", set()),
    ("metrics fail", active("false") | replicas(3), "6m", {"TFServingAutoscalerBlind"}),
    ("metrics failed for a moment", active("false") | replicas(3), "4m", set()),
    ("a version was refused", noted(10), "69m", {"TFServingModelRefused"}),
    ("a version was refused an hour ago", noted(10), "71m", set()),
    ("another site's version was refused", noted(10, "n-refused"), "69m", set()),
    ("a certificate ends", certificate("https://models.example.com/v1", 13.9), "20m", {"TFServingCertificateExpires"}),
    ("one of many hosts'", certificate("a.ml.example.com:443", 1), "20m", {"TFServingCertificateExpires"}),
    ("a certificate ends later", certificate("https://models.example.com", 14.1), "20m", set()),
    ("another host's certificate ends", certificate("https://models.example.com.other.org", 1), "20m", set()),
    ("another condition is false", active("false", "ScalingLimited"), "60m", set()),
]  # fmt: skip


def firing(rules: Json, wanted: set[str], when: str) -> list[Json]:
    """What promtool is to find of every alert, by name, or by severity of the burn rates."""
    tests: dict[str, list[Json]] = {}
    for rule in (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule):
        expected = tests.setdefault(rule["alert"], [])
        burns = rule["alert"] == "TFServingErrorBudgetBurns"
        if (rule["labels"]["severity"] if burns else rule["alert"]) in wanted:
            expected.append({"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]})
    return [{"eval_time": when, "alertname": name, "exp_alerts": ones} for name, ones in tests.items()]


@pytest.mark.parametrize(
    ("scraped", "when", "fires"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_who_is_called_and_who_is_not(
    scraped: dict[str, str], when: str, fires: set[str], tmp_path: Path
) -> None:
    rules = alert_rules(SITE)
    play(rules, scraped, "1m", {"alert_rule_test": firing(rules, fires, when)}, tmp_path)


@pytest.mark.parametrize("of", ["", "-canary"])
@pytest.mark.parametrize("length", [39, 40, 46, 47, 50, 52])
def test_a_long_name_s_failures_call_somebody_too(length: int, of: str, tmp_path: Path) -> None:
    """Kubernetes shortens what it calls the pods."""
    site = SITE | {"app": "m" * length}
    failing = {
        series.replace('pod="m-5d4f-x7k2p"', f'pod="{pod_name(site["app"] + of)}"'): values
        for series, values in requests(0.1).items()
    }
    rules = alert_rules(site)
    play(rules, failing, "1m", {"alert_rule_test": firing(rules, {"page", "ticket"}, "10m")}, tmp_path)


def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(alert_rules(SITE | {"labels": {"team": "ml"}})))
    assert "SUCCESS: 18 rules found" in promtool("check", "rules", "rules.yml", folder=tmp_path)


def test_each_alert_has_fired_in_a_case() -> None:
    fired = set().union(*(case[3] for case in CASES))
    alerts = {
        rule["alert"] for group in alert_rules(SITE)["groups"] for rule in group["rules"] if "alert" in rule
    }
    assert fired == alerts - {"TFServingErrorBudgetBurns"} | {"page", "ticket"}


def test_expressions_name_no_other_metrics_than_the_tables() -> None:
    text = " ".join(rule["expr"] for group in alert_rules(SITE)["groups"] for rule in group["rules"])
    own = {
        rule["record"] for group in alert_rules(SITE)["groups"] for rule in group["rules"] if "record" in rule
    }
    named = set(re.findall(r"(:?[a-z][a-z0-9_:]*)\{", text))
    dashboards = {made.IN_FLIGHT, made.QUEUED, made.HELD, made.READY, made.TARGET, made.MEASURED}
    assert named == {
        *made.HAPROXY,
        *made.HOLDERS,
        *made.KUBE_STATE,
        made.LATENCY,
        made.CERTIFICATE,
        *own,
    } - dashboards - {
        made.RATE,
        made.LATENCY_MS,
    }


def test_the_stand_in_shows_the_histogram_that_is_looked_at() -> None:
    shown = (ROOT / "sandbox/images/tensorflow-serving/model_server/metrics.py").read_text()
    assert TF_SERVING.latency_histogram.startswith(":tensorflow:serving:")
    assert f'{{_SERVING}}{TF_SERVING.latency_histogram.rpartition(":")[2]}"' in shown


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"app": "m"}, "namespace is missing"),
        (SITE | {"slo": 1}, "slo is not known"),
        (SITE | {"availability": 99.9}, "availability is 99.9, and has to be between 0 and 1"),
        (SITE | {"latency_ms": "fast"}, "could not convert"),
        (SITE | {"start_seconds": 0}, "more than 0"),
    ],
)
def test_what_no_site_can_promise(given: Json, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        alert_rules(given)
