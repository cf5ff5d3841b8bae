"""One bill: what preflight estimates, what a run of the same settings is billed, and what status says of the same nodes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import BadInput
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.objects import summary
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import lift
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.bill import (
    now,
    now_in_words,
    read_terms,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.estimate import cost
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.judged import cost_of_run
from cases import POOL, asked, project
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, Any]
BEGIN, HOUR = 1_800_000_000.0, 3600


def node(pool: Json, name: str) -> Json:
    """As GKE makes it of the pool. https://cloud.google.com/kubernetes-engine/docs/how-to/creating-managing-labels"""
    labels = {
        "cloud.google.com/gke-nodepool": pool["name"], "node.kubernetes.io/instance-type": pool["machine_type"],
        "cloud.google.com/gke-boot-disk": pool["disk_type"],
    }  # fmt: skip
    capacity = {}
    if pool["spot"]:
        labels["cloud.google.com/gke-spot"] = "true"
    for one in pool["accelerators"]:
        shared = one.get("max_shared_clients_per_gpu", 1)
        labels["cloud.google.com/gke-accelerator"] = one["accelerator_type"]
        capacity["nvidia.com/gpu"] = str(one["accelerator_count"] * shared)
        if shared > 1:
            labels["cloud.google.com/gke-max-shared-clients-per-gpu"] = str(shared)
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2027-01-15T07:00:00Z"}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"conditions": [ready], "capacity": capacity},
    }


def nodes_of(pools: list[Json]) -> list[Json]:
    """The fewest that there can be."""
    return [
        node(pool, f"{pool['name']}-{number}")
        for pool in pools
        for number in range(pool["autoscaling"]["total_min_node_count"])
    ]


def timeline(nodes: list[Json]) -> list[Json]:
    """Of a run that takes an hour, in which no node comes or goes."""
    return [
        *(lift({"t": BEGIN - 5, "kind": "node", **(summary("node", one) or {})}) for one in nodes),
        lift({"t": BEGIN, "kind": "run", "namespace": "n", "deployment": "m", "replicas": 1, "nodes": len(nodes)}),
        {"t": BEGIN + HOUR, "kind": "load", "requests": 5000, "failures": 0},
    ]  # fmt: skip


GPUS = st.sampled_from(
    [[], [{"accelerator_type": "nvidia-tesla-t4", "accelerator_count": 2}],
     [{"accelerator_type": "nvidia-tesla-t4", "accelerator_count": 1, "max_shared_clients_per_gpu": 4}]]
)  # fmt: skip
POOLS = st.lists(
    st.fixed_dictionaries({
        "name": st.sampled_from(["first", "second", "third"]), "spot": st.booleans(), "accelerators": GPUS,
        "machine_type": st.sampled_from(["e2-medium", "e2-standard-2", "n1-standard-4", "n2-standard-8", "n1-custom-4-15360"]),
        "disk_type": st.sampled_from(["pd-standard", "pd-balanced", "pd-ssd"]), "disk_size_gb": st.integers(10, 2000),
        "autoscaling": st.integers(0, 5).map(
            lambda least: {"enabled": True, "total_min_node_count": least, "total_max_node_count": least + 3}
        ),
    }),
    min_size=1, max_size=3, unique_by=lambda pool: pool["name"],
)  # fmt: skip


@settings(max_examples=60)
@given(pools=POOLS, balanced=st.booleans(), factor=st.sampled_from([0.4, 0.25]))
def test_a_run_is_billed_what_preflight_estimated(pools: list[Json], balanced: bool, factor: float) -> None:
    service = "LoadBalancer" if balanced else "ClusterIP"
    terms = read_terms({"pools": pools, "prices": {"spot_factor": factor}, "load_balancer": balanced})
    estimated = cost(asked(cluster_node_pools=pools, serving_service_type=service), project(), terms.table)
    assert estimated is not None
    assert estimated["unpriced"] == []
    nodes = nodes_of(pools)
    billed = cost_of_run(timeline(nodes), terms)
    assert billed is not None
    assert billed["price_per_1000"] == pytest.approx((billed["price"] or 0) / 5, rel=1e-3)
    if nodes:
        assert billed["price_per_hour"] == pytest.approx(estimated["min_per_hour"], rel=0.05)
    at_once = now([summary("node", one) or {} for one in nodes], terms, balanced=balanced)
    if nodes:
        assert at_once["price"] == pytest.approx(estimated["min_per_hour"], rel=0.05)


def test_pools_stand_apart_and_what_is_not_in_it_is_said() -> None:
    pool = {
        **POOL,
        "machine_type": "e2-standard-2",
        "disk_type": "pd-balanced",
        "spot": False,
        "accelerators": [],
    }
    pools = [{**pool, "name": "web"}, {**pool, "name": "batch", "spot": True}]
    nodes = [node(pools[0], "a"), node(pools[0], "b"), node(pools[1], "c")]
    found = cost_of_run(timeline(nodes), read_terms({"pools": pools}))
    assert found is not None
    assert [(row["pool"], row["spot"], round(row["node_hours"])) for row in found["pools"]] == [
        ("web", False, 2), ("batch", True, 1),
    ]  # fmt: skip
    whole = sum(row["price"] or 0 for row in found["pools"]) + found["fee"] + found["load_balancer"]
    assert found["price"] == pytest.approx(whole, abs=1e-4)
    assert found["source"].startswith("Google's list prices for us-central1")
    assert "traffic" in found["not_in_it"]
    words = now_in_words(now([summary("node", one) or {} for one in nodes], read_terms({}), balanced=True))
    assert "2 × e2-standard-2 of web 0.161, 1 × e2-standard-2 (spot) of batch" in words
    assert "cluster 0.100, load balancer 0.025" in words
    assert "of us-central1 of 2026-09-27, without traffic" in words


def test_a_pool_without_a_price_leaves_no_part_of_one() -> None:
    strange = {
        "name": "x",
        "machine_type": "z9-huge",
        "disk_type": "pd-balanced",
        "spot": False,
        "accelerators": [],
    }
    found = cost_of_run(timeline([node(strange, "a")]), read_terms({}))
    assert found is not None
    assert (found["price"], found["price_per_1000"], found["unpriced"]) == (None, None, ["x"])
    outside = now([summary("node", {"metadata": {"name": "n"}}) or {}], read_terms({}), balanced=True)
    assert (outside["price"], outside["unpriced"]) == (0.0, ["a node"])
    assert now_in_words(outside) == "not known: the price table has nothing for a node"
    mixed = now([summary("node", node(strange, "a")) or {}], read_terms({}), balanced=False)
    assert "without x, which has no price here" in now_in_words(mixed)


@pytest.mark.parametrize(
    ("billing", "words"),
    [
        ({"price": {}}, "there is no price"), ({"prices": {"gpu": 1}}, "there is no gpu"),
        ({"pools": [{"machine_type": "e2-medium"}]}, "cluster_node_pools"), ({"pools": ["web"]}, "cluster_node_pools"),
        ({"pools": [{"name": "a", "disk_size_gb": "big"}]}, "cluster_node_pools"),
    ],
)  # fmt: skip
def test_what_can_not_be_billed_by_is_refused(billing: Json, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_terms(billing)
