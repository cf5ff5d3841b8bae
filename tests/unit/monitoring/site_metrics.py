"""What is scraped of a site with known numbers: two replicas on two nodes, and a canary.

A sample each 16 s, so that rates are exact numbers.
"""

from __future__ import annotations

from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.rules import KUBE_STATE

SITE = {"app": "m", "namespace": "s", "latency_ms": 300}
STEP, STEPS = 16, 60
NODES = {"m-5d4f-x7k2p": "n1", "m-5d4f-z8m4q": "n2", "m-canary-6b9c-w5t2n": "n2"}
RATES = {"m-5d4f-x7k2p": 5, "m-5d4f-z8m4q": 2, "m-canary-6b9c-w5t2n": 1}
"""Requests a second, by REST."""
FAILED = {"m-5d4f-x7k2p": 0, "m-5d4f-z8m4q": 0, "m-canary-6b9c-w5t2n": 0.5}
MILLISECONDS = {"m-5d4f-x7k2p": 60, "m-5d4f-z8m4q": 60, "m-canary-6b9c-w5t2n": 400}
BUCKETS = (100, 200, 800)
"""Milliseconds; quantiles are placed evenly within one."""
OTHERS = "m-other-5d4f-x7k2p"
"""A pod of another site whose name begins alike."""


def _counter(rate: float) -> str:
    return f"0+{rate * STEP:g}x{STEPS}"


def _gauge(value: float) -> str:
    return f"{value:g}x{STEPS}"


def scraped() -> dict[str, str]:
    found: dict[str, str] = {}
    for pod in (*NODES, OTHERS):
        found |= _of_pod(pod)
    return found | _of_holders() | _of_kubernetes()


def _of_pod(pod: str) -> dict[str, str]:
    labels = f'namespace="s",pod="{pod}",node="{NODES.get(pod, "n9")}"'
    rate, failed = RATES.get(pod, 100), FAILED.get(pod, 100)
    found = {}
    for proxy, share in (("rest", 1.0), ("grpc", 0.0)):
        of = f'{labels},proxy="{proxy}"'
        found |= {
            f"haproxy_frontend_http_requests_total{{{of}}}": _counter(rate * share),
            f'haproxy_frontend_http_responses_total{{{of},code="5xx"}}': _counter(failed * share),
            f'haproxy_frontend_http_responses_total{{{of},code="2xx"}}': _counter((rate - failed) * share),
            f"haproxy_backend_current_sessions{{{of}}}": _gauge(3 * share),
            f"haproxy_backend_current_queue{{{of}}}": _gauge(1 * share),
            f'haproxy_backend_http_requests_total{{{labels},proxy="{proxy}_full"}}': _counter(0),
        }
    for limit in (*BUCKETS, float("inf")):
        counted = rate if limit >= MILLISECONDS.get(pod, 1) else 0
        text = "+Inf" if limit == float("inf") else f"{limit * 1000}"
        found[f':tensorflow:serving:request_latency_bucket{{{labels},model_name="m",le="{text}"}}'] = (
            _counter(counted)
        )
    return found


def _of_holders() -> dict[str, str]:
    """One of two that hold requests has two, and has failed none; another site's has more."""
    found = {}
    for pod, held in (("m-hold-5d9c-x7k2p", 2), ("m-hold-5d9c-z8m4q", 0), ("m-other-hold-5d9c-x7k2p", 9)):
        of = f'namespace="s",pod="{pod}",node="n3"'
        found[f"tfserving_requests_held{{{of}}}"] = _gauge(held)
        failed = f'tfserving_held_requests_failed_total{{{of},protocol="rest",reason="full"}}'
        found[failed] = _counter(held if "other" in pod else 0)
    return found


def _of_kubernetes() -> dict[str, str]:
    """As a HPA at 75 % CPU and 1.5 of 3 requests under way shows itself."""
    deployment, hpa = 'namespace="s",deployment="m"', 'namespace="s",horizontalpodautoscaler="m"'
    cpu = f'{hpa},metric_name="cpu",metric_target_type="utilization"'
    under_way = f'{hpa},metric_name="m-in-flight",metric_target_type="average"'
    values = {
        'kube_configmap_created{namespace="s",configmap="m-refused"}': 0,
        f"kube_deployment_spec_replicas{{{deployment}}}": 3,
        f"kube_deployment_status_replicas_available{{{deployment}}}": 2,
        f"kube_deployment_status_replicas_ready{{{deployment}}}": 2,
        f"kube_horizontalpodautoscaler_spec_max_replicas{{{hpa}}}": 4,
        f"kube_horizontalpodautoscaler_spec_min_replicas{{{hpa}}}": 1,
        f"kube_horizontalpodautoscaler_spec_target_metric{{{cpu}}}": 60,
        f"kube_horizontalpodautoscaler_spec_target_metric{{{under_way}}}": 3,
        f'kube_horizontalpodautoscaler_status_condition{{{hpa},condition="ScalingActive",status="true"}}': 1,
        f"kube_horizontalpodautoscaler_status_desired_replicas{{{hpa}}}": 3,
        f"kube_horizontalpodautoscaler_status_target_metric{{{cpu}}}": 75,
        f'kube_horizontalpodautoscaler_status_target_metric{{{hpa},metric_name="cpu",metric_target_type="average"}}': 225,
        f"kube_horizontalpodautoscaler_status_target_metric{{{under_way}}}": 1.5,
    }
    assert {name.partition("{")[0] for name in values} == set(KUBE_STATE)
    return {series: _gauge(value) for series, value in values.items()}


SHOWN: dict[str, dict[str, float]] = {
    "Requests a second": {"proxy=rest": 8, "proxy=grpc": 0},
    "Requests that fail": {"": 0.5 / 8},
    "Latency": {"quantile=0.5": 400 / 7, "quantile=0.95": 560, "quantile=0.99": 752},
    "Requests under way": {"under way": 9, "queued": 3, "held": 2},
    "Replicas": {"desired": 3, "ready": 2, "maximum": 4},
    "Metrics against their targets": {"metric_name=cpu": 1.25, "metric_name=m-in-flight": 0.5},
    "Nodes": {"": 2},
    "Share of each pod": {f"pod={pod}": rate / 8 for pod, rate in RATES.items()},
    "Versions: requests a second": {"track=running": 7, "track=canary": 1},
    "Versions: requests that fail": {"track=running": 0, "track=canary": 0.5},
    "Versions: p95": {"track=running": 95, "track=canary": 770},
    "Cost of an hour": {"": 0.5},
}
"""By panel: what its queries answer, by a label or, where they answer one number each, by legend."""
