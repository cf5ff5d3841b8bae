"""The bridge, the nodes' network namespaces and the routes between them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from .. import made
from ..paths import BRIDGE, GATEWAY, NODE_NETWORK
from .process import end_all, run

_LINKS = Path("/sys/class/net")
_NETNS = Path("/run/netns")


def hardware_address(address: IPv4Address) -> str:
    """The Ethernet address of whoever has an address of ours: the same whenever it is used again.

    Others remember it for up to a minute, and what they send to one that is gone is lost. A bridge without
    one of its own would take its ports' lowest, and so change as nodes come and go.
    """
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x73, *address.packed))


def make_bridge() -> None:
    """The bridge with the daemon's address."""
    made.claim("link", BRIDGE, _LINKS / BRIDGE)
    if not (_LINKS / BRIDGE).exists():
        run("ip", "link", "add", BRIDGE, "address", hardware_address(GATEWAY), "type", "bridge")
    run("ip", "addr", "replace", f"{GATEWAY}/{NODE_NETWORK.prefixlen}", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    # What comes from the bridge alone: the host is no router between its other links, and nothing is to be put back.
    Path(f"/proc/sys/net/ipv4/conf/{BRIDGE}/forwarding").write_text("1\n")


def add_address(address: IPv4Address) -> None:
    """One more address of the host on the bridge, for an API server."""
    run("ip", "addr", "replace", f"{address}/{NODE_NETWORK.prefixlen}", "dev", BRIDGE)


def remove_address(address: IPv4Address) -> None:
    run("ip", "addr", "del", f"{address}/{NODE_NETWORK.prefixlen}", "dev", BRIDGE, check=False)


def claim_namespace(namespace: str, link: str) -> None:
    """Raises ``RuntimeError`` when somebody else has one of that name."""
    made.claim("namespace", namespace, _NETNS / namespace)
    made.claim("link", link, _LINKS / link)


def add_namespace(namespace: str, link: str, address: IPv4Address) -> None:
    """A node's network namespace, with its address on the bridge and the host as its gateway; it is claimed before."""
    run("ip", "netns", "add", namespace)
    peer = ["name", "eth0", "address", hardware_address(address), "netns", namespace]
    run("ip", "link", "add", link, "type", "veth", "peer", *peer)
    run("ip", "link", "set", link, "master", BRIDGE, "up")
    run("ip", "-n", namespace, "addr", "add", f"{address}/{NODE_NETWORK.prefixlen}", "dev", "eth0")
    run("ip", "-n", namespace, "link", "set", "eth0", "up")
    run("ip", "-n", namespace, "link", "set", "lo", "up")
    # The metadata server's address, answered on the node itself as on a Google machine.
    run("ip", "-n", namespace, "addr", "add", "169.254.169.254/32", "dev", "lo")
    run("ip", "-n", namespace, "route", "add", "default", "via", str(GATEWAY))


def end_processes(namespace: str, seconds: float = 10) -> int:
    """Kills every process in the network namespace; how many there were at first.

    These are a node's own ones, containerd's shims included; pods have network namespaces of their own.
    """
    return end_all(lambda: _pids(namespace), namespace, seconds)


def _pids(namespace: str) -> list[int]:
    return [int(pid) for pid in run("ip", "netns", "pids", namespace, check=False).split()]


def remove_namespace(namespace: str, link: str) -> None:
    run("ip", "netns", "del", namespace, check=False)
    run("ip", "link", "del", link, check=False)
    made.release("namespace", namespace)
    made.release("link", link)


def add_route(pods: IPv4Network, via: IPv4Address, namespaces: Iterable[str]) -> None:
    """Pods of a node are reached through the node: from the host and from every other node."""
    run("ip", "route", "replace", str(pods), "via", str(via))
    for namespace in namespaces:
        # A node that is just going has none any more; one that is coming asks for its routes itself.
        run("ip", "-n", namespace, "route", "replace", str(pods), "via", str(via), check=False)


def remove_route(pods: IPv4Network, via: IPv4Address, namespaces: Iterable[str]) -> None:
    """Only the route through this node: the range may belong to another one by now."""
    run("ip", "route", "del", str(pods), "via", str(via), check=False)
    for namespace in namespaces:
        run("ip", "-n", namespace, "route", "del", str(pods), "via", str(via), check=False)


def routes_through(link: str, table: str) -> list[str]:
    """Destinations that are routed over the link, in the table that ``ip -j route`` prints."""
    found = []
    for route in json.loads(table or "[]"):
        hops = [route, *route.get("nexthops", [])]
        if route.get("protocol") != "kernel" and any(hop.get("dev") == link for hop in hops):
            found.append(str(route["dst"]))
    return found
