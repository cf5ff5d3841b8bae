"""What can be wrong with the autoscaler's variables.

https://kubernetes.io/docs/reference/kubernetes-api/autoscaling/horizontal-pod-autoscaler-v2/
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..hpa.wanted import TOLERANCE
from .reading import Variables, whole

_METRICS = "autoscaling_metrics"
_TARGET = "autoscaling_target_cpu_percent"
_WINDOW_MAX = 3600
_PERIOD_MAX = 1800


def check_autoscaling(variables: Variables) -> None:
    minimum, maximum = (
        whole(variables.given.get(f"autoscaling_{end}_replicas")) or 0 for end in ("min", "max")
    )
    if not 1 <= minimum <= maximum:
        variables.refuse(
            "autoscaling_min_replicas",
            f"with autoscaling_max_replicas ({maximum}) it is no range",
            "Let the minimum be at least 1 and at most the maximum",
            rule="replicas-range",
        )
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
    if not any(metric.get("type") == "cpu" for metric in metrics):
        variables.refuse(
            _METRICS,
            "where the source of the others fails, nothing is left to scale by",
            "Add {type: cpu}: of several metrics the HPA goes by the one that asks for most replicas",
            rule="metrics-without-cpu",
        )


def _check_metric(variables: Variables, metric: Mapping[str, Any], tolerance: float) -> None:
    kind, target, given = metric.get("type"), metric.get("target"), metric.get("metric")
    if (kind == "kubernetes") != bool(given):
        variables.refuse(
            _METRICS,
            "type kubernetes, and no other, has a metric as autoscaling/v2 describes it",
            "Write {type: kubernetes, metric: {type: Pods, pods: {…}}}",
            value=_shown(metric),
        )
    if kind == "cpu" and target is not None:
        _check_cpu(variables, _METRICS, target, tolerance)


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
