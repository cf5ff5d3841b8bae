"""What clusters have in Compute Engine, and what they leave behind, as any client sees it."""

from __future__ import annotations

import json
from typing import Any

from emulator import Emulator
from gke_client import BASE, create, send
from starlette.testclient import TestClient

Json = dict[str, Any]
COMPUTE = "/compute/v1/projects/sandbox-project"
UID = "6f1c2b3a-0000-4000-8000-000000000001"
SERVICE: Json = {
    "kind": "Service",
    "metadata": {"namespace": "tfserving", "name": "image-classifier", "uid": UID},
    "spec": {"type": "LoadBalancer", "ports": [{"port": 8501}]},
    "status": {"loadBalancer": {"ingress": [{"ip": "198.19.240.10"}]}},
}
VOLUME: Json = {
    "kind": "PersistentVolume",
    "metadata": {"name": "pvc-1"},
    "spec": {
        "capacity": {"storage": "20Gi"},
        "claimRef": {"namespace": "tfserving", "name": "data"},
        "csi": {"volumeHandle": "projects/sandbox-project/zones/us-central1-f/disks/pvc-1"},
    },
}


def listed(http: TestClient, noun: str) -> list[Json]:
    if noun == "firewalls":
        return list(http.get(f"{COMPUTE}/global/firewalls").json().get("items", []))
    scopes = http.get(f"{COMPUTE}/aggregated/{noun}").json()["items"].values()
    return [item for scope in scopes for item in scope.get(noun, [])]


def names(http: TestClient, noun: str) -> list[str]:
    return [item["name"] for item in listed(http, noun)]


def test_nodes_are_instances_with_disks_and_say_whose_they_are(http: TestClient) -> None:
    create(http, resourceLabels={"made-by": "mlops-tfserving"})
    (instance,), (disk,) = listed(http, "instances"), listed(http, "disks")
    assert instance["name"] == disk["name"]
    assert instance["labels"]["goog-k8s-cluster-name"] == "c"
    assert instance["labels"]["made-by"] == "mlops-tfserving"
    assert disk["users"] == [instance["selfLink"]]
    (tag,) = instance["tags"]["items"]
    rules = listed(http, "firewalls")
    assert {rule["name"].rpartition("-")[2] for rule in rules} == {"all", "vms", "inkubelet", "exkubelet"}
    assert all(rule["targetTags"] == [tag] for rule in rules)


def test_a_service_has_what_the_cloud_s_controllers_make(http: TestClient, emulator: Emulator) -> None:
    emulator.next.objects = [SERVICE, VOLUME]
    create(http)
    (rule,), (pool,) = listed(http, "forwardingRules"), listed(http, "targetPools")
    assert rule["name"] == "a6f1c2b3a000040008000000000000001"[:32]
    assert rule["target"] == pool["selfLink"]
    assert json.loads(rule["description"]) == {"kubernetes.io/service-name": "tfserving/image-classifier"}
    assert f"k8s-fw-{rule['name']}" in names(http, "firewalls")
    assert "pvc-1" in names(http, "disks")


def test_what_its_services_had_stays_where_the_cluster_goes_first(
    http: TestClient, emulator: Emulator
) -> None:
    newer = {"annotations": {"cloud.google.com/l4-rbs": "enabled", "cloud.google.com/neg": "{}"}}
    emulator.next.objects = [SERVICE, {**SERVICE, "metadata": {**SERVICE["metadata"], **newer}}, VOLUME]
    create(http)
    send(http, "DELETE", f"{BASE}/clusters/c")
    assert listed(http, "instances") == []
    assert len(listed(http, "forwardingRules")) == 2
    assert [len(listed(http, noun)) for noun in ("targetPools", "backendServices")] == [1, 1]
    assert names(http, "disks") == ["pvc-1"]
    assert len(names(http, "networkEndpointGroups")) == 1
    assert all(name.startswith("k8s") for name in names(http, "firewalls"))


def test_nothing_stays_where_services_and_volumes_go_first(http: TestClient, emulator: Emulator) -> None:
    emulator.next.objects = [SERVICE, VOLUME]
    create(http)
    emulator.clusters[-1].objects.clear()
    send(http, "DELETE", f"{BASE}/clusters/c")
    for noun in ("instances", "disks", "forwardingRules", "targetPools", "firewalls"):
        assert names(http, noun) == []


def test_addresses_of_all_places_are_listed_at_once(http: TestClient) -> None:
    for place in ("global", "regions/us-central1"):
        made = http.post(f"{COMPUTE}/{place}/addresses", json={"name": f"a-{place.partition('/')[0]}"})
        assert made.status_code == 200
    assert names(http, "addresses") == ["a-global", "a-regions"]
