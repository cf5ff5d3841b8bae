"""What can be wrong with the autoscaler's variables.

https://kubernetes.io/docs/reference/kubernetes-api/autoscaling/horizontal-pod-autoscaler-v2/
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from ..hpa.sources import ASKED, is_sourced, name_of
from ..hpa.wanted import TOLERANCE
from .images import check_images
from .names import is_label
from .reading import Variables, whole

_METRICS = "autoscaling_metrics"
_MINIMUM = "autoscaling_min_replicas"
_TARGET = "autoscaling_target_cpu_percent"
_WINDOW_MAX = 3600
_SERIES = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "gauge": (("name", "gauge"), ("port", "path")),
    "promql": (("name", "query"), ("per_replica",)),
    "kubernetes": (("metric",), ()),
}
"""What metrics of a type have to say, and what they may, besides their target."""
_EXAMPLES = {
    "gauge": "{type: gauge, name: waiting, gauge: batch_queue_size, target: 4}",
    "promql": "{type: promql, name: waiting, query: sum(batch_queue_size), target: 4}",
    "kubernetes": "{type: kubernetes, metric: {type: Pods, pods: {…}}}",
}
_PERIOD_MAX = 1800


def check_autoscaling(variables: Variables) -> None:
    minimum, maximum = (
        whole(variables.given.get(f"autoscaling_{end}_replicas")) or 0 for end in ("min", "max")
    )
    if not 0 <= minimum <= maximum or maximum == 0:
        variables.refuse(
            _MINIMUM,
            f"with autoscaling_max_replicas ({maximum}) it is no range",
            "Let the minimum be at least 0 and at most the maximum",
            rule="replicas-range",
        )
    variables.integer("autoscaling_buffer_replicas", 0, unit="replicas")
    variables.integer("autoscaling_idle_seconds", 15, 3600, unit="seconds")
    check_images(variables, "autoscaling")
    tolerances = _tolerances(variables)
    _check_metrics(variables, tolerances["up"])
    for way in ("up", "down"):
        variables.integer(f"autoscaling_scale_{way}_stabilization_seconds", 0, _WINDOW_MAX, unit="seconds")
        _check_policies(variables, f"autoscaling_scale_{way}_policies")


def _tolerances(variables: Variables) -> dict[str, float]:
    """By way. What is out of range counts as the controller's own."""
    found = {}
    for way in ("up", "down"):
        given = variables.number(name := f"autoscaling_tolerance_{way}")
        found[way] = TOLERANCE if given is None else given
        if way == "down" and found[way] >= 1:
            variables.refuse(
                name,
                "a metric can't be further below its target than at nothing, so the HPA would never scale in",
                "Write a share of the target, such as 0.05; autoscaling_scale_down_select_policy: Disabled is the way to "
                "keep replicas",
            )
    return found


def _check_metrics(variables: Variables, tolerance: float) -> None:
    usual = variables.integer(_TARGET, 1, unit="percent")
    if usual is not None:
        _check_cpu(variables, _TARGET, usual, tolerance)
    metrics = [one for one in variables.listing(_METRICS) if isinstance(one, Mapping)]
    for metric in metrics:
        _check_metric(variables, metric, tolerance)
    _check_source(variables, metrics)
    source = variables.text("autoscaling_metrics_source")
    if _to_zero(variables):
        _check_zero(variables, metrics, source)
    if not any(metric.get("type") == "cpu" for metric in metrics) and not (
        _to_zero(variables) and source == "prometheus"
    ):
        variables.refuse(
            _METRICS,
            "where the source of the others fails, nothing is left to scale by",
            "Add {type: cpu}: of several metrics the HPA goes by the one that asks for most replicas",
            rule="metrics-without-cpu",
        )


def _to_zero(variables: Variables) -> bool:
    return whole(variables.given.get(_MINIMUM)) == 0


def _check_zero(variables: Variables, metrics: Collection[Mapping[str, Any]], source: str) -> None:
    """Where the last replica may go: what an HPA can't look at then, or never finds at nothing."""
    refuse = partial(variables.refuse, rule="down-to-zero")
    if source not in ("prometheus", "keda"):
        refuse(
            _MINIMUM,
            f"what autoscaling_metrics_source {source} brings are metrics of pods, and without pods there are none",
            "Set autoscaling_metrics_source: prometheus (Kubernetes 1.37) or keda, or a minimum of 1",
        )
    if source == "prometheus":
        for metric in metrics:
            of_pods = (metric.get("metric") or {}).get("type") not in ("External", "Object")
            if metric.get("type") == "cpu" or (metric.get("type") == "kubernetes" and of_pods):
                refuse(
                    _METRICS,
                    "of an idle replica it is more than nothing, so the HPA would keep it, and without pods it has no value",
                    "Leave it out; in_flight or requests scale as well, and where their source fails the HPA takes no replica",
                    value=_shown(metric),
                )
        if not any(metric.get("type") not in ("cpu", "kubernetes") for metric in metrics):
            refuse(
                _METRICS,
                "nothing would ever ask for a second replica",
                "Add {type: in_flight, target: 3}, for one",
            )
    if any(metric.get("name") == ASKED["type"] for metric in metrics):
        refuse(_METRICS, "the role has a metric named asked of its own", "Give it another name")


def _check_metric(variables: Variables, metric: Mapping[str, Any], tolerance: float) -> None:
    kind, target = metric.get("type"), metric.get("target")
    given = {
        key
        for key in ("name", "gauge", "port", "path", "query", "per_replica", "metric")
        if metric.get(key) is not None
    }
    needed, may = _FIELDS.get(str(kind), ((), ()))
    if missing := [key for key in needed if key not in given]:
        _refuse_metric(
            variables,
            metric,
            f"type {kind} needs {' and '.join(missing)}",
            f"Write, for one, {_EXAMPLES[str(kind)]}",
        )
    if odd := sorted(given - {*needed, *may}):
        _refuse_metric(
            variables, metric, f"type {kind} has no {' and no '.join(odd)}", "Leave out what it has not"
        )
    if "gauge" in given and not _SERIES.fullmatch(str(metric["gauge"])):
        _refuse_metric(variables, metric, "its gauge is no name of Prometheus'", "Write it without labels")
    if "name" in given and not is_label(str(metric["name"])):
        _refuse_metric(variables, metric, "its name is none", "Use small letters, digits and dashes")
    if kind == "cpu":
        if target is not None:
            _check_cpu(variables, _METRICS, target, tolerance)
    elif kind != "kubernetes" and not (target or 0) > 0:
        _refuse_metric(
            variables, metric, "it has no target above 0", "Say how much of it one replica may have"
        )


def _refuse_metric(
    variables: Variables, metric: Mapping[str, Any], reason: str, hint: str, rule: str = "variables"
) -> None:
    variables.refuse(_METRICS, reason, hint, value=_shown(metric), rule=rule)


def _check_source(variables: Variables, metrics: Collection[Mapping[str, Any]]) -> None:
    source = variables.text("autoscaling_metrics_source")
    window = variables.integer("autoscaling_average_seconds", 0, 600, unit="seconds")
    url = variables.text("autoscaling_prometheus_url")
    if url and not re.fullmatch(r"https?://\S+", url):
        variables.refuse("autoscaling_prometheus_url", "it is no address", "Write http://HOST:PORT")
    sourced = [metric for metric in metrics if is_sourced(metric)]
    names = [name_of(metric) for metric in sourced]
    for metric in sourced:
        if source == "none":
            _refuse_metric(
                variables,
                metric,
                "nothing brings it to the HPA",
                "Set autoscaling_metrics_source: gke, prometheus, or keda",
                rule="metrics-source",
            )
        elif metric["type"] == "gpu" and source != "gke" and not url:
            _refuse_metric(
                variables,
                metric,
                "a Prometheus that the role makes reads the model server's pods, and not those that know GPUs",
                "Set autoscaling_prometheus_url to one that reads dcgm-exporter",
                rule="metrics-source",
            )
        if names.count(name_of(metric)) > 1:
            _refuse_metric(variables, metric, "there are two of that name", "Give each a name of its own")
    if source == "keda" and any(metric.get("type") == "kubernetes" for metric in metrics):
        variables.refuse(
            _METRICS,
            "KEDA makes the HPA, and has no place for a metric of type kubernetes",
            "Ask for it by {type: promql, …}",
            rule="metrics-source",
        )
    if source == "gke" and window == 0 and sourced:
        variables.refuse(
            "autoscaling_average_seconds",
            "GKE reads gauges, and the proxy's are averages",
            "Write 15",
            rule="metrics-source",
        )


def _shown(metric: Mapping[str, Any]) -> dict[str, Any]:
    """As it was written: without what was not."""
    return {key: value for key, value in metric.items() if value is not None}


def _check_cpu(variables: Variables, name: str, target: float, tolerance: float) -> None:
    """Containers may use no more CPU than they request, so 100 % is all that the HPA can see."""
    if target != int(target) or target < 1:
        variables.refuse(
            name, "a share of CPU is a whole number of percents, and 1 at least", "Write 60", value=target
        )
    elif target * (1 + tolerance) >= 100 - 1e-9:
        most = max(1, math.ceil(100 / (1 + tolerance) - 1e-9) - 1)
        variables.refuse(
            name,
            f"the HPA acts on {100 * tolerance:g} % more than its aim at least, and pods get no more than 100 % of "
            "what they request: it would never scale out",
            f"Set it to 50 to 70, so that pods bear the load until others have come; {most} is the most that can work",
            value=target,
            rule="target-out-of-reach",
        )


def _check_policies(variables: Variables, name: str) -> None:
    for policy in variables.listing(name):
        numbers = policy if isinstance(policy, Mapping) else {}
        value, period = whole(numbers.get("value")) or 0, whole(numbers.get("periodSeconds")) or 0
        if value < 1 or not 1 <= period <= _PERIOD_MAX:
            variables.refuse(
                name,
                "Kubernetes takes no such policy",
                f"Write a value of 1 at least, and a periodSeconds of 1 to {_PERIOD_MAX}",
                value=policy,
            )


def check_against_serving(variables: Variables) -> None:
    """What the HPA measures, held against the serving role's pods and the metrics; for preflight, which has both."""
    containers = ["tfserving", *(["proxy"] if variables.flag("serving_proxy_enabled") else [])]
    if variables.text("autoscaling_container") not in containers:
        variables.refuse(
            "autoscaling_container",
            f"the pods have {' and '.join(containers)}: the HPA would find nothing to measure, and never scale",
            "Set autoscaling_container: tfserving",
            rule="hpa-request",
        )
    if _to_zero(variables) != variables.flag("serving_hold"):
        variables.refuse(
            "serving_hold",
            f"autoscaling_min_replicas is {variables.given.get(_MINIMUM)}: requests are held where there may be no replica, and only there",
            "Leave serving_hold out: it follows autoscaling_min_replicas",
            rule="down-to-zero",
        )
    metrics = [one for one in variables.listing(_METRICS) if isinstance(one, Mapping)]
    of_proxy = [one["type"] for one in metrics if one.get("type") in ("in_flight", "queue", "requests")]
    if of_proxy and not variables.flag("serving_proxy_enabled"):
        variables.refuse(
            _METRICS,
            f"{' and '.join(of_proxy)} can be told by the proxy alone, and serving_proxy_enabled is false",
            "Set serving_proxy_enabled: true",
            rule="metrics-source",
        )
    name = "autoscaling_scale_down_stabilization_seconds"
    seconds = whole(variables.given.get(name))
    window = whole(variables.given.get("preflight_metrics_window_seconds")) or 0
    if seconds is not None and seconds < window:
        variables.refuse(
            name,
            f"that is shorter than the {window} s after which a change of load shows in the metrics: replicas would go "
            "on a number that is no longer true, and flap",
            f"Set it to {window} at least; Kubernetes' own default is 300",
            rule="stabilization-window",
        )
