"""The GKE modules against the emulated API over real HTTP: create, again, update, again, delete, again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.modules import gke_cluster, gke_cluster_info, gke_node_pool
from emulator import Emulator

Call = Callable[..., dict[str, Any]]
POOL = {
    "name": "default-pool",
    "machine_type": "e2-small",
    "initial_node_count": 1,
    "autoscaling": {"min_node_count": 1, "max_node_count": 3},
}
CLUSTER = {"name": "c", "location": "us-central1-f", "node_pools": [POOL]}


def test_seven_steps(call: Call, emulator: Emulator) -> None:
    would = call(gke_cluster, check=True, **CLUSTER)
    assert (would["changed"], would["cluster"]) == (True, {})
    assert emulator.orchestrator.clusters() == []
    made = call(gke_cluster, **CLUSTER)
    assert made["changed"]
    assert made["actions"] == would["actions"]
    assert made["diff"] == would["diff"]
    assert made["cluster"]["status"] == "RUNNING"
    again = call(gke_cluster, **CLUSTER)
    assert (again["changed"], again["actions"]) == (False, [])

    wider = {
        **CLUSTER,
        "resource_labels": {"team": "ml"},
        "node_pools": [{**POOL, "autoscaling": {"min_node_count": 1, "max_node_count": 4}}],
    }
    would = call(gke_cluster, check=True, **wider)
    done = call(gke_cluster, **wider)
    assert done["diff"] == would["diff"]
    assert done["cluster"]["resourceLabels"] == {"team": "ml", "made-by": "mlops-tfserving"}
    assert done["cluster"]["nodePools"][0]["autoscaling"]["maxNodeCount"] == 4
    assert not call(gke_cluster, **wider)["changed"]

    assert call(gke_cluster, state="absent", name="c", location="us-central1-f")["changed"]
    assert emulator.orchestrator.clusters() == []
    assert not call(gke_cluster, state="absent", name="c", location="us-central1-f")["changed"]


def test_a_failed_operation_fails_the_task_and_a_run_that_may_mends_it(
    call: Call, emulator: Emulator
) -> None:
    emulator.next.fails = "Quota 'CPUS' exceeded."
    failed = call(gke_cluster, **CLUSTER)
    assert failed["failed"]
    assert "Quota 'CPUS' exceeded" in failed["msg"]
    assert "Ask for more quota" in failed["msg"]
    assert "in status ERROR" in call(gke_cluster, **CLUSTER)["msg"]
    assert call(gke_cluster, **CLUSTER, recreate="failed")["cluster"]["status"] == "RUNNING"


def test_what_can_not_be_changed_is_refused_and_nothing_else_is_changed(call: Call) -> None:
    call(gke_cluster, **CLUSTER)
    spot = {**CLUSTER, "resource_labels": {"a": "b"}, "node_pools": [{**POOL, "spot": True}]}
    refused = call(gke_cluster, **spot)
    assert "node pool default-pool: spot: unset -> True" in refused["msg"]
    assert not call(gke_cluster, **CLUSTER)["changed"]
    assert call(gke_cluster, **spot, recreate="pools")["changed"]


def test_a_node_pool_of_its_own(call: Call, emulator: Emulator) -> None:
    pool = {
        "cluster": "c",
        "location": "us-central1-f",
        "name": "more",
        "machine_type": "e2-small",
        "initial_node_count": 1,
    }
    assert "does not exist" in call(gke_node_pool, **pool)["msg"]
    call(gke_cluster, **CLUSTER)
    assert call(gke_node_pool, **pool)["node_pool"]["status"] == "RUNNING"
    assert not call(gke_node_pool, **pool)["changed"]
    assert len(emulator.clusters[0].nodes) == 2
    assert call(gke_node_pool, **pool, state="absent")["changed"]
    assert not call(gke_node_pool, **pool, state="absent")["changed"]


def test_the_kubeconfig_is_private_and_complete(call: Call, tmp_path: Any) -> None:
    where = {"name": "c", "location": "us-central1-f"}
    assert call(gke_cluster_info, **where)["exists"] is False
    call(gke_cluster, **CLUSTER)
    file = tmp_path / "deep" / "config"
    found = call(gke_cluster_info, **where, kubeconfig_file=str(file))
    assert (found["exists"], found["changed"]) == (True, False)
    written = json.loads(file.read_text())
    assert written["clusters"][0]["cluster"]["server"] == "https://198.18.0.2"
    assert written["users"][0]["user"]["token"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_cluster_is_made_and_connected_to_in_one_task(call: Call, tmp_path: Any) -> None:
    file = tmp_path / "config"
    options = {**CLUSTER, "kubeconfig_file": str(file)}
    assert call(gke_cluster, check=True, **options)["exists"] is False
    assert not file.exists()
    made = call(gke_cluster, **options)
    assert (made["exists"], "kubeconfig" in made) == (True, False)
    assert json.loads(file.read_text())["users"][0]["user"]["token"]
    file.unlink()
    assert call(gke_cluster, check=True, **options)["changed"] is False
    assert file.exists(), "what comes after a check reads from the cluster, too"
    gone = call(gke_cluster, state="absent", name="c", location="us-central1-f", kubeconfig_file=str(file))
    assert (gone["changed"], gone["exists"]) == (True, False)


def test_the_options_that_describe_a_cluster_make_no_change(call: Call) -> None:
    call(gke_cluster, **CLUSTER)
    found = call(gke_cluster_info, name="c", location="us-central1-f")
    assert found["options"]["node_pools"][0]["machine_type"] == "e2-small"
    assert "addonsConfig.kubernetesDashboard.disabled" in found["unmanaged"]
    assert call(gke_cluster, location="us-central1-f", **found["options"])["actions"] == []


def test_a_bad_token_is_told_in_one_line(call: Call) -> None:
    answer = call(gke_cluster, **CLUSTER, access_token="wrong")
    assert answer["failed"]
    assert "does not accept the access token" in answer["msg"]
    assert "\n" not in answer["msg"]


def test_an_endpoint_that_is_not_there_is_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.mlops.tfserving.plugins.module_utils.gcp import rest
    from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Policy

    monkeypatch.setattr(rest, "POLICY", Policy(attempts=1))
    answer = call(gke_cluster, **CLUSTER, api_endpoint="http://127.0.0.1:9")
    assert "Is it reachable from here?" in answer["msg"]
