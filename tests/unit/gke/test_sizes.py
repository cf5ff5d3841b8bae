"""A raised minimum takes effect, and no count is touched under an autoscaler otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.sizes import Unknown, bounds, growth
from hypothesis import given
from hypothesis import strategies as st
from world import World

Json = dict[str, Any]


def pool(name: str, low: int, high: int, **more: Any) -> Json:
    return {"name": name, "autoscaling": {"enabled": True, "minNodeCount": low, "maxNodeCount": high}, **more}


def cluster(nodes: int, *pools: Json, zones: str = "a") -> Json:
    return {"nodePools": list(pools), "currentNodeCount": nodes, "locations": [f"z-{zone}" for zone in zones]}


@pytest.mark.parametrize(
    ("nodes", "others", "zones", "wanted", "count"),
    [
        (1, [], "a", {"minNodeCount": 3, "maxNodeCount": 5}, 3),
        (4, [], "a", {"minNodeCount": 3, "maxNodeCount": 5}, None),  # The autoscaler made more already.
        (3, [], "abc", {"minNodeCount": 2, "maxNodeCount": 5}, 2),  # Limits are for each zone.
        (3, [], "abc", {"totalMinNodeCount": 7, "totalMaxNodeCount": 9}, 3),
        (2, [], "a", {"minNodeCount": 1, "maxNodeCount": 9}, None),  # Not raised.
        (2, [], "a", {"minNodeCount": 0, "maxNodeCount": 9}, None),
        (3, [{"name": "fixed", "initialNodeCount": 2}], "a", {"minNodeCount": 2, "maxNodeCount": 5}, 2),
        (9, [{"name": "fixed", "initialNodeCount": 2}], "a", {"minNodeCount": 2, "maxNodeCount": 5}, None),
        (2, [pool("other", 1, 4)], "a", {"minNodeCount": 2, "maxNodeCount": 5}, 2),  # At most 2 - 1.
        (7, [pool("other", 1, 4)], "a", {"minNodeCount": 2, "maxNodeCount": 5}, None),  # At least 7 - 4.
    ],
)
def test_a_raised_minimum(
    nodes: int, others: list[Json], zones: str, wanted: Json, count: int | None
) -> None:
    mine = pool("n", 1, 5)
    assert growth({"enabled": True, **wanted}, mine, cluster(nodes, mine, *others, zones=zones)) == count


@pytest.mark.parametrize(
    ("limits", "nodes", "wanted", "count"),
    [
        ({"totalMinNodeCount": 3, "totalMaxNodeCount": 9}, 4, {"totalMinNodeCount": 6}, None),  # four in one
        ({"totalMinNodeCount": 3, "totalMaxNodeCount": 9}, 4, {"totalMinNodeCount": 12}, 4),
        ({"minNodeCount": 1, "maxNodeCount": 5}, 5, {"minNodeCount": 2}, None),  # 3, 1 and 1
        ({"minNodeCount": 1, "maxNodeCount": 5}, 4, {"minNodeCount": 2}, 2),  # 2, 1 and 1
        ({"minNodeCount": 0, "maxNodeCount": 2}, 5, {"minNodeCount": 2}, 2),  # none has more than its maximum
    ],
)
def test_no_zone_shrinks_by_a_raised_minimum(
    limits: Json, nodes: int, wanted: Json, count: int | None
) -> None:
    mine = {"name": "n", "autoscaling": {"enabled": True, **limits}}
    goal = {"enabled": True, **limits, **wanted}
    if count is not None:
        assert growth(goal, mine, cluster(nodes, mine, zones="abc")) == count
        return
    with pytest.raises(Unknown):
        growth(goal, mine, cluster(nodes, mine, zones="abc"))


def test_what_the_api_does_not_tell_is_not_guessed() -> None:
    mine = pool("n", 1, 5)
    with pytest.raises(Unknown, match="3"):
        growth({"enabled": True, "minNodeCount": 3}, mine, cluster(5, mine, pool("other", 1, 4)))


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=3),
    st.integers(0, 9),
)
def test_the_real_count_is_always_within_the_bounds(
    size: int, others: list[tuple[int, int, int]], low: int
) -> None:
    """``others``: minimum, nodes beyond it, room beyond those."""
    mine = pool("n", 0, 9)
    pools = [
        pool(f"o{i}", minimum, minimum + beyond + room) for i, (minimum, beyond, room) in enumerate(others)
    ]
    found = cluster(size + sum(minimum + beyond for minimum, beyond, _ in others), mine, *pools)
    minimum, maximum = bounds(mine, found)
    assert minimum <= size <= maximum
    try:
        count = growth({"enabled": True, "minNodeCount": low, "maxNodeCount": 9}, mine, found)
    except Unknown:
        return
    assert count is None or count > size, "never fewer than there are"


def test_nodes_are_added_before_the_minimum_is_raised(world: World) -> None:
    limits = {"min_node_count": 1, "max_node_count": 5}
    world.cluster(node_pools=[{"name": "n", "autoscaling": limits}])
    wish = {"node_pools": [{"name": "n", "autoscaling": {**limits, "min_node_count": 2}}]}
    would, done = world.cluster(check=True, **wish), world.cluster(**wish)
    assert would["actions"] == done["actions"]
    assert [action.partition(" -> ")[0] for action in done["actions"]] == [
        "node pool n: nodes in each zone: unset",
        "node pool n: autoscaling: {'min_node_count': 1, 'max_node_count': 5, 'enabled': True}",
    ]
    assert world.google.clusters["c"]["currentNodeCount"] == 2 * 3
    assert world.cluster(**wish)["actions"] == []


def test_a_run_that_ends_between_the_two_is_finished_by_the_next(world: World) -> None:
    limits = {"min_node_count": 1, "max_node_count": 5}
    world.cluster(node_pools=[{"name": "n", "autoscaling": limits}])
    wish = {"node_pools": [{"name": "n", "autoscaling": {**limits, "min_node_count": 2}}]}
    world.google.failures = [None, {"error": {"code": 13, "message": "Internal error."}}]
    from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import OperationFailed

    with pytest.raises(OperationFailed):
        world.cluster(**wish)
    assert [action.split(":")[1] for action in world.cluster(**wish)["actions"]] == [" autoscaling"]


@pytest.mark.parametrize("nodes", [0, 1, 2, 5])
def test_what_the_autoscaler_does_is_no_drift(world: World, nodes: int) -> None:
    wish = {
        "node_pools": [
            {"name": "n", "initial_node_count": 1, "autoscaling": {"min_node_count": 0, "max_node_count": 5}}
        ]
    }
    world.cluster(**wish)
    world.google.clusters["c"]["currentNodeCount"] = nodes
    for check in (True, False):
        assert world.cluster(check=check, **wish)["actions"] == []


def test_a_count_that_can_not_be_known_is_a_warning(world: World) -> None:
    limits = {"min_node_count": 1, "max_node_count": 5}
    world.cluster(node_pools=[{"name": name, "autoscaling": limits} for name in "no"])
    world.google.clusters["c"]["currentNodeCount"] = 15
    done = world.pool(autoscaling={"min_node_count": 3, "max_node_count": 5})
    assert "fewer than 9 in all" in done["warnings"][0]
    assert [action.partition(":")[0] for action in done["actions"]] == ["autoscaling"]


def test_a_fixed_size_is_kept(world: World) -> None:
    world.cluster(node_pools=[{"name": "n", "node_count": 2}])
    assert world.pool(node_count=2)["actions"] == []
    assert world.pool(node_count=4)["actions"] == ["node_count: 2 -> 4 (in place)"]
    assert world.pool(node_count=0)["actions"] == ["node_count: 4 -> 0 (in place)"]
    assert world.pool(node_count=0)["actions"] == []
