"""What the variables of the autoscaling role ask for, as parts of a HorizontalPodAutoscaler. Pure.

https://kubernetes.io/docs/reference/kubernetes-api/autoscaling/horizontal-pod-autoscaler-v2/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

Json = dict[str, Any]

TOLERANCE = 0.1
"""The controller's own, of what is within which it does nothing; the API has a field for another since 1.35.
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#tolerance"""


def parts(variables: Mapping[str, Any]) -> Json:
    """``metrics`` and ``behavior`` of the HPA. ``variables``: the role's, by their names."""
    container = str(variables["autoscaling_container"])
    percent = variables["autoscaling_target_cpu_percent"]
    return {
        "metrics": [_metric(one, container, percent) for one in variables["autoscaling_metrics"]],
        "behavior": {
            "scaleUp": _rules(variables, "up"),
            "scaleDown": _rules(variables, "down"),
        },
    }


def dropped(behavior: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    """The variables whose fields a cluster dropped, of a behaviour that was asked for and the one that it kept.

    Kubernetes before 1.35 takes an HPA with a tolerance and forgets it, without a word.
    """
    return [
        f"autoscaling_tolerance_{way}"
        for way, rules in (("up", "scaleUp"), ("down", "scaleDown"))
        if "tolerance" in behavior[rules] and "tolerance" not in kept.get(rules, {})
    ]


def amount(value: Any) -> str:
    """A number as a quantity of Kubernetes: no exponent, and no zeros at its end behind the point."""
    return format(Decimal(str(value)).normalize(), "f")


def _metric(one: Mapping[str, Any], container: str, percent: Any) -> Json:
    if one["type"] == "kubernetes":
        return dict(one["metric"])
    target = {"type": "Utilization", "averageUtilization": int(float(one.get("target") or percent))}
    return {
        "type": "ContainerResource",
        "containerResource": {"container": container, "name": "cpu", "target": target},
    }


def _rules(variables: Mapping[str, Any], way: str) -> Json:
    """What is the API's or the controller's default is left to them, so that older clusters take it as well."""
    found: Json = {
        "stabilizationWindowSeconds": int(variables[f"autoscaling_scale_{way}_stabilization_seconds"]),
        "policies": list(_policies(variables[f"autoscaling_scale_{way}_policies"])),
    }
    if (select := variables[f"autoscaling_scale_{way}_select_policy"]) != "Max":
        found["selectPolicy"] = select
    if float(tolerance := variables[f"autoscaling_tolerance_{way}"]) != TOLERANCE:
        found["tolerance"] = amount(tolerance)
    return found


def _policies(policies: Iterable[Mapping[str, Any]]) -> Iterable[Json]:
    """Kubernetes takes no text for a number."""
    for one in policies:
        yield {
            "type": one["type"], "value": int(one["value"]), "periodSeconds": int(one["periodSeconds"])
        }  # fmt: skip
