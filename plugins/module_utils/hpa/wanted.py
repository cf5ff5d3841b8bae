"""What the variables of the autoscaling role ask for, as parts of its objects. Pure.

https://kubernetes.io/docs/reference/kubernetes-api/autoscaling/horizontal-pod-autoscaler-v2/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .sources import (
    ASKED,
    Site,
    adapter_rules,
    amount,
    gke_metrics,
    hpa_metric,
    is_sourced,
    prometheus_config,
    trigger,
)

Json = dict[str, Any]

TOLERANCE = 0.1
"""The controller's own, of what is within which it does nothing; the API has a field for another since 1.35.
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#tolerance"""


def parts(variables: Mapping[str, Any]) -> Json:
    """The HPA's ``metrics`` and ``behavior``, and what brings metrics to it. ``variables``: the role's, by their names."""
    site, wanted = Site.of(variables), list(variables["autoscaling_metrics"])
    wanted += [ASKED] if site.zero else []
    found: Json = {
        "behavior": behavior(variables),
        "metrics": [hpa_metric(one, site) for one in wanted],
        "templates": [],
    }
    sourced = [one for one in wanted if is_sourced(one)]
    if not sourced and site.source != "keda":
        return found
    if site.source == "gke":
        return found | {"templates": ["gke"], "gke": gke_metrics(sourced, site)}
    if site.source in ("prometheus", "keda"):
        found["templates"] = ["prometheus"] if sourced and not variables["autoscaling_prometheus_url"] else []
        found |= {"prometheus": prometheus_config(sourced, site), "prometheus_url": site.prometheus}
    if site.source == "prometheus":
        found["templates"] += ["adapter"]
        found["adapter"] = {"externalRules": adapter_rules(sourced, site)}
    if site.source == "keda":
        found["templates"] += ["keda"]
        found["triggers"] = [trigger(one, site) for one in wanted]
    return found


def behavior(variables: Mapping[str, Any]) -> Json:
    """The HPA's ``behavior``: windows, policies, which of them counts, tolerances."""
    return {"scaleUp": _rules(variables, "up"), "scaleDown": _rules(variables, "down")}


def dropped(asked: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    """The variables whose fields a cluster dropped, of a behaviour that was asked for and the one that it kept.

    Kubernetes before 1.35 takes an HPA with a tolerance and forgets it, without a word.
    """
    return [
        f"autoscaling_tolerance_{way}"
        for way, rules in (("up", "scaleUp"), ("down", "scaleDown"))
        if "tolerance" in asked[rules] and "tolerance" not in kept.get(rules, {})
    ]


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
