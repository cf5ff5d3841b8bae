"""A canary: another version beside the one that runs, with its share of the requests and labels of its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_role import evaluate, pod_of, render

MARK = "mlops.tfserving/model-uri"
GATEWAY = {"serving_service_type": "Gateway", "serving_gateway_name": "g", "serving_gateway_gke": True}


def running(replicas: int = 4, *more: dict[str, Any]) -> dict[str, Any]:
    main = {"metadata": {"name": "image-classifier"}, "spec": {"replicas": replicas, "template": pod_of()}}
    return {"resources": [main, *more]}


def canary(weight: str = "20") -> dict[str, Any]:
    annotations = {"mlops.tfserving/canary-weight": weight}
    template = pod_of(serving_model_uri="gs://models/models/m/4")
    return {
        "metadata": {"name": "image-classifier-canary", "annotations": annotations}, "spec": {"replicas": 1, "template": template},
    }  # fmt: skip


def test_a_canary_is_behind_the_service_and_apart_in_its_metrics() -> None:
    (deployment,) = render("canary", serving_running=running()).values()
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selector = render("access")["Service/image-classifier"]["spec"]["selector"]
    assert selector.items() <= labels.items()
    assert labels["mlops.tfserving/track"] == "canary"
    assert labels["mlops.tfserving/version"] == "3"
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    # What the Deployment that runs is asked for must not meet canaries.
    assert evaluate("serving_stable_pods") == "app=image-classifier,mlops.tfserving/track!=canary"
    assert "mlops.tfserving/track" not in pod_of()["metadata"]["labels"]


def test_a_canary_is_the_pod_that_would_be_promoted() -> None:
    uri = "gs://models/models/m/4"
    (deployment,) = render("canary", serving_running=running(), serving_model_uri=uri).values()
    template = deployment["spec"]["template"]
    assert template["spec"] == pod_of(serving_model_uri=uri)["spec"]
    assert template["metadata"]["annotations"] == pod_of(serving_model_uri=uri)["metadata"]["annotations"]
    assert evaluate("serving_canary_uri", serving_running=running(4, canary())) == uri
    assert evaluate("serving_canary_uri", serving_running=running()) == ""


@pytest.mark.parametrize(
    ("replicas", "weight", "canaries"),
    [(4, 10, 1), (9, 10, 1), (18, 10, 2), (4, 50, 4), (1, 1, 1), (3, "25", 1), (2, 80, 8)],
)
def test_its_share_is_a_share_of_the_pods(replicas: int, weight: Any, canaries: int) -> None:
    given_ = {"serving_running": running(replicas), "serving_canary_weight": weight}
    (deployment,) = render("canary", **given_).values()
    assert deployment["spec"]["replicas"] == canaries
    assert evaluate("serving_canary_percent", **given_) == round(100 * canaries / (canaries + replicas))


@settings(max_examples=25)
@given(replicas=st.integers(1, 200), weight=st.integers(1, 99))
def test_the_share_is_as_near_as_whole_pods_allow(replicas: int, weight: int) -> None:
    found = evaluate(
        "serving_canary_replicas | int",
        serving_running=running_replicas(replicas),
        serving_canary_weight=weight,
    )

    def distance(canaries: int) -> float:
        return abs(canaries - replicas * weight / (100 - weight))

    assert found == 1 or distance(found) <= 0.5


def running_replicas(replicas: int) -> dict[str, Any]:
    return {"resources": [{"metadata": {"name": "image-classifier"}, "spec": {"replicas": replicas}}]}


def test_a_gateway_has_weights_and_a_service_for_the_canary_alone() -> None:
    objects = render("canary", serving_running=running(), **GATEWAY)
    labels = objects["Deployment/image-classifier-canary"]["spec"]["template"]["metadata"]["labels"]
    for kind, selector in (
        ("Service", objects["Service/image-classifier-canary"]["spec"]["selector"]),
        (
            "NetworkPolicy",
            objects["NetworkPolicy/image-classifier-canary"]["spec"]["podSelector"]["matchLabels"],
        ),
        (
            "PodDisruptionBudget",
            objects["PodDisruptionBudget/image-classifier-canary"]["spec"]["selector"]["matchLabels"],
        ),
    ):
        assert selector.items() <= labels.items(), kind
    assert labels["app"] != "image-classifier", "the Service of what runs must not lead to it"


def test_a_gateway_keeps_the_shares_while_a_canary_runs() -> None:
    def weights(**variables: Any) -> list[tuple[str, int | None]]:
        objects = render("gateway", **GATEWAY, **variables)
        policies = {name.partition("/")[2] for name in objects if name.startswith("HealthCheckPolicy/")}
        (rule,) = objects["HTTPRoute/image-classifier"]["spec"]["rules"]
        assert policies == {backend["name"] for backend in rule["backendRefs"]}
        return [(backend["name"], backend.get("weight")) for backend in rule["backendRefs"]]

    alone = [("image-classifier", None)]
    assert weights(serving_running=running()) == weights() == alone
    # A run of the role with its own variables leaves the canary what it has.
    shared = weights(serving_running=running(4, canary("20")), serving_canary_weight=10)
    assert shared == [("image-classifier", 80), ("image-classifier-canary", 20)]


@pytest.mark.parametrize("apart", [True, False])
def test_a_canary_that_was_started_behind_another_way_in_stays_what_it_is(*, apart: bool) -> None:
    """Without a Service of its own a Gateway's share for it would be answered 500; with one it is removed with all it has."""
    found = canary("20")
    app = "image-classifier-canary" if apart else "image-classifier"
    found["spec"]["selector"] = {"matchLabels": {"app": app, "mlops.tfserving/track": "canary"}}
    there = {"serving_running": running(4, found)}
    (rule,) = render("gateway", **GATEWAY, **there)["HTTPRoute/image-classifier"]["spec"]["rules"]
    names = [backend["name"] for backend in rule["backendRefs"]]
    assert names == ["image-classifier", *(["image-classifier-canary"] if apart else [])]
    for way in (GATEWAY, {}):
        removed = {entry.rpartition("/")[2] for entry in evaluate("serving_canary_objects", **way, **there)}
        assert ("Service" in removed, "HealthCheckPolicy" in removed) == (apart, apart)


def test_what_a_canary_has_is_removed_with_it() -> None:
    assert evaluate("serving_canary_objects") == ["apps/v1/Deployment"]
    made = {name.partition("/")[0] for name in render("canary", serving_running=running(), **GATEWAY)}
    removed = {entry.rpartition("/")[2] for entry in evaluate("serving_canary_objects", **GATEWAY)}
    assert made | {"HealthCheckPolicy", "GCPBackendPolicy"} == removed


def test_ways_in_that_are_no_longer_wanted_are_known() -> None:
    (deployment,) = render("deployment", **GATEWAY, serving_gateway_grpc_hostnames=["x.org"]).values()
    before = {"serving_running": {"resources": [deployment]}}
    # What the next run finds where that one is broken off before it sweeps.
    (applied,) = render("deployment", **before, **GATEWAY).values()
    again = {"serving_running": {"resources": [applied]}}
    left = {kind.rpartition("/")[2] for kind in evaluate("serving_routes_left", **before)}
    assert left == {"HTTPRoute", "GRPCRoute", "HealthCheckPolicy", "GCPBackendPolicy"}
    assert evaluate("serving_routes_left", **before, **GATEWAY) == ["gateway.networking.k8s.io/v1/GRPCRoute"]
    assert evaluate("serving_routes_left", serving_running=running()) == []
    assert evaluate("serving_routes_left", **again, **GATEWAY) == ["gateway.networking.k8s.io/v1/GRPCRoute"]
    made = {
        name.partition("/")[0]
        for name in render("gateway", **GATEWAY, serving_gateway_grpc_hostnames=["x.org"])
    }
    kinds = evaluate("serving_route_kinds", **GATEWAY, serving_gateway_grpc_hostnames=["x.org"])
    assert made == {kind.rpartition("/")[2] for kind in kinds}
