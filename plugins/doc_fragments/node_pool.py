"""Options of a node pool, which two modules have: one as its own, the other for each item of a list."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from textwrap import indent

_SHIELDED_INSTANCE_CONFIG = """
enable_secure_boot:
  description: Start only what is signed.
  type: bool
enable_integrity_monitoring:
  description: Compare each start with a known one.
  type: bool
"""

_MANAGEMENT = """
auto_repair:
  description: Replace broken nodes.
  type: bool
auto_upgrade:
  description: Upgrade nodes with the control plane. It can't be off in a release channel.
  type: bool
"""

_UPGRADE_SETTINGS = """
strategy:
  description: Some at a time, or by a second set of nodes.
  type: str
  choices: [SURGE, BLUE_GREEN]
max_surge:
  description: Nodes beyond the pool's size meanwhile.
  type: int
max_unavailable:
  description: Nodes that may be missing meanwhile.
  type: int
blue_green_settings:
  description: How the second set takes over.
  type: dict
  suboptions:
    node_pool_soak_duration:
      description: How long the old nodes are kept after that, in seconds (V(3600s)).
      type: str
    standard_rollout_policy:
      description: How the old nodes are drained.
      type: dict
      suboptions:
        batch_percentage:
          description: Share of the nodes that is drained at a time, from 0.0 to 1.0.
          type: float
        batch_node_count:
          description: Nodes that are drained at a time.
          type: int
        batch_soak_duration:
          description: Time between two batches, in seconds (V(60s)).
          type: str
"""

_POOL = f"""
name:
  description: The pool's name.
  type: str
  required: true
machine_type:
  description:
    - Machine type of the nodes, such as V(e2-standard-4). A change replaces the nodes one by one.
    - Changes of machine type, disk type and disk size are made together, so that nodes are replaced once.
  type: str
disk_type:
  description: Kind of the boot disk, such as V(pd-balanced) or V(hyperdisk-balanced). A change replaces the nodes.
  type: str
disk_size_gb:
  description: Size of the boot disk in GB. A change replaces the nodes.
  type: int
image_type:
  description: Image of the nodes, such as V(COS_CONTAINERD). A change replaces the nodes.
  type: str
version:
  description:
    - The oldest Kubernetes version that the nodes may have, as V(1.X), V(1.X.Y) or V(1.X.Y-gke.N).
    - Older nodes are upgraded; newer ones stay, since Google upgrades them, too.
  type: str
spot:
  description: Use spot machines. Only a new pool can change this.
  type: bool
preemptible:
  description: Use preemptible machines, the older kind of spot machines. Only a new pool can change this.
  type: bool
accelerators:
  description: GPUs of each node; all others are removed. A change replaces the nodes.
  type: list
  elements: dict
  suboptions:
    accelerator_type:
      description: Kind of the GPU, such as V(nvidia-tesla-t4).
      type: str
      required: true
    accelerator_count:
      description: GPUs of this kind in each node.
      type: int
      required: true
    gpu_driver_version:
      description: Which driver GKE installs.
      type: str
      choices: [INSTALLATION_DISABLED, DEFAULT, LATEST]
    gpu_partition_size:
      description: Size of the partitions of a multi-instance GPU, such as V(1g.5gb).
      type: str
    gpu_sharing_strategy:
      description: How containers share a GPU.
      type: str
      choices: [TIME_SHARING, MPS]
    max_shared_clients_per_gpu:
      description: How many containers share a GPU.
      type: int
initial_node_count:
  description:
    - Nodes in each zone when the pool is created; never looked at again.
    - An autoscaled pool begins with its minimum if this is not given.
  type: int
node_count:
  description:
    - Nodes in each zone of a pool without autoscaling. They are kept at this number.
    - Not together with autoscaling, where the number is the autoscaler's alone.
  type: int
autoscaling:
  description: Limits of the node autoscaler. The count of nodes within them is the autoscaler's alone.
  type: dict
  suboptions:
    enabled:
      description: Whether the pool is autoscaled; where this is not given, it is.
      type: bool
    min_node_count:
      description:
        - Fewest nodes in each zone; V(0) lets the pool scale to zero.
        - If it is raised above what there is, nodes are added at once, which Google does not do by itself.
      type: int
    max_node_count:
      description: Most nodes in each zone.
      type: int
    total_min_node_count:
      description: Fewest nodes in all zones together. Not together with limits for each zone.
      type: int
    total_max_node_count:
      description: Most nodes in all zones together. Not together with limits for each zone.
      type: int
    location_policy:
      description: Whether zones are kept in balance, or the one with capacity is taken.
      type: str
      choices: [BALANCED, ANY]
node_locations:
  description: Zones of the nodes; those of the cluster if this is not given.
  type: list
  elements: str
labels:
  description: Kubernetes labels of the nodes; all others but GKE's own are removed.
  type: dict
taints:
  description: Taints of the nodes; all others but GKE's own (on nodes with GPUs, for example) are removed.
  type: list
  elements: dict
  suboptions:
    key:
      description: The taint's key.
      type: str
      required: true
    value:
      description: The taint's value.
      type: str
    effect:
      description: What it does to pods that don't tolerate it.
      type: str
      required: true
      choices: [NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE]
tags:
  description: Network tags of the nodes; all others are removed.
  type: list
  elements: str
resource_labels:
  description: Labels of the machines as Google resources; all others but Google's own (C(goog-...)) are removed.
  type: dict
metadata:
  description: Metadata of the machines. Only a new pool can change this.
  type: dict
service_account:
  description: Google service account of the nodes. Only a new pool can change this.
  type: str
oauth_scopes:
  description:
    - OAuth scopes of the nodes, in full. Only a new pool can change this.
    - GKE adds those for logging and monitoring by itself.
  type: list
  elements: str
workload_metadata_mode:
  description:
    - Whether pods see the machine's metadata server or GKE's, which Workload Identity needs.
    - A change replaces the nodes.
  type: str
  choices: [GCE_METADATA, GKE_METADATA]
image_streaming:
  description: Start containers while their images are still being fetched. A change replaces the nodes.
  type: bool
secondary_boot_disks:
  description: Disks with container images or data that the nodes start with. Only a new pool can change this.
  type: list
  elements: dict
  suboptions:
    disk_image:
      description: The disk's image, as C(projects/PROJECT/global/images/IMAGE).
      type: str
      required: true
    mode:
      description: V(CONTAINER_IMAGE_CACHE) for container images; data if this is not given.
      type: str
      choices: [CONTAINER_IMAGE_CACHE]
local_ssd_count:
  description: Local SSDs of each node, as raw disks. Only a new pool can change this.
  type: int
ephemeral_storage_local_ssd_count:
  description: Local SSDs of each node for its ephemeral storage. Only a new pool can change this.
  type: int
boot_disk_kms_key:
  description: Key of Cloud KMS for the boot disks. Only a new pool can change this.
  type: str
min_cpu_platform:
  description: Oldest CPU platform, such as V(Intel Ice Lake). Only a new pool can change this.
  type: str
advanced_machine_features:
  description: Peculiarities of the machines. Only a new pool can change these.
  type: dict
  suboptions:
    threads_per_core:
      description: Threads of a core; V(1) turns simultaneous multithreading off.
      type: int
    enable_nested_virtualization:
      description: Whether virtual machines can run on the nodes.
      type: bool
shielded_instance_config:
  description: Protection against changed boot code. Only a new pool can change this.
  type: dict
  suboptions:
{indent(_SHIELDED_INSTANCE_CONFIG.strip(), "    ")}
confidential_nodes:
  description: Encryption of the nodes' memory. A change replaces the nodes.
  type: dict
  suboptions:
    enabled:
      description: Whether it is on.
      type: bool
    confidential_instance_type:
      description: By which technology.
      type: str
      choices: [SEV, SEV_SNP, TDX]
reservation_affinity:
  description: Which reservations the machines come from. Only a new pool can change this.
  type: dict
  suboptions:
    consume_reservation_type:
      description: Any, none, or the one that O(ignore:key) and O(ignore:values) name.
      type: str
      required: true
      choices: [NO_RESERVATION, ANY_RESERVATION, ANY_RESERVATION_THEN_FAIL, SPECIFIC_RESERVATION]
    key:
      description: V(compute.googleapis.com/reservation-name) for a reservation by name.
      type: str
    values:
      description: Names of the reservations.
      type: list
      elements: str
placement_policy:
  description: How near to each other the machines are. Only a new pool can change this.
  type: dict
  suboptions:
    type:
      description: V(COMPACT) for near.
      type: str
      choices: [COMPACT]
    policy_name:
      description: A resource policy that exists.
      type: str
    tpu_topology:
      description: Arrangement of TPUs, such as V(2x2x2).
      type: str
max_pods_per_node:
  description: Most pods of a node, which decides how large its range of addresses is. Only a new pool can change this.
  type: int
enable_private_nodes:
  description: Whether the nodes have internal addresses only. A change replaces the nodes.
  type: bool
subnetwork:
  description: Subnetwork of the nodes, if another than the cluster's. Only a new pool can change this.
  type: str
pod_range:
  description: Name of the secondary range for pods. Only a new pool can change this.
  type: str
pod_ipv4_cidr_block:
  description: Range for pods, or its size (V(/20)). Only a new pool can change this.
  type: str
gvnic:
  description: Use Google's network driver. A change replaces the nodes.
  type: bool
fast_socket:
  description: Use Google's plugin for NCCL, which needs O(ignore:gvnic). A change replaces the nodes.
  type: bool
logging_variant:
  description: Which agent collects logs. A change replaces the nodes.
  type: str
  choices: [DEFAULT, MAX_THROUGHPUT]
kubelet_config:
  description:
    - Settings of the kubelet, in the API's own form (C(NodeKubeletConfig), with names in camelCase).
    - A key that is given is managed as a whole, the others stay. A change replaces the nodes.
  type: dict
linux_node_config:
  description:
    - Settings of Linux, in the API's own form (C(LinuxNodeConfig)), such as C(sysctls) or C(swapConfig).
    - A key that is given is managed as a whole, the others stay. A change replaces the nodes.
  type: dict
containerd_config:
  description:
    - Settings of containerd, in the API's own form (C(ContainerdConfig)), such as C(registryHosts).
    - A key that is given is managed as a whole, the others stay. A change replaces the nodes.
  type: dict
management:
  description: What Google does to the nodes by itself.
  type: dict
  suboptions:
{indent(_MANAGEMENT.strip(), "    ")}
upgrade_settings:
  description: How nodes are replaced.
  type: dict
  suboptions:
{indent(_UPGRADE_SETTINGS.strip(), "    ")}
node_drain_config:
  description: How nodes are drained.
  type: dict
  suboptions:
    grace_termination_duration:
      description: How long pods may take to end, in seconds (V(600s)).
      type: str
    pdb_timeout_duration:
      description: How long disruption budgets are waited for, in seconds (V(3600s)).
      type: str
    respect_pdb_during_node_pool_deletion:
      description: Whether disruption budgets count when the pool is removed, too.
      type: bool
"""


class ModuleDocFragment:
    DOCUMENTATION: str = f"options:\n{indent(_POOL.strip(), '  ')}\n"

    LISTED: str = f"""
options:
  node_pools:
    description: The node pools, each with the options of M(mlops.tfserving.gke_node_pool).
    type: list
    elements: dict
    suboptions:
{indent(_POOL.strip(), "      ")}
"""

    PROVISIONED: str = f"""
options:
  autoscaling:
    description: The node autoscaler and node auto-provisioning.
    type: dict
    suboptions:
      autoscaling_profile:
        description: V(OPTIMIZE_UTILIZATION) removes nodes sooner.
        type: str
        choices: [BALANCED, OPTIMIZE_UTILIZATION]
      enable_node_autoprovisioning:
        description: Whether GKE makes and removes node pools by itself. It needs limits of V(cpu) and V(memory).
        type: bool
      resource_limits:
        description: How much all nodes may have together; all others are removed.
        type: list
        elements: dict
        suboptions:
          resource_type:
            description: V(cpu) (cores), V(memory) (GB), or a type of GPU.
            type: str
            required: true
          minimum:
            description: The least.
            type: int
          maximum:
            description: The most.
            type: int
      autoprovisioning_locations:
        description: Zones of pools that GKE makes.
        type: list
        elements: str
      autoprovisioning_node_pool_defaults:
        description: What pools that GKE makes are like.
        type: dict
        suboptions:
          oauth_scopes:
            description: OAuth scopes of the nodes, in full. GKE adds those for logging and monitoring by itself.
            type: list
            elements: str
          service_account:
            description: Google service account of the nodes.
            type: str
          disk_size_gb:
            description: Size of the boot disk in GB.
            type: int
          disk_type:
            description: Kind of the boot disk.
            type: str
          image_type:
            description: Image of the nodes.
            type: str
          boot_disk_kms_key:
            description: Key of Cloud KMS for the boot disks.
            type: str
          management:
            description: What Google does to the nodes by itself.
            type: dict
            suboptions:
{indent(_MANAGEMENT.strip(), " " * 14)}
          upgrade_settings:
            description: How nodes are replaced.
            type: dict
            suboptions:
{indent(_UPGRADE_SETTINGS.strip(), " " * 14)}
          shielded_instance_config:
            description: Protection against changed boot code.
            type: dict
            suboptions:
{indent(_SHIELDED_INSTANCE_CONFIG.strip(), " " * 14)}
      default_compute_class_enabled:
        description: Whether pods without a compute class get the cluster's default one.
        type: bool
"""
