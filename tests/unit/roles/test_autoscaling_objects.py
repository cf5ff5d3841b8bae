"""What the autoscaling role applies."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.spec import read_spec
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.wanted import amount, dropped
from role_work import ROOT, made

SITE = {"autoscaling_namespace": "tfserving", "autoscaling_name": "image-classifier"}
CPU = {
    "type": "ContainerResource",
    "containerResource": {
        "container": "tfserving", "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60},
    },
}  # fmt: skip


def hpa(**variables: Any) -> dict[str, Any]:
    found = made("autoscaling", **SITE, **variables)["hpa.yml.j2"]
    return dict(found[-1])


def objects(template: str, **variables: Any) -> dict[str, dict[str, Any]]:
    """By kind; there is one of each."""
    found = [one for one in made("autoscaling", **SITE, **variables)[f"{template}.yml.j2"] if one]
    assert len({one["kind"] for one in found}) == len(found)
    return {one["kind"]: one for one in found}


def evaluate(expression: str, **variables: Any) -> Any:
    """An expression in the role."""
    role, loader = ROOT / "roles/autoscaling", DataLoader()
    known: dict[str, Any] = {"role_path": str(role), "ansible_search_path": [str(role)]}
    for part in ("defaults", "vars"):
        known |= loader.load_from_file(str(role / part / "main.yml"), trusted_as_template=True)
    templar = Templar(loader=loader, variables=known | SITE | variables)
    return templar.template(trust_as_template("{{ " + expression + " }}"))


def applied(**variables: Any) -> list[str]:
    """What the role looks at for differences."""
    found = evaluate("autoscaling_objects", **variables)
    return [f"{one['kind']}/{one['metadata']['name']}" for one in found]


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


IN_FLIGHT = {"type": "in_flight", "target": 3}
ASKED = {"autoscaling_metrics": [{"type": "cpu"}, IN_FLIGHT]}


def test_each_source_brings_what_it_needs_and_nothing_more() -> None:
    hpa_alone = ["HorizontalPodAutoscaler/image-classifier"]
    assert applied() == hpa_alone
    assert applied(autoscaling_metrics_source="prometheus") == hpa_alone
    assert applied(**ASKED, autoscaling_metrics_source="gke") == [
        *hpa_alone,
        "AutoscalingMetric/image-classifier",
    ]
    whole = applied(**ASKED, autoscaling_metrics_source="prometheus")
    theirs = applied(
        **ASKED,
        autoscaling_metrics_source="prometheus",
        autoscaling_prometheus_url="http://prometheus.monitoring:9090",
    )
    assert [one for one in whole if one not in theirs] == [
        f"{kind}/image-classifier-prometheus"
        for kind in ("ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Service", "Deployment")
    ]
    assert "APIService/v1beta1.external.metrics.k8s.io" in theirs


@pytest.mark.parametrize("template", ["prometheus", "adapter"])
def test_what_is_made_for_metrics_is_what_the_restricted_standard_admits(template: str) -> None:
    pod = objects(template, **ASKED, autoscaling_metrics_source="prometheus")["Deployment"]["spec"][
        "template"
    ]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_another_configuration_starts_prometheus_and_adapter_anew() -> None:
    for template in ("prometheus", "adapter"):
        pods = [
            objects(
                template,
                autoscaling_metrics=[{"type": "cpu"}, metric],
                autoscaling_metrics_source="prometheus",
            )["Deployment"]["spec"]["template"]["metadata"]["annotations"]
            for metric in (IN_FLIGHT, {"type": "gauge", "name": "g", "gauge": "g", "target": 1})
        ]
        assert pods[0] != pods[1]


def test_the_next_run_removes_what_is_no_longer_asked_for() -> None:
    """By what the HPA that is there says; whoever has none of ours keeps what has such a name."""

    def removed(mark: str, **variables: Any) -> list[str]:
        mine = {
            "metadata": {"name": "m", **({"annotations": {"mlops.tfserving/beside": mark}} if mark else {})}
        }
        left = evaluate("autoscaling_objects_left", autoscaling_found={"resources": [mine]}, **variables)
        return sorted({one["kind"] for one in left})

    assert removed("") == removed("gke", **ASKED, autoscaling_metrics_source="gke") == []
    assert removed("gke") == ["AutoscalingMetric"]
    assert "APIService" in removed("prometheus adapter")
    assert "Role" not in removed("prometheus adapter", **ASKED, autoscaling_metrics_source="prometheus")
    assert "Role" in removed(
        "prometheus adapter",
        **ASKED,
        autoscaling_metrics_source="prometheus",
        autoscaling_prometheus_url="http://p:9090",
    )


def test_without_the_autoscaler_that_says_what_was_made_everything_is_looked_for() -> None:
    """As when somebody has deleted it for a pause; what is asked for is not among it."""
    none = {"autoscaling_found": {"resources": []}}
    left = evaluate("autoscaling_objects_left", **none, **ASKED, autoscaling_metrics_source="prometheus")
    kinds = {one["kind"] for one in left}
    assert {"ScaledObject", "AutoscalingMetric", "PriorityClass", "CapacityBuffer"} <= kinds
    assert not {"APIService", "ClusterRoleBinding", "HorizontalPodAutoscaler"} & kinds
    assert "APIService" in {one["kind"] for one in evaluate("autoscaling_objects_left", **none)}
    assert evaluate("autoscaling_objects_left") == [], "a dry run without a cluster"


REQUESTS = {"cpu": "3", "memory": "4Gi"}
REPLICAS = {"resources": [{"spec": {"template": {"spec": {
    "nodeSelector": {"pool": "models"}, "tolerations": [{"operator": "Exists"}],
    "containers": [{"name": "tfserving", "resources": {"requests": REQUESTS, "limits": {"cpu": "3", "memory": "5Gi"}}},
                   {"name": "proxy", "resources": {"requests": {"cpu": "200m"}}}],
}}}}]}  # fmt: skip


def test_room_in_stock_is_kept_by_the_cluster_or_by_pods_as_large_as_a_replica() -> None:
    kept = {"autoscaling_buffer_replicas": "2", "autoscaling_buffered": REPLICAS}
    assert applied(**kept) == [
        "HorizontalPodAutoscaler/image-classifier", "CapacityBuffer/image-classifier",
    ]  # fmt: skip
    without = {**kept, "autoscaling_buffer_kinds": {"reason": "NoKind", "resources": []}}
    assert applied(**without) == [
        "HorizontalPodAutoscaler/image-classifier", "PriorityClass/tfserving.image-classifier-buffer",
        "Deployment/image-classifier-buffer",
    ]  # fmt: skip
    made_of = objects("balloon", **without)
    assert made_of["PriorityClass"]["value"] == -10
    assert made_of["Deployment"]["spec"]["replicas"] == 2
    pod = made_of["Deployment"]["spec"]["template"]
    assert pod["metadata"]["labels"] == {"app": "image-classifier-buffer"}, (
        "the HPA counts whatever has a replica's"
    )
    assert [one["resources"]["requests"] for one in pod["spec"]["containers"]] == [REQUESTS, {"cpu": "200m"}]
    assert (pod["spec"]["nodeSelector"], pod["spec"]["terminationGracePeriodSeconds"]) == (
        {"pool": "models"},
        0,
    )


def test_room_in_stock_goes_when_it_is_no_longer_asked_for() -> None:
    mine = {"resources": [{"metadata": {"annotations": {"mlops.tfserving/beside": "balloon"}}}]}
    left = evaluate("autoscaling_objects_left", autoscaling_found=mine)
    assert [one["kind"] for one in left] == ["PriorityClass", "Deployment"]


def test_keda_s_hpa_is_left_to_keda() -> None:
    keda = {**ASKED, "autoscaling_metrics_source": "keda", "autoscaling_prometheus_url": "http://p:9090"}
    assert applied(**keda) == ["ScaledObject/image-classifier"]
    spec = objects("keda", **keda, autoscaling_min_replicas="2")["ScaledObject"]["spec"]
    assert spec["minReplicaCount"] == 2, "never to none by itself"
    assert spec["advanced"]["horizontalPodAutoscalerConfig"]["name"] == "image-classifier", (
        "takes the HPA that is there over"
    )
    assert [one["type"] for one in spec["triggers"]] == ["cpu", "prometheus"]
    assert "fallback" not in spec


def test_what_a_scaled_object_was_given_is_known_by_itself() -> None:
    """KEDA writes the HPA anew; it need not keep the annotation."""
    owner = {"kind": "ScaledObject", "name": "image-classifier"}
    owned = {"resources": [{"metadata": {"ownerReferences": [owner]}}]}
    scaled = {"resources": [{"metadata": {"annotations": {"mlops.tfserving/beside": "prometheus keda"}}}]}
    mine = {"resources": [{"metadata": {"annotations": {"mlops.tfserving/beside": "gke"}}}]}
    assert evaluate("autoscaling_may_be_keda", autoscaling_found=owned)
    assert evaluate("autoscaling_may_be_keda", autoscaling_found={"resources": []})
    assert not evaluate("autoscaling_may_be_keda", autoscaling_found=mine)
    left = evaluate("autoscaling_left", autoscaling_found=owned, autoscaling_scaled=scaled)
    assert set(left) == {"prometheus", "keda"}


@pytest.mark.parametrize(
    ("status", "owner", "asleep"),
    [
        ({"conditions": [{"type": "ScalingActive", "status": "False"}]}, "ScaledObject", True),
        ({"conditions": [{"type": "ScalingActive", "status": "False"}], "currentReplicas": 1}, "ScaledObject", False),
        ({"conditions": [{"type": "ScaledToZero", "status": "True"}], "currentReplicas": 0}, "", True),
        ({"conditions": [{"type": "ScaledToZero", "status": "True"}], "currentReplicas": 1}, "", False),
        ({"conditions": [{"type": "ScaledToZero", "status": "False"}], "currentReplicas": 0}, "", False),
        ({"conditions": [{"type": "ScalingActive", "status": "False"}]}, "", False),
        ({}, "ScaledObject", False),
    ],
)  # fmt: skip
def test_an_hpa_that_has_no_replica_to_look_at_is_not_waited_for(
    status: dict[str, Any], owner: str, asleep: bool
) -> None:
    """KEDA's is never active at zero (reason ScalingDisabled): each further run would wait, and fail."""
    owners = [{"kind": owner, "name": "image-classifier"}] if owner else []
    found = {"resources": [{"metadata": {"ownerReferences": owners}, "status": status}]}
    assert evaluate("autoscaling_asleep", autoscaling_found=found) is asleep
    assert evaluate("autoscaling_asleep", autoscaling_found={"resources": []}) is False


def answering(name: str, namespace: str = "tfserving") -> dict[str, Any]:
    service = {"name": name, "namespace": namespace, "port": 443}
    return {"kind": "APIService", "metadata": {"name": "e"}, "spec": {"service": service}}


OTHERS = (
    answering("keda-operator-metrics-apiserver", "keda"),
    answering("image-classifier-metrics-adapter", "dev"),
)
"""KEDA, and another site whose model server has the same name."""


def test_nobody_else_s_place_is_taken() -> None:
    def others(*there: dict[str, Any]) -> Any:
        return evaluate("autoscaling_others", autoscaling_answering={"resources": list(there)})

    assert others(OTHERS[0]) == ["keda/keda-operator-metrics-apiserver"]
    assert others(OTHERS[1]) == ["dev/image-classifier-metrics-adapter"]
    assert others(answering("image-classifier-metrics-adapter")) == others() == []
    assert others({"kind": "APIService", "metadata": {"name": "e"}, "spec": {}}) == [], "nobody answers"


def test_a_place_that_somebody_else_has_by_now_is_not_taken_away() -> None:
    """The APIService is one in the cluster: who left it to KEDA, or to another site, removes what is its own."""
    own = answering("image-classifier-metrics-adapter")
    role: dict[str, Any] = {"kind": "Role", "metadata": {"name": "r"}}

    def removed(*there: dict[str, Any]) -> Any:
        return evaluate("autoscaling_unneeded", autoscaling_unwanted={"resources": [role, *there]})

    assert removed(own) == [role, own]
    assert removed(OTHERS[0]) == removed(OTHERS[1]) == [role]


@pytest.mark.parametrize(
    ("found", "variables", "goes"),
    [
        ({}, {}, False),
        ({"metadata": {}, "spec": {"behavior": {"scaleDown": {}}}}, {}, False),
        ({"metadata": {}, "spec": {}}, {}, False),
        ({"metadata": {"annotations": {"mlops.tfserving/held-tolerance": "@1"}}, "spec": {}}, {}, True),
        ({"metadata": {}, "spec": {"behavior": {"scaleDown": {"tolerance": "50m"}}}}, {}, True),
        (
            {"metadata": {}, "spec": {"behavior": {"scaleDown": {"tolerance": "50m"}}}},
            {"autoscaling_tolerance_down": 0.05},
            False,
        ),
    ],
)
def test_a_tolerance_that_a_rollout_gave_back_goes_when_it_is_no_longer_asked_for(
    found: dict[str, Any], variables: dict[str, Any], goes: bool
) -> None:
    """The rollout owns it then, so that an apply without it leaves it there.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    resources = {"autoscaling_found": {"resources": [found] if found else []}}
    assert evaluate("autoscaling_held", **resources, **variables) is goes
    if goes:
        given = evaluate("autoscaling_given_back", **resources, **variables)
        assert given["spec"]["behavior"]["scaleDown"] == {"tolerance": None}
