"""What the variables of the monitoring role ask for, as parts of objects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..preflight.project import NotKnown, Project
from ..preflight.rates import node_hour, prices
from ..variables.to_settings import pool
from .cloud_monitoring import cloud_monitoring
from .dashboard import Price, dashboard
from .grafana import grafana
from .promised import promised
from .rules import Objectives, rules
from .scrape import pod_monitor, pod_monitoring, scrape_configs

Json = dict[str, Any]

_PROMISES = {"availability": "availability", "latency_ms": "latency_ms", "latency_quantile": "quantile"}
"""Variables that need no value, and the objectives that they are."""


def parts(variables: Mapping[str, Any]) -> Json:
    """Parts by name. ``variables``: the role's, ``loadtest_slo``, ``cluster_node_pools`` and ``preflight_prices``.

    Raises ``ValueError`` for what no site can promise, and ``BadInput`` for prices that are none.
    """
    site = _objectives(variables)
    seconds = int(variables["monitoring_interval_seconds"])
    drawn = dashboard(site, _price(variables))
    return {
        "rules": rules(site),
        "gke_rules": _of_gke(rules(site)),
        "pod_monitoring": pod_monitoring(site.app, seconds),
        "pod_monitor": pod_monitor(site.app, seconds),
        "scrape_configs": scrape_configs(site.app, site.namespace, seconds),
        "dashboards": {"grafana": grafana(drawn), "cloud_monitoring": cloud_monitoring(drawn)},
    }


def _of_gke(whole: Json) -> Json:
    """``spec`` of Rules of monitoring.googleapis.com/v1, which adds ``namespace`` and takes no rule that has it already.
    https://github.com/GoogleCloudPlatform/prometheus-engine/blob/v0.17.2/pkg/operator/apis/monitoring/v1/rules_config.go
    """
    groups = []
    for group in whole["groups"]:
        labelled = [
            {**rule, "labels": {key: value for key, value in rule["labels"].items() if key != "namespace"}}
            for rule in group["rules"]
        ]
        groups.append({**group, "interval": "30s", "rules": labelled})
    return {"groups": groups}


def _objectives(variables: Mapping[str, Any]) -> Objectives:
    """A variable with a value counts, else the load test's limits, else the default."""
    given = promised(variables["loadtest_slo"])
    for name, objective in _PROMISES.items():
        if (value := variables[f"monitoring_{name}"]) not in (None, ""):
            given[objective] = value
    return Objectives.of(
        {
            **given,
            "app": variables["monitoring_name"],
            "namespace": variables["monitoring_namespace"],
            "start_seconds": variables["monitoring_start_seconds"],
            "labels": variables["monitoring_alert_labels"],
            "hosts": variables["monitoring_hosts"],
        }
    )


def _price(variables: Mapping[str, Any]) -> Price:
    """Of a node of the pool that may grow to most nodes, unless a variable says it."""
    table = prices(variables["preflight_prices"])
    hour = variables["monitoring_node_hour"]
    if hour in (None, ""):
        pools = [pool(one, ()) for one in variables["cluster_node_pools"]]
        largest = max(pools, key=lambda one: one.maximum, default=None)
        try:
            hour = node_hour(largest, Project(), table) if largest else None
        except NotKnown:
            hour = None
    return Price(round(float(hour or 0), 6), str(table["currency"]))
