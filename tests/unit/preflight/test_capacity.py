"""The arithmetic of room, by its properties."""

from __future__ import annotations

from itertools import product

from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.capacity import Room, capacity
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.settings import (
    Resources,
    absolute,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.to_settings import pool
from cases import POOL
from hypothesis import given
from hypothesis import strategies as st

SIZES = st.builds(Resources, st.integers(1, 4000), st.integers(1, 4000), st.integers(0, 2))
ROOMS = st.lists(
    st.builds(Room, st.integers(0, 4), st.builds(Resources, st.integers(-500, 8000), st.integers(-500, 8000), st.integers(0, 8)),
              st.integers(0, 20), st.booleans()),
    max_size=3,
)  # fmt: skip
OTHERS = st.lists(SIZES, max_size=4)


@given(ROOMS, SIZES, OTHERS)
def test_pods_never_have_more_than_there_is(
    rooms: list[Room], replica: Resources, others: list[Resources]
) -> None:
    fit = capacity(rooms, replica, others)
    assert 0 <= fit.unschedulable <= len(others)
    for resource in ("cpu_milli", "memory", "gpus"):
        there = sum(max(0, getattr(room.free, resource)) * room.nodes for room in rooms if room.serves)
        assert fit.replicas * getattr(replica, resource) <= there
    assert fit.replicas <= sum(room.pods * room.nodes for room in rooms if room.serves)


@given(ROOMS, SIZES, OTHERS, st.integers(0, 2))
def test_another_node_never_takes_room_away(
    rooms: list[Room], replica: Resources, others: list[Resources], which: int
) -> None:
    if not rooms:
        return
    grown = [
        Room(room.nodes + (index == which % len(rooms)), room.free, room.pods, room.serves)
        for index, room in enumerate(rooms)
    ]
    assert capacity(grown, replica, []).replicas >= capacity(rooms, replica, []).replicas
    assert capacity(grown, replica, others).unschedulable <= capacity(rooms, replica, others).unschedulable


@given(ROOMS, SIZES, OTHERS)
def test_other_pods_never_make_room(rooms: list[Room], replica: Resources, others: list[Resources]) -> None:
    assert capacity(rooms, replica, others).replicas <= capacity(rooms, replica).replicas


@given(
    st.integers(1, 3),
    st.integers(100, 1000),
    st.integers(100, 1000),
    st.lists(st.integers(1, 400), max_size=2),
)
def test_alike_nodes_hold_what_the_best_of_all_placements_holds(
    nodes: int, free: int, replica: int, others: list[int]
) -> None:
    """With up to two other pods, compared with trying all of their homes."""
    best = -1
    for homes in product(range(nodes), repeat=len(others)):
        left = [free] * nodes
        for home, other in zip(homes, others, strict=True):
            left[home] -= other
        if min(left) >= 0:
            best = max(best, sum(one // replica for one in left))
    found = capacity(
        [Room(nodes, Resources(free, 10**6), 100)],
        Resources(replica, 1),
        [Resources(one, 1) for one in others],
    )
    if best >= 0:
        assert found.unschedulable == 0
        assert found.replicas <= best
        assert best - found.replicas <= 1


@given(st.integers(0, 100), st.integers(0, 200))
def test_a_percentage_of_pods_is_rounded_up(percent: int, whole: int) -> None:
    found = absolute(f"{percent}%", whole)
    assert found >= whole * percent / 100 > found - 1
    assert absolute(str(percent), whole) == percent


@given(
    st.integers(0, 50),
    st.integers(0, 50),
    st.sampled_from([(), ("us-central1-a",), ("us-central1-a", "us-central1-b")]),
)
def test_counts_are_per_zone_unless_they_are_totals(low: int, high: int, zones: tuple[str, ...]) -> None:
    count = len(zones) or 3
    each = pool({**POOL, "autoscaling": {"min_node_count": low, "max_node_count": high}}, zones)
    assert (each.minimum, each.maximum) == (low * count, high * count)
    if low and high:
        total = {"total_min_node_count": low, "total_max_node_count": high}
        whole = pool({**POOL, "autoscaling": total}, zones)
        assert (whole.minimum, whole.maximum) == (low, high)
