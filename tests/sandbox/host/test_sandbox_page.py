"""docs/sandbox.md names the methods that are emulated: all of them, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from emulator import Emulator

from sandbox.compute.api import compute_service
from sandbox.gke.api import _ZONAL, container_service
from sandbox.google.service import Service
from sandbox.iam.api import Accounts, iam_service, resource_manager_service
from sandbox.iam.service_usage import Services, service_usage

PAGE = (Path(__file__).resolve().parents[3] / "docs/sandbox.md").read_text()
KINDS = {
    "node pools": "clusters.nodePools", "service accounts": "serviceAccounts", "projects": "",
    "global addresses": "globalAddresses",
}  # fmt: skip
APIS = ["GKE v1, v1beta1", "Service Usage v1", "IAM v1", "Resource Manager v1", "Compute Engine v1"]


def documented(api: str) -> set[str]:
    row = re.search(rf"^\| {re.escape(api)} \| (.*) \|$", PAGE, re.MULTILINE)
    assert row, api
    methods = {"getServerConfig"} if "serverConfig" in row[1] else set()
    for part in re.split(r"; |\. ", row[1]):
        kinds, colon, verbs = part.partition(": ")
        if "with their operations" in verbs:
            methods |= {
                f"{place}Operations.{verb}" for place in ("region", "global") for verb in ("get", "wait")
            }
        for kind in kinds.split(" and ") if colon else []:
            for verb in verbs.split(", "):
                if re.fullmatch(r"[a-zA-Z]+", verb):
                    methods.add(f"{KINDS.get(kind, kind)}.{verb}".lstrip("."))
    return methods


def service(api: str, emulator: Emulator) -> Service:
    accounts = Accounts()
    return {
        "GKE v1, v1beta1": container_service(emulator.orchestrator),
        "Service Usage v1": service_usage(Services()),
        "IAM v1": iam_service(accounts),
        "Resource Manager v1": resource_manager_service(accounts),
        "Compute Engine v1": compute_service(emulator.orchestrator),
    }[api]


@pytest.mark.parametrize("api", APIS)
def test_the_methods_of_an_api(api: str, emulator: Emulator) -> None:
    zonal = {f"clusters.{name}" for name in _ZONAL} | {"clusters.nodePools.autoscaling", "getServerconfig"}
    assert set(service(api, emulator)._handlers) - zonal == documented(api)
