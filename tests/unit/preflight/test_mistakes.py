"""What the roles would refuse is told before anything is made, once, and with the way out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import BadInput
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.rates import prices
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.check import judged
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.findings import Finding
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.to_settings import refuse_options
from cases import NAME, found, given, ids, pool, project

QUEUE = {"type": "queue", "target": 1}
POLICY = {"type": "Pods", "value": 4, "periodSeconds": 15}


def told(**changed: Any) -> list[Finding]:
    """Errors in variables, as preflight tells them."""
    findings = judged(given(**changed), project=NAME, is_final=False).findings
    return [finding for finding in findings if finding.severity == "error"]


def test_the_defaults_have_none() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("trips", "misses", "words"),
    [
        ({"serving_memory": "4 gigs"}, {"serving_memory": "4G"}, "serving_memory is '4 gigs'"),
        ({"serving_memory": "1e3Mi"}, {"serving_memory": "1e9"}, "serving_memory is '1e3Mi'"),
        ({"serving_cpu": "1 core"}, {"serving_cpu": 1.5}, "serving_cpu is '1 core'"),
        ({"serving_cpu": "5m"}, {"serving_cpu": "500m"}, "less than 10m"),
        ({"serving_max_surge": "0%"}, {"serving_max_surge": "1%"}, "no pod could ever be replaced"),
        ({"serving_max_unavailable": "1.5"}, {"serving_max_unavailable": "2"}, "serving_max_unavailable is '1.5'"),
        ({"serving_source_ranges": ["203.0.113.5/24"]}, {"serving_source_ranges": ["203.0.113.5"]}, "it is no range"),
        ({"serving_image": "tensorflow/serving"}, {"serving_image": "tensorflow/serving:2.19.0"}, "serving_image"),
        ({"serving_queue_timeout": 31}, {"serving_queue_timeout": 30}, "longer for its turn"),
        ({"autoscaling_target_cpu_percent": 0}, {"autoscaling_target_cpu_percent": 1}, "out of range"),
        ({"autoscaling_metrics": [{"type": "cpu", "target": 60.5}]}, {"autoscaling_metrics": [{"type": "cpu", "target": 60}]},
         "a whole number of percents"),
        ({"autoscaling_metrics": [{"type": "cpu"}, {"type": "kubernetes"}]},
         {"autoscaling_metrics": [{"type": "cpu"}, {"type": "kubernetes", "metric": {"type": "Pods"}}]}, "type kubernetes needs metric"),
        ({"autoscaling_metrics": [{"type": "cpu"}, {"type": "promql", "target": 1}], "autoscaling_metrics_source": "gke"},
         {"autoscaling_metrics": [{"type": "cpu"}, {"type": "promql", "name": "late", "query": "late", "target": 1}],
          "autoscaling_metrics_source": "gke"}, "type promql needs name and query"),
        ({"autoscaling_metrics": [{"type": "cpu"}, {"type": "queue"}], "autoscaling_metrics_source": "gke"},
         {"autoscaling_metrics": [{"type": "cpu"}, {"type": "queue", "target": 1}], "autoscaling_metrics_source": "gke"},
         "no target above 0"),
        ({"autoscaling_metrics": [{"type": "cpu", "query": "late"}]}, {"autoscaling_metrics": [{"type": "cpu"}]}, "has no query"),
        ({"autoscaling_metrics": [{"type": "cpu"}, QUEUE, QUEUE], "autoscaling_metrics_source": "gke"},
         {"autoscaling_metrics": [{"type": "cpu"}, QUEUE], "autoscaling_metrics_source": "gke"}, "two of that name"),
        ({"autoscaling_prometheus_url": "prometheus:9090"}, {"autoscaling_prometheus_url": "http://prometheus:9090"}, "no address"),
        ({"autoscaling_tolerance_up": -0.1}, {"autoscaling_tolerance_up": 0}, "autoscaling_tolerance_up is -0.1"),
        ({"autoscaling_tolerance_down": 1}, {"autoscaling_tolerance_down": 0.99}, "would never scale in"),
        ({"autoscaling_scale_down_stabilization_seconds": 3601}, {"autoscaling_scale_down_stabilization_seconds": 3600},
         "autoscaling_scale_down_stabilization_seconds is 3601"),
        ({"autoscaling_scale_up_policies": [{**POLICY, "periodSeconds": 1801}]},
         {"autoscaling_scale_up_policies": [{**POLICY, "periodSeconds": 1800}]}, "1801"),
        ({"loadtest_memory": "some"}, {"loadtest_memory": "1Gi"}, "loadtest_memory is 'some'"),
        ({"loadtest_shape": {"kind": "stages", "stages": [{"duration": 30, "target": 1}]}},
         {"loadtest_shape": {"kind": "stages", "stages": [{"duration": "30s", "target": 1}]}}, "stage 1: duration 30"),
        ({"loadtest_shape": {"kind": "replay", "file": "nowhere.csv"}}, {"loadtest_shape": {"kind": "constant", "level": 1, "duration": 9}},
         "nowhere.csv: No such file"),
        ({"loadtest_locustfile": "nowhere.py"}, {"loadtest_locustfile": ""}, "nowhere.py can't be read"),
        ({"storage_bucket": "My_Bucket"}, {"storage_bucket": "my-bucket"}, "bucket name 'My_Bucket'"),
        ({"storage_iam_members": [{"members": ["user:a@example.com"]}]},
         {"storage_iam_members": [{"role": "roles/storage.objectViewer", "members": ["user:a@example.com"]}]}, "arguments: role"),
        ({"storage_iam_members": [{"role": "viewer", "members": []}]}, {"storage_iam_members": []}, "role 'viewer'"),
        ({"cluster_location": "Iowa"}, {"cluster_location": "us-central1-a"}, "neither a zone"),
        ({"cluster_node_pools": pool(autoscaling={"enabled": True})}, {"cluster_node_pools": pool(node_count=3, autoscaling=None)},
         "needs max_node_count"),
        ({"cluster_node_pools": pool(node_count="three")}, {"cluster_node_pools": pool(autoscaling=None, node_count="3")},
         "cluster_node_pools[0], default-pool: argument 'node_count'"),
        ({"cluster_node_pools": [*pool(), *pool()]}, {"cluster_node_pools": [*pool(), *pool(name="more")]}, "twice"),
        ({"cluster_node_locations": ["us-east1-b"]}, {"cluster_node_locations": ["us-central1-f"]}, "not in the cluster's region"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_and_a_near_miss_is_not(
    trips: dict[str, Any], misses: dict[str, Any], words: str
) -> None:
    (mistake,) = told(**trips)
    assert words in mistake.message
    assert mistake.hint.endswith(".")
    assert told(**misses) == []


def test_no_number_in_place_of_a_dictionary_ends_the_look() -> None:
    """On which Ansible's own validation fails."""
    (mistake,) = told(cluster_node_pools=pool(shielded_instance_config=-1))
    assert mistake.message.endswith("shielded_instance_config is -1, and has to be a dict")


def test_all_are_told_at_once_and_say_what_can_not_be_counted_with() -> None:
    judgement = judged(given(
        serving_cpu="many", serving_memory="1Mi", cluster_node_pools=[{"machine_type": "e2-medium"}, *pool(disk_size_gb=1)]
    ), project=NAME, is_final=False)  # fmt: skip
    assert [one.variable for one in judgement.findings] == [
        "cluster_node_pools", "cluster_node_pools", "serving_cpu", "serving_memory",
    ]  # fmt: skip
    assert judgement.unreadable == {"serving_cpu"}


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"serving_source_ranges": []}, "source-ranges"),
        ({"serving_max_unavailable": "0%"}, "budget-blocks-draining"),
        ({"serving_cpu": "0"}, "variables"),
        ({"serving_handover_seconds": 538}, "grace-limit"),
    ],
)
def test_each_mistake_is_told_once(changed: dict[str, Any], rule: str) -> None:
    assert ids(given(**changed), project()) == [rule]


def test_nodes_of_pools_with_a_mistake_are_not_counted() -> None:
    """Neither as none, nor without the pool that can't be read; what is about the others is told."""
    for broken in ([{"machine_type": "e2-medium"}], pool(name="q", autoscaling={"enabled": True})):
        variables = given(cluster_node_pools=[*pool(machine_type="m9-huge-4"), *broken])
        severities = {finding.id: finding.severity for finding in found(variables, project())}
        assert severities["machine-type"] == "error"
        assert severities["replicas-exceed-nodes"] == "unknown"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"system_requests": {"node": {"cpu": "lots"}, "pods": []}}, r"system_requests\.node\.cpu is 'lots'"),
        ({"system_requests": {"node": {}, "pods": [{"ram": "1Gi"}]}}, r"system_requests\.pods\[0\] has ram"),
        ({"node_boot_seconds": []}, "node_boot_seconds"),
        ({"node_boot_seconds": [120, 80]}, "node_boot_seconds"),
    ],
)
def test_options_that_nothing_can_be_counted_with_are_refused(options: dict[str, Any], words: str) -> None:
    fine = {"system_requests": {"node": {"cpu": "400m"}, "pods": [{}]}, "node_boot_seconds": [80, 80]}
    refuse_options(fine)
    with pytest.raises(BadInput, match=words):
        refuse_options({**fine, **options})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"families": "cheap"}, "preflight_prices.families is 'cheap'"),
        ({"families": {"c9": {"cpu_hour": 0.1}}}, "preflight_prices.families.c9: gib_hour is missing"),
        ({"families": {"e2": {"cpu_hour": "cheap"}}}, "preflight_prices.families.e2.cpu_hour is 'cheap'"),
        ({"cluster_hour": -1}, "preflight_prices.cluster_hour is -1"),
        ({"clusterhour": 1}, "there is no clusterhour"),
    ],
)
def test_prices_that_are_none_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as error:
        prices(changed)
    assert words in str(error.value)


def test_prices_are_those_of_the_table_but_for_what_is_given() -> None:
    table = prices({"families": {"e2": {"cpu_hour": "0.01"}, "c9": {"cpu_hour": 1, "gib_hour": 2}}})
    assert table["families"]["e2"] == {"cpu_hour": 0.01, "gib_hour": 0.00292353}
    assert table["families"]["c9"] == {"cpu_hour": 1, "gib_hour": 2}
    assert prices({"machine_types": {"e2-micro": 1}})["machine_types"]["e2-small"] == 0.01675
