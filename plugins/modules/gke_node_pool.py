#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Creates, updates and removes a node pool of a GKE cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_node_pool
short_description: Converge a node pool of a GKE cluster
version_added: 0.1.0
description:
  - Creates a node pool, changes what differs, or removes it. An option that is not given is not managed.
  - The count of nodes of an autoscaled pool is the autoscaler's; only a raised minimum adds nodes at once.
  - Waits for operations that are running already, and fails when an operation fails, in Google's words. A pool in
    status C(ERROR) is left as it is, unless O(recreate) allows that it is replaced.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.gke_node_pool
  - mlops.tfserving.gcp
  - mlops.tfserving.gcp.planned
"""

OPTIONS = r"""
state: Whether the node pool is to exist.
cluster: The cluster's name.
location: The cluster's zone or region.
recreate:
  - V(never) fails the task, before anything is changed, where a wanted change needs a new pool.
  - V(failed) deletes a pool in status C(ERROR) and makes it anew.
  - V(pools) does so in both cases.
adopt: Whether a pool may be made or changed in a cluster that this collection did not create, which is one without the label
  C(made-by=mlops-tfserving). With V(false) the task fails before anything is changed, in check mode, too. O(state=absent) needs no such
  word.
wait_timeout: Seconds to wait for everything together.
name: The pool's name.
machine_type:
  - Machine type of the nodes, such as V(e2-standard-4). A change replaces the nodes one by one.
  - Changes of machine type, disk type and disk size are made together, so that nodes are replaced once.
disk_type: Kind of the boot disk, such as V(pd-balanced) or V(hyperdisk-balanced). A change replaces the nodes.
disk_size_gb: Size of the boot disk in GB. A change replaces the nodes.
image_type: Image of the nodes, such as V(COS_CONTAINERD). A change replaces the nodes.
version:
  - The oldest Kubernetes version that the nodes may have, as V(1.X), V(1.X.Y) or V(1.X.Y-gke.N).
  - Older nodes are upgraded; newer ones stay, since Google upgrades them, too.
spot: Use spot machines. Only a new pool can change this.
preemptible: Use preemptible machines, the older kind of spot machines. Only a new pool can change this.
accelerators: GPUs of each node; all others are removed. A change replaces the nodes.
accelerators.accelerator_type: Kind of the GPU, such as V(nvidia-tesla-t4).
accelerators.accelerator_count: GPUs of this kind in each node.
accelerators.gpu_driver_version: Which driver GKE installs.
accelerators.gpu_partition_size: Size of the partitions of a multi-instance GPU, such as V(1g.5gb).
accelerators.gpu_sharing_strategy: How containers share a GPU.
accelerators.max_shared_clients_per_gpu: How many containers share a GPU.
initial_node_count:
  - Nodes in each zone when the pool is created; never looked at again.
  - An autoscaled pool begins with its minimum if this is not given.
node_count:
  - Nodes in each zone of a pool without autoscaling. They are kept at this number.
  - Not together with autoscaling, where the number is the autoscaler's alone.
autoscaling: Limits of the node autoscaler. The count of nodes within them is the autoscaler's alone.
autoscaling.enabled: Whether the pool is autoscaled; where this is not given, it is.
autoscaling.min_node_count:
  - Fewest nodes in each zone; V(0) lets the pool scale to zero.
  - If it is raised above what there is, nodes are added at once, which Google does not do by itself.
autoscaling.max_node_count: Most nodes in each zone.
autoscaling.total_min_node_count: Fewest nodes in all zones together. Not together with limits for each zone.
autoscaling.total_max_node_count: Most nodes in all zones together. Not together with limits for each zone.
autoscaling.location_policy: Whether zones are kept in balance, or the one with capacity is taken.
node_locations: Zones of the nodes; those of the cluster if this is not given.
labels: Kubernetes labels of the nodes; all others but GKE's own are removed.
taints: Taints of the nodes; all others but GKE's own (on nodes with GPUs, for example) are removed.
taints.key: The taint's key.
taints.value: The taint's value.
taints.effect: What it does to pods that don't tolerate it.
tags: Network tags of the nodes; all others are removed.
resource_labels: Labels of the machines as Google resources; all others but Google's own (C(goog-...)) are removed.
metadata: Metadata of the machines. Only a new pool can change this.
service_account: Google service account of the nodes. Only a new pool can change this.
oauth_scopes:
  - OAuth scopes of the nodes, in full. Only a new pool can change this.
  - GKE adds those for logging and monitoring by itself.
workload_metadata_mode:
  - Whether pods see the machine's metadata server or GKE's, which Workload Identity needs.
  - A change replaces the nodes.
image_streaming: Start containers while their images are still being fetched. A change replaces the nodes.
secondary_boot_disks: Disks with container images or data that the nodes start with. Only a new pool can change this.
secondary_boot_disks.disk_image: The disk's image, as C(projects/PROJECT/global/images/IMAGE).
secondary_boot_disks.mode: V(CONTAINER_IMAGE_CACHE) for container images; data if this is not given.
local_ssd_count: Local SSDs of each node, as raw disks. Only a new pool can change this.
ephemeral_storage_local_ssd_count: Local SSDs of each node for its ephemeral storage. Only a new pool can change this.
boot_disk_kms_key: Key of Cloud KMS for the boot disks. Only a new pool can change this.
min_cpu_platform: Oldest CPU platform, such as V(Intel Ice Lake). Only a new pool can change this.
advanced_machine_features: Peculiarities of the machines. Only a new pool can change these.
advanced_machine_features.threads_per_core: Threads of a core; V(1) turns simultaneous multithreading off.
advanced_machine_features.enable_nested_virtualization: Whether virtual machines can run on the nodes.
shielded_instance_config: Protection against changed boot code. Only a new pool can change this.
shielded_instance_config.enable_secure_boot: Start only what is signed.
shielded_instance_config.enable_integrity_monitoring: Compare each start with a known one.
confidential_nodes: Encryption of the nodes' memory. A change replaces the nodes.
confidential_nodes.enabled: Whether it is on.
confidential_nodes.confidential_instance_type: By which technology.
reservation_affinity: Which reservations the machines come from. Only a new pool can change this.
reservation_affinity.consume_reservation_type: Any, none, or the one that O(ignore:key) and O(ignore:values) name.
reservation_affinity.key: V(compute.googleapis.com/reservation-name) for a reservation by name.
reservation_affinity.values: Names of the reservations.
placement_policy: How near to each other the machines are. Only a new pool can change this.
placement_policy.type: V(COMPACT) for near.
placement_policy.policy_name: A resource policy that exists.
placement_policy.tpu_topology: Arrangement of TPUs, such as V(2x2x2).
max_pods_per_node: Most pods of a node, which decides how large its range of addresses is. Only a new pool can change
  this.
enable_private_nodes: Whether the nodes have internal addresses only. A change replaces the nodes.
subnetwork: Subnetwork of the nodes, if another than the cluster's. Only a new pool can change this.
pod_range: Name of the secondary range for pods. Only a new pool can change this.
create_pod_range: Whether Google makes the range for pods when the pool is created; without it
  O(ignore:pod_ipv4_cidr_block) must be in a range that is there. Never looked at again.
pod_ipv4_cidr_block: Range for pods, or its size (V(/20)). Only a new pool can change this.
gvnic: Use Google's network driver. A change replaces the nodes.
fast_socket: Use Google's plugin for NCCL, which needs O(ignore:gvnic). A change replaces the nodes.
logging_variant: Which agent collects logs. A change replaces the nodes.
kubelet_config:
  - Settings of the kubelet, in the API's own form (C(NodeKubeletConfig), with names in camelCase).
  - A key that is given is managed as a whole, the others stay. A change replaces the nodes.
linux_node_config:
  - Settings of Linux, in the API's own form (C(LinuxNodeConfig)), such as C(sysctls) or C(swapConfig).
  - A key that is given is managed as a whole, the others stay. A change replaces the nodes.
containerd_config:
  - Settings of containerd, in the API's own form (C(ContainerdConfig)), such as C(registryHosts).
  - A key that is given is managed as a whole, the others stay. A change replaces the nodes.
management: What Google does to the nodes by itself.
management.auto_repair: Replace broken nodes.
management.auto_upgrade: Upgrade nodes with the control plane. It can't be off in a release channel.
upgrade_settings: How nodes are replaced.
upgrade_settings.strategy: Some at a time, or by a second set of nodes.
upgrade_settings.max_surge: Nodes beyond the pool's size meanwhile.
upgrade_settings.max_unavailable: Nodes that may be missing meanwhile.
upgrade_settings.blue_green_settings: How the second set takes over.
upgrade_settings.blue_green_settings.node_pool_soak_duration: How long the old nodes are kept after that, in seconds
  (V(3600s)).
upgrade_settings.blue_green_settings.standard_rollout_policy: How the old nodes are drained.
upgrade_settings.blue_green_settings.standard_rollout_policy.batch_percentage: Share of the nodes that is drained at a
  time, from 0.0 to 1.0.
upgrade_settings.blue_green_settings.standard_rollout_policy.batch_node_count: Nodes that are drained at a time.
upgrade_settings.blue_green_settings.standard_rollout_policy.batch_soak_duration: Time between two batches, in seconds
  (V(60s)).
node_drain_config: How nodes are drained.
node_drain_config.grace_termination_duration: How long pods may take to end, in seconds (V(600s)).
node_drain_config.pdb_timeout_duration: How long disruption budgets are waited for, in seconds (V(3600s)).
node_drain_config.respect_pdb_during_node_pool_deletion: Whether disruption budgets count when the pool is removed, too.
"""

EXAMPLES = r"""
- name: A pool of spot machines that scales to zero
  mlops.tfserving.gke_node_pool:
    project: my-project
    cluster: cluster-1
    location: us-central1-f
    name: spot
    machine_type: e2-standard-4
    spot: true
    autoscaling:
      min_node_count: 0
      max_node_count: 10

- name: A pool with a GPU in each node, which GKE installs the driver for
  mlops.tfserving.gke_node_pool:
    project: my-project
    cluster: cluster-1
    location: us-central1-f
    name: gpu
    machine_type: n1-standard-8
    accelerators:
      - accelerator_type: nvidia-tesla-t4
        accelerator_count: 1
        gpu_driver_version: DEFAULT
    upgrade_settings:
      strategy: BLUE_GREEN
      blue_green_settings:
        node_pool_soak_duration: 600s
    autoscaling:
      min_node_count: 0
      max_node_count: 2
"""

RETURN = r"""
node_pool:
  description: The node pool as the API shows it; empty when it does not exist.
  type: dict
  returned: success
actions:
  description: What was changed, or would be, a line each, in this order.
  type: list
  elements: str
  returned: success, and on failure if something was changed before
  sample: ["labels: unset -> {'tier': 'serving'} (in place)"]
status:
  description: HTTP status of the request that Google refused.
  type: int
  returned: on failure, if Google refused a request
reason:
  description: Google's word for why.
  type: str
  returned: on failure, if Google refused a request
  sample: CLUSTER_ALREADY_HAS_OPERATION
"""

from ..module_utils import outcome
from ..module_utils.gcp.options import GKE_ENDPOINT, Json, answered, module_spec
from ..module_utils.gcp.packages import PACKAGES
from ..module_utils.gke.converge import converge_pool
from ..module_utils.gke.desired import POOL_ARGUMENTS
from ..module_utils.gke.plan import RECREATE_ARGUMENT

SPEC = module_spec(
    GKE_ENDPOINT,
    state={"type": "str", "choices": ["present", "absent"], "default": "present"},
    cluster={"type": "str", "required": True},
    location={"type": "str", "required": True},
    recreate=RECREATE_ARGUMENT,
    adopt={"type": "bool", "default": True},
    wait_timeout={"type": "int", "default": 1800},
    **POOL_ARGUMENTS,
)


def answer(params: Json, *, check_mode: bool) -> Json:
    return answered(params, lambda: converge_pool(params, check_mode))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
