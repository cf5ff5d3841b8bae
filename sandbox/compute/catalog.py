"""What Compute Engine offers in a place, and how much of it: machine types, accelerators, regions with their quotas."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable

from plugins.module_utils.gke.machine import UnknownMachineType, machine_shape

from ..gke.clusters import Cluster, Orchestrator
from ..google.discovery import Json
from ..google.errors import GoogleError
from ..google.service import Call, Handler

_LINKS = "https://www.googleapis.com/compute/v1/"
_CREATED = "1969-12-31T16:00:00.000-08:00"
# Some of Google's regions and their zones (https://cloud.google.com/compute/docs/regions-zones).
REGIONS = {
    "asia-east1": "abc", "asia-northeast1": "abc", "europe-west1": "bcd", "europe-west3": "abc", "europe-west4": "abc",
    "us-central1": "abcf", "us-east1": "bcd", "us-east4": "abc", "us-west1": "abc",
}  # fmt: skip
_SIZES = {
    "e2": (2, 4, 8, 16, 32), "n1": (1, 2, 4, 8, 16, 32, 64, 96), "n2": (2, 4, 8, 16, 32, 48, 64, 80),
    "n2d": (2, 4, 8, 16, 32, 48, 64, 80, 96), "n4": (2, 4, 8, 16, 32, 48, 64, 80), "c2": (4, 8, 16, 30, 60),
    "t2d": (1, 2, 4, 8, 16, 32, 48, 60), "c3": (4, 8, 22, 44, 88, 176),
}  # fmt: skip
_GPUS = {"nvidia-l4": 8, "nvidia-tesla-p100": 4, "nvidia-tesla-t4": 4, "nvidia-tesla-v100": 8}
_ANY_OF = re.compile(r'\(?name = "?([-a-z0-9]+)"?\)?(?: OR \(?name = "?([-a-z0-9]+)"?\)?)*')
# Nodes promise half as much again as the host has (``gke_checks``), and an e2-medium gives 940 of its 2000 mCPU.
_VCPUS_PER_CPU = 1.5 * 2000 / 940


def zones() -> list[str]:
    return [f"{region}-{letter}" for region, letters in REGIONS.items() for letter in letters]


def _names() -> list[str]:
    """The machine types whose size is known."""
    found = ["e2-micro", "e2-small", "e2-medium"]
    for family, sizes in _SIZES.items():
        for kind in ("standard", "highmem", "highcpu"):
            for size in sizes:
                name = f"{family}-{kind}-{size}"
                try:
                    machine_shape(name)
                except UnknownMachineType:
                    continue
                found.append(name)
    return found


def catalog_handlers(gke: Orchestrator) -> dict[str, Handler]:
    def machine_types(call: Call) -> Json:
        return _aggregated(call, "machineTypes", _names(), _machine_type)

    def accelerator_types(call: Call) -> Json:
        return _aggregated(call, "acceleratorTypes", _GPUS if gke.limits.gpus else (), _accelerator_type)

    def region(call: Call) -> Json:
        project, name = call.path
        path = f"projects/{project}/regions/{name}"
        if name not in REGIONS:
            raise GoogleError(404, f"The resource '{path}' was not found")
        clusters = [
            cluster for cluster in gke.clusters(project) if "-".join(cluster.location.split("-")[:2]) == name
        ]
        return {
            "creationTimestamp": _CREATED,
            "description": name,
            "id": _identity(path),
            "kind": "compute#region",
            "name": name,
            "quotas": _quotas(clusters, gke.limits.cpu_milli, gpus=gke.limits.gpus),
            "selfLink": _LINKS + path,
            "status": "UP",
            "supportsPzs": False,
            "zones": [f"{_LINKS}projects/{project}/zones/{name}-{letter}" for letter in REGIONS[name]],
        }

    return {
        "machineTypes.aggregatedList": machine_types,
        "acceleratorTypes.aggregatedList": accelerator_types,
        "regions.get": region,
    }


def _quotas(clusters: list[Cluster], cpu_milli: int, *, gpus: bool) -> list[Json]:
    """CPUs as many as this place gives, the rest as for a project that has been in use for a while."""
    nodes = [
        (pool.answer["config"], len(pool.nodes)) for cluster in clusters for pool in cluster.pools.values()
    ]
    disks = {"pd-standard": 0, "other": 0}
    cpus = count = 0
    for config, number in nodes:
        count += number
        disk = config.get("diskSizeGb", 100) * number
        disks["pd-standard" if config.get("diskType") == "pd-standard" else "other"] += disk
        try:
            cpus += machine_shape(config["machineType"]).cpu_milli // 1000 * number
        except UnknownMachineType:
            continue
    limits = {
        "CPUS": (int(cpu_milli / 1000 * _VCPUS_PER_CPU), cpus),
        "PREEMPTIBLE_CPUS": (0, 0),
        "DISKS_TOTAL_GB": (4096, disks["pd-standard"]),
        "SSD_TOTAL_GB": (2048, disks["other"]),
        "IN_USE_ADDRESSES": (69, count),
        "INSTANCES": (720, count),
        "NVIDIA_T4_GPUS": (1 if gpus else 0, 0),
        "NVIDIA_L4_GPUS": (1 if gpus else 0, 0),
    }
    return [
        {"metric": metric, "limit": float(limit), "usage": float(usage)}
        for metric, (limit, usage) in limits.items()
    ]


def _aggregated(call: Call, noun: str, names: Iterable[str], describe: Callable[[str], Json]) -> Json:
    """All zones with those resources that the filter names."""
    project = call.path[0]
    wanted = _filtered(call.query.get("filter", ""), names)
    items: Json = {}
    for zone in zones():
        scope = f"zones/{zone}"
        found = [
            describe(name)
            | {
                "creationTimestamp": _CREATED,
                "id": _identity(name),
                "name": name,
                "selfLink": f"{_LINKS}projects/{project}/{scope}/{noun}/{name}",
                "zone": zone if noun == "machineTypes" else f"{_LINKS}projects/{project}/{scope}",
            }
            for name in wanted
        ]
        items[scope] = {noun: found} if found else {"warning": nothing(scope)}
    path = f"projects/{project}/aggregated/{noun}"
    kind = f"compute#{noun[:-1]}AggregatedList"
    return {"id": path, "items": items, "kind": kind, "selfLink": _LINKS + path}


def _filtered(text: str, names: Iterable[str]) -> list[str]:
    if not text:
        return list(names)
    if not _ANY_OF.fullmatch(text):
        raise GoogleError(501, f"not emulated here: resources by the filter {text}")
    asked = re.findall(r'name = "?([-a-z0-9]+)', text)
    return [name for name in names if name in asked]


def nothing(scope: str) -> Json:
    """In place of what a place has none of."""
    return {
        "code": "NO_RESULTS_ON_PAGE",
        "message": f"There are no results for scope '{scope}' on this page.",
        "data": [{"key": "scope", "value": scope}],
    }


def _machine_type(name: str) -> Json:
    shape = machine_shape(name)
    cores, gib = shape.cpu_milli // 1000, shape.memory_mib / 1024
    return {
        "architecture": "X86_64",
        "description": f"{cores} vCPU{'' if cores == 1 else 's'} {gib:g} GB RAM",
        "guestCpus": cores,
        "imageSpaceGb": 0,
        "isSharedCpu": name in ("e2-micro", "e2-small", "e2-medium"),
        "kind": "compute#machineType",
        "maximumPersistentDisks": 128,
        "maximumPersistentDisksSizeGb": "263168",
        "memoryMb": shape.memory_mib,
    }


def _accelerator_type(name: str) -> Json:
    return {
        "description": name.replace("-", " ").title().replace("Nvidia", "NVIDIA"),
        "kind": "compute#acceleratorType",
        "maximumCardsPerInstance": _GPUS[name],
    }


def _identity(text: str) -> str:
    return str(int(hashlib.sha256(text.encode()).hexdigest()[:15], 16))
