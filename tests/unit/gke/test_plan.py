"""The planner of clusters and node pools: a table of fields, and properties."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import BadInput
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.plan import plan_cluster, plan_pool, refused
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.wanted import (
    cluster_path,
    wanted_cluster,
    wanted_pool,
)
from hypothesis import given
from hypothesis import strategies as st

PARENT = cluster_path("p", "us-central1-f", "c")
PATH = f"{PARENT}/nodePools/n"
CURRENT: dict[str, Any] = {
    "name": "n",
    "initialNodeCount": 1,
    "config": {
        "machineType": "e2-medium", "diskSizeGb": 100, "diskType": "pd-balanced", "imageType": "COS_CONTAINERD",
        "serviceAccount": "default", "oauthScopes": ["a", "b"],
    },
    "autoscaling": {"enabled": True, "minNodeCount": 1, "maxNodeCount": 3, "locationPolicy": "BALANCED"},
    "management": {"autoRepair": True, "autoUpgrade": True},
}  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value", "method", "path", "body"),
    [
        ("machine_type", "e2-standard-4", "PUT", PATH, {"machineType": "e2-standard-4"}),
        ("disk_size_gb", 50, "PUT", PATH, {"diskSizeGb": 50}),
        ("disk_type", "pd-ssd", "PUT", PATH, {"diskType": "pd-ssd"}),
        ("labels", {"a": "b"}, "PUT", PATH, {"labels": {"labels": {"a": "b"}}}),
        ("tags", ["x"], "PUT", PATH, {"tags": {"tags": ["x"]}}),
        (
            "taints", [{"key": "k", "value": "v", "effect": "NO_SCHEDULE"}], "PUT", PATH,
            {"taints": {"taints": [{"key": "k", "value": "v", "effect": "NO_SCHEDULE"}]}},
        ),
        (
            "autoscaling", {"enabled": True, "min_node_count": 2, "max_node_count": 9}, "POST", f"{PATH}:setAutoscaling",
            {"autoscaling": {"enabled": True, "minNodeCount": 2, "maxNodeCount": 9}},
        ),
        ("autoscaling", {"enabled": False}, "POST", f"{PATH}:setAutoscaling", {"autoscaling": {"enabled": False}}),
        (
            "management", {"auto_upgrade": False}, "POST", f"{PATH}:setManagement",
            {"management": {"autoUpgrade": False}},
        ),
    ],
)  # fmt: skip
def test_each_field_has_its_request(option: str, value: Any, method: str, path: str, body: Any) -> None:
    (change,) = plan_pool(wanted_pool({"name": "n", option: value}), CURRENT, PARENT, recreate=False)
    assert (change.method, change.path, change.body) == (method, path, body)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("machine_type", "e2-medium"), ("oauth_scopes", ["b", "a"]), ("labels", {}), ("taints", []), ("spot", False),
        ("image_type", "cos_containerd"), ("initial_node_count", 7), ("management", {"auto_repair": True}),
        ("autoscaling", {"enabled": True, "min_node_count": 1, "max_node_count": 3}),
    ],
)  # fmt: skip
def test_what_is_so_already_is_no_change(option: str, value: Any) -> None:
    assert plan_pool(wanted_pool({"name": "n", option: value}), CURRENT, PARENT, recreate=False) == []


def test_a_change_that_needs_a_new_pool_is_refused_unless_allowed() -> None:
    wanted = wanted_pool({"name": "n", "spot": True})
    (change,) = refused(plan_pool(wanted, CURRENT, PARENT, recreate=False))
    assert str(change) == "spot: unset -> True (recreation)"
    allowed = plan_pool(wanted, CURRENT, PARENT, recreate=True)
    assert [(c.method, c.path) for c in allowed] == [("DELETE", PATH), ("POST", f"{PARENT}/nodePools")]


def test_a_cluster_is_never_recreated() -> None:
    current = {"name": "c", "network": "default", "nodePools": []}
    changes = plan_cluster({"name": "c", "network": "projects/p/global/networks/other"}, current, PARENT)
    assert [c.field for c in refused(changes)] == ["network"]
    same = plan_cluster({"name": "c", "network": "projects/p/global/networks/default"}, current, PARENT)
    assert same == []


def test_pools_that_are_not_named_stay_unless_the_list_is_exclusive() -> None:
    current = {"name": "c", "nodePools": [CURRENT, {**CURRENT, "name": "other"}]}
    wanted = {"name": "c", "nodePools": [{"name": "n"}]}
    assert plan_cluster(wanted, current, PARENT) == []
    (gone,) = plan_cluster(wanted, current, PARENT, exclusive_pools=True)
    assert (gone.method, gone.path) == ("DELETE", f"{PARENT}/nodePools/other")


def test_labels_go_with_the_fingerprint_that_was_read() -> None:
    current = {"name": "c", "resourceLabels": {"a": "1"}, "labelFingerprint": "f"}
    (change,) = plan_cluster({"name": "c", "resourceLabels": {"a": "2"}}, current, PARENT)
    assert (change.path, change.body) == (
        f"{PARENT}:setResourceLabels",
        {"resourceLabels": {"a": "2"}, "labelFingerprint": "f"},
    )


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "machine_type": st.sampled_from(["e2-medium", "e2-standard-4"]),
        "disk_size_gb": st.integers(10, 200),
        "labels": st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy")),
        "tags": st.lists(st.sampled_from("abc"), unique=True),
        "autoscaling": st.builds(
            lambda low, more: {"enabled": True, "min_node_count": low, "max_node_count": low + more},
            st.integers(0, 5), st.integers(1, 5),
        ),
    },
)  # fmt: skip


def applied(current: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """What Google would hold after the changes: the wanted fields over the current ones."""
    after = copy.deepcopy(current)
    after["config"] |= wanted.get("config", {})
    for key in ("autoscaling", "management"):
        after[key] = {**after.get(key, {}), **wanted.get(key, {})}
    return after


@given(OPTIONS)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(options: dict[str, Any]) -> None:
    wanted = wanted_pool({"name": "n", **options})
    after = applied(CURRENT, wanted)
    assert plan_pool(wanted, after, PARENT, recreate=False) == []


@given(OPTIONS)
def test_only_what_is_asked_for_changes(options: dict[str, Any]) -> None:
    changes = plan_pool(wanted_pool({"name": "n", **options}), CURRENT, PARENT, recreate=False)
    assert {change.field for change in changes} <= set(options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "UPPER"}, "must start with a lower-case letter"),
        ({"name": "x" * 41}, "40 characters"),
        ({"location": "nowhere"}, "neither a zone"),
        ({"node_pools": [{"name": "a"}, {"name": "a"}]}, "named twice"),
        ({"node_pools": [{"name": "a", "autoscaling": {"enabled": True, "min_node_count": 4, "max_node_count": 2}}]}, "from 4 to 2"),
        ({"node_pools": [{"name": "a", "autoscaling": {"enabled": True, "min_node_count": 1, "total_max_node_count": 2}}]}, "exclude each other"),
        ({"node_pools": [{"name": "a", "autoscaling": {"enabled": True, "min_node_count": 1}}]}, "needs max_node_count"),
        ({"node_pools": [{"name": "a", "initial_node_count": -1}]}, "initial_node_count"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_asked(options: dict[str, Any], words: str) -> None:
    base = {"name": "c", "location": "us-central1-f", "project": "p"}
    with pytest.raises(BadInput, match=words):
        wanted_cluster({**base, **options})
