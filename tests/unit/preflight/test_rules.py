"""Each rule with cases that trip it, and near misses that do not."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import BadInput
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.labels import MARK
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.project import (
    MachineType,
    Quota,
    Unread,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.rules import RULES
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.findings import refuse_unknown
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.rules import NEVER_IGNORED
from cases import NAME, ZONES, bucket, found, given, ids, member, policy, pool, project

SIX = {"min_node_count": 1, "max_node_count": 6}
ACCOUNT = "model-reader@p-project.iam.gserviceaccount.com"
ACTS = ("roles/iam.workloadIdentityUser", "serviceAccount:p-project.svc.id.goog[tfserving/image-classifier]")
NODES = "serviceAccount:123-compute@developer.gserviceaccount.com"
READS = "roles/storage.objectViewer"
WITHOUT_IDENTITY = {"cluster_workload_identity": "", "storage_reader_workload_identity": False}
MIB = 2**20
UNPUBLISHED = {"storage_model_source": "", "fact:bucket": bucket(policy((READS, member())))}
T4 = pool(accelerators=[{"accelerator_type": "nvidia-tesla-t4", "accelerator_count": 1}])
SPOT_T4 = pool(
    machine_type="n1-standard-4",
    spot=True,
    accelerators=[{"accelerator_type": "nvidia-tesla-t4", "accelerator_count": 1}],
)
SEVERAL = {
    "serving_models": [{"name": "resnet", "uri": f"gs://{NAME}-models/models/resnet", "versions": [1, 2]}]
}
GRANTS = [{"role": READS, "members": [NODES]}]
IN_FLIGHT = [{"type": "cpu"}, {"type": "in_flight", "target": 3}]
GPU = [{"type": "cpu"}, {"type": "gpu", "target": 70}]
OF_GKE = {"autoscaling_metrics_source": "gke", "cluster_hpa_profile": "PERFORMANCE"}
ZERO = {
    "autoscaling_min_replicas": 0,
    "serving_hold": True,
    "autoscaling_metrics_source": "prometheus",
    "autoscaling_metrics": IN_FLIGHT[1:],
}
GATEWAY = {
    "serving_service_type": "Gateway",
    "serving_gateway_name": "g",
    "serving_service_internal": True,
    "serving_source_ranges": [],
}
KUBERNETES = {"type": "kubernetes", "metric": {"type": "Pods"}}
PREEMPTIBLE = pool(preemptible=True)
G2 = {"g2-standard-4": {zone: MachineType(4, 16384, (("nvidia-l4", 1),)) for zone in ZONES}}
SHARED = pool(accelerators=[
    {"accelerator_type": "nvidia-tesla-t4", "accelerator_count": 1, "max_shared_clients_per_gpu": 2}
])  # fmt: skip


class Case(NamedTuple):
    """Variables and facts of the project that trip a rule, and those beside it that do not."""

    rule: str
    what: str
    trips: dict[str, Any]
    misses: dict[str, Any]


def facts(**changed: Any) -> dict[str, Any]:
    """Facts among variables, by their names in ``Project``."""
    return {f"fact:{name}": value for name, value in changed.items()}


def cluster(**changed: Any) -> dict[str, Any]:
    return facts(
        cluster={
            "name": "cluster-1", "location": "us-central1-f", "resourceLabels": MARK, "locations": ["us-central1-f"], "currentMasterVersion": "1.34.4-gke.100", "currentNodeCount": 3,
            "nodePools": [{
                "name": "default-pool", "version": "1.34.4-gke.100",
                "autoscaling": {"enabled": True, "minNodeCount": 1, "maxNodeCount": 4},
            }],
            **changed,
        }
    )  # fmt: skip


CASES = [
    Case("replicas-range", "most below least", {"autoscaling_min_replicas": 3, "autoscaling_max_replicas": 2},
         {"autoscaling_min_replicas": 3, "autoscaling_max_replicas": 3}),
    Case("replicas-range", "none at all", {"autoscaling_min_replicas": 0, "autoscaling_max_replicas": 0, **ZERO}, {"autoscaling_min_replicas": 0, **ZERO}),
    Case("down-to-zero", "no source", {**ZERO, "autoscaling_metrics": [{"type": "cpu"}], "autoscaling_metrics_source": "none"}, ZERO),
    Case("down-to-zero", "metrics of pods", {**ZERO, "autoscaling_metrics_source": "gke", "cluster_hpa_profile": "PERFORMANCE"}, ZERO),
    Case("down-to-zero", "the CPU of an idle replica", {**ZERO, "autoscaling_metrics": IN_FLIGHT},
         {**ZERO, "autoscaling_metrics": IN_FLIGHT, "autoscaling_metrics_source": "keda"}),
    Case("down-to-zero", "a metric of pods", {**ZERO, "autoscaling_metrics": [*IN_FLIGHT[1:], KUBERNETES]},
         {**ZERO, "autoscaling_metrics": [*IN_FLIGHT[1:], {"type": "kubernetes", "metric": {"type": "External"}}]}),
    Case("down-to-zero", "nothing to scale by", {**ZERO, "autoscaling_metrics": []}, ZERO),
    Case("down-to-zero", "the role's own name",
         {**ZERO, "autoscaling_metrics": [{"type": "promql", "name": "asked", "query": "x", "target": 1}]},
         {**ZERO, "autoscaling_metrics": [{"type": "promql", "name": "asked-for", "query": "x", "target": 1}]}),
    Case("down-to-zero", "nobody holds", {**ZERO, "serving_hold": False}, ZERO),
    Case("down-to-zero", "nobody tells", {**ZERO, "serving_proxy_enabled": False}, ZERO),
    Case("down-to-zero", "a Gateway", {**ZERO, **GATEWAY}, GATEWAY),
    Case("down-to-zero", "held ones are one client's", {**ZERO, "serving_client_rate": 19}, {**ZERO, "serving_client_rate": 20}),
    Case("down-to-zero", "held for too long", {**ZERO, "serving_hold_seconds": 600}, {**ZERO, "serving_hold_seconds": 400}),
    Case("proxy-memory", "of those that wait", {**ZERO, "serving_hold_requests": 1000, "serving_hold_cpu": "1"}, {**ZERO, "serving_hold_requests": 300, "serving_hold_cpu": "1"}),
    Case("hold-cpu", "of those that wait", {**ZERO, "serving_hold_requests": 200, "serving_hold_cpu": "79m"},
         {**ZERO, "serving_hold_requests": 200, "serving_hold_cpu": "80m"}),
    Case("hold-cpu", "as it is set", {**ZERO, "serving_hold_requests": 101}, ZERO),
    Case("balancing-proxy", "nobody hands on", {"serving_balancing": "least_requests", "serving_proxy_enabled": False},
         {"serving_balancing": "connection", "serving_proxy_enabled": False}),
    Case("idlest-proxy", "nobody tells", {"serving_idlest_first": True, "serving_proxy_enabled": False}, {"serving_idlest_first": True}),
    Case("hpa-version", "down to zero", {**ZERO, **cluster(currentMasterVersion="1.36.9-gke.100")},
         {**ZERO, **cluster(currentMasterVersion="1.37.1-gke.100")}),
    Case("replicas-exceed-nodes", "the lab's fourth replica",
         {"autoscaling_max_replicas": 4, "cluster_node_pools": pool(autoscaling={"max_node_count": 3})},
         {"autoscaling_max_replicas": 3, "cluster_node_pools": pool(autoscaling={"max_node_count": 3})}),
    # 3920 mCPU allocatable, 400 for GKE's own: 3520 hold one of 3300 + 200, and none of 3330 + 200.
    Case("pod-fits-no-node", "what Google leaves of the machine", {"serving_cpu": "3330m"}, {"serving_cpu": "3300m"}),
    Case("pod-fits-no-node", "memory", {"serving_memory": "13Gi"}, {"serving_memory": "11Gi"}),
    Case("pod-fits-no-node", "a label that no pool has", {"serving_node_selector": {"tier": "model"}},
         {"serving_node_selector": {"tier": "model"}, "cluster_node_pools": pool(labels={"tier": "model"})}),
    Case("pod-fits-no-node", "a taint",
         {"cluster_node_pools": pool(taints=[{"key": "only", "value": "batch", "effect": "NO_SCHEDULE"}])},
         {"cluster_node_pools": pool(taints=[{"key": "only", "value": "batch", "effect": "NO_SCHEDULE"}]),
          "serving_tolerations": [{"key": "only", "value": "batch"}]}),
    Case("pod-fits-no-node", "GPU nodes are tainted by GKE",
         {"cluster_node_pools": pool(accelerators=[{"accelerator_type": "nvidia-tesla-t4"}], node_locations=["us-central1-a"])},
         {"cluster_node_pools": pool(accelerators=[{"accelerator_type": "nvidia-tesla-t4"}], node_locations=["us-central1-a"]),
          "serving_tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]}),
    Case("replicas-exceed-nodes", "a second pool that only others may use",
         {"autoscaling_max_replicas": 5, "cluster_node_pools": [
             *pool(), {"name": "batch", "machine_type": "e2-standard-4", "node_count": 4,
                       "taints": [{"key": "only", "value": "batch", "effect": "NO_SCHEDULE"}]}]},
         {"autoscaling_max_replicas": 5, "cluster_node_pools": [
             *pool(), {"name": "more", "machine_type": "e2-standard-4", "node_count": 4}]}),
    Case("replicas-exceed-nodes", "a region's pools count per zone",
         {"autoscaling_max_replicas": 4, "cluster_node_pools": pool(autoscaling={"max_node_count": 1}),
          "cluster_location": "us-central1"},
         {"autoscaling_max_replicas": 3, "cluster_node_pools": pool(autoscaling={"max_node_count": 1}),
          "cluster_location": "us-central1"}),
    Case("replicas-exceed-nodes", "a total does not count per zone",
         {"autoscaling_max_replicas": 4, "cluster_node_pools": pool(autoscaling={"total_max_node_count": 3}),
          "cluster_location": "us-central1"},
         {"autoscaling_max_replicas": 3, "cluster_node_pools": pool(autoscaling={"total_max_node_count": 3}),
          "cluster_location": "us-central1"}),
    Case("pod-fits-no-node", "a GPU that no node has", {"serving_gpus": 1}, {"serving_gpus": 1, "cluster_node_pools": T4}),
    Case("pod-fits-no-node", "another type of GPU",
         {"serving_gpus": 1, "serving_gpu_type": "nvidia-l4", "cluster_node_pools": T4},
         {"serving_gpus": 1, "serving_gpu_type": "nvidia-tesla-t4", "cluster_node_pools": T4}),
    Case("replicas-exceed-nodes", "GPUs are fewer than CPUs allow",
         {"serving_gpus": 1, "serving_cpu": 1, "autoscaling_max_replicas": 5, "cluster_node_pools": T4},
         {"serving_gpus": 1, "serving_cpu": 1, "autoscaling_max_replicas": 5, "cluster_node_pools": SHARED}),
    Case("rollout-room", "full nodes", {"autoscaling_max_replicas": 4}, {"autoscaling_max_replicas": 3}),
    Case("rollout-room", "a large surge", {"serving_max_surge": "50%", "autoscaling_max_replicas": 3},
         {"serving_max_surge": "33%", "autoscaling_max_replicas": 3}),
    Case("rollout-room", "without a gate and a surge nothing is needed beside",
         {"autoscaling_max_replicas": 4, "serving_max_surge": 0},
         {"autoscaling_max_replicas": 4, "serving_max_surge": 0, "serving_gate_enabled": False}),
    # Three nodes each have 320 mCPU beside a replica; GKE's 628 mCPU of DNS and metrics take two of them.
    Case("loadtest-room", "workers of a core beside full nodes",
         {"loadtest_enabled": True, "autoscaling_max_replicas": 4, "loadtest_worker_cpu": "1"},
         {"loadtest_enabled": True, "autoscaling_max_replicas": 3, "loadtest_worker_cpu": "1"}),
    Case("loadtest-room", "only where there is a load test",
         {"loadtest_enabled": True, "autoscaling_max_replicas": 4}, {"autoscaling_max_replicas": 4}),
    Case("model-memory", "less than twice the model", {"serving_memory": "799Mi", **facts(model_bytes=400 * MIB)},
         {"serving_memory": "800Mi", **facts(model_bytes=400 * MIB)}),
    Case("hpa-request", "a container that is not there",
         {"autoscaling_container": "proxy", "serving_proxy_enabled": False}, {"autoscaling_container": "proxy"}),
    Case("target-out-of-reach", "with a tenth on top no container gets there", {"autoscaling_target_cpu_percent": 91},
         {"autoscaling_target_cpu_percent": 90}),
    Case("target-out-of-reach", "a larger tolerance", {"autoscaling_tolerance_up": 0.7}, {"autoscaling_tolerance_up": 0.6}),
    Case("target-out-of-reach", "a smaller one",
         {"autoscaling_target_cpu_percent": 96, "autoscaling_tolerance_up": 0.05},
         {"autoscaling_target_cpu_percent": 95, "autoscaling_tolerance_up": 0.05}),
    Case("target-out-of-reach", "in the list", {"autoscaling_metrics": [{"type": "cpu", "target": 91}]},
         {"autoscaling_metrics": [{"type": "cpu", "target": 90}]}),
    Case("metrics-without-cpu", "another alone", {"autoscaling_metrics": [KUBERNETES]},
         {"autoscaling_metrics": [KUBERNETES, {"type": "cpu"}]}),
    Case("hpa-version", "tolerance", {"autoscaling_tolerance_up": 0, **cluster(currentMasterVersion="1.34.4-gke.100")},
         {"autoscaling_tolerance_up": 0, **cluster(currentMasterVersion="1.35.2-gke.500")}),
    Case("hpa-version", "an upgrade comes first", {"autoscaling_tolerance_up": 0, "cluster_min_master_version": "1.34"},
         {"autoscaling_tolerance_up": 0, "cluster_min_master_version": "1.35", **cluster(currentMasterVersion="1.34.4-gke.100")}),
    Case("hpa-version", "GKE's own metrics", {**OF_GKE, **cluster(currentMasterVersion="1.36.9-gke.100")},
         {**OF_GKE, **cluster(currentMasterVersion="1.37.1-gke.100")}),
    Case("hpa-version", "its profile", {**OF_GKE, "cluster_hpa_profile": ""}, OF_GKE),
    Case("metrics-source", "no source", {"autoscaling_metrics": IN_FLIGHT},
         {"autoscaling_metrics": IN_FLIGHT, "autoscaling_metrics_source": "prometheus"}),
    Case("metrics-source", "GPUs", {"autoscaling_metrics": GPU, "autoscaling_metrics_source": "prometheus"},
         {"autoscaling_metrics": GPU, "autoscaling_metrics_source": "prometheus", "autoscaling_prometheus_url": "http://p:9090"}),
    Case("metrics-source", "averages of nothing",
         {"autoscaling_metrics": IN_FLIGHT, "autoscaling_metrics_source": "gke", "autoscaling_average_seconds": 0},
         {"autoscaling_metrics": IN_FLIGHT, "autoscaling_metrics_source": "gke", "autoscaling_average_seconds": 5}),
    Case("metrics-source", "KEDA has no place for it", {"autoscaling_metrics": [{"type": "cpu"}, KUBERNETES],
         "autoscaling_metrics_source": "keda"}, {"autoscaling_metrics": [{"type": "cpu"}, KUBERNETES]}),
    Case("metrics-source", "no proxy",
         {"autoscaling_metrics": IN_FLIGHT, "autoscaling_metrics_source": "gke", "serving_proxy_enabled": False},
         {"autoscaling_metrics": IN_FLIGHT, "autoscaling_metrics_source": "gke"}),
    Case("monitoring-proxy", "no proxy", {"monitoring_enabled": True, "serving_proxy_enabled": False},
         {"monitoring_enabled": False, "serving_proxy_enabled": False}),
    Case("stabilization-window", "shorter than the metrics", {"autoscaling_scale_down_stabilization_seconds": 29},
         {"autoscaling_scale_down_stabilization_seconds": 30}),
    Case("stabilization-window", "metrics that are slow", {"preflight_metrics_window_seconds": 301},
         {"preflight_metrics_window_seconds": 300}),
    Case("spot-replicas", "one replica on spot nodes", {"cluster_node_pools": pool(spot=True)},
         {"cluster_node_pools": pool(spot=True), "autoscaling_min_replicas": 2}),
    Case("spot-replicas", "preemptible nodes go, too", {"cluster_node_pools": pool(preemptible=True)},
         {"cluster_node_pools": [*pool(preemptible=True), {**pool()[0], "name": "firm"}]}),
    Case("spot-replicas", "a pool that has no nodes helps nobody",
         {"cluster_node_pools": [*pool(spot=True), {**pool(autoscaling=None)[0], "name": "firm"}]},
         {"cluster_node_pools": [*pool(spot=True), {**pool(autoscaling=None, node_count=1)[0], "name": "firm"}]}),
    Case("spot-notice", "a drain that the notice does not wait for", {"cluster_node_pools": pool(spot=True)},
         {"cluster_node_pools": pool(spot=True), "serving_propagation_seconds": 5, "serving_drain_seconds": 10,
          "serving_request_timeout": 10}),
    Case("drain-below-request", "a request outlives the drain", {"serving_drain_seconds": 29},
         {"serving_drain_seconds": 30}),
    Case("grace-limit", "longer than the autoscaler waits", {"serving_handover_seconds": 538},
         {"serving_handover_seconds": 537}),
    Case("grace-limit", "without a proxy nothing is handed over",
         {"serving_handover_seconds": 600}, {"serving_handover_seconds": 600, "serving_proxy_enabled": False}),
    Case("budget-blocks-draining", "none", {"serving_max_unavailable": 0}, {"serving_max_unavailable": 1}),
    Case("budget-blocks-draining", "no percent", {"serving_max_unavailable": "0%"}, {"serving_max_unavailable": "1%"}),
    Case("source-ranges", "an open address", {"serving_source_ranges": []},
         {"serving_source_ranges": [], "serving_service_internal": True}),
    Case("source-ranges", "of a load balancer", {"serving_source_ranges": []},
         {"serving_source_ranges": [], "serving_service_type": "ClusterIP"}),
    Case("open-endpoint", "everybody", {"serving_source_ranges": ["10.0.0.0/8", "0.0.0.0/0"]},
         {"serving_source_ranges": ["10.0.0.0/8", "128.0.0.0/1"]}),
    Case("open-endpoint", "everybody by IPv6", {"serving_source_ranges": ["::/0"]},
         {"serving_source_ranges": ["::/0"], "serving_service_internal": True}),
    Case("open-endpoint", "everybody in two halves", {"serving_source_ranges": ["0.0.0.0/1", "128.0.0.0/1"]},
         {"serving_source_ranges": ["0.0.0.0/1", "128.0.0.0/2"]}),
    Case("pod-fits-no-node", "spot nodes wanted of a pool that has the older kind",
         {"cluster_node_pools": PREEMPTIBLE, "serving_node_selector": {"cloud.google.com/gke-spot": "true"}},
         {"cluster_node_pools": PREEMPTIBLE, "serving_node_selector": {"cloud.google.com/gke-preemptible": "true"}}),
    Case("pod-fits-no-node", "GKE's label for the kind of nodes",
         {"serving_node_selector": {"cloud.google.com/gke-provisioning": "spot"}},
         {"serving_node_selector": {"cloud.google.com/gke-provisioning": "standard"}}),
    Case("pod-fits-no-node", "a label of one's own, and one that GKE gives a node by its machine",
         {"serving_node_selector": {"machine-family": "e2"}},
         {"serving_node_selector": {"cloud.google.com/machine-family": "e2"}}),
    Case("pod-fits-no-node", "GPUs that machines come with, and how many",
         {"cluster_node_pools": pool(machine_type="g2-standard-4"), "serving_gpus": 2, **facts(machine_types=G2)},
         {"cluster_node_pools": pool(machine_type="g2-standard-4"), "serving_gpus": 1, **facts(machine_types=G2)}),
    Case("quota", "GPUs that machines come with",
         {"cluster_node_pools": pool(machine_type="g2-standard-4"), "serving_gpus": 1,
          **facts(machine_types=G2, quotas={"NVIDIA_L4_GPUS": Quota(3, 0)})},
         {"cluster_node_pools": pool(machine_type="g2-standard-4"), "serving_gpus": 1,
          **facts(machine_types=G2, quotas={"NVIDIA_L4_GPUS": Quota(4, 0)})}),
    Case("quota", "spot GPUs have a quota of their own, whatever that of vCPUs is",
         {"cluster_node_pools": SPOT_T4, "serving_gpus": 1,
          **facts(quotas={"PREEMPTIBLE_NVIDIA_T4_GPUS": Quota(3, 0), "NVIDIA_T4_GPUS": Quota(9, 0)})},
         {"cluster_node_pools": SPOT_T4, "serving_gpus": 1,
          **facts(quotas={"PREEMPTIBLE_NVIDIA_T4_GPUS": Quota(4, 0), "NVIDIA_T4_GPUS": Quota(0, 0)})}),
    Case("model-memory", "several versions, of which the largest is there twice while it is loaded",
         {"serving_memory": "1199Mi", **facts(model_bytes=(400 * MIB, 300 * MIB, 100 * MIB))},
         {"serving_memory": "1200Mi", **facts(model_bytes=(400 * MIB, 300 * MIB, 100 * MIB))}),
    Case("model-missing", "a source that is not there", facts(model_bytes=None), facts(model_bytes=1)),
    Case("model-missing", "a version of several that is not there, and is not published in this run",
         {**SEVERAL, "storage_model_path": "models/other", **facts(model_bytes=(1, 0))},
         {**SEVERAL, "storage_model_path": "models/resnet", **facts(model_bytes=(1, 0))}),
    Case("machine-type", "misspelled", {"cluster_node_pools": pool(machine_type="e2-standard-4x")},
         {"cluster_node_pools": pool(machine_type="n1-standard-4")}),
    Case("machine-type", "not in this zone", {"cluster_location": "us-central1-d"}, {"cluster_location": "us-central1-c"}),
    Case("machine-type", "not in this region", {"cluster_location": "europe-west1"}, {"cluster_location": "us-central1"}),
    Case("accelerator-type", "not in this zone",
         {"cluster_node_pools": pool(accelerators=[{"accelerator_type": "nvidia-tesla-t4"}], node_locations=["us-central1-f"]),
          "serving_tolerations": [{"operator": "Exists"}]},
         {"cluster_node_pools": pool(accelerators=[{"accelerator_type": "nvidia-tesla-t4"}], node_locations=["us-central1-c"]),
          "serving_tolerations": [{"operator": "Exists"}]}),
    Case("version", "not offered", {"cluster_version": "1.31"}, {"cluster_version": "1.35"}),
    Case("version", "not in the channel", {"cluster_version": "1.35", "cluster_release_channel": "REGULAR"},
         {"cluster_version": "1.34", "cluster_release_channel": "REGULAR"}),
    Case("version", "a beginning is not a prefix of digits", {"cluster_version": "1.3"}, {"cluster_version": "1.33.9"}),
    Case("version", "the control plane's least", {"cluster_min_master_version": "1.36", **cluster()},
         {"cluster_min_master_version": "1.32", **cluster()}),
    Case("version", "a new cluster's version is of no matter to one that is there", {"cluster_version": "1.31"},
         {"cluster_version": "1.31", **cluster()}),
    Case("version", "of nodes", {"cluster_node_pools": pool(version="1.31")}, {"cluster_node_pools": pool(version="1.32")}),
    Case("version", "the latest is always there", {"cluster_version": "newest"}, {"cluster_version": "latest"}),
    Case("quota", "CPUs", facts(quotas={"CPUS": Quota(24, 9)}), facts(quotas={"CPUS": Quota(24, 8)})),
    Case("quota", "one without a limit", facts(quotas={"CPUS": Quota(0, 0)}), facts(quotas={"CPUS": Quota(-1, 900)})),
    Case("quota", "nodes that are there count already", facts(quotas={"CPUS": Quota(24, 20)}),
         {**cluster(), **facts(quotas={"CPUS": Quota(24, 20)})}),
    Case("quota", "disks", facts(quotas={"SSD_TOTAL_GB": Quota(500, 101)}), facts(quotas={"SSD_TOTAL_GB": Quota(500, 100)})),
    Case("quota", "disks of the other kind",
         {"cluster_node_pools": pool(disk_type="pd-standard", disk_size_gb=50), **facts(quotas={"DISKS_TOTAL_GB": Quota(199, 0)})},
         {"cluster_node_pools": pool(disk_type="pd-standard", disk_size_gb=50), **facts(quotas={"SSD_TOTAL_GB": Quota(199, 0)})}),
    Case("quota", "addresses", facts(quotas={"IN_USE_ADDRESSES": Quota(8, 5)}),
         {"cluster_private_nodes": "true", **facts(quotas={"IN_USE_ADDRESSES": Quota(8, 5)})}),
    Case("quota", "addresses of a cluster whose nodes are private already", facts(quotas={"IN_USE_ADDRESSES": Quota(8, 8)}),
         {**cluster(currentNodeCount=1, networkConfig={"defaultEnablePrivateNodes": True}),
          **facts(quotas={"IN_USE_ADDRESSES": Quota(8, 8)})}),
    Case("quota", "a family of its own",
         {"cluster_node_pools": pool(machine_type="n2-standard-4"), **facts(quotas={"N2_CPUS": Quota(15, 0)}, machine_types={
             "n2-standard-4": project().machine_types["e2-standard-4"]})},
         {"cluster_node_pools": pool(machine_type="n2-standard-4"), **facts(quotas={"CPUS": Quota(15, 0)}, machine_types={
             "n2-standard-4": project().machine_types["e2-standard-4"]})}),
    Case("quota", "spot has its own, where there is one",
         {"cluster_node_pools": pool(spot=True), "autoscaling_min_replicas": 2,
          **facts(quotas={"CPUS": Quota(8, 0), "PREEMPTIBLE_CPUS": Quota(0, 0)})},
         {"cluster_node_pools": pool(spot=True), "autoscaling_min_replicas": 2,
          **facts(quotas={"CPUS": Quota(8, 0), "PREEMPTIBLE_CPUS": Quota(16, 0)})}),
    Case("quota", "GPUs",
         {"cluster_node_pools": pool(accelerators=[{"accelerator_type": "nvidia-tesla-t4", "accelerator_count": 2}],
                                     node_locations=["us-central1-a"]),
          "serving_tolerations": [{"operator": "Exists"}], **facts(quotas={"NVIDIA_T4_GPUS": Quota(7, 0)})},
         {"cluster_node_pools": pool(accelerators=[{"accelerator_type": "nvidia-tesla-t4", "accelerator_count": 2}],
                                     node_locations=["us-central1-a"]),
          "serving_tolerations": [{"operator": "Exists"}], **facts(quotas={"NVIDIA_T4_GPUS": Quota(8, 0)})}),
    Case("cluster-of-others", "other limits, by the defaults alone", cluster(resourceLabels={"team": "search"}), cluster()),
    Case("cluster-of-others", "a pool more, which is said to be meant",
         {"cluster_node_pools": pool(name="more"), **cluster(resourceLabels={})},
         {"cluster_node_pools": pool(name="more"), "cluster_adopt": True, **cluster(resourceLabels={})}),
    Case("cluster-of-others", "its pools are left out", cluster(resourceLabels={}),
         {"cluster_node_pools": [], "cluster_workload_identity": "", **cluster(resourceLabels={})}),
    Case("model-access", "pods' identity without Workload Identity",
         {"cluster_workload_identity": "", "storage_reader_workload_identity": True}, {}),
    Case("model-access", "a right that can't be granted", facts(bucket=bucket()),
         facts(bucket=bucket(None, "storage.buckets.setIamPolicy"))),
    Case("model-access", "a right that is granted already", facts(bucket=bucket(policy((READS, member("other"))))),
         facts(bucket=bucket(policy((READS, member()))))),
    Case("model-access", "a role that does not read", facts(bucket=bucket(policy(("roles/storage.objectCreator", member())))),
         facts(bucket=bucket(policy(("roles/storage.objectAdmin", member()))))),
    Case("model-access", "a Google service account that pods can't act as", {"serving_google_service_account": ACCOUNT},
         {"serving_google_service_account": ACCOUNT, **facts(account_policy=policy(ACTS))}),
    Case("model-access", "a Google service account without Workload Identity",
         {"serving_google_service_account": ACCOUNT, "cluster_workload_identity": "", **facts(account_policy=policy(ACTS))},
         {"serving_google_service_account": ACCOUNT, **facts(account_policy=policy(ACTS))}),
    Case("model-access", "the nodes' account", {**WITHOUT_IDENTITY, **facts(bucket=bucket())},
         {**WITHOUT_IDENTITY, **facts(bucket=bucket(policy((READS, NODES))))}),
    Case("model-access", "the nodes' account by the project",
         {**WITHOUT_IDENTITY, **facts(bucket=bucket(), project_policy=policy(("roles/viewer", NODES)))},
         {**WITHOUT_IDENTITY, **facts(bucket=bucket(), project_policy=policy((READS, NODES)))}),
    Case("model-access", "the nodes' account as an editor, where the bucket lets editors read",
         {**WITHOUT_IDENTITY, **facts(bucket=bucket(), project_policy=policy(("roles/editor", NODES)))},
         {**WITHOUT_IDENTITY, **facts(
             bucket=bucket(policy(("roles/storage.legacyObjectOwner", "projectEditor:p-project"))),
             project_policy=policy(("roles/editor", NODES)))}),
    Case("model-access", "the nodes' account, that storage_iam_members lets read",
         {**WITHOUT_IDENTITY, "storage_iam_members": GRANTS, **facts(bucket=bucket())},
         {**WITHOUT_IDENTITY, "storage_iam_members": GRANTS,
          **facts(bucket=bucket(None, "storage.buckets.setIamPolicy"))}),
    Case("model-access", "an account of one's own in a bucket that is made in this run",
         {**WITHOUT_IDENTITY, "cluster_node_pools": pool(service_account=ACCOUNT)},
         {**WITHOUT_IDENTITY, "cluster_node_pools": pool(service_account=ACCOUNT),
          "storage_iam_members": [{"role": READS, "members": [f"serviceAccount:{ACCOUNT}"]}]}),
    Case("model-access", "nodes whose scopes leave Cloud Storage out",
         {**WITHOUT_IDENTITY, **facts(bucket=bucket(policy((READS, NODES)))),
          "cluster_node_pools": pool(oauth_scopes=["https://www.googleapis.com/auth/monitoring"])},
         {**WITHOUT_IDENTITY, **facts(bucket=bucket(policy((READS, NODES)))),
          "cluster_node_pools": pool(oauth_scopes=["https://www.googleapis.com/auth/devstorage.read_only"])}),
    Case("model-access", "a cluster that has Workload Identity, of which nothing is said",
         {"cluster_workload_identity": "", **cluster()},
         {"cluster_workload_identity": "", **cluster(workloadIdentityConfig={"workloadPool": "p-project.svc.id.goog"})}),
    Case("model-access", "pods that are themselves, and nobody's",
         {"storage_reader_workload_identity": False, **facts(bucket=bucket(policy((READS, NODES))))},
         {"storage_reader_workload_identity": False, **facts(bucket=bucket(policy((READS, member()))))}),
    Case("model-missing", "no bucket and nothing to publish", {"storage_model_source": ""}, {}),
    Case("model-missing", "in a bucket without any version", {**UNPUBLISHED, **facts(model_versions=frozenset())},
         {**UNPUBLISHED, **facts(model_versions=frozenset({1}))}),
    Case("model-missing", "not the one that is wanted",
         {**UNPUBLISHED, "storage_model_version": 2, **facts(model_versions=frozenset({1, 3}))},
         {**UNPUBLISHED, "storage_model_version": 3, **facts(model_versions=frozenset({1, 3}))}),
    Case("model-missing", "nor the newest in place of a zero",
         {**UNPUBLISHED, "storage_model_version": 0, **facts(model_versions=frozenset({1, 3}))},
         {**UNPUBLISHED, "storage_model_version": "", **facts(model_versions=frozenset({1, 3}))}),
    Case("model-missing", "unless the model is named", {"storage_model_source": ""},
         {"storage_model_source": "", "serving_model_uri": "gs://others/m/1"}),
    Case("model-missing", "unless several are", {"storage_model_source": ""},
         {"storage_model_source": "", "serving_models": [{"name": "m", "uri": "gs://others/m", "versions": [1]}]}),
    Case("model-missing", "unless it comes out of an image", {"storage_model_source": ""},
         {"storage_model_source": "", "serving_model_source": "image"}),
    Case("model-access", "an anonymous reader", {"serving_fetch_identity": "anonymous", **facts(bucket=bucket())},
         {"serving_fetch_identity": "anonymous", **facts(bucket=bucket(policy((READS, "allUsers"))))}),
]  # fmt: skip


def judged(changed: dict[str, Any]) -> list[str]:
    """The names of the rules with findings."""
    variables = {name: value for name, value in changed.items() if ":" not in name}
    known = {name.removeprefix("fact:"): value for name, value in changed.items() if ":" in name}
    quotas = {**project().quotas, **known.pop("quotas", {})}
    if variables.get("serving_google_service_account"):
        variables["storage_reader_google_service_account"] = variables["serving_google_service_account"]
    return ids(given(**variables), project(quotas=quotas, **known))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.what}")
def test_a_case_trips_its_rule_and_a_near_miss_does_not(case: Case) -> None:
    assert case.rule in judged(case.trips)
    assert case.rule not in judged(case.misses)


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} >= {rule.id for rule in RULES}


def test_good_settings_have_no_finding() -> None:
    assert found(given(), project()) == []


def test_all_findings_come_at_once_errors_first_each_with_a_way_out() -> None:
    bad = given(
        autoscaling_max_replicas=9, serving_source_ranges=[], serving_drain_seconds=1, serving_memory="100Mi",
        cluster_node_pools=pool(spot=True, autoscaling=SIX), cluster_location="us-central1-z",
    )  # fmt: skip
    all_of_it = found(bad, project())
    assert {finding.id for finding in all_of_it} >= {
        "replicas-exceed-nodes", "source-ranges", "drain-below-request", "model-memory", "spot-replicas", "machine-type",
    }  # fmt: skip
    severities = [finding.severity for finding in all_of_it]
    assert severities == sorted(severities, key=("error", "warning").index)
    assert all(finding.hint for finding in all_of_it)


def test_an_ignored_rule_is_silent_and_the_others_are_not() -> None:
    bad = given(serving_source_ranges=[], serving_drain_seconds=1)
    assert ids(bad, project()) == ["source-ranges", "drain-below-request"]
    assert [finding.id for finding in found(bad, project(), "source-ranges")] == ["drain-below-request"]


def test_a_rule_that_is_not_there_can_not_be_ignored() -> None:
    with pytest.raises(BadInput, match=r"no rule spot-replica\..*spot-replicas"):
        refuse_unknown([rule.id for rule in RULES], ["spot-replica"], NEVER_IGNORED)


def test_what_can_not_be_read_is_told_and_fails_nothing() -> None:
    why = Unread("quotas of region us-central1: Required permission (403 forbidden)", "Allow it.")
    (finding,) = found(given(), project(quotas=why))
    assert (finding.id, finding.severity, finding.message) == ("quota", "unknown", why.reason)


@pytest.mark.parametrize(
    "binding",
    [
        {"role": READS, "members": [member()], "condition": {"title": "until May"}},
        {"role": "projects/p-project/roles/modelReader", "members": [member()]},
        {"role": READS, "members": [member().replace("principal:", "principalSet:").partition("/subject/")[0] + "/namespace/tfserving"]},
    ],
)  # fmt: skip
def test_a_right_that_hangs_on_what_is_not_resolved_is_neither_there_nor_missing(
    binding: dict[str, Any],
) -> None:
    (finding,) = found(given(), project(bucket=bucket({"bindings": [binding]})))
    assert (finding.id, finding.severity) == ("model-access", "unknown")
    assert binding["role"] in finding.message


def test_groups_may_have_the_nodes_account_but_no_pods() -> None:
    group = bucket(policy((READS, "group:readers@example.com")))
    (finding,) = found(given(**WITHOUT_IDENTITY), project(bucket=group))
    assert (finding.id, finding.severity) == ("model-access", "unknown")
    (finding,) = found(given(), project(bucket=group))
    assert (finding.id, finding.severity) == ("model-access", "error")


def test_nothing_is_said_to_be_unknown_that_no_setting_asks_about() -> None:
    """Without a version or GPU nobody needs to read what there are."""
    nothing = Unread("not read")
    assert (
        found(given(), project(server_config=nothing, accelerator_types=nothing, project_policy=nothing))
        == []
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"cluster_autopilot": "true", "cluster_node_pools": [], "cluster_location": "us-central1"},
        {"cluster_autoscaling": {"enable_node_autoprovisioning": True}},
    ],
)
def test_where_nodes_come_as_they_are_needed_nothing_is_too_large(changed: dict[str, Any]) -> None:
    assert found(given(autoscaling_max_replicas=100, **changed), project()) == []


def test_of_a_given_cluster_nothing_is_asked_of_google() -> None:
    variables = given(
        cluster_existing_kubeconfig="/kube/config", serving_service_type="ClusterIP", cluster_node_pools=[]
    )
    findings = found(variables, project())
    assert {finding.severity for finding in findings} == {"unknown"}
    assert {finding.id for finding in findings} == {
        "pod-fits-no-node", "replicas-exceed-nodes", "rollout-room",
    }  # fmt: skip


def test_a_machine_type_of_unknown_size_is_told() -> None:
    variables = given(cluster_node_pools=pool(machine_type="m9-huge-4"))
    unknown = {finding.id for finding in found(variables, project()) if finding.severity == "unknown"}
    assert "replicas-exceed-nodes" in unknown


def test_the_advice_on_nodes_is_enough() -> None:
    (finding,) = [
        one for one in found(given(autoscaling_max_replicas=7), project()) if one.severity == "error"
    ]
    assert "there are 7 nodes in all" in finding.hint
    more = pool(autoscaling={"max_node_count": 7})
    assert "replicas-exceed-nodes" not in ids(
        given(autoscaling_max_replicas=7, cluster_node_pools=more), project()
    )
