"""Gives Services of type LoadBalancer an address that leads to healthy nodes, as a cloud's pass-through one does.

A connection keeps the node that it began with for as long as that node is there; a new one gets a node that passes
its health check: the Service's own (``externalTrafficPolicy: Local``: has it a ready pod?) or kube-proxy's (is the
node staying?). If none does, every node is tried, as Google's does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

import requests

from ..kube.process import run
from ..kube.rest import Json, KubeError, KubeRest
from .drain import merge
from .events import emit

log = logging.getLogger(__name__)

_FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
_FIRST = 10
_SECONDS = 1.0

# Marks of connections, and numbers of the routing tables that they choose, begin with these bits.
MARK = 0x5B000000
CHAIN = "SBX-LB"
_KUBE_PROXY_HEALTH = 10256
_HEALTH_SECONDS = 1.0

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


def mark_of(node: str) -> int:
    """The mark of connections that go through the node with this address."""
    return MARK | int(IPv4Address(node)) & 0xFFFF


def rules(chain: str, ways: Mapping[str, Sequence[str]]) -> str:
    """iptables-restore's input for the chain that picks a node. ``ways``: nodes for new connections, by address. Pure."""
    lines = [
        "*mangle",
        f":{chain} - [0:0]",
        f"-A {chain} -j CONNMARK --restore-mark",
        f"-A {chain} -m mark ! --mark 0 -j RETURN",
    ]
    for address, nodes in sorted(ways.items()):
        for index, node in enumerate(nodes):
            share = 1 / (len(nodes) - index)
            lines.append(
                f"-A {chain} -d {address}/32 -m mark --mark 0 -m statistic --mode random "
                f"--probability {share:.9f} -j MARK --set-mark {mark_of(node):#x}"
            )
    lines += [f"-A {chain} -m mark ! --mark 0 -j CONNMARK --save-mark", "COMMIT", ""]
    return "\n".join(lines)


def health_check(service: Json) -> int:
    """The port on a node that answers 200 on /healthz when the Service's traffic may go there."""
    if service["spec"].get("externalTrafficPolicy") == "Local":
        return int(service["spec"].get("healthCheckNodePort") or _KUBE_PROXY_HEALTH)
    return _KUBE_PROXY_HEALTH


def _healthy(node: str, port: int) -> bool:
    try:
        return requests.get(f"http://{node}:{port}/healthz", timeout=_HEALTH_SECONDS).status_code == 200
    except requests.RequestException:
        return False


class LoadBalancer:
    """The loop. ``nodes``: addresses of the nodes by name."""

    def __init__(
        self,
        rest: KubeRest,
        network: IPv4Network,
        nodes: Callable[[], Mapping[str, str]],
        command: Callable[..., str] = run,
        now: Callable[[], float] = time.time,
        healthy: Callable[[str, int], bool] = _healthy,
    ) -> None:
        self._rest = rest
        self._network = network
        self._nodes = nodes
        self._run = command
        self._now = now
        self._healthy = healthy
        self._chain = f"{CHAIN}-{int(network.network_address) & 0xFFFF:04X}"
        self._routes: dict[str, tuple[str, ...]] = {}
        self._tables: set[str] = set()
        self._rules = ""

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.step()
            except (KubeError, requests.RequestException, RuntimeError) as error:
                log.warning("load balancer: %s", error)
            except Exception:
                # One odd object must not end it.
                log.exception("load balancer")
            stop.wait(_SECONDS)
        self._set_routes({})
        self._set_tables(set())
        self._remove_chain()

    def step(self) -> None:
        services = self._rest.get("/api/v1/services")["items"]
        given = allocate(services, self._network)
        gateways = tuple(sorted(self._nodes().values()))
        self._set_routes(dict.fromkeys(given.values(), gateways) if gateways else {})
        self._set_tables(set(gateways))
        self._choose(services, given, gateways)
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

    def _set_tables(self, nodes: set[str]) -> None:
        """For each node a routing table that leads everything there, for packets with its mark."""
        for node in self._tables - nodes:
            mark = hex(mark_of(node))
            self._run("ip", "rule", "del", "fwmark", mark, "lookup", str(mark_of(node)), check=False)
            self._run("ip", "route", "flush", "table", str(mark_of(node)), check=False)
        for node in nodes - self._tables:
            self._run("ip", "route", "replace", "default", "via", node, "table", str(mark_of(node)))
            self._run("ip", "rule", "add", "fwmark", hex(mark_of(node)), "lookup", str(mark_of(node)))
        self._tables = set(nodes)

    def _choose(self, services: list[Json], given: Mapping[Key, str], nodes: Sequence[str]) -> None:
        """Leads new connections to the nodes that pass their health check."""
        ways = {}
        for service in services:
            if _key(service) in given:
                port = health_check(service)
                ways[given[_key(service)]] = [n for n in nodes if self._healthy(n, port)] or nodes
        wanted = rules(self._chain, ways)
        if wanted == self._rules:
            return
        if not self._rules:
            self._remove_chain()
        self._run("iptables-restore", "--noflush", stdin=wanted)
        if not self._rules:
            for hook in ("OUTPUT", "PREROUTING"):
                self._run("iptables", "-t", "mangle", "-A", hook, "-d", str(self._network), "-j", self._chain)
        self._rules = wanted

    def _remove_chain(self) -> None:
        for hook in ("OUTPUT", "PREROUTING"):
            self._run(
                "iptables",
                "-t",
                "mangle",
                "-D",
                hook,
                "-d",
                str(self._network),
                "-j",
                self._chain,
                check=False,
            )
        self._run("iptables", "-t", "mangle", "-F", self._chain, check=False)
        self._run("iptables", "-t", "mangle", "-X", self._chain, check=False)
        self._rules = ""

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
