"""What the autoscaling role applies."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.spec import read_spec
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.wanted import amount, dropped
from role_work import made

SITE = {"autoscaling_namespace": "tfserving", "autoscaling_name": "image-classifier"}
CPU = {
    "type": "ContainerResource",
    "containerResource": {
        "container": "tfserving", "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60},
    },
}  # fmt: skip


def hpa(**variables: Any) -> dict[str, Any]:
    (found,) = made("autoscaling", **SITE, **variables)["hpa.yml.j2"]
    return dict(found)


def test_who_sets_nothing_gets_the_hpa_of_before() -> None:
    """Word for word what releases before applied, so that nobody's cluster differs."""
    label = {"app": "image-classifier", "app.kubernetes.io/managed-by": "mlops.tfserving"}
    all_at_once = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert hpa() == {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "image-classifier", "namespace": "tfserving", "labels": label},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "image-classifier"},
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [CPU],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "policies": [all_at_once, {"type": "Pods", "value": 4, "periodSeconds": 15}],
                },
                "scaleDown": {"stabilizationWindowSeconds": 300, "policies": [all_at_once]},
            },
        },
    }


def test_tolerances_and_select_policies_reach_the_hpa() -> None:
    rules = hpa(
        autoscaling_tolerance_up="0", autoscaling_tolerance_down=0.05,
        autoscaling_scale_up_select_policy="Min", autoscaling_scale_down_select_policy="Disabled",
    )["spec"]["behavior"]  # fmt: skip
    assert (rules["scaleUp"]["tolerance"], rules["scaleUp"]["selectPolicy"]) == ("0", "Min")
    assert (rules["scaleDown"]["tolerance"], rules["scaleDown"]["selectPolicy"]) == ("0.05", "Disabled")


def test_a_metric_of_the_cluster_s_own_stands_beside_the_cpu() -> None:
    target = {"type": "AverageValue", "averageValue": "3"}
    own = {"type": "Pods", "pods": {"metric": {"name": "in-flight"}, "target": target}}
    wanted = [{"type": "kubernetes", "metric": own}, {"type": "cpu", "target": "75"}]
    spec = hpa(autoscaling_metrics=wanted)["spec"]
    assert spec["metrics"][0] == own
    assert [(one.name, one.target) for one in read_spec(spec).metrics] == [("in-flight", 3000), ("cpu", 75)]


@pytest.mark.parametrize(
    ("value", "text"), [(60, "60"), ("2.50", "2.5"), (0.1, "0.1"), (1000000, "1000000"), (0.0, "0")]
)
def test_numbers_are_quantities(value: Any, text: str) -> None:
    assert amount(value) == text


def test_what_an_older_cluster_drops_is_seen() -> None:
    asked = hpa(autoscaling_tolerance_up=0)["spec"]["behavior"]
    kept = {"scaleUp": {"selectPolicy": "Max"}, "scaleDown": {"selectPolicy": "Max"}}
    assert dropped(asked, kept) == ["autoscaling_tolerance_up"]
    assert dropped(asked, {**kept, "scaleUp": {"tolerance": "0"}}) == []
    assert dropped(hpa()["spec"]["behavior"], kept) == []
