"""Addresses on the bridge, and which routes of a host are the sandbox's."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sandbox.kube.network import hardware_address, routes_through
from sandbox.paths import GATEWAY, MAX_CLUSTERS, MAX_NODES, ClusterAddresses

NODES = [ClusterAddresses(k).node(n) for k in range(MAX_CLUSTERS) for n in range(MAX_NODES)]


def test_everyone_on_the_bridge_has_an_ethernet_address_of_his_own() -> None:
    assert len({hardware_address(address) for address in [GATEWAY, *NODES]}) == len(NODES) + 1


@given(st.ip_addresses(v=4))
def test_ethernet_addresses_are_of_the_locally_administered_unicast_kind(address: object) -> None:
    octets = [int(part, 16) for part in hardware_address(address).split(":")]  # type: ignore[arg-type]
    assert len(octets) == 6
    assert octets[0] & 0b11 == 0b10


def test_a_load_balancers_route_through_several_nodes_is_found_and_a_vpns_is_spared() -> None:
    table = json.dumps(
        [
            {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
            {"dst": "198.18.0.0/18", "dev": "sbx0", "protocol": "kernel", "scope": "link"},
            {"dst": "198.18.64.0/24", "gateway": "198.18.0.10", "dev": "sbx0"},
            {
                "dst": "198.19.240.10",
                "nexthops": [
                    {"gateway": "198.18.0.10", "dev": "sbx0", "weight": 1},
                    {"gateway": "198.18.0.11", "dev": "sbx0", "weight": 1},
                ],
            },
            {"dst": "198.18.200.0/24", "dev": "tun0"},
        ]
    )
    assert routes_through("sbx0", table) == ["198.18.64.0/24", "198.19.240.10"]


def test_a_host_without_routes_has_none_of_ours() -> None:
    assert routes_through("sbx0", "") == []
