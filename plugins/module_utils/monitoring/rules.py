"""Recording rules and alerts for a site, as Prometheus takes them, from its objectives. Pure.

Burn rates: https://sre.google/workbook/alerting-on-slos (multiwindow, multi-burn-rate alerts). What is counted: HAProxy's own
exporter at the pods' proxies, TF Serving's histogram, kube-state-metrics, and what a blackbox exporter sees of an
endpoint's certificate. Durations are Prometheus'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from ..hpa.sources import GAUGES
from ..k8s.pod_names import pods_of
from ..model_server.runtime import TF_SERVING

Json = dict[str, Any]

HAPROXY = (
    "haproxy_backend_http_requests_total",
    "haproxy_frontend_http_requests_total",
    "haproxy_frontend_http_responses_total",
    GAUGES["in_flight"],
    GAUGES["queue"],
)
"""Metrics of the pods' proxies that are looked at."""
REFUSED, REQUESTS, RESPONSES, IN_FLIGHT, QUEUED = HAPROXY
HELD = "tfserving_requests_held"
HOLD_FAILED = "tfserving_held_requests_failed_total"
"""Of those that hold requests while there is no replica: how many wait, and those that they failed by themselves. What they hand on
counts where it is answered. roles/serving/templates/hold.lua.j2"""
HOLDERS = (HELD, HOLD_FAILED)
LATENCY = f"{TF_SERVING.latency_histogram}_bucket"
"""TF Serving's, in microseconds."""

_DEPLOYMENT, _HPA = ("namespace", "deployment"), ("namespace", "horizontalpodautoscaler")
_OF_A_METRIC = (*_HPA, "metric_name", "metric_target_type")
KUBE_STATE = {
    "kube_configmap_created": ("namespace", "configmap"),
    "kube_deployment_spec_replicas": _DEPLOYMENT,
    "kube_deployment_status_replicas_available": _DEPLOYMENT,
    "kube_deployment_status_replicas_ready": _DEPLOYMENT,
    "kube_horizontalpodautoscaler_spec_max_replicas": _HPA,
    "kube_horizontalpodautoscaler_spec_min_replicas": _HPA,
    "kube_horizontalpodautoscaler_spec_target_metric": _OF_A_METRIC,
    "kube_horizontalpodautoscaler_status_condition": (*_HPA, "condition", "status"),
    "kube_horizontalpodautoscaler_status_desired_replicas": _HPA,
    "kube_horizontalpodautoscaler_status_target_metric": _OF_A_METRIC,
}
"""Metrics of kube-state-metrics that are looked at, and the labels by which.
https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics/workload"""
_NOTED, _WANTED, _AVAILABLE, READY, MAXIMUM, _MINIMUM, TARGET, _CONDITION, DESIRED, MEASURED = KUBE_STATE
CERTIFICATE = "probe_ssl_earliest_cert_expiry"
"""Of a blackbox exporter; ``instance`` is what is asked, if its targets are relabelled as its README has it.
https://github.com/prometheus/blackbox_exporter#prometheus-configuration"""
CERTIFICATE_DAYS = 14
"""So long before its end a certificate calls somebody. Google renews its own a month before, cert-manager at two thirds."""
REFUSED_SECONDS = 3600
"""So long a refused version calls somebody."""

BURNS = (("page", 14.4, "1h", "5m"), ("ticket", 6.0, "6h", "30m"))
"""Severity, how many times too fast the budget of errors is spent, and the long and the short window."""

AVAILABILITY_LEAST = 1 - 1 / max(factor for _severity, factor, *_windows in BURNS)
"""Less can't be watched: its budget is not spent so many times too fast even if every request fails."""

LEAST = 5
"""Fewer requests that failed, or were slow, in an alert's long window call nobody. Where little is asked one request is a share
that no budget allows; https://sre.google/workbook/alerting-on-slos/#low-traffic-services-and-error-budget-alerting
It is not a least number of requests, below which a site could fail altogether and nobody would know."""

WINDOW = "2m"
"""Over which rates are taken that people look at: eight looks at the pods, with the role's own 15 s."""
QUANTILES = (0.5, 0.95, 0.99)
"""Of the latency bands."""


@dataclass(frozen=True)
class Objectives:
    """What is promised of a site. ``availability``: share of requests that are answered without an error of the server.

    ``latency_ms``: what the share ``quantile`` of requests does not exceed in the model server. ``start_seconds``: how long a
    replica may take to come. ``labels``: of every alert, beside ``severity``. ``hosts``: whose certificates clients see.
    """

    app: str
    namespace: str
    availability: float = 0.999
    latency_ms: float = 500.0
    quantile: float = 0.95
    start_seconds: int = 300
    labels: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ``ValueError`` for what no site can promise."""
        for name, value in (("availability", self.availability), ("quantile", self.quantile)):
            if not 0 < value < 1:
                raise ValueError(f"{name} is {value}, and has to be between 0 and 1.")
        if self.availability <= AVAILABILITY_LEAST:
            raise ValueError(
                f"availability is {self.availability}: no alert would fire even if every request failed. It has to be more "
                f"than {AVAILABILITY_LEAST:.3f}."
            )
        if self.latency_ms <= 0 or self.start_seconds <= 0:
            raise ValueError("latency_ms and start_seconds have to be more than 0.")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From values as people write them, by the names of the fields. Raises ``ValueError`` and ``TypeError``."""
        known = {one.name for one in fields(cls)}
        unknown, missing = sorted({*given} - known), sorted({"app", "namespace"} - {*given})
        if unknown or missing:
            raise ValueError(
                f"{', '.join(unknown or missing)} {'is not known' if unknown else 'is missing'}. "
                f"There are: {', '.join(sorted(known))}."
            )
        return cls(
            str(given["app"]),
            str(given["namespace"]),
            float(given.get("availability", cls.availability)),
            float(given.get("latency_ms", cls.latency_ms)),
            float(given.get("quantile", cls.quantile)),
            int(given.get("start_seconds", cls.start_seconds)),
            dict(given.get("labels") or {}),
            tuple(str(host) for host in given.get("hosts") or ()),
        )

    @property
    def canaries(self) -> str:
        """The names of a canary's pods, as a regular expression within PromQL."""
        return pods_of(f"{self.app}-canary")

    @property
    def pods(self) -> str:
        """Selects series of its pods, canaries included."""
        return f'namespace="{self.namespace}",pod=~"{pods_of(self.app)}|{self.canaries}"'

    @property
    def holders(self) -> str:
        """Selects series of the pods that hold requests while there is no replica; most sites have none."""
        return f'namespace="{self.namespace}",pod=~"{pods_of(f"{self.app}-hold")}"'

    @property
    def labels_of_records(self) -> str:
        """Selects what the recording rules of this site record."""
        return ",".join(f'{name}="{value}"' for name, value in _site(self).items())

    @property
    def deployment(self) -> str:
        return f'namespace="{self.namespace}",deployment="{self.app}"'

    @property
    def holder(self) -> str:
        """Those that hold requests while there is no replica; most sites have none."""
        return f'namespace="{self.namespace}",deployment="{self.app}-hold"'

    @property
    def hpa(self) -> str:
        return f'namespace="{self.namespace}",horizontalpodautoscaler="{self.app}"'


def rules(site: Objectives) -> Json:
    """The content of a file of rules."""
    return {
        "groups": [
            {
                "name": f"{site.app}-requests",
                "rules": [*_shared(site), *_recorded(site), *_burning(site), _slow(site), _full(site)],
            },
            {"name": f"{site.app}-replicas", "rules": [_down(site), _late(site), _at_maximum(site), _blind(site)]},
            {"name": f"{site.app}-news", "rules": [_refused(site), *([_expires(site)] if site.hosts else [])]},
        ]
    }  # fmt: skip


def _escaped(name: str) -> str:
    return name.replace(".", "\\\\.")


RATE, LATENCY_MS = f"tfserving:requests:rate{WINDOW}", f"tfserving:request_latency_ms:rate{WINDOW}"


def _shared(site: Objectives) -> list[Json]:
    """What dashboards show and others may ask for: requests a second by protocol, and quantiles of latency."""
    rate = f'sum by (proxy) (rate({REQUESTS}{{{site.pods},proxy=~"rest|grpc"}}[{WINDOW}]))'
    quantiles = [
        {
            "record": LATENCY_MS,
            "expr": f"histogram_quantile({quantile:g}, sum by (le) (rate({LATENCY}{{{site.pods}}}[{WINDOW}]))) / 1000",
            "labels": {"quantile": f"{quantile:g}", **_site(site)},
        }
        for quantile in QUANTILES
    ]
    return [{"record": RATE, "expr": rate, "labels": _site(site)}, *quantiles]


def _recorded(site: Objectives) -> list[Json]:
    windows = sorted({window for _severity, _factor, *pair in BURNS for window in pair})
    return [
        {"record": ratio(window), "expr": _errors(site, window), "labels": _site(site)} for window in windows
    ]


def ratio(window: str) -> str:
    """The name of what is recorded of it."""
    return f"tfserving:request_errors:ratio_rate{window}"


def _errors(site: Objectives, window: str) -> str:
    """The share of requests that the server failed: REST's 5xx, a full queue's 503 included, gRPC's of a full queue, and those
    that waited for a replica in vain. These reached none, so they are added to the requests.

    A gRPC error of the model server has status 200, and is not in it.
    """
    requests = f'sum(rate({REQUESTS}{{{site.pods},proxy=~"rest|grpc"}}[{window}]))'
    return f"({_failed(site, 'rate', window)}) / (({requests} or vector(0)) + {_unheld(site, 'rate', window)} > 0)"


def _failed(site: Objectives, by: str, window: str) -> str:
    """``by``: ``rate`` or ``increase``."""
    return (
        f'(sum({by}({RESPONSES}{{{site.pods},proxy=~"rest|grpc",code="5xx"}}[{window}])) or vector(0))'
        f' + (sum({by}({REFUSED}{{{site.pods},proxy="grpc_full"}}[{window}])) or vector(0))'
        f" + {_unheld(site, by, window)}"
    )


def _unheld(site: Objectives, by: str, window: str) -> str:
    """Requests that came while there was no replica, and got no answer of one."""
    return f"(sum({by}({HOLD_FAILED}{{{site.holders}}}[{window}])) or vector(0))"


def _burning(site: Objectives) -> list[Json]:
    return [
        _alert(
            site, "TFServingErrorBudgetBurns",
            " and ".join(
                f"{ratio(window)}{{{site.labels_of_records}}} > {factor * (1 - site.availability):.6g}" for window in (long, short)
            )
            + f" and on () ({_failed(site, 'increase', long)}) >= {LEAST}",
            "2m", severity,
            f"Requests fail {factor:g} times as often as {site.availability:.4%} availability allows, for {long} and now.",
            "playbooks/status.yml says what is wrong with the pods; a new version goes back by playbooks/rollback.yml.",
        )
        for severity, factor, long, short in BURNS
    ]  # fmt: skip


def _slow(site: Objectives) -> Json:
    """What more than LEAST requests exceed is their quantile ``1 - LEAST / requests``."""
    limit, long, short = f"{site.latency_ms * 1000:.6g}", "30m", "5m"
    all_of_them = f'sum(increase({LATENCY}{{{site.pods},le="+Inf"}}[{long}]))'
    enough = f"scalar(clamp_max(1 - {LEAST} / {all_of_them}, {site.quantile:g}))"
    each = " and ".join(
        f"histogram_quantile({quantile}, sum by (le) (rate({LATENCY}{{{site.pods}}}[{window}]))) > {limit}"
        for quantile, window in ((enough, long), (f"{site.quantile:g}", short))
    )
    return _alert(
        site, "TFServingSlow", each, "2m", "ticket",
        f"One request in {1 / (1 - site.quantile):.0f} takes the model server longer than {site.latency_ms:g} ms.",
        "docs/tuning.md: fewer requests at once a replica, more CPU, or a lower target of the HPA.",
    )  # fmt: skip


def _full(site: Objectives) -> Json:
    return _alert(
        site, "TFServingQueueFull",
        f'sum(rate({REFUSED}{{{site.pods},proxy=~"(rest|grpc)_full"}}[5m])) > 0', "5m", "ticket",
        "Queues of replicas are full, and requests are refused.",
        "More replicas (autoscaling_min_replicas, autoscaling_buffer_replicas), or a lower target of the HPA.",
    )  # fmt: skip


def _down(site: Objectives) -> Json:
    """Where an HPA may have none (``autoscaling_min_replicas: 0``), the first one has its time to come, and others hold requests.

    A Deployment that is gone has no series that could be 0: its HPA, which stays, says that it is to be there.
    """
    return _alert(
        site, "TFServingDown",
        f"max({_AVAILABLE}{{{site.deployment}}}) == 0"
        f" and min(min_over_time({_WANTED}{{{site.deployment}}}[{site.start_seconds}s])) > 0"
        f" or max({_WANTED}{{{site.deployment}}}) == 0 and max({_AVAILABLE}{{{site.holder}}}) == 0"
        f" or max({MAXIMUM}{{{site.hpa}}}) > 0 unless max({_WANTED}{{{site.deployment}}})", "1m", "page",
        "No replica is available, or none is wanted and no pod holds requests, or there is no Deployment: nobody is answered.",
        "playbooks/status.yml says why.",
    )  # fmt: skip


def _late(site: Objectives) -> Json:
    return _alert(
        site, "TFServingReplicasMissing",
        f"max({_WANTED}{{{site.deployment}}}) > max({_AVAILABLE}{{{site.deployment}}})",
        f"{site.start_seconds}s", "ticket",
        f"Replicas are missing for longer than the {site.start_seconds} s that one takes to come.",
        "kubectl describe the pods that are not ready: room on nodes, image, model.",
    )  # fmt: skip


def _at_maximum(site: Objectives) -> Json:
    """Where it may not have fewer, it always has as many."""
    return _alert(
        site, "TFServingAtMaximum",
        f"max({DESIRED}{{{site.hpa}}}) >= max({MAXIMUM}{{{site.hpa}}})"
        f" unless max({_MINIMUM}{{{site.hpa}}}) >= max({MAXIMUM}{{{site.hpa}}})", "15m", "ticket",
        "The HPA has as many replicas as it may have, for a quarter of an hour.",
        "Raise autoscaling_max_replicas, if there are nodes for them; playbooks/preflight.yml counts.",
    )  # fmt: skip


def _blind(site: Objectives) -> Json:
    """An HPA of none looks at nothing."""
    return _alert(
        site, "TFServingAutoscalerBlind",
        f'max({_CONDITION}{{{site.hpa},condition="ScalingActive",status="false"}}) == 1'
        f" and max({_WANTED}{{{site.deployment}}}) > 0", "5m", "page",
        "The HPA does not know its metrics, and so does not scale.",
        "playbooks/status.yml names the metric; look at metrics-server, or at what brings it.",
    )  # fmt: skip


def _refused(site: Objectives) -> Json:
    """By the note that a gate leaves: roles/serving/templates/refused.yml.j2."""
    return _alert(
        site, "TFServingModelRefused",
        f'time() - max({_NOTED}{{namespace="{site.namespace}",configmap="{site.app}-refused"}}) < {REFUSED_SECONDS}',
        "0s", "ticket", "The gate refused a version within the last hour; what ran before runs on.",
        f"kubectl -n {site.namespace} describe configmap {site.app}-refused says which one, and why.",
    )  # fmt: skip


def _expires(site: Objectives) -> Json:
    hosts = "|".join(_escaped(host).replace("*", "[^.]+") for host in site.hosts)
    return _alert(
        site, "TFServingCertificateExpires",
        f'min({CERTIFICATE}{{instance=~"([a-z]+://)?({hosts})([:/].*)?"}}) - time()'
        f" < {CERTIFICATE_DAYS * 86400}",
        "15m", "ticket", f"A certificate of {', '.join(site.hosts)} ends within {CERTIFICATE_DAYS} days.",
        "Whatever renews it has not: cert-manager, Certificate Manager, or whoever made the Secret of the Gateway's listener.",
    )  # fmt: skip


def _alert(
    site: Objectives, name: str, expression: str, held: str, severity: str, summary: str, advice: str
) -> Json:
    return {
        "alert": name,
        "expr": expression,
        "for": held,
        "labels": {"severity": severity, **_site(site), **site.labels},
        "annotations": {"summary": summary, "description": advice},
    }


def _site(site: Objectives) -> dict[str, str]:
    return {"namespace": site.namespace, "app": site.app}
