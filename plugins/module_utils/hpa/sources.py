"""Where the HPA's metrics come from: what is asked of a Prometheus, of GKE's own adapter, and of KEDA. Pure.

A metric beside the CPU is a total over the replicas, divided by what one may have (``target``), so that all sources ask
for as many replicas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..k8s.pod_names import pods_of
from ..variables.reading import is_true

Json = dict[str, Any]
Metric = Mapping[str, Any]

PROXY_PORT = 8404
SCRAPE_SECONDS = 5
"""How often the role's own Prometheus reads the pods."""

RATE_SECONDS = 3 * SCRAPE_SECONDS
"""Over how many seconds requests a second are taken at least: a rate needs two readings, and one may be missed."""

GAUGES = {"in_flight": "haproxy_backend_current_sessions", "queue": "haproxy_backend_current_queue"}
"""HAProxy's gauges. A frontend's sessions are connections, idle ones among them; a backend's are requests, the queue
included, those of one HTTP/2 connection one by one: tests/unit/roles/test_serving_load.py."""

_LOAD = {
    "in_flight": "tfserving_requests_in_flight",
    "queue": "tfserving_requests_queued",
    "requests": "tfserving_requests_per_second",
}
"""The same as averaged gauges of the proxy's own: roles/serving/templates/load.lua.j2."""

ASKED: Metric = {"type": "asked"}
"""Whether anything was asked of late: with it the HPA goes down to zero, and not by gauges, which a short request escapes."""

_DUTY_CYCLE_SECONDS = 180
"""Google's GPU metrics come once a minute. https://cloud.google.com/monitoring/api/metrics_kubernetes"""


@dataclass(frozen=True)
class Site:
    """What is scaled, and how it is asked about. ``seconds``: over which gauges are averaged; 0 takes them as they are.

    ``zero``: whether it may have no replica, so that pods that hold requests tell of them; ``idle``: for so many seconds a
    request counts before the last replica may go; with it the HPA's own window begins.
    """

    name: str
    namespace: str
    container: str
    cpu_percent: int
    source: str
    seconds: int
    prometheus: str
    zero: bool = False
    idle: int = 120

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Site:
        name, namespace = (str(variables[f"autoscaling_{part}"]) for part in ("name", "namespace"))
        return cls(
            name,
            namespace,
            str(variables["autoscaling_container"]),
            int(variables["autoscaling_target_cpu_percent"]),
            str(variables["autoscaling_metrics_source"]),
            int(variables["autoscaling_average_seconds"]),
            str(variables["autoscaling_prometheus_url"]) or f"http://{name}-prometheus.{namespace}.svc:9090",
            int(variables["autoscaling_min_replicas"]) == 0,
            int(variables["autoscaling_idle_seconds"]),
        )

    @property
    def holder(self) -> str:
        """The ``app`` of the pods that hold requests."""
        return f"{self.name}-hold"


def amount(value: Any) -> str:
    """A number as a quantity of Kubernetes: no exponent, and no zeros at its end behind the point."""
    return format(Decimal(str(value)).normalize(), "f")


def name_of(one: Metric) -> str:
    """A metric's name, as objects have it."""
    return str(one.get("name") or one["type"]).replace("_", "-")


def is_sourced(one: Metric) -> bool:
    """Whether it is none that Kubernetes has by itself."""
    return one["type"] not in ("cpu", "kubernetes")


def hpa_metric(one: Metric, site: Site) -> Json:
    """An element of the HPA's ``spec.metrics``."""
    kind = one["type"]
    if kind == "kubernetes":
        return dict(one["metric"])
    if kind == "cpu":
        target = {"type": "Utilization", "averageUtilization": _percent(one, site)}
        return {
            "type": "ContainerResource",
            "containerResource": {"container": site.container, "name": "cpu", "target": target},
        }
    if site.source == "gke":
        name = f"autoscaling.gke.io|{site.name}|{name_of(one)}"
        if _is_gauge_of_pods(one):
            return {"type": "Pods", "pods": {"metric": {"name": name}, "target": _target(one)}}
    else:
        name = external_name(one, site)
    return {"type": "External", "external": {"metric": {"name": name}, "target": _target(one)}}


def external_name(one: Metric, site: Site) -> str:
    """What prometheus-adapter is told to call it. The HPA finds no name with capitals in it."""
    return f"{site.name}-{name_of(one)}"


def promql(one: Metric, site: Site) -> str:
    """The total over all replicas. Where there may be none, it is 0 only if the holding proxies say that there is none: of
    replicas that can't be read there is no answer.
    """
    kind = one["type"]
    if kind == "promql":
        return str(one["query"])
    if kind == "asked":
        return _asked(site)
    query = _of_replicas(one, site)
    if not site.zero:
        return query
    query = f"({query} or 0 * (max({_held('tfserving_replicas', site)}) == 0))"
    return f"{query} + sum({_held('tfserving_requests_held', site)})" if kind in GAUGES else query


def _asked(site: Site) -> str:
    """1 where a request came of late, is under way, or may be: where fewer replicas are read than there are.
    No answer where no holding proxy is read, or a replica has been read only once.
    """
    of_proxy = f'{_of_pods(site)},proxy=~"rest|grpc"'
    sessions = f"haproxy_backend_current_sessions{{{of_proxy}}}"
    read = f'(count(haproxy_backend_current_sessions{{{_of_pods(site)},proxy="rest"}}) or vector(0))'
    rate = f"sum(rate(haproxy_backend_http_requests_total{{{of_proxy}}}[{site.idle}s]))"
    parts = (
        f"(min({_held('tfserving_idle_seconds', site)}) < bool {site.idle})",
        f"(max({_held('tfserving_replicas', site)}) > bool {read})",
        f"({rate} or 0 * ({read} == 0))",
        f"(sum({sessions}) or vector(0))",
    )
    return f"({' + '.join(parts)}) > bool 0"


def _held(gauge: str, site: Site) -> str:
    """A gauge of the holding proxies: roles/serving/templates/hold.lua.j2."""
    return f'{gauge}{{namespace="{site.namespace}",pod=~"{pods_of(site.holder)}"}}'


def _of_pods(site: Site) -> str:
    return f'namespace="{site.namespace}",pod=~"{pods_of(site.name)}"'


def _of_replicas(one: Metric, site: Site) -> str:
    kind, pods, of_pods = one["type"], pods_of(site.name), _of_pods(site)
    of_proxy = f'{of_pods},proxy=~"rest|grpc"'
    if kind == "gpu" and site.source == "gke":
        labels = f'monitored_resource="k8s_container",namespace_name="{site.namespace}",pod_name=~"{pods}"'
        series = f"kubernetes_io:container_accelerator_duty_cycle{{{labels}}}"
        return f"sum(avg by (pod_name) ({_averaged(series, _DUTY_CYCLE_SECONDS)}))"
    if kind == "gpu":
        return f"sum(avg by (pod) ({_averaged(f'DCGM_FI_DEV_GPU_UTIL{{{of_pods}}}', site.seconds)}))"
    if kind == "requests":
        seconds = max(site.seconds, RATE_SECONDS)
        return f"sum(rate(haproxy_backend_http_requests_total{{{of_proxy}}}[{seconds}s]))"
    series = f"{GAUGES[kind]}{{{of_proxy}}}" if kind in GAUGES else f"{one['gauge']}{{{of_pods}}}"
    return f"sum({_averaged(series, site.seconds)})"


def trigger(one: Metric, site: Site) -> Json:
    """An element of a ScaledObject's ``spec.triggers``. https://keda.sh/docs/latest/scalers/prometheus/

    An answer without a value is an error: taken for 0, as KEDA does unless told, it would be no load.
    """
    if one["type"] == "cpu":
        metadata = {"containerName": site.container, "value": str(_percent(one, site))}
        return {"type": "cpu", "metricType": "Utilization", "metadata": metadata}
    return {
        "type": "prometheus",
        "name": name_of(one),
        "metricType": _target(one)["type"],
        "metadata": {
            "serverAddress": site.prometheus,
            "query": promql(one, site),
            "threshold": amount(one.get("target", 1)),
            "ignoreNullValues": "false",
        },
    }


def gke_metrics(wanted: Iterable[Metric], site: Site) -> list[Json]:
    """``spec.metrics`` of an AutoscalingMetric.
    https://cloud.google.com/kubernetes-engine/docs/how-to/autoscale-using-metrics
    """
    places: dict[tuple[int, str], list[Json]] = {}
    queries = []
    for one in wanted:
        if not _is_gauge_of_pods(one):
            queries.append({"promql": {"name": name_of(one), "query": promql(one, site)}})
            continue
        series = _LOAD.get(one["type"]) or one["gauge"]
        gauge = {"name": name_of(one), "prometheusMetricName": series}
        places.setdefault(_place(one, "/load"), []).append({"gauge": gauge})
    containers = [
        {"endpoint": {"port": port, "path": path}, "metrics": gauges}
        for (port, path), gauges in places.items()
    ]
    pods = {"selector": {"matchLabels": {"app": site.name}}, "containers": containers}
    return [*([{"pod": pods}] if containers else []), *queries]


def adapter_rules(wanted: Iterable[Metric], site: Site) -> list[Json]:
    """``externalRules`` of prometheus-adapter. A metric is there as long as the pods are read, whatever its query is of.
    https://github.com/kubernetes-sigs/prometheus-adapter/blob/master/docs/externalmetrics.md
    """
    there = f'{GAUGES["in_flight"]}{{namespace="{site.namespace}",proxy="rest",pod=~"{site.name}-.*"}}'
    if site.zero:
        there = _held("tfserving_replicas", site)
    return [
        {
            "seriesQuery": there,
            "resources": {"overrides": {"namespace": {"resource": "namespace"}}},
            "name": {"matches": "^.*$", "as": external_name(one, site)},
            "metricsQuery": promql(one, site),
        }
        for one in wanted
    ]


def prometheus_config(wanted: Iterable[Metric], site: Site) -> Json:
    """prometheus.yml of the role's own Prometheus, which reads these pods and nothing else.
    https://prometheus.io/docs/prometheus/latest/configuration/configuration/
    """
    places = {(PROXY_PORT, "/metrics"): [*GAUGES.values(), "haproxy_backend_http_requests_total"]}
    for one in wanted:
        if one["type"] == "gauge":
            places.setdefault(_place(one, "/metrics"), []).append(str(one["gauge"]))
    scraped = [
        _scraped(site, site.name, port, path, dict.fromkeys(series))
        for (port, path), series in places.items()
    ]
    if site.zero:
        # A look of the HPA between a request and what tells of it would take the replica that is on its way.
        holder = _scraped(site, site.holder, PROXY_PORT, "/metrics", ["tfserving_.*"])
        scraped.append(holder | {"job_name": "hold", "scrape_interval": "1s", "scrape_timeout": "1s"})
    return {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": f"{SCRAPE_SECONDS - 1}s"},
        "scrape_configs": scraped,
    }


def relabel_configs(apps: Iterable[str], port: int) -> list[Json]:
    """Of pods that Prometheus finds: those with one of these labels ``app``, at this port, with ``namespace`` and ``pod``."""

    def label(source: str, **rule: str) -> Json:
        return {"source_labels": [f"__meta_kubernetes_{source}"], **rule}

    # A pod is one target for each of its ports; with one address for all these are one.
    return [
        label("pod_label_app", regex="|".join(map(re.escape, apps)), action="keep"),
        label("pod_phase", regex="Running", action="keep"),
        label("pod_ip", target_label="__address__", replacement=f"$1:{port}"),
        label("namespace", target_label="namespace"),
        label("pod_name", target_label="pod"),
    ]


def _scraped(site: Site, app: str, port: int, path: str, series: Iterable[str]) -> Json:
    return {
        "job_name": f"{port}{path}",
        "metrics_path": path,
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [site.namespace]}}],
        "relabel_configs": relabel_configs([app], port),
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": "|".join(series), "action": "keep"}
        ],
    }


def _percent(one: Metric, site: Site) -> int:
    return int(float(one.get("target") or site.cpu_percent))


def _target(one: Metric) -> Json:
    if (per_replica := one.get("per_replica")) is not None and not is_true(per_replica):
        return {"type": "Value", "value": amount(one["target"])}
    return {"type": "AverageValue", "averageValue": amount(one.get("target", 1))}


def _is_gauge_of_pods(one: Metric) -> bool:
    """What GKE's adapter reads of the pods themselves, without Cloud Monitoring."""
    return one["type"] in (*_LOAD, "gauge")


def _place(one: Metric, usual: str) -> tuple[int, str]:
    if one["type"] != "gauge":
        return PROXY_PORT, usual
    return int(one.get("port") or PROXY_PORT), str(one.get("path") or "/metrics")


def _averaged(series: str, seconds: int) -> str:
    return f"avg_over_time({series}[{seconds}s])" if seconds else series
