"""Gives Services of type LoadBalancer an address with a route through every node, as a cloud would."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network

import requests

from ..kube.process import run
from ..kube.rest import Json, KubeError, KubeRest
from .drain import merge
from .events import emit

log = logging.getLogger(__name__)

_FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
_FIRST = 10
_SECONDS = 1.0

Key = tuple[str, str]


def allocate(services: list[Json], network: IPv4Network) -> dict[Key, str]:
    """An address for every Service of type LoadBalancer that is not going. Pure.

    Who has one keeps it; a free one that is asked for (``spec.loadBalancerIP``) is given.
    """
    wanted = [s for s in services if _wants(s)]
    given: dict[Key, str] = {}
    for service in wanted:
        current = _current(service)
        if current is not None:
            given[_key(service)] = current
    taken = set(given.values())
    free = (str(address) for address in list(network.hosts())[_FIRST - 1 :])
    for service in wanted:
        if _key(service) in given:
            continue
        asked = service["spec"].get("loadBalancerIP")
        if asked and asked not in taken:
            address = asked
        else:
            found = next((a for a in free if a not in taken), None)
            if found is None:
                continue
            address = found
        taken.add(address)
        given[_key(service)] = address
    return given


def _key(service: Json) -> Key:
    return service["metadata"]["namespace"], service["metadata"]["name"]


def _wants(service: Json) -> bool:
    return service["spec"].get("type") == "LoadBalancer" and not service["metadata"].get("deletionTimestamp")


def _current(service: Json) -> str | None:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return str(ingress[0]["ip"]) if ingress and "ip" in ingress[0] else None


class LoadBalancer:
    """The loop. ``nodes``: addresses of the nodes by name."""

    def __init__(
        self,
        rest: KubeRest,
        network: IPv4Network,
        nodes: Callable[[], Mapping[str, str]],
        command: Callable[..., str] = run,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._rest = rest
        self._network = network
        self._nodes = nodes
        self._run = command
        self._now = now
        self._routes: dict[str, tuple[str, ...]] = {}

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.step()
            except (KubeError, requests.RequestException, RuntimeError) as error:
                log.warning("load balancer: %s", error)
            stop.wait(_SECONDS)
        self._set_routes({})

    def step(self) -> None:
        services = self._rest.get("/api/v1/services")["items"]
        given = allocate(services, self._network)
        gateways = tuple(sorted(self._nodes().values()))
        self._set_routes(dict.fromkeys(given.values(), gateways) if gateways else {})
        for service in services:
            key = _key(service)
            path = f"/api/v1/namespaces/{key[0]}/services/{key[1]}"
            finalizers = service["metadata"].get("finalizers", [])
            if key in given:
                if _FINALIZER not in finalizers:
                    self._emit(service, "EnsuringLoadBalancer", "Ensuring load balancer")
                    merge(self._rest, path, {"metadata": {"finalizers": [*finalizers, _FINALIZER]}})
                if _current(service) != given[key]:
                    ingress = [{"ip": given[key], "ipMode": "VIP"}]
                    merge(self._rest, f"{path}/status", {"status": {"loadBalancer": {"ingress": ingress}}})
                    self._emit(service, "EnsuredLoadBalancer", "Ensured load balancer")
            elif _FINALIZER in finalizers:
                left = [name for name in finalizers if name != _FINALIZER]
                merge(self._rest, f"{path}/status", {"status": {"loadBalancer": {"ingress": None}}})
                merge(self._rest, path, {"metadata": {"finalizers": left}})

    def _set_routes(self, wanted: dict[str, tuple[str, ...]]) -> None:
        for address in set(self._routes) - set(wanted):
            self._run("ip", "route", "del", f"{address}/32", check=False)
            del self._routes[address]
        for address, gateways in wanted.items():
            if self._routes.get(address) != gateways:
                hops = [word for gateway in gateways for word in ("nexthop", "via", gateway)]
                self._run("ip", "route", "replace", f"{address}/32", *hops)
                self._routes[address] = gateways

    def _emit(self, service: Json, reason: str, message: str) -> None:
        emit(
            self._rest,
            service,
            kind="Service",
            reason=reason,
            message=message,
            source="service-controller",
            now=self._now(),
        )
