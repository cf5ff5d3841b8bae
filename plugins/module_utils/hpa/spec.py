"""A HorizontalPodAutoscaler of autoscaling/v2, as the API gives it, with the API's own defaults. Pure.

Defaults: ``pkg/apis/autoscaling/v2/defaults.go`` of Kubernetes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..k8s.quantities import quantity
from .seen import Behavior, Metric, Policy, Rules, Spec

_UP = Rules((Policy("Pods", 4, 15), Policy("Percent", 100, 15)), window=0)
_DOWN = (Policy("Percent", 100, 15),)
_CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}


def read_spec(spec: Mapping[str, Any], downscale_window: float = 300.0) -> Spec:
    """The spec of an HPA; ``downscale_window``: the controller's, for an HPA that names none."""
    behavior = spec.get("behavior")
    minimum = spec.get("minReplicas")
    return Spec(
        min=1 if minimum is None else minimum,
        max=spec["maxReplicas"],
        metrics=tuple(_metric(metric) for metric in spec.get("metrics") or [_CPU]),
        behavior=None if behavior is None else Behavior(
            up=_rules(behavior.get("scaleUp") or {}, _UP),
            down=_rules(behavior.get("scaleDown") or {}, Rules(_DOWN, int(downscale_window))),
        ),
    )  # fmt: skip


def milli(amount: str | float) -> int:
    """A quantity in thousandths, rounded up as Kubernetes does."""
    return math.ceil(quantity(amount) * 1000)


def _metric(metric: Mapping[str, Any]) -> Metric:
    kind = metric["type"]
    source = metric[kind[0].lower() + kind[1:]]
    target = source["target"]
    field, target_type = next(
        (field, name) for field, name in (
            ("averageValue", "AverageValue"), ("averageUtilization", "Utilization"), ("value", "Value")
        ) if target.get(field) is not None
    )  # fmt: skip
    return Metric(
        type=kind,
        name=source.get("name") or source["metric"]["name"],
        target_type=target_type,  # type: ignore[arg-type]
        target=target[field] if target_type == "Utilization" else milli(target[field]),
        container=source.get("container", ""),
    )


def _rules(given: Mapping[str, Any], default: Rules) -> Rules:
    policies, window, tolerance = (
        given.get(key) for key in ("policies", "stabilizationWindowSeconds", "tolerance")
    )
    return Rules(
        policies=default.policies if policies is None else tuple(
            Policy(one["type"], one["value"], one["periodSeconds"]) for one in policies
        ),
        window=default.window if window is None else window,
        select=given.get("selectPolicy") or "Max",
        tolerance=None if tolerance is None else float(quantity(tolerance)),
    )  # fmt: skip
