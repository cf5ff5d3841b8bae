"""How clients get in: the Service's variants and the routes of a Gateway."""

from __future__ import annotations

from typing import Any

import pytest
from serving_role import evaluate, render

GATEWAY: dict[str, Any] = {
    "serving_service_type": "Gateway", "serving_gateway_name": "shared", "serving_gateway_namespace": "infra",
    "serving_gateway_hostnames": ["models.example.org"], "serving_gateway_grpc_hostnames": ["grpc.example.org"],
}  # fmt: skip


def service(**variables: Any) -> dict[str, Any]:
    return render("access", **variables)["Service/image-classifier"]


def test_an_external_load_balancer_keeps_to_its_ranges() -> None:
    found = service(serving_source_ranges=["203.0.113.0/24"])
    alone = service(serving_source_ranges=["192.0.2.1", "2001:db8::1"])
    assert alone["spec"]["loadBalancerSourceRanges"] == ["192.0.2.1/32", "2001:db8::1/128"]
    assert found["spec"]["type"] == "LoadBalancer"
    assert found["spec"]["loadBalancerSourceRanges"] == ["203.0.113.0/24"]
    assert found["spec"]["externalTrafficPolicy"] == "Local"
    assert "annotations" not in found["metadata"]


def test_an_internal_load_balancer_is_marked_as_google_wants_it() -> None:
    found = service(serving_service_internal=True)
    assert found["metadata"]["annotations"] == {"networking.gke.io/load-balancer-type": "Internal"}
    found = service(
        serving_service_internal=True, serving_internal_subnet="lb", serving_internal_global_access="true"
    )  # fmt: skip
    assert found["metadata"]["annotations"] == {
        "networking.gke.io/load-balancer-type": "Internal",
        "networking.gke.io/internal-load-balancer-subnet": "lb",
        "networking.gke.io/internal-load-balancer-allow-global-access": "true",
    }


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort"])
def test_other_services_have_nothing_of_a_load_balancer(kind: str) -> None:
    spec = service(serving_service_type=kind)["spec"]
    assert spec["type"] == kind
    assert {"loadBalancerSourceRanges", "externalTrafficPolicy"}.isdisjoint(spec)


def test_every_service_leads_both_ports_to_the_proxy() -> None:
    for kind in ("LoadBalancer", "ClusterIP", "NodePort", "Gateway"):
        ports = service(serving_service_type=kind)["spec"]["ports"]
        assert [(p["port"], p["targetPort"]) for p in ports] == [
            (8500, "tf-serving-grpc"),
            (8501, "tf-serving-http"),
        ]


def test_a_gateway_leads_rest_and_grpc_by_their_hosts() -> None:
    objects = render("access", "gateway", **GATEWAY)
    spec = objects["Service/image-classifier"]["spec"]
    assert spec["type"] == "ClusterIP"
    assert [port.get("appProtocol") for port in spec["ports"]] == ["kubernetes.io/h2c", None]
    rest = objects["HTTPRoute/image-classifier"]["spec"]
    assert rest["parentRefs"] == [{"name": "shared", "namespace": "infra"}]
    assert rest["hostnames"] == ["models.example.org"]
    (rule,) = rest["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/v1/models"}}]
    assert rule["backendRefs"] == [{"name": "image-classifier", "port": 8501}]
    grpc = objects["GRPCRoute/image-classifier"]["spec"]
    assert grpc["hostnames"] == ["grpc.example.org"]
    assert grpc["rules"] == [{"backendRefs": [{"name": "image-classifier", "port": 8500}]}]
    assert not any("Policy/" in name for name in objects if name.startswith(("Health", "GCP")))


def test_a_gateway_without_hosts_leads_everything_but_grpc() -> None:
    objects = render(
        "gateway", serving_service_type="Gateway", serving_gateway_name="g", serving_gateway_listener="https"
    )
    (route,) = objects.values()
    assert route["spec"]["parentRefs"] == [{"name": "g", "namespace": "tfserving", "sectionName": "https"}]
    assert "hostnames" not in route["spec"]


def test_googles_gateway_asks_the_proxy_and_waits_for_answers() -> None:
    objects = render("gateway", **GATEWAY, serving_gateway_gke=True, serving_request_timeout="40")
    target = {"group": "", "kind": "Service", "name": "image-classifier"}
    health = objects["HealthCheckPolicy/image-classifier"]["spec"]
    assert health["targetRef"] == target
    assert health["default"]["config"]["httpHealthCheck"] == {
        "portSpecification": "USE_FIXED_PORT", "port": 8404, "requestPath": "/healthz",
    }  # fmt: skip
    backend = objects["GCPBackendPolicy/image-classifier"]["spec"]
    assert backend["targetRef"] == target
    assert backend["default"] == {
        "timeoutSec": 10 + 10 + 40,
        "connectionDraining": {"drainingTimeoutSec": 60},
    }
    plain = render("gateway", **GATEWAY, serving_gateway_gke=True, serving_proxy_enabled=False)
    check = plain["HealthCheckPolicy/image-classifier"]["spec"]["default"]["config"]["httpHealthCheck"]
    assert (check["port"], check["requestPath"]) == (8501, "/v1/models/image_classifier/versions/3/metadata")


def test_routes_are_applied_with_a_gateway_only() -> None:
    assert "gateway.yml.j2" in evaluate("serving_templates", **GATEWAY)
    assert "gateway.yml.j2" not in evaluate("serving_templates")


def test_whatever_leads_to_the_pods_only_their_ports_are_open() -> None:
    (rule,) = render("access", **GATEWAY)["NetworkPolicy/image-classifier"]["spec"]["ingress"]
    assert {port["port"] for port in rule["ports"]} == {8500, 8501, 8404}
