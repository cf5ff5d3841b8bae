"""What the role makes where the last replica may go, as objects."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.objects import MADE_HERE
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.teardown import OWN_KINDS, judge
from serving_role import container, evaluate, pod_of, render

Json = dict[str, Any]
NAME = "image-classifier-hold"
ZERO = {"autoscaling_min_replicas": "0"}


@pytest.fixture(scope="module")
def objects() -> dict[str, Json]:
    return render("hold", **ZERO)


def templates(**variables: Any) -> list[str]:
    return list(evaluate("serving_templates", **variables))


def test_nobody_holds_requests_where_a_replica_stays() -> None:
    assert "hold.yml.j2" not in templates()
    assert "hold.yml.j2" not in templates(autoscaling_min_replicas=1)
    assert "hold.yml.j2" in templates(**ZERO)


def test_what_is_made_goes_again(objects: dict[str, Json]) -> None:
    """Every kind is among those that are removed later."""
    kinds = {f"{one['apiVersion']}/{one['kind']}" for one in objects.values()}
    assert kinds == set(evaluate("serving_hold_kinds"))
    assert {one["metadata"]["name"] for one in objects.values()} == {NAME}


def test_teardown_takes_all_of_it(objects: dict[str, Json]) -> None:
    """Else the pods stay, and with them a namespace that was made for the site."""
    theirs: Json = {"metadata": {"name": "given-by-the-cluster"}}
    found = [*((one["kind"], one) for one in objects.values()), ("RoleBinding", theirs), ("Role", theirs)]
    assert {kind for kind, _ in found} <= {*OWN_KINDS}
    shared = judge({"metadata": {"name": "n"}}, found, "image-classifier", whole=False)
    assert {f"{kind}/{name}" for kind, name in shared.going} == {*objects}
    made = judge(
        {"metadata": {"name": "n", "annotations": {MADE_HERE: "it"}}}, found, "image-classifier", whole=False
    )
    assert made.whole, made.kept


def test_its_pods_are_nobody_else_s(objects: dict[str, Json]) -> None:
    """Neither the HPA counts them, which goes by the Deployment's selector, nor does the Service select them."""
    (replicas,) = render("deployment", **ZERO).values()
    labels = objects[f"Deployment/{NAME}"]["spec"]["template"]["metadata"]["labels"]
    assert labels == {"app": NAME}
    assert replicas["spec"]["selector"]["matchLabels"] == {"app": "image-classifier"}
    service = render("access", **ZERO)["Service/image-classifier"]
    assert service["spec"]["selector"] == {"app": "image-classifier"}


def test_their_endpoints_belong_to_the_service_and_to_the_pods(objects: dict[str, Json]) -> None:
    """Applied without endpoints: those the pods write, and a second run changes nothing."""
    slice_ = objects[f"EndpointSlice/{NAME}"]
    assert "endpoints" not in slice_
    assert slice_["metadata"]["labels"]["kubernetes.io/service-name"] == "image-classifier"
    # Kubernetes' own controller leaves the slices of others alone.
    assert slice_["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "mlops.tfserving"
    of_service = render("access", **ZERO)["Service/image-classifier"]["spec"]["ports"]
    assert [(one["name"], one["port"]) for one in slice_["ports"]] == [
        (one["name"], one["port"]) for one in of_service
    ]


def test_what_it_may_do(objects: dict[str, Json]) -> None:
    rules = [
        (rule["resources"], rule.get("resourceNames"), rule["verbs"])
        for rule in objects[f"Role/{NAME}"]["rules"]
    ]
    assert rules == [
        (["deployments/scale"], ["image-classifier"], ["get", "patch"]),
        (["horizontalpodautoscalers"], ["image-classifier"], ["get"]),
        (["endpointslices"], None, ["list", "watch"]),
        (["endpointslices"], [NAME], ["patch"]),
    ]


def test_the_restricted_standard_admits_it(objects: dict[str, Json]) -> None:
    spec = objects[f"Deployment/{NAME}"]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    (holder,) = spec["containers"]
    assert holder["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert (
        holder["resources"]["requests"] == holder["resources"]["limits"] == {"cpu": "50m", "memory": "128Mi"}
    )


def test_a_pod_that_goes_is_given_the_time_for_what_it_holds(objects: dict[str, Json]) -> None:
    spec = objects[f"Deployment/{NAME}"]["spec"]["template"]["spec"]
    command = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1]
    assert command.startswith("sleep 30; ")
    assert "-lt 340 ]" in command
    assert ":(2134|2135) " in command
    assert spec["terminationGracePeriodSeconds"] == 380


def test_other_files_are_other_pods() -> None:
    def noted(**variables: Any) -> str:
        pod = render("hold", **ZERO, **variables)[f"Deployment/{NAME}"]["spec"]["template"]
        return str(pod["metadata"]["annotations"]["mlops.tfserving/config-hash"])

    assert noted() == noted()
    assert noted() != noted(serving_hold_seconds=60)


def test_the_last_replica_waits_for_no_other_where_others_hold_requests() -> None:
    def waits(**variables: Any) -> bool:
        stop = container(pod_of(**variables), "proxy")["lifecycle"]["preStop"]["exec"]["command"][-1]
        return "[ $waited -ge 180 ]" in stop

    assert waits()
    assert not waits(**ZERO)


@pytest.mark.parametrize(("replicas", "stays"), [(0, True), (1, False)])
def test_they_stay_until_there_is_a_replica_again(replicas: int, stays: bool) -> None:
    present = {
        "metadata": {"name": "image-classifier", "annotations": {"mlops.tfserving/holds": "true"}},
        "spec": {"replicas": replicas},
    }
    running = {"serving_running": {"resources": [present]}}
    assert evaluate("[serving_hold_left, serving_hold_stays]", **running) == [True, stays]
    assert evaluate("serving_hold_left", **running, **ZERO) is False
    for swept in (False, True):
        (made,) = render("deployment", **running, serving_left_forgotten=swept).values()
        assert ("mlops.tfserving/holds" in made["metadata"]["annotations"]) == (stays or not swept)
