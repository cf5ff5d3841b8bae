"""What of an HPA is kept, as the HPA controller and KEDA write it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.filter.hpas_of import hpas_of
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.autoscalers import scales
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.hpa import leading, metrics_of
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.hpa import words as amount
from ansible_collections.mlops.tfserving.plugins.module_utils.status.screen import Site, screen

QUEUE = {"name": "s0-prometheus", "selector": {"matchLabels": {"scaledobject.keda.sh/name": "m"}}}
INGRESS = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "front"}


def hpa(*metrics: tuple[dict[str, Any], dict[str, Any]], name: str = "m", of: str = "m") -> dict[str, Any]:
    """An HPA with metrics as in its spec, and their status."""
    return {
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": of},
            "maxReplicas": 4,
            "metrics": [spec for spec, _ in metrics],
        },
        "status": {"currentReplicas": 2, "desiredReplicas": 3, "currentMetrics": [now for _, now in metrics]},
    }


def metric(kind: str, target: dict[str, Any], current: dict[str, Any], **source: Any) -> tuple[Any, Any]:
    field = kind[0].lower() + kind[1:]
    return (
        {"type": kind, field: {**source, "target": target}},
        {"type": kind, field: {**source, "current": current}},
    )


CASES = [
    (
        metric("Resource", {"type": "Utilization", "averageUtilization": 60}, {"averageUtilization": 84, "averageValue": "252m"}, name="cpu"),
        ("cpu", "Resource", "", 84, 60, "%"),
    ),
    (
        metric("ContainerResource", {"type": "Utilization", "averageUtilization": 60}, {"averageUtilization": 3}, name="cpu", container="tfserving"),
        ("cpu", "ContainerResource", "tfserving", 3, 60, "%"),
    ),
    (
        metric("Resource", {"type": "AverageValue", "averageValue": "1500m"}, {"averageValue": "250m"}, name="cpu"),
        ("cpu", "Resource", "", 0.25, 1.5, "cores a replica"),
    ),
    (
        metric("Resource", {"type": "AverageValue", "averageValue": "1Gi"}, {"averageValue": "512Mi"}, name="memory"),
        ("memory", "Resource", "", 2**29, 2**30, "bytes a replica"),
    ),
    (
        metric("Pods", {"type": "AverageValue", "averageValue": "10"}, {"averageValue": "12500m"}, metric={"name": "requests_per_second"}),
        ("requests_per_second", "Pods", "", 12.5, 10, "a replica"),
    ),
    (
        metric("Object", {"type": "Value", "value": "2k"}, {"value": "1"}, metric={"name": "hits"}, describedObject=INGRESS),
        ("hits", "Object", "Ingress/front", 1, 2000, ""),
    ),
    (
        metric("External", {"type": "AverageValue", "averageValue": "5"}, {"averageValue": "-9223372036854775808m"}, metric=QUEUE),
        ("s0-prometheus", "External", "", None, 5, "a replica"),
    ),
    (
        metric("External", {"type": "AverageValue", "averageValue": "5"}, {"averageValue": "9223372036854775807m"}, metric=QUEUE),
        ("s0-prometheus", "External", "", None, 5, "a replica"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_each_type_of_metric_is_kept_with_value_target_and_unit(
    given: Any, expected: tuple[Any, ...]
) -> None:
    (found,) = metrics_of(hpa(given))
    assert tuple(found.values()) == expected


def test_values_find_their_metric_whatever_is_missing_between() -> None:
    """A metric that can't be read has a status without a type; one that was never read has none."""
    cpu, other, queue = CASES[1][0], CASES[4][0], CASES[5][0]
    made = hpa(cpu, other, queue)
    made["status"]["currentMetrics"] = [{"type": ""}, queue[1], cpu[1]]
    assert [found["current"] for found in metrics_of(made)] == [3, None, 1]
    made["status"] = {}
    assert [found["current"] for found in metrics_of(made)] == [None] * 3


def test_two_containers_or_selectors_are_two_metrics() -> None:
    proxy = metric("ContainerResource", {"type": "Utilization", "averageUtilization": 80}, {"averageUtilization": 90}, name="cpu", container="proxy")  # fmt: skip
    found = metrics_of(hpa(CASES[1][0], proxy))
    assert [(one["of"], one["current"]) for one in found] == [("tfserving", 3), ("proxy", 90)]


def test_the_leading_metric_is_the_one_furthest_above_its_target() -> None:
    found = leading(metrics_of(hpa(CASES[0][0], CASES[4][0], CASES[6][0])))
    assert found is not None
    assert (found["name"], amount(found["current"], found)) == ("cpu", "84 %")
    assert leading(metrics_of(hpa(CASES[6][0]))) is None


def test_an_hpa_is_the_deployments_that_it_scales_and_not_its_names() -> None:
    assert scales(hpa(name="keda-hpa-m"), "m")
    assert not scales(hpa(name="m", of="other"), "m")
    stateful = hpa()
    stateful["spec"]["scaleTargetRef"]["kind"] = "StatefulSet"
    assert not scales(stateful, "m")


def test_the_status_shows_every_metric_of_the_deployments_own_hpa() -> None:
    objects = {
        "HorizontalPodAutoscaler": [hpa(CASES[0][0], name="other", of="n"), hpa(CASES[0][0], CASES[6][0])],
        "Deployment": [], "Pod": [], "Node": [], "Service": [],
    }  # fmt: skip
    found = {
        "summary": {"health": "healthy", "reasons": []}, "objects": objects, "cost": "", "refused": "", "gateway": [], "endpoint": None,
    }  # fmt: skip
    run = {"name": "", "under_way": ""}

    def shown(samples: list[Any] | None) -> list[str]:
        lines = screen(Site("tfserving", "m", "model"), {**found, "samples": samples}, run, 0.0)
        begin = next(at for at, line in enumerate(lines) if line.startswith("autoscaler"))
        return lines[begin : lines.index("endpoint    none")]

    assert shown([]) == [
        "autoscaler  2 replicas, wants 3 (1 to 4), cpu 84 of 60 %, s0-prometheus ? of 5 a replica",
        "            does nothing, has 2: cpu: no metrics returned; s0-prometheus: it had no value at the HPA's last look",
    ]
    assert shown(None) == shown([])[:1]
    assert hpas_of([], "m") == []
