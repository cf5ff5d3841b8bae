"""What can be wrong with the autoscaler's variables.

https://kubernetes.io/docs/reference/kubernetes-api/autoscaling/horizontal-pod-autoscaler-v2/
"""

from __future__ import annotations

from collections.abc import Mapping

from .reading import Variables, whole

HPA_TOLERANCE_PERCENT = 10
"""https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details"""

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
    _check_target(variables)
    for way in ("up", "down"):
        variables.integer(f"autoscaling_scale_{way}_stabilization_seconds", 0, _WINDOW_MAX, unit="seconds")
        _check_policies(variables, f"autoscaling_scale_{way}_policies")


def _check_target(variables: Variables) -> None:
    """Containers may use no more CPU than they request, so 100 % is all that the HPA can see."""
    target = variables.integer(_TARGET, 1, unit="percent")
    if target is not None and target * (100 + HPA_TOLERANCE_PERCENT) >= 100 * 100:
        variables.refuse(
            _TARGET,
            f"the HPA acts on {HPA_TOLERANCE_PERCENT} % more than its aim at least, and pods get no more than 100 % of "
            "what they request: it would never scale out",
            "Set it to 50 to 70, so that pods bear the load until others have come; 90 is the most that can work",
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
