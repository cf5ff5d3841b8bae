"""Whether the Gateway that leads to a site does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.status.gateway import (
    Way,
    degraded,
    down,
    endpoint,
    lines,
    told,
    way,
)

Json = dict[str, Any]
API = "/apis/gateway.networking.k8s.io/v1/namespaces"
HTTP, GRPC, GATEWAY = f"{API}/s/httproutes/m", f"{API}/s/grpcroutes/m", f"{API}/infra/gateways/front"
BOTH = "gateway.networking.k8s.io/v1/HTTPRoute gateway.networking.k8s.io/v1/GRPCRoute networking.gke.io/v1/HealthCheckPolicy"
TRUE = {"status": "True"}


def route(*hosts: str) -> Json:
    conditions = [{"type": "Accepted", **TRUE}, {"type": "ResolvedRefs", **TRUE}]
    return {
        "metadata": {"name": "m", "namespace": "s"},
        "spec": {"parentRefs": [{"name": "front", "namespace": "infra"}], "hostnames": list(hosts)},
        "status": {"parents": [{"parentRef": {"name": "front"}, "conditions": conditions}]},
    }


def gateway(**listener: Any) -> Json:
    return {
        "metadata": {"name": "front", "namespace": "infra"},
        "spec": {"listeners": [{"name": "http", "protocol": "HTTP", "port": 80, **listener}]},
        "status": {
            "addresses": [{"type": "IPAddress", "value": "10.0.0.5"}],
            "conditions": [{"type": "Accepted", **TRUE}, {"type": "Programmed", **TRUE}],
        },
    }


@pytest.fixture
def there() -> Json:
    return {HTTP: route(), GRPC: route("grpc.example.com"), GATEWAY: gateway()}


class Api:
    """Has what is there; what is an error is raised."""

    def __init__(self, there: Json) -> None:
        self.there = there
        self.asked: list[str] = []

    def get_or_none(self, path: str, **_query: object) -> Any:
        self.asked.append(path)
        found = self.there.get(path)
        if isinstance(found, KubeError):
            raise found
        return copy.deepcopy(found)


def read(there: Json, noted: str = BOTH) -> Way:
    deployment = {"metadata": {"name": "m", "annotations": {"mlops.tfserving/routes": noted}}}
    return way(Api(there), "s", "m", [deployment], map)  # type: ignore[arg-type]


def condition(one: Json, kind: str, **fields: str) -> None:
    next(found for found in one["conditions"] if found["type"] == kind).update(fields)


def test_one_that_leads_there(there: Json) -> None:
    found = read(there)
    assert (list(down(found, "m")), list(degraded(found, "m"))) == ([], [])
    assert told(found) == [
        {"namespace": "infra", "name": "front", "addresses": ["10.0.0.5"], "programmed": True}
    ]
    assert list(lines(found)) == ["gateway     infra/front: 10.0.0.5, programmed"]


def test_without_a_gateway_nothing_is_asked(there: Json) -> None:
    api = Api(there)
    for deployments in (
        [],
        [{"metadata": {"name": "m"}}],
        [{"metadata": {"name": "other", "annotations": {"mlops.tfserving/routes": BOTH}}}],
    ):
        found = way(api, "s", "m", deployments, map)  # type: ignore[arg-type]
        assert (told(found), endpoint(found), list(down(found, "m"))) == ([], None, [])
    assert api.asked == []


@pytest.mark.parametrize(
    ("change", "health", "reason"),
    [
        (lambda t: t.pop(GATEWAY), "down", "there is no Gateway infra/front"),
        (lambda t: t.pop(HTTP), "down", "there is no HTTPRoute m: no Gateway leads here"),
        (lambda t: t.pop(GRPC), "degraded", "there is no GRPCRoute m: no Gateway leads here"),
        (lambda t: t[GATEWAY]["status"].pop("addresses"), "down", "Gateway infra/front has no address"),
        (lambda t: t[GATEWAY].update(status={"conditions": [{"type": "Programmed", "status": "Unknown", "message": "Waiting for controller"}]}),
         "down", "Gateway infra/front has no address, and is not programmed: Waiting for controller"),
        (lambda t: t[GATEWAY].pop("status"), "down", "Gateway infra/front has no address, and is not programmed"),
        (lambda t: condition(t[GATEWAY]["status"], "Programmed", status="False", reason="Invalid"), "degraded",
         "Gateway infra/front is not programmed: Invalid"),
        (lambda t: condition(t[GATEWAY]["status"], "Programmed", status="Unknown"), "degraded", "Gateway infra/front is not programmed"),
        (lambda t: condition(t[HTTP]["status"]["parents"][0], "Accepted", status="False", message="no matching listener"), "down",
         "no Gateway takes HTTPRoute m: no matching listener"),
        (lambda t: t[HTTP].pop("status"), "down", "no Gateway takes HTTPRoute m yet"),
        (lambda t: condition(t[GRPC]["status"]["parents"][0], "Accepted", status="False", reason="NotAllowed"), "degraded",
         "no Gateway takes GRPCRoute m: NotAllowed"),
        (lambda t: condition(t[HTTP]["status"]["parents"][0], "ResolvedRefs", status="False", reason="BackendNotFound"), "degraded",
         "HTTPRoute m leads to what is not there: BackendNotFound"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(there: Json, change: Callable[[Json], Any], health: str, reason: str) -> None:
    change(there)
    found = read(there)
    reasons = {"down": list(down(found, "m")), "degraded": list(degraded(found, "m"))}
    assert reasons == {"down": [], "degraded": []} | {health: [reason]}


def test_what_may_not_be_read_is_neither_well_nor_ill(there: Json) -> None:
    there[GATEWAY] = KubeError(403, "Forbidden", "gateways may not be read in infra")
    found = read(there)
    assert (list(down(found, "m")), list(degraded(found, "m")), told(found)) == ([], [], [])
    assert list(lines(found)) == [
        "gateway     not read: Gateway infra/front: gateways may not be read in infra"
    ]


def test_a_cluster_that_does_not_answer_is_no_gateway_s_fault(there: Json) -> None:
    there[GATEWAY] = KubeError(503, "Unavailable", "away")
    with pytest.raises(KubeError, match="away"):
        read(there)


@pytest.mark.parametrize(
    ("hosts", "listener", "section", "address"),
    [
        ((), {}, "", "http://10.0.0.5"),
        (("models.example.com",), {}, "", "http://models.example.com"),
        ((), {"protocol": "HTTPS", "port": 443}, "", "https://10.0.0.5"),
        ((), {"protocol": "HTTPS", "port": 8443}, "", "https://10.0.0.5:8443"),
        ((), {"port": 8080}, "http", "http://10.0.0.5:8080"),
    ],
)
def test_where_clients_ask(
    there: Json, hosts: tuple[str, ...], listener: Json, section: str, address: str
) -> None:
    there |= {HTTP: route(*hosts), GATEWAY: gateway(**listener)}
    if section:
        there[HTTP]["spec"]["parentRefs"][0]["sectionName"] = section
        there[GATEWAY]["spec"]["listeners"].insert(0, {"name": "other", "protocol": "HTTPS", "port": 443})
    assert endpoint(read(there)) == (address, "Gateway infra/front")
    del there[GATEWAY]["status"]
    assert endpoint(read(there)) == ("", "Gateway infra/front")
