"""Costs and times against Google's own figures."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.estimate import (
    cost,
    reaction,
    total,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.project import MachineType, Unread
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.rates import node_hour, prices
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.words import (
    cost_in_words,
    reaction_in_words,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.to_settings import pool as read_pool
from cases import asked, found_of, pool, project

DISK = 0.10 * 100 / 730


def hour(**options: Any) -> float | None:
    return node_hour(read_pool({"name": "p", **options}, ("us-central1-a",)), project(), prices({}))


@pytest.mark.parametrize(
    ("machine", "published"),
    [("e2-medium", 0.03351), ("e2-standard-4", 0.13402), ("e2-standard-8", 0.26805), ("n1-standard-4", 0.19)],
)
def test_a_node_costs_what_google_publishes_and_its_disk(machine: str, published: float) -> None:
    assert hour(machine_type=machine) == pytest.approx(published + DISK, rel=0.002)


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("custom-4-15360", 1.05 * 0.19), ("n2-custom-4-16384", 1.05 * (4 * 0.031611 + 16 * 0.004237)),
        ("e2-custom-4-16384", 0.13402), ("e2-custom-medium-4096", 0.02181159 + 4 * 0.00292353),
    ],
)  # fmt: skip
def test_custom_machines_cost_a_little_more_but_those_of_e2(machine: str, expected: float) -> None:
    assert hour(machine_type=machine) == pytest.approx(expected + DISK, rel=0.002)


def test_what_is_priced_otherwise_has_no_price() -> None:
    """Extended memory; and a machine of whose GPUs nothing is known."""
    assert hour(machine_type="n2-custom-4-40960-ext") is None
    unread = project(machine_types=Unread("403"))
    settings = asked(cluster_node_pools=pool(machine_type="g2-standard-4"))
    found = cost(settings, unread, prices({}))
    assert found is not None
    assert found["unpriced"] == ["default-pool"]
    assert [(one.id, one.severity) for one in found_of(settings, unread)] == [
        ("pod-fits-no-node", "unknown"), ("replicas-exceed-nodes", "unknown"), ("rollout-room", "unknown"),
        ("machine-type", "unknown"), ("quota", "unknown"),
    ]  # fmt: skip


def test_gpus_that_a_machine_comes_with_count() -> None:
    offers = {"g2-standard-4": {"us-central1-a": MachineType(4, 16384, (("nvidia-l4", 1),))}}
    settings = asked(cluster_node_pools=pool(machine_type="g2-standard-4"))
    found = cost(settings, project(machine_types=offers), prices({}))
    assert found is not None
    node = 4 * 0.024988 + 16 * 0.002927 + 0.56004 + DISK
    assert found["max_per_hour"] == pytest.approx(0.125 + 4 * node, abs=0.002)


def test_spot_is_cheaper_and_its_disk_is_not() -> None:
    assert hour(machine_type="e2-standard-4", spot=True) == pytest.approx(0.4 * 0.13402 + DISK, rel=0.002)


def test_a_gpu_counts() -> None:
    t4 = [{"accelerator_type": "nvidia-tesla-t4", "accelerator_count": 2}]
    assert hour(machine_type="n1-standard-4", accelerators=t4) == pytest.approx(0.19 + 0.7 + DISK, rel=0.002)


def test_what_has_no_price_is_left_out_and_named() -> None:
    assert hour(machine_type="m9-huge-4") is None
    pools = [*pool(), {"name": "odd", "machine_type": "m9-huge-4", "node_count": 2}]
    found = cost(asked(cluster_node_pools=pools), project(), prices({}))
    assert found is not None
    assert found["unpriced"] == ["odd"]
    assert "without odd" in cost_in_words(found, "us-central1")


def test_the_least_and_the_most_nodes_cost() -> None:
    found = cost(asked(), project(), prices({}))
    assert found is not None
    node = 0.13402 + DISK
    assert found["min_per_hour"] == pytest.approx(0.1 + 0.025 + node, abs=0.002)
    assert found["max_per_hour"] == pytest.approx(0.1 + 0.025 + 4 * node, abs=0.002)
    inside = cost(asked(serving_service_type="ClusterIP"), project(), prices({}))
    assert inside is not None
    assert inside["min_per_hour"] == pytest.approx(found["min_per_hour"] - 0.025, abs=0.001)


def test_room_in_stock_costs_the_nodes_that_it_takes() -> None:
    """One replica fills a node of four CPUs."""
    node = hour(machine_type="e2-standard-4")
    assert node is not None
    for replicas, nodes in ((0, 0), (1, 1), (2, 2)):
        found = cost(asked(autoscaling_buffer_replicas=replicas), project(), prices({}))
        assert found is not None
        assert found["buffer_per_hour"] == pytest.approx(nodes * node, abs=0.001)
        assert ("room in stock" in cost_in_words(found, found["region"])) is bool(replicas)


def test_prices_that_are_known_better_win_one_by_one() -> None:
    own = prices({"currency": "EUR", "families": {"e2": {"cpu_hour": 1.0, "gib_hour": 0.0}}})
    found = cost(asked(), project(), own)
    assert found is not None
    assert (found["currency"], found["min_per_hour"]) == ("EUR", pytest.approx(4 + DISK + 0.125, abs=0.002))
    assert own["families"]["n1"] == prices({})["families"]["n1"]


def test_the_table_tells_where_it_is_from() -> None:
    table = prices({})
    assert table["date"] >= "2026-01-01"
    assert "cloud.google.com" in table["source"]


def test_elsewhere_is_told_to_be_elsewhere() -> None:
    found = cost(asked(cluster_location="europe-west1-b"), project(), prices({}))
    assert "prices of us-central1" in cost_in_words(found, "europe-west1")


def test_nodes_that_are_not_this_projects_are_not_priced() -> None:
    assert cost(asked(cluster_existing_kubeconfig="/k"), project(), prices({})) is None
    assert cost(asked(cluster_autopilot="true", cluster_node_pools=[]), project(), prices({})) is None
    assert "not estimated" in cost_in_words(None, "us-central1")


def test_a_reaction_is_the_sum_of_its_documented_parts() -> None:
    phases = reaction(asked())
    assert total(phases) == (15 + 0 + 80, 30 + 15 + 120)
    assert total(reaction(asked(autoscaling_scale_up_stabilization_seconds=60))) == (155, 225)
    assert total(reaction(asked(preflight_node_boot_seconds=[20, 30])))[1] == 75
    assert "95 to 165 s" in reaction_in_words(phases)
