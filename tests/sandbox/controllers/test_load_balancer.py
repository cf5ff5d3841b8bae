"""Addresses of load balancers."""

from __future__ import annotations

import json
import threading
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.controllers.load_balancer import LoadBalancer, allocate, health_check, mark_of, rules

POOL = IPv4Network("198.19.240.0/24")


def service(
    name: str, *, has: str | None = None, asks: str | None = None, kind: str = "LoadBalancer"
) -> dict[str, Any]:
    ingress = [{"ip": has}] if has else []
    return {
        "metadata": {"namespace": "n", "name": name},
        "spec": {"type": kind, "loadBalancerIP": asks},
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def test_who_has_an_address_keeps_it_and_the_next_gets_another() -> None:
    given_addresses = allocate(
        [service("b"), service("a", has="198.19.240.10"), service("c", kind="ClusterIP")], POOL
    )
    assert given_addresses == {("n", "a"): "198.19.240.10", ("n", "b"): "198.19.240.11"}


def test_a_free_address_that_is_asked_for_is_given() -> None:
    assert allocate([service("a", asks="198.19.240.77")], POOL) == {("n", "a"): "198.19.240.77"}


def test_a_service_that_goes_gives_its_address_back() -> None:
    going = service("a", has="198.19.240.10")
    going["metadata"]["deletionTimestamp"] = "now"
    assert allocate([going, service("b")], POOL) == {("n", "b"): "198.19.240.10"}


@given(st.integers(0, 300))
def test_no_address_is_given_twice(count: int) -> None:
    addresses = list(allocate([service(str(i)) for i in range(count)], POOL).values())
    assert len(set(addresses)) == len(addresses)


def test_new_connections_are_spread_evenly_over_the_nodes_and_old_ones_keep_theirs() -> None:
    text = rules("C", {"198.19.240.10": ["198.18.0.10", "198.18.0.11", "198.18.0.12"]})
    lines = text.splitlines()
    assert lines.index("-A C -m mark ! --mark 0 -j RETURN") < min(
        number for number, line in enumerate(lines) if "statistic" in line
    )
    shares = [float(line.split("--probability ")[1].split()[0]) for line in lines if "statistic" in line]
    first, second, third = shares
    assert first == pytest.approx((1 - first) * second, abs=1e-6)
    assert third == 1.0
    assert len({mark_of(f"198.18.{cluster}.{node}") for cluster in range(4) for node in range(10, 26)}) == 64


def test_an_odd_service_does_not_end_the_load_balancer() -> None:
    stop = threading.Event()
    odd = {"metadata": {"name": "without a namespace"}, "spec": {"type": "LoadBalancer"}}
    scans = [[odd], [service("b")]]
    written: list[str] = []

    class Rest:
        def get(self, _: str) -> dict[str, Any]:
            return {"items": scans.pop(0) if len(scans) > 1 else scans[0]}

        def __getattr__(self, name: str) -> Any:
            def send(*about: Any, **_: Any) -> None:
                written.append(json.dumps([name, *about]))
                if "198.19.240.10" in written[-1]:
                    stop.set()

            return send

    rest: Any = Rest()
    balancer = LoadBalancer(rest, POOL, lambda: {}, lambda *_, **__: "", healthy=lambda *_: True)
    thread = threading.Thread(target=balancer.run, args=(stop,), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert "198.19.240.10" in "".join(written)


def test_a_service_with_local_traffic_has_a_health_check_of_its_own() -> None:
    local = {"spec": {"externalTrafficPolicy": "Local", "healthCheckNodePort": 31234}}
    assert health_check(local) == 31234
    assert health_check({"spec": {"externalTrafficPolicy": "Cluster"}}) == 10256
