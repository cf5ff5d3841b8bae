"""A cluster's life against the emulated GKE, over real HTTP: each field in check mode, for real, and once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.mlops.tfserving.plugins.modules import gke_cluster, gke_node_pool
from test_plan import CLUSTER_TABLE, POOL_TABLE

Call = Callable[..., dict[str, Any]]
POOL = {"name": "n", "machine_type": "e2-small", "initial_node_count": 1}
CLUSTER = {"name": "c", "location": "us-central1", "release_channel": "UNSPECIFIED", "node_pools": [POOL]}


def foretold(call: Call, module: Any, **wish: Any) -> list[str]:
    """What was done: exactly what a check said before, and nothing more by a second run."""
    would, done = call(module, check=True, **wish), call(module, **wish)
    assert "msg" not in done, done["msg"]
    assert (would["actions"], would["diff"]) == (done["actions"], done["diff"])
    assert call(module, **wish)["actions"] == []
    return list(done["actions"])


def test_each_field_of_a_cluster(call: Call) -> None:
    assert foretold(call, gke_cluster, **CLUSTER)
    for name, _, value, _ in CLUSTER_TABLE:
        actions = foretold(call, gke_cluster, **{**CLUSTER, name: value})
        assert all(action.startswith(f"{name}: ") for action in actions)
    assert foretold(call, gke_cluster, name="c", location="us-central1", state="absent")


def test_each_field_of_a_pool(call: Call) -> None:
    call(gke_cluster, **CLUSTER)
    where = {"cluster": "c", "location": "us-central1", "name": "n"}
    for name, _, value, _ in POOL_TABLE:
        actions = foretold(call, gke_node_pool, **where, **{name: value})
        assert all(action.startswith((f"{name}: ", "nodes in each zone: ")) for action in actions)
    assert foretold(call, gke_node_pool, **where, state="absent")
