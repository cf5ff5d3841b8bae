"""Clusters and pools converge: in check mode and for real, through faults, from any drift."""

from __future__ import annotations

import random
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import (
    ApiError,
    BadInput,
    GoogleError,
    NoAnswer,
    OperationFailed,
    TimedOut,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.cluster_options import CLUSTER_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.pool_options import POOL_OPTIONS
from test_plan import CLUSTER_TABLE, POOL_TABLE
from world import World

Json = dict[str, Any]
POOL: Json = {
    "name": "n",
    "machine_type": "e2-medium",
    "autoscaling": {"min_node_count": 1, "max_node_count": 3},
}
CLUSTER: Json = {"node_pools": [POOL], "resource_labels": {"team": "ml"}}
QUOTA = {
    "error": {"code": 8, "message": "Quota 'CPUS' exceeded. Limit: 8.0 in region us-central1."},
    "clusterConditions": [{"code": "GCE_QUOTA_EXCEEDED", "canonicalCode": "RESOURCE_EXHAUSTED", "message": "Quota 'CPUS' exceeded."}],
}  # fmt: skip


def creations(world: World, what: str = "clusters") -> int:
    return sum(path.endswith(f"/{what}") for _, path, _ in world.google.requests)


def same_in_check_mode(world: World, **options: Any) -> Json:
    """Runs it, and sees that a check said before exactly what it did."""
    requests = list(world.google.requests)
    would = world.cluster(check=True, **options)
    assert world.google.requests == requests, "a check changes nothing"
    done = world.cluster(**options)
    for key in ("changed", "actions", "diff"):
        assert done[key] == would[key]
    return done


def test_one_life_in_check_mode_and_for_real(world: World) -> None:
    assert same_in_check_mode(world, **CLUSTER)["changed"]
    assert not same_in_check_mode(world, **CLUSTER)["changed"]
    options: Json = dict(CLUSTER)
    needs_datapath = ("enable_cilium_clusterwide_network_policy", "in_transit_encryption_config")
    for name, _, value, _ in CLUSTER_TABLE:
        if name in needs_datapath or options.get(name) == value:
            continue
        options[name] = value
        if name.endswith("_service"):
            del options[name.replace("_service", "_config")]
        done = same_in_check_mode(world, **options)
        if done["changed"]:
            assert [line.partition(":")[0] for line in done["actions"]] == [name]
        assert same_in_check_mode(world, **options)["actions"] == []
    assert same_in_check_mode(world, state="absent")["changed"]
    assert world.google.clusters == {}
    assert not same_in_check_mode(world, state="absent")["changed"]


def test_only_a_cluster_that_was_made_here_is_removed(world: World) -> None:
    """With own_only; its mark stays whatever labels are asked for later."""
    world.cluster(**CLUSTER)
    assert not world.cluster(**CLUSTER)["changed"]
    world.cluster(resource_labels={"team": "other"})
    (cluster,) = world.google.clusters.values()
    assert cluster["resourceLabels"] == {"team": "other", "made-by": "mlops-tfserving"}
    cluster["resourceLabels"] = {"team": "other"}
    assert not world.cluster(resource_labels={"team": "other"})["changed"], "others' clusters get no mark"
    kept = same_in_check_mode(world, state="absent", own_only=True)
    assert not kept["changed"] and "cluster c stays: it does not have the label made-by" in kept["kept"]
    world.cluster(resource_labels={"made-by": "mlops-tfserving"}, adopt=True)
    gone = same_in_check_mode(world, state="absent", own_only=True)
    assert gone["changed"] and gone["kept"] == "" and world.google.clusters == {}


def of_others(world: World) -> Json:
    """The cluster that the reviewer lost nodes of: five to forty, by another tool."""
    world.cluster(node_pools=[{**POOL, "autoscaling": {"min_node_count": 5, "max_node_count": 40}}])
    (cluster,) = world.google.clusters.values()
    cluster["resourceLabels"] = {"team": "search"}
    return dict(cluster)


def test_a_cluster_of_others_is_used_and_not_changed(world: World) -> None:
    of_others(world)
    writes = len(world.google.requests)
    for check in (True, False):
        with pytest.raises(BadInput) as refused:
            world.cluster(check=check, **CLUSTER)
        words = str(refused.value)
        assert (
            "cluster c in us-central1 was not made here" in words
            and "set cluster_adopt: true (adopt: true of the module)" in words
            and "by cluster_node_pools: []" in words
        )
        assert "node pool n: autoscaling: {" in words and "'max_node_count': 40" in words
        assert "resource_labels: {'team': 'search'} -> {'team': 'ml'}" in words
        with pytest.raises(BadInput, match="node pool other: unset -> "):
            world.cluster(check=check, node_pools=[{"name": "other"}])
        for pool in ({"name": "other"}, {"disk_size_gb": 200}):
            with pytest.raises(BadInput, match="was not made here"):
                world.pool(check=check, **pool)
    assert len(world.google.requests) == writes
    assert world.cluster(node_pools=[{"name": "n"}])["changed"] is False


def test_it_is_changed_by_a_word_and_stays_theirs(world: World) -> None:
    of_others(world)
    assert same_in_check_mode(world, **CLUSTER, adopt=True)["changed"]
    assert world.pool(disk_size_gb=200, adopt=True)["changed"]
    (cluster,) = world.google.clusters.values()
    assert cluster["resourceLabels"] == {"team": "ml"}
    assert not world.cluster(**CLUSTER)["changed"], "the word is for what differs"
    assert world.cluster(state="absent", own_only=True)["kept"]


def test_each_field_of_a_pool_in_check_mode_and_for_real(world: World) -> None:
    world.cluster(node_pools=[{"name": "n", "initial_node_count": 1}])
    options: Json = {}
    for name, _, value, _ in POOL_TABLE:
        if name in ("node_count", "node_locations"):
            continue
        options[name] = {"podPidsLimit": "2048"} if name == "kubelet_config" else value
        if name == "accelerators":
            options["machine_type"] = "n1-standard-4"
        would, done = world.pool(check=True, **options), world.pool(**options)
        assert (would["diff"], would["actions"]) == (done["diff"], done["actions"])
        assert world.pool(**options)["actions"] == []
        if name == "upgrade_settings":
            options.pop(name)


def test_nothing_to_do_is_one_read(world: World) -> None:
    world.cluster(**CLUSTER)
    before = world.google.reads
    world.cluster(**CLUSTER)
    assert world.google.reads == before + 1


# What happens to the first changing request of a creation, an update and a deletion.
FAULTS = [
    "429 before", "500 before", "503 before", "502 before", "504 before", "reset before", "500 after", "503 after",
    "reset after", "504 after",
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_creation_makes_nothing_twice(world: World, fault: str) -> None:
    world.google.faults = [fault]
    assert world.cluster(**CLUSTER)["cluster"]["status"] == "RUNNING"
    assert creations(world) == 1
    assert not world.cluster(**CLUSTER)["changed"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_pools_creation_makes_nothing_twice(world: World, fault: str) -> None:
    world.cluster(**CLUSTER)
    world.google.faults = [fault]
    assert world.pool(name="more", initial_node_count=1)["node_pool"]["status"] == "RUNNING"
    assert creations(world, "nodePools") == 1


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("wish", [{"resource_labels": {"a": "b"}}, {"vertical_pod_autoscaling": True}])
def test_a_fault_in_an_update_is_mended(world: World, fault: str, wish: Json) -> None:
    world.cluster(**CLUSTER)
    world.google.faults = [fault]
    assert world.cluster(**{**CLUSTER, **wish})["changed"]
    assert not world.cluster(**{**CLUSTER, **wish})["changed"]
    assert len(world.google.requests) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_deletion_is_mended(world: World, fault: str) -> None:
    world.cluster(**CLUSTER)
    world.google.faults = [fault]
    world.cluster(state="absent")
    assert world.google.clusters == {}


def test_an_api_that_stays_away_is_an_error_that_says_so(world: World) -> None:
    world.google.faults = ["reset before"] * 20
    with pytest.raises(NoAnswer, match="no answer from https://google"):
        world.cluster(**CLUSTER)
    world.google.faults = ["503 before"] * 20
    with pytest.raises(ApiError, match="currently unavailable"):
        world.cluster(**CLUSTER)
    assert world.google.clusters == {}


def test_a_failed_creation_fails_in_words_and_the_next_run_replaces_it(world: World) -> None:
    world.google.failures = [QUOTA]
    with pytest.raises(
        OperationFailed, match=r"CREATE_CLUSTER failed: Quota 'CPUS' exceeded.*Ask for more quota"
    ):
        world.cluster(**CLUSTER)
    assert world.google.clusters["c"]["status"] == "ERROR"
    with pytest.raises(BadInput, match=r"in status ERROR.*recreate: failed"):
        world.cluster(**CLUSTER)
    done = same_in_check_mode(world, **CLUSTER, recreate="failed")
    assert done["diff"]["before"] == {"cluster c": "ERROR"}
    assert done["cluster"]["status"] == "RUNNING"


def test_a_failed_creation_whose_answer_got_lost_is_no_success(world: World) -> None:
    world.google.faults, world.google.failures = ["reset after"], [QUOTA]
    with pytest.raises(OperationFailed, match="Quota"):
        world.cluster(**CLUSTER)


def test_a_failed_pool_is_replaced(world: World) -> None:
    world.cluster(**CLUSTER)
    world.google.failures = [
        {"error": {"code": 8, "message": "ZONE_RESOURCE_POOL_EXHAUSTED: no n1 in us-central1-a"}}
    ]
    with pytest.raises(OperationFailed, match="another zone or machine type"):
        world.pool(name="gpu")
    with pytest.raises(BadInput, match="node pool gpu is in status ERROR"):
        world.pool(name="gpu")
    done = world.pool(name="gpu", recreate="failed")
    assert [line.partition(":")[0] for line in done["actions"]] == ["node pool gpu"] * 2
    assert world.pool(name="gpu")["node_pool"]["status"] == "RUNNING"


def test_a_failed_update_tells_what_was_changed_before(world: World) -> None:
    world.cluster(**CLUSTER)
    world.google.failures = [None, {"error": {"code": 7, "message": "Permission denied on the cryptoKey."}}]
    with pytest.raises(OperationFailed) as caught:
        world.cluster(**{**CLUSTER, "resource_labels": {"a": "b"}, "cost_management": True})
    assert "roles/cloudkms" in str(caught.value)
    assert caught.value.made == [
        "resource_labels: {'team': 'ml', 'made-by': 'mlops-tfserving'} -> {'a': 'b', 'made-by': 'mlops-tfserving'} (in place)"
    ]


def test_a_foreign_operation_is_waited_for(world: World) -> None:
    world.cluster(**CLUSTER)
    world.google.foreign("c")
    began = world.google.time
    assert world.cluster(**{**CLUSTER, "cost_management": True})["changed"]
    assert world.google.time >= began + 2 * world.google.seconds
    world.google.foreign("c")
    world.google.clusters["c"]["status"] = (
        "RUNNING"  # Not every operation shows there: the request is refused first.
    )
    assert world.cluster(**{**CLUSTER, "cost_management": False})["changed"]


def test_a_foreign_operation_that_fails_is_told_and_not_ours(world: World) -> None:
    world.cluster(**CLUSTER)
    world.google.failures = [{"error": {"code": 13, "message": "Internal error."}}]
    world.google.foreign("c")
    done = world.cluster(**{**CLUSTER, "cost_management": True})
    assert "UPGRADE_MASTER" in done["warnings"][0]


@pytest.mark.parametrize("seconds", [0.0, 1.0, 3.0])
def test_a_run_that_was_killed_is_taken_up_again(world: World, seconds: float) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        if world.google.time >= seconds:
            raise Killed

    world.google.on_wait = kill
    with pytest.raises(Killed):
        world.cluster(**CLUSTER)
    world.google.on_wait = lambda: None
    done = world.cluster(**CLUSTER)
    assert (done["changed"], done["cluster"]["status"]) == (False, "RUNNING")
    assert creations(world) == 1


def test_a_creation_that_was_left_and_then_failed_is_replaced_in_the_same_run(world: World) -> None:
    world.timeout, world.google.failures = 2.0, [QUOTA]
    with pytest.raises(TimedOut, match="run this again to wait on"):
        world.cluster(**CLUSTER)
    world.timeout = 600
    done = world.cluster(**CLUSTER, recreate="failed")
    assert done["cluster"]["status"] == "RUNNING"
    assert "Quota" in done["warnings"][0]
    assert creations(world) == 2


def test_a_deletion_that_runs_already_is_waited_for(world: World) -> None:
    world.cluster(**CLUSTER)
    world.timeout = 2.0
    with pytest.raises(TimedOut):
        world.cluster(state="absent")
    world.timeout = 600
    assert same_in_check_mode(world, state="absent")["changed"] is False
    assert world.google.clusters == {}


def test_an_operations_end_is_noticed_within_two_seconds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.mlops.tfserving.plugins.module_utils.gke import client

    monkeypatch.setattr(client, "FIRST_POLL", 1.0)
    monkeypatch.setattr(client, "LAST_POLL", 2.0)
    world.google.seconds = 300.5
    world.cluster(**CLUSTER)
    assert world.google.time <= 302.5


def test_deletion_protection_refuses_while_there_is_something_to_protect(world: World) -> None:
    assert not world.cluster(state="absent", deletion_protection=True)["changed"]
    world.cluster(**CLUSTER)
    with pytest.raises(BadInput, match="deletion_protection is true"):
        world.cluster(state="absent", deletion_protection=True)
    with pytest.raises(BadInput, match="deletion_protection is true"):
        world.cluster(check=True, state="absent", deletion_protection=True)
    assert "c" in world.google.clusters


def test_what_is_refused_changes_nothing_else(world: World) -> None:
    world.cluster(**CLUSTER)
    requests = list(world.google.requests)
    for check in (True, False):
        with pytest.raises(BadInput, match="spot"):
            world.cluster(check=check, resource_labels={"x": "y"}, node_pools=[{**POOL, "spot": True}])
    assert world.google.requests == requests
    assert world.cluster(node_pools=[{**POOL, "spot": True}], recreate="pools")["changed"]
    assert not world.cluster(node_pools=[{**POOL, "spot": True}])["changed"]


def test_a_degraded_cluster_is_told_in_words(world: World) -> None:
    world.cluster(**CLUSTER)
    world.google.clusters["c"] |= {
        "status": "DEGRADED",
        "conditions": [{"canonicalCode": "FAILED_PRECONDITION", "code": "GKE_SERVICE_ACCOUNT_DELETED", "message": "Service account deleted"}],
    }  # fmt: skip
    (warning,) = world.cluster(**CLUSTER)["warnings"]
    assert warning.startswith("c is DEGRADED: Service account deleted.")


def test_a_pool_without_its_cluster(world: World) -> None:
    with pytest.raises(BadInput, match="does not exist in us-central1: create it first"):
        world.pool()
    assert world.pool(check=True)["changed"]
    assert not world.pool(state="absent")["changed"]


# Values for drift: a cluster is made with some and then wanted with others.
CHOICES: Json = {
    "resource_labels": [{"a": "1"}, {"b": "2", "c": "3"}, {}],
    "release_channel": ["RAPID", "STABLE"],
    "min_master_version": ["1.34", "1.35.2"],
    "node_locations": [["us-central1-a"], ["us-central1-b", "us-central1-c"]],
    "workload_identity": [True, False],
    "control_plane_endpoints_config": [
        {"dns_endpoint_config": {"allow_external_traffic": True}},
        {"ip_endpoints_config": {"authorized_networks_config": {"enabled": True, "cidr_blocks": [{"cidr_block": "10.0.0.0/8"}]}}},
    ],
    "default_enable_private_nodes": [True, False],
    "autoscaling": [
        {"autoscaling_profile": "OPTIMIZE_UTILIZATION"},
        {"enable_node_autoprovisioning": True, "resource_limits": [{"resource_type": t, "maximum": 9} for t in ("cpu", "memory")]},
    ],
    "hpa_profile": ["NONE", "PERFORMANCE"],
    "cost_management": [True, False],
    "monitoring_config": [{"components": ["SYSTEM_COMPONENTS"]}, {"managed_prometheus": True}],
    "addons_config": [{"http_load_balancing": False}, {"dns_cache": True, "http_load_balancing": True}],
    "gateway_api_channel": ["CHANNEL_STANDARD", "CHANNEL_DISABLED"],
    "maintenance_policy": [
        {"daily_window_start_time": "03:00"},
        {"exclusions": [{"name": "x", "start_time": "2027-01-01T00:00:00Z", "end_time": "2027-01-02T00:00:00Z"}]},
    ],
}  # fmt: skip
POOL_CHOICES: Json = {
    "machine_type": ["e2-standard-4", "n2-standard-2"],
    "disk_size_gb": [50, 200],
    "labels": [{"a": "b"}, {}, {"c": "d", "e": "f"}],
    "taints": [[{"key": "k", "value": "v", "effect": "NO_SCHEDULE"}], []],
    "tags": [["x", "y"], ["y"], []],
    "spot": [True, False],
    "oauth_scopes": [["https://www.googleapis.com/auth/cloud-platform"]],
    "autoscaling": [
        {"min_node_count": 0, "max_node_count": 3}, {"min_node_count": 2, "max_node_count": 4},
        {"total_min_node_count": 1, "total_max_node_count": 6}, {"enabled": False},
    ],
    "management": [{"auto_upgrade": False}, {"auto_repair": False, "auto_upgrade": True}],
    "upgrade_settings": [{"max_surge": 2}, {"strategy": "BLUE_GREEN", "blue_green_settings": {"node_pool_soak_duration": "60s"}}],
    "image_streaming": [True, False],
    "workload_metadata_mode": ["GKE_METADATA"],
    "kubelet_config": [{"podPidsLimit": "2048"}, {"cpuCfsQuota": True}],
    "version": ["1.34", "1.35.2"],
}  # fmt: skip


def some(choices: Json, chance: random.Random) -> Json:
    return {name: chance.choice(values) for name, values in choices.items() if chance.random() < 0.5}


def drifted(chance: random.Random) -> Json:
    wish = some(CHOICES, chance)
    wish["node_pools"] = [
        {"name": name, **some(POOL_CHOICES, chance)} for name in "ab" if chance.random() < 0.8
    ]
    for pool in wish["node_pools"]:
        if wish.get("release_channel") and pool.get("management", {}).get("auto_upgrade") is False:
            del pool["management"]
        if wish.get("workload_identity") is False:
            pool.pop("workload_metadata_mode", None)
    return wish


@pytest.mark.parametrize("seed", range(100))
def test_any_drift_is_mended_in_one_run(world: World, seed: int) -> None:
    chance = random.Random(seed)
    world.cluster(**drifted(chance))
    wish = drifted(chance)
    policy = {"recreate": "pools", "node_pools_exclusive": chance.random() < 0.5}
    would = world.cluster(check=True, **wish, **policy)
    done = world.cluster(**wish, **policy)
    assert (would["diff"], would["actions"]) == (done["diff"], done["actions"])
    again = world.cluster(**wish, **policy)
    assert again["actions"] == []


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_lists_means_nothing_and_what_is_not_given_is_not_changed(
    world: World, seed: int
) -> None:
    chance = random.Random(seed)
    wish = drifted(chance)
    world.cluster(**wish)

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shuffled(item) for key, item in value.items()}
        if isinstance(value, list):
            items = [shuffled(item) for item in value]
            chance.shuffle(items)
            return items
        return value

    assert world.cluster(**shuffled(wish))["actions"] == []
    fewer = {name: value for name, value in wish.items() if chance.random() < 0.5}
    assert world.cluster(**fewer)["actions"] == []


def test_faults_all_over_a_long_change_still_converge(world: World) -> None:
    chance = random.Random(7)
    for round_ in range(30):
        wish = drifted(chance)
        world.google.faults = [chance.choice([*[None] * 10, *FAULTS]) for _ in range(40)]
        try:
            world.cluster(**wish, recreate="pools")
        except GoogleError as error:
            pytest.fail(f"round {round_}: {error}")
        world.google.faults = []
        assert world.cluster(**wish, recreate="pools")["actions"] == []


def test_the_choices_are_options() -> None:
    assert set(CHOICES) <= {option.name for option in CLUSTER_OPTIONS}
    assert set(POOL_CHOICES) <= {option.name for option in POOL_OPTIONS}
