#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Creates, updates and removes a GKE cluster and its node pools."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_cluster
short_description: Converge a GKE cluster and its node pools
version_added: 0.1.0
description:
  - Creates a cluster with its node pools in one request, changes what differs, one field a request, or removes it.
  - An option that is not given is not managed.
  - Waits for operations that are running already, also those of an interrupted run, and fails when an operation
    fails, in Google's words. A cluster that a failed creation of this
    module left is replaced.
  - One request is enough to see that nothing has to change.
  - What the API has beside these options is listed in C(docs/gke.md) of the collection.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.gke_cluster
  - mlops.tfserving.gcp
  - mlops.tfserving.gcp.planned
"""

OPTIONS = r"""
state: Whether the cluster is to exist.
name: The cluster's name.
location: A zone or a region.
description: Free text. It can't be changed.
autopilot:
  - Whether it is an Autopilot cluster, whose nodes are Google's. It can't be changed.
  - Such a cluster is regional and has no O(node_pools).
release_channel: Release channel; V(UNSPECIFIED) for none.
initial_cluster_version: Kubernetes version of a new cluster; not looked at again.
min_master_version:
  - The oldest Kubernetes version that the control plane may have, as V(1.X), V(1.X.Y) or V(1.X.Y-gke.N).
  - An older one is upgraded; a newer one stays, since Google upgrades it, too.
node_locations: Zones of the nodes, in the cluster's region. In a zonal cluster its own zone is among them.
network: VPC network, as a name, a path or a URL. It can't be changed.
subnetwork: Subnetwork, as a name, a path or a URL. It can't be changed.
ip_allocation_policy: Ranges of addresses. They can't be changed.
ip_allocation_policy.cluster_ipv4_cidr_block: Range for pods, or its size (V(/16)).
ip_allocation_policy.services_ipv4_cidr_block: Range for services, or its size.
ip_allocation_policy.cluster_secondary_range_name: Name of a secondary range for pods that exists.
ip_allocation_policy.services_secondary_range_name: Name of a secondary range for services that exists.
ip_allocation_policy.create_subnetwork: Whether a subnetwork is made for the cluster.
ip_allocation_policy.subnetwork_name: Its name.
ip_allocation_policy.node_ipv4_cidr_block: Its range for nodes, or the size of that.
stack_type: Whether there are IPv6 addresses, too.
additional_ip_ranges: Further subnetworks and ranges for pods; all others are removed.
additional_ip_ranges.subnetwork: The subnetwork.
additional_ip_ranges.pod_ipv4_range_names: Names of its secondary ranges for pods.
additional_ip_ranges.status: Whether new nodes get addresses from there.
default_max_pods_per_node: Most pods of a node, in pools that say nothing else. It can't be changed.
default_enable_private_nodes: Whether nodes have internal addresses only, in pools that say nothing else.
master_ipv4_cidr_block: Range (/28) for the control plane of an older private cluster. It can't be changed.
control_plane_endpoints_config: How the control plane is reached.
control_plane_endpoints_config.dns_endpoint_config: By a name.
control_plane_endpoints_config.dns_endpoint_config.allow_external_traffic: Whether from outside the VPC network, too.
control_plane_endpoints_config.dns_endpoint_config.enable_k8s_tokens_via_dns: Whether Kubernetes' own tokens are taken
  there.
control_plane_endpoints_config.dns_endpoint_config.enable_k8s_certs_via_dns: Whether client certificates are taken
  there.
control_plane_endpoints_config.ip_endpoints_config: By addresses.
control_plane_endpoints_config.ip_endpoints_config.enabled: Whether there are any.
control_plane_endpoints_config.ip_endpoints_config.enable_public_endpoint: Whether there is a public one.
control_plane_endpoints_config.ip_endpoints_config.global_access: Whether the private one is reached from other regions,
  too.
control_plane_endpoints_config.ip_endpoints_config.private_endpoint_subnetwork: Subnetwork of the private one.
control_plane_endpoints_config.ip_endpoints_config.authorized_networks_config: Who may connect.
control_plane_endpoints_config.ip_endpoints_config.authorized_networks_config.enabled: Whether only these may.
control_plane_endpoints_config.ip_endpoints_config.authorized_networks_config.cidr_blocks: Their ranges; all others are
  removed.
control_plane_endpoints_config.ip_endpoints_config.authorized_networks_config.cidr_blocks.cidr_block: The range.
control_plane_endpoints_config.ip_endpoints_config.authorized_networks_config.cidr_blocks.display_name: Whose it is.
control_plane_endpoints_config.ip_endpoints_config.authorized_networks_config.gcp_public_cidrs_access_enabled: Whether
  Google Cloud's public addresses may, too.
control_plane_endpoints_config.ip_endpoints_config.authorized_networks_config.private_endpoint_enforcement_enabled:
  Whether this counts for the private endpoint, too.
datapath_provider: V(ADVANCED_DATAPATH) for Dataplane V2. It can't be changed.
enable_intra_node_visibility: Whether VPC flow logs see traffic within a node. A change replaces the nodes.
enable_l4_ilb_subsetting: Whether internal load balancers reach subsets of the nodes. It can't be turned off.
disable_l4_lb_firewall_reconciliation: Whether GKE leaves the firewall rules of load balancers alone.
enable_cilium_clusterwide_network_policy: Whether there are network policies for the whole cluster. It needs Dataplane
  V2.
enable_fqdn_network_policy: Whether network policies can name hosts. It needs Dataplane V2, and can't be turned off.
in_transit_encryption_config: Whether traffic between nodes is encrypted. It needs Dataplane V2.
default_snat_disabled: Whether pods keep their addresses towards networks outside the cluster.
dns_config: DNS of the cluster.
dns_config.cluster_dns: Which server.
dns_config.cluster_dns_scope: From where names are found, with Cloud DNS.
dns_config.cluster_dns_domain: The cluster's domain.
dns_config.additive_vpc_scope_dns_domain: A second domain, which the VPC network finds.
gateway_api_channel: Which resources of the Gateway API are installed.
workload_identity:
  - Whether pods can have Google identities, of the pool C(PROJECT.svc.id.goog).
  - Node pools need O(node_pools[].workload_metadata_mode=GKE_METADATA) for it.
node_pool_auto_config_network_tags: Network tags of nodes that GKE makes by itself; all others are removed.
image_streaming: Start containers while their images are still being fetched, in pools that say nothing else.
hpa_profile: V(PERFORMANCE) makes the horizontal pod autoscaler faster.
vertical_pod_autoscaling: Whether there is a vertical pod autoscaler.
cost_management: Whether billing shows costs by namespace and label.
logging_config: What is logged.
logging_config.components: Whose logs; V(SYSTEM_COMPONENTS) is among them, unless the list is empty.
monitoring_config: What is measured.
monitoring_config.components: Whose metrics; V(SYSTEM_COMPONENTS) is among them, unless the list is empty.
monitoring_config.managed_prometheus: Whether Google collects Prometheus metrics.
monitoring_config.auto_monitoring_scope: Whether it does so for known workloads by itself.
monitoring_config.datapath_metrics: Whether there are metrics of Dataplane V2.
logging_service: V(none) turns logging off, whatever O(logging_config) says. The older of the two ways.
monitoring_service: V(none) turns monitoring off, whatever O(monitoring_config) says. The older of the two ways.
addons_config: What GKE installs; each is managed where it is given.
addons_config.http_load_balancing: Load balancers for Ingress and Gateway.
addons_config.horizontal_pod_autoscaling: The horizontal pod autoscaler.
addons_config.network_policy: Network policies by Calico. Dataplane V2 has its own.
addons_config.dns_cache: A DNS cache on each node. A change replaces the nodes.
addons_config.gce_persistent_disk_csi_driver: Volumes on persistent disks.
addons_config.gcp_filestore_csi_driver: Volumes on Filestore.
addons_config.gcs_fuse_csi_driver: Volumes on Cloud Storage.
addons_config.gke_backup_agent: Backup for GKE.
addons_config.ray_operator: The Ray operator.
shielded_nodes: Whether nodes prove who they are. A change replaces the nodes.
confidential_nodes: Encryption of all nodes' memory. It can't be changed.
confidential_nodes.enabled: Whether it is on.
confidential_nodes.confidential_instance_type: By which technology.
binary_authorization: Whether only images that the project's policy allows can run.
database_encryption: Encryption of secrets by a key of your own.
database_encryption.state: What is encrypted. Google shows V(ALL_OBJECTS_ENCRYPTION_ENABLED) for V(ENCRYPTED), too, so that the
  two count as the same.
database_encryption.key_name: The key, as C(projects/P/locations/L/keyRings/R/cryptoKeys/K).
security_posture_mode: What the security dashboard shows.
maintenance_policy: When Google may upgrade and repair.
maintenance_policy.daily_window_start_time: Every day from this time of day (GMT) on, such as V(03:00). An empty text
  ends that.
maintenance_policy.recurring_window: At times that recur. Not together with
  O(maintenance_policy.daily_window_start_time).
maintenance_policy.recurring_window.start_time: Begin of the first window, such as V(2027-01-02T02:00:00Z).
maintenance_policy.recurring_window.end_time: End of the first window.
maintenance_policy.recurring_window.recurrence: When it recurs, by RFC 5545, such as V(FREQ=WEEKLY;BYDAY=SA,SU).
maintenance_policy.exclusions: When it may not; all others are removed.
maintenance_policy.exclusions.name: The exclusion's name.
maintenance_policy.exclusions.start_time: Its begin.
maintenance_policy.exclusions.end_time: Its end.
maintenance_policy.exclusions.end_time_behavior: In place of an end, the end of the version's support.
maintenance_policy.exclusions.scope: What may not be upgraded.
resource_labels: Labels on the cluster as a Google resource; all others but Google's own (C(goog-...)) are removed.
node_pools_exclusive: Whether node pools that are not named in O(node_pools) are removed; those of node
  auto-provisioning stay.
recreate:
  - What may be deleted and made anew where a wanted change needs that.
  - V(never) fails the task before anything is changed, and tells what would have to be made anew.
  - V(failed) allows it for a cluster or pool in status C(ERROR); a cluster only if this module made it, and not against
    O(deletion_protection). Such a cluster can have nodes that work.
  - V(pools) allows it for node pools. A cluster in any other status is never made anew.
deletion_protection:
  - Refuse O(state=absent) while the cluster exists, and O(recreate=failed) for it.
  - This is known to the playbook alone, for example from the inventory; Google is not told.
own_only:
  - With O(state=absent), leave a cluster that this module did not create. What it created has the label
    C(made-by=mlops-tfserving) among its O(resource_labels), whatever else these are.
  - Give that label to a cluster of an older release or of your own, and it counts as made here.
adopt:
  - Whether a cluster that this module did not create, and its node pools, may be changed. What it created has the label
    C(made-by=mlops-tfserving). With V(false) such a cluster is read, and the task fails before anything is changed, in check mode, too, if
    something would be; it tells what. The cluster role says so unless C(cluster_adopt) is true, since it has defaults that nobody wrote.
  - The cluster gets no label by it, and so stays with O(own_only).
wait_timeout: Seconds to wait for everything together.
autoscaling: The node autoscaler and node auto-provisioning.
autoscaling.autoscaling_profile: V(OPTIMIZE_UTILIZATION) removes nodes sooner.
autoscaling.enable_node_autoprovisioning: Whether GKE makes and removes node pools by itself. It needs limits of V(cpu)
  and V(memory).
autoscaling.resource_limits: How much all nodes may have together; all others are removed.
autoscaling.resource_limits.resource_type: V(cpu) (cores), V(memory) (GB), or a type of GPU.
autoscaling.resource_limits.minimum: The least.
autoscaling.resource_limits.maximum: The most.
autoscaling.autoprovisioning_locations: Zones of pools that GKE makes.
autoscaling.autoprovisioning_node_pool_defaults: What pools that GKE makes are like.
autoscaling.autoprovisioning_node_pool_defaults.oauth_scopes: OAuth scopes of the nodes, in full. GKE adds those for
  logging and monitoring by itself.
autoscaling.autoprovisioning_node_pool_defaults.service_account: Google service account of the nodes.
autoscaling.autoprovisioning_node_pool_defaults.disk_size_gb: Size of the boot disk in GB.
autoscaling.autoprovisioning_node_pool_defaults.disk_type: Kind of the boot disk.
autoscaling.autoprovisioning_node_pool_defaults.image_type: Image of the nodes.
autoscaling.autoprovisioning_node_pool_defaults.boot_disk_kms_key: Key of Cloud KMS for the boot disks.
autoscaling.autoprovisioning_node_pool_defaults.shielded_instance_config: Protection against changed boot code.
autoscaling.default_compute_class_enabled: Whether pods without a compute class get the cluster's default one.
node_pools: The node pools, each with the options of M(mlops.tfserving.gke_node_pool).
"""

EXAMPLES = r"""
- name: A cluster with one autoscaled pool
  mlops.tfserving.gke_cluster:
    project: my-project
    name: cluster-1
    location: us-central1-f
    node_pools:
      - name: default-pool
        machine_type: e2-standard-4
        autoscaling:
          min_node_count: 1
          max_node_count: 3

- name: A private regional cluster that pods reach Cloud Storage from, upgraded at night
  mlops.tfserving.gke_cluster:
    project: my-project
    name: serving
    location: europe-west4
    release_channel: REGULAR
    workload_identity: true
    default_enable_private_nodes: true
    hpa_profile: PERFORMANCE
    control_plane_endpoints_config:
      dns_endpoint_config:
        allow_external_traffic: true
      ip_endpoints_config:
        enabled: false
    maintenance_policy:
      daily_window_start_time: "01:00"
    node_pools:
      - name: serving
        machine_type: n2-standard-8
        workload_metadata_mode: GKE_METADATA
        image_streaming: true
        autoscaling:
          total_min_node_count: 1
          total_max_node_count: 12
          location_policy: ANY

- name: An Autopilot cluster
  mlops.tfserving.gke_cluster:
    project: my-project
    name: autopilot-1
    location: europe-west4
    autopilot: true

- name: Remove a cluster
  mlops.tfserving.gke_cluster:
    project: my-project
    name: cluster-1
    location: us-central1-f
    state: absent
"""

RETURN = r"""
cluster:
  description: The cluster as the API shows it, without credentials; empty when it does not exist.
  type: dict
  returned: success
exists:
  description: Whether the cluster exists (afterwards) and can be reached; so whether a kubeconfig could be written.
  type: bool
  returned: success
kept:
  description: Why the cluster stays, with O(own_only); empty when it does not.
  type: str
  returned: with state absent
actions:
  description: What was changed, or would be, a line each, in this order.
  type: list
  elements: str
  returned: success, and on failure if something was changed before
  sample: ["node pool default-pool: machine_type: e2-medium -> e2-standard-4 (rolling)"]
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
from ..module_utils.gke.converge import converge_cluster
from ..module_utils.gke.desired import CLUSTER_ARGUMENTS
from ..module_utils.gke.info import KUBECONFIG_ARGUMENTS
from ..module_utils.gke.plan import RECREATE_ARGUMENT

SPEC = module_spec(
    GKE_ENDPOINT,
    state={"type": "str", "choices": ["present", "absent"], "default": "present"},
    location={"type": "str", "required": True},
    node_pools_exclusive={"type": "bool", "default": False},
    recreate=RECREATE_ARGUMENT,
    deletion_protection={"type": "bool", "default": False},
    own_only={"type": "bool", "default": False},
    adopt={"type": "bool", "default": True},
    wait_timeout={"type": "int", "default": 1800},
    **KUBECONFIG_ARGUMENTS,
    **CLUSTER_ARGUMENTS,
)


def answer(params: Json, *, check_mode: bool) -> Json:
    return answered(params, lambda: converge_cluster(params, check_mode))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
