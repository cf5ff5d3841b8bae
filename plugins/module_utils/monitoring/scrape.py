"""How a site's pods are read: for Google's Managed Service for Prometheus, the operator's Prometheus, and any other. Pure."""

from __future__ import annotations

from typing import Any

from ..hpa.sources import PROXY_PORT, relabel_configs
from ..model_server.runtime import TF_SERVING
from .rules import HAPROXY, HOLDERS

Json = dict[str, Any]

_PORT = "proxy-status"
"""Of the proxy's container: roles/serving/templates/pod.yml.j2."""
_HISTOGRAM = tuple(f"{TF_SERVING.latency_histogram}_{part}" for part in ("bucket", "sum", "count"))
_PLACES = {"/metrics": (*HAPROXY, *HOLDERS), TF_SERVING.metrics_path: _HISTOGRAM}
"""What is kept of what each path shows: a proxy has some thousand series, of which nobody looks at most. A histogram is kept
whole: Google's collector forgets one of which a part is missing."""


def _apps(app: str) -> list[str]:
    """Values of the label ``app``: of replicas, of a canary behind a Gateway, and of those that hold requests while there is no
    replica. A gate's pods get no requests.
    """
    return [app, f"{app}-canary", f"{app}-hold"]


def _selector(app: str) -> Json:
    return {"matchExpressions": [{"key": "app", "operator": "In", "values": _apps(app)}]}


def _kept(series: tuple[str, ...]) -> str:
    return "|".join(series)


def pod_monitoring(app: str, seconds: int) -> Json:
    """``spec`` of a PodMonitoring of monitoring.googleapis.com/v1.
    https://github.com/GoogleCloudPlatform/prometheus-engine/blob/main/doc/api.md
    """
    return {
        "selector": _selector(app),
        "targetLabels": {"metadata": ["pod", "container", "node"]},
        "endpoints": [
            {
                "port": _PORT,
                "path": path,
                "interval": f"{seconds}s",
                "metricRelabeling": [
                    {"action": "keep", "sourceLabels": ["__name__"], "regex": _kept(series)}
                ],
            }
            for path, series in _PLACES.items()
        ],
    }


def pod_monitor(app: str, seconds: int) -> Json:
    """``spec`` of a PodMonitor of monitoring.coreos.com/v1, which adds ``namespace`` and ``pod``.
    https://prometheus-operator.dev/docs/api-reference/api
    """
    node = {"action": "replace", "sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}
    return {
        "selector": _selector(app),
        "podMetricsEndpoints": [
            {
                "port": _PORT,
                "path": path,
                "interval": f"{seconds}s",
                "relabelings": [node],
                "metricRelabelings": [
                    {"action": "keep", "sourceLabels": ["__name__"], "regex": _kept(series)}
                ],
            }
            for path, series in _PLACES.items()
        ],
    }


def scrape_configs(app: str, namespace: str, seconds: int) -> list[Json]:
    """Elements of ``scrape_configs`` in a file that ``scrape_config_files`` of a Prometheus names (2.43 and later).
    https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config
    """
    node = {"source_labels": ["__meta_kubernetes_pod_node_name"], "target_label": "node"}
    return [
        {
            "job_name": f"{namespace}/{app}{path}",
            "metrics_path": path,
            "scrape_interval": f"{seconds}s",
            "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [namespace]}}],
            "relabel_configs": [*relabel_configs(_apps(app), PROXY_PORT), node],
            "metric_relabel_configs": [
                {"source_labels": ["__name__"], "regex": _kept(series), "action": "keep"}
            ],
        }
        for path, series in _PLACES.items()
    ]
