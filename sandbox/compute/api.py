"""The little of Compute Engine that GKE's clients touch: static addresses, the size of instance groups, the catalog, and what
clusters have there or left there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network

from ..gke.clusters import Orchestrator
from ..gke.compute_resources import KINDS
from ..google.discovery import Json
from ..google.errors import GoogleError, invalid
from ..google.service import Call, Handler, Service
from .catalog import REGIONS, catalog_handlers, nothing, zones

HOST = "compute.googleapis.com"
_LINKS = "https://www.googleapis.com/compute/v1/"
_NAME = r"(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"
# Of the range for tests (RFC 2544), beside what clusters use. Nothing answers there: they are only reserved.
_EXTERNAL, _INTERNAL = IPv4Network("198.19.224.0/24"), IPv4Network("198.19.225.0/24")


class Addresses:
    """Reserved addresses, by project and place (``global`` or ``regions/…``)."""

    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now
        self._all: dict[str, Json] = {}
        self._operations: dict[str, Json] = {}

    def get(self, project: str, place: str, name: str) -> Json:
        path = f"projects/{project}/{place}/addresses/{name}"
        if path not in self._all:
            raise GoogleError(404, f"The resource '{path}' was not found")
        return self._all[path]

    def known(self, project: str, place: str) -> Json:
        prefix = f"projects/{project}/{place}/addresses"
        items = [address for path, address in self._all.items() if path.startswith(f"{prefix}/")]
        return {"kind": "compute#addressList", "id": prefix, "selfLink": _LINKS + prefix, "items": items}

    def of_project(self, project: str) -> list[tuple[str, Json]]:
        """Place and address of all that the project has."""
        found = [(path.split("/"), address) for path, address in self._all.items()]
        return [("/".join(path[2:-2]), address) for path, address in found if path[1] == project]

    def insert(self, project: str, place: str, asked: Json) -> Json:
        name = asked.get("name", "")
        path = f"projects/{project}/{place}/addresses/{name}"
        if not re.fullmatch(_NAME, name):
            text = f"Invalid value for field 'resource.name': '{name}'. Must be a match of regex '{_NAME}'"
            raise invalid(text)
        if path in self._all:
            raise GoogleError(409, f"The resource '{path}' already exists", reason="alreadyExists")
        internal = asked.get("addressType") == "INTERNAL"
        found: Json = {
            "addressType": "EXTERNAL",
            "description": "",
            **{key: value for key, value in asked.items() if key != "region"},
            "creationTimestamp": self._now(),
            "id": _identity(path),
            "kind": "compute#address",
            "labelFingerprint": "42WmSpB8rSM=",
            "selfLink": _LINKS + path,
        }
        # A range for peered networks is reserved, but not shown so.
        if asked.get("purpose") != "VPC_PEERING":
            found["status"] = "RESERVED"
        found.setdefault("address", self._free(_INTERNAL if internal else _EXTERNAL))
        if place == "global":
            found.setdefault("ipVersion", "IPV4")
        else:
            found["region"] = f"{_LINKS}projects/{project}/{place}"
            found.setdefault("networkTier", "PREMIUM")
            if internal:
                found.setdefault("purpose", "GCE_ENDPOINT")
        self._all[path] = found
        return self._operation(project, place, "insert", found)

    def _free(self, network: IPv4Network) -> str:
        taken = {address["address"] for address in self._all.values()}
        hosts: Iterator[str] = map(str, network.hosts())
        free = next((host for host in hosts if host not in taken), None)
        if free is None:
            raise GoogleError(403, "Quota 'STATIC_ADDRESSES' exceeded.  Limit: 254.0", reason="quotaExceeded")
        return free

    def delete(self, project: str, place: str, name: str) -> Json:
        found = self.get(project, place, name)
        del self._all[f"projects/{project}/{place}/addresses/{name}"]
        return self._operation(project, place, "delete", found)

    def _operation(self, project: str, place: str, kind: str, target: Json) -> Json:
        """An operation that runs, and is over when it is asked for."""
        name = f"operation-{_identity(target['selfLink'] + kind + self._now())}"
        path = f"projects/{project}/{place}/operations/{name}"
        begun = {
            "id": _identity(path),
            "insertTime": self._now(),
            "kind": "compute#operation",
            "name": name,
            "operationType": kind,
            "progress": 0,
            "selfLink": _LINKS + path,
            "startTime": self._now(),
            "status": "RUNNING",
            "targetId": target["id"],
            "targetLink": target["selfLink"],
            "user": "deployer",
            **({} if place == "global" else {"region": f"{_LINKS}projects/{project}/{place}"}),
        }
        self._operations[path] = begun | {"endTime": self._now(), "progress": 100, "status": "DONE"}
        return begun

    def operation(self, project: str, place: str, name: str) -> Json:
        path = f"projects/{project}/{place}/operations/{name}"
        if path not in self._operations:
            raise GoogleError(404, f"The resource '{path}' was not found")
        return self._operations[path]


def compute_service(gke: Orchestrator) -> Service:
    addresses = Addresses(gke.operations.timestamp)

    def instance_group(call: Call) -> Json:
        project, zone, name = call.path
        for cluster in gke.clusters(project):
            size = cluster.group_size(zone, name)
            if size is not None:
                path = f"projects/{project}/zones/{zone}/instanceGroupManagers/{name}"
                return {
                    "baseInstanceName": name.removesuffix("-grp"),
                    "id": _identity(path),
                    "kind": "compute#instanceGroupManager",
                    "name": name,
                    "selfLink": _LINKS + path,
                    "status": {"isStable": True},
                    "targetSize": size,
                    "zone": f"{_LINKS}projects/{project}/zones/{zone}",
                }
        path = f"projects/{project}/zones/{zone}/instanceGroupManagers/{name}"
        raise GoogleError(404, f"The resource '{path}' was not found")

    def firewalls(call: Call) -> Json:
        found = gke.resources.listed(call.path[0], "firewalls", gke.clusters(call.path[0]))
        path = f"projects/{call.path[0]}/global/firewalls"
        items = [rule for _, rule in found]
        return {"kind": "compute#firewallList", "id": path, "selfLink": _LINKS + path, "items": items}

    def aggregated(noun: str) -> Handler:
        def handle(call: Call) -> Json:
            project = call.path[0]
            if noun == "addresses":
                return _aggregated(project, noun, addresses.of_project(project))
            return _aggregated(project, noun, gke.resources.listed(project, noun, gke.clusters(project)))

        return handle

    handlers: dict[str, Handler] = {"instanceGroupManagers.get": instance_group, **catalog_handlers(gke)}
    handlers |= {
        f"{noun}.aggregatedList": aggregated(noun) for noun in ("addresses", *KINDS) if noun != "firewalls"
    }
    handlers["firewalls.list"] = firewalls
    for prefix, place in (("global", "global"), ("region", "regions/{}")):
        noun = "globalAddresses" if prefix == "global" else "addresses"
        handlers |= {
            f"{noun}.get": _placed(place, addresses.get),
            f"{noun}.list": _placed(place, addresses.known),
            f"{noun}.delete": _placed(place, addresses.delete),
            f"{noun}.insert": _placed(place, addresses.insert, with_body=True),
            f"{prefix}Operations.get": _placed(place, addresses.operation),
            f"{prefix}Operations.wait": _placed(place, addresses.operation),
        }
    return Service(HOST, ("compute.v1",), handlers, prefix="/compute/v1/")


def _aggregated(project: str, noun: str, found: list[tuple[str, Json]]) -> Json:
    """A list of all places, with those that have none."""
    places = ("global", *(f"regions/{name}" for name in REGIONS), *(f"zones/{name}" for name in zones()))
    items: Json = {}
    for place in sorted({*places, *(place for place, _ in found)}):
        there = [item for where, item in found if where == place]
        items[place] = {noun: there} if there else {"warning": nothing(place)}
    path = f"projects/{project}/aggregated/{noun}"
    kind = f"compute#{noun.removesuffix('es') if noun == 'addresses' else noun[:-1]}AggregatedList"
    return {"id": path, "items": items, "kind": kind, "selfLink": _LINKS + path}


def _placed(place: str, verb: Callable[..., Json], *, with_body: bool = False) -> Handler:
    """Calls a verb with project, place, and what else the path or the body has."""

    def handle(call: Call) -> Json:
        project, *rest = call.path
        where = place.format(rest.pop(0)) if "{}" in place else place
        return verb(project, where, *rest, *([call.body] if with_body else []))

    return handle


def _identity(text: str) -> str:
    return str(int(hashlib.sha256(text.encode()).hexdigest()[:15], 16))
