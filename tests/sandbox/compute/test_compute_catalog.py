"""What Compute Engine offers and how much of it is left, as its own client reads it."""

from __future__ import annotations

from typing import Any

from emulator import Emulator
from gke_client import create
from starlette.testclient import TestClient

from sandbox.gke.clusters import Limits

COMPUTE = "/compute/v1/projects/sandbox-project"


def quotas(http: TestClient) -> dict[str, Any]:
    return {
        quota["metric"]: (quota["limit"], quota["usage"])
        for quota in http.get(f"{COMPUTE}/regions/us-central1").json()["quotas"]
    }


def test_machine_types_are_found_by_name_in_every_zone(http: TestClient) -> None:
    wanted = '(name = "e2-medium") OR (name = "nothing-like-it")'
    items = http.get(f"{COMPUTE}/aggregated/machineTypes", params={"filter": wanted}).json()["items"]
    (found,) = items["zones/us-central1-f"]["machineTypes"]
    assert (found["name"], found["guestCpus"], found["memoryMb"]) == ("e2-medium", 2, 4096)
    assert len(items) > 20


def test_what_is_not_there_is_told_for_each_zone(http: TestClient) -> None:
    items = http.get(f"{COMPUTE}/aggregated/machineTypes", params={"filter": "name = nothing"}).json()[
        "items"
    ]
    assert items["zones/us-east1-b"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"


def test_another_filter_is_refused_and_not_ignored(http: TestClient) -> None:
    answer = http.get(f"{COMPUTE}/aggregated/machineTypes", params={"filter": "guestCpus > 4"})
    assert answer.status_code == 501


def test_accelerators_are_there_where_the_place_has_some(http: TestClient, emulator: Emulator) -> None:
    def offered() -> bool:
        items = http.get(f"{COMPUTE}/aggregated/acceleratorTypes").json()["items"]
        return any("acceleratorTypes" in scope for scope in items.values())

    assert offered()
    emulator.orchestrator.limits = Limits()
    assert not offered()


def test_a_region_tells_quotas_and_what_clusters_use_of_them(http: TestClient) -> None:
    before = quotas(http)
    create(
        http,
        name="c",
        nodePools=[{"name": "p", "initialNodeCount": 2, "config": {"machineType": "e2-standard-4"}}],
    )
    after = quotas(http)
    assert after["CPUS"] == (before["CPUS"][0], before["CPUS"][1] + 8)
    assert after["INSTANCES"][1] == before["INSTANCES"][1] + 2
    assert after["SSD_TOTAL_GB"][1] == before["SSD_TOTAL_GB"][1] + 200


def test_this_machine_holds_the_nodes_that_the_demo_asks_for(http: TestClient, emulator: Emulator) -> None:
    """Three e2-medium on two cores; a quota that is smaller than what nodes may get would refuse what works."""
    emulator.orchestrator.limits = Limits(cpu_milli=2000)
    assert quotas(http)["CPUS"][0] == 6


def test_a_region_that_is_not_there(http: TestClient) -> None:
    answer = http.get(f"{COMPUTE}/regions/mars-north1")
    assert answer.status_code == 404
    assert "mars-north1" in answer.json()["error"]["message"]
