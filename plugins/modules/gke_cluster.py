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
options:
  state:
    description: Whether the cluster is to exist.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: The cluster's name.
    type: str
    required: true
  location:
    description: A zone or a region.
    type: str
    required: true
  description:
    description: Free text. It can't be changed.
    type: str
  autopilot:
    description:
      - Whether it is an Autopilot cluster, whose nodes are Google's. It can't be changed.
      - Such a cluster is regional and has no O(node_pools).
    type: bool
  release_channel:
    description: Release channel; V(UNSPECIFIED) for none.
    type: str
    choices: [RAPID, REGULAR, STABLE, EXTENDED, UNSPECIFIED]
  initial_cluster_version:
    description: Kubernetes version of a new cluster; not looked at again.
    type: str
  min_master_version:
    description:
      - The oldest Kubernetes version that the control plane may have, as V(1.X), V(1.X.Y) or V(1.X.Y-gke.N).
      - An older one is upgraded; a newer one stays, since Google upgrades it, too.
    type: str
  node_locations:
    description: Zones of the nodes, in the cluster's region. In a zonal cluster its own zone is among them.
    type: list
    elements: str
  network:
    description: VPC network, as a name, a path or a URL. It can't be changed.
    type: str
  subnetwork:
    description: Subnetwork, as a name, a path or a URL. It can't be changed.
    type: str
  ip_allocation_policy:
    description: Ranges of addresses. They can't be changed.
    type: dict
    suboptions:
      cluster_ipv4_cidr_block:
        description: Range for pods, or its size (V(/16)).
        type: str
      services_ipv4_cidr_block:
        description: Range for services, or its size.
        type: str
      cluster_secondary_range_name:
        description: Name of a secondary range for pods that exists.
        type: str
      services_secondary_range_name:
        description: Name of a secondary range for services that exists.
        type: str
      create_subnetwork:
        description: Whether a subnetwork is made for the cluster.
        type: bool
      subnetwork_name:
        description: Its name.
        type: str
      node_ipv4_cidr_block:
        description: Its range for nodes, or the size of that.
        type: str
  stack_type:
    description: Whether there are IPv6 addresses, too.
    type: str
    choices: [IPV4, IPV4_IPV6]
  additional_ip_ranges:
    description: Further subnetworks and ranges for pods; all others are removed.
    type: list
    elements: dict
    suboptions:
      subnetwork:
        description: The subnetwork.
        type: str
        required: true
      pod_ipv4_range_names:
        description: Names of its secondary ranges for pods.
        type: list
        elements: str
      status:
        description: Whether new nodes get addresses from there.
        type: str
        choices: [ACTIVE, DRAINING]
  default_max_pods_per_node:
    description: Most pods of a node, in pools that say nothing else. It can't be changed.
    type: int
  default_enable_private_nodes:
    description: Whether nodes have internal addresses only, in pools that say nothing else.
    type: bool
  master_ipv4_cidr_block:
    description: Range (/28) for the control plane of an older private cluster. It can't be changed.
    type: str
  control_plane_endpoints_config:
    description: How the control plane is reached.
    type: dict
    suboptions:
      dns_endpoint_config:
        description: By a name.
        type: dict
        suboptions:
          allow_external_traffic:
            description: Whether from outside the VPC network, too.
            type: bool
          enable_k8s_tokens_via_dns:
            description: Whether Kubernetes' own tokens are taken there.
            type: bool
          enable_k8s_certs_via_dns:
            description: Whether client certificates are taken there.
            type: bool
      ip_endpoints_config:
        description: By addresses.
        type: dict
        suboptions:
          enabled:
            description: Whether there are any.
            type: bool
          enable_public_endpoint:
            description: Whether there is a public one.
            type: bool
          global_access:
            description: Whether the private one is reached from other regions, too.
            type: bool
          private_endpoint_subnetwork:
            description: Subnetwork of the private one.
            type: str
          authorized_networks_config:
            description: Who may connect.
            type: dict
            suboptions:
              enabled:
                description: Whether only these may.
                type: bool
              cidr_blocks:
                description: Their ranges; all others are removed.
                type: list
                elements: dict
                suboptions:
                  cidr_block:
                    description: The range.
                    type: str
                    required: true
                  display_name:
                    description: Whose it is.
                    type: str
              gcp_public_cidrs_access_enabled:
                description: Whether Google Cloud's public addresses may, too.
                type: bool
              private_endpoint_enforcement_enabled:
                description: Whether this counts for the private endpoint, too.
                type: bool
  datapath_provider:
    description: V(ADVANCED_DATAPATH) for Dataplane V2. It can't be changed.
    type: str
    choices: [LEGACY_DATAPATH, ADVANCED_DATAPATH]
  enable_intra_node_visibility:
    description: Whether VPC flow logs see traffic within a node. A change replaces the nodes.
    type: bool
  enable_l4_ilb_subsetting:
    description: Whether internal load balancers reach subsets of the nodes. It can't be turned off.
    type: bool
  disable_l4_lb_firewall_reconciliation:
    description: Whether GKE leaves the firewall rules of load balancers alone.
    type: bool
  enable_cilium_clusterwide_network_policy:
    description: Whether there are network policies for the whole cluster. It needs Dataplane V2.
    type: bool
  enable_fqdn_network_policy:
    description: Whether network policies can name hosts. It needs Dataplane V2, and can't be turned off.
    type: bool
  in_transit_encryption_config:
    description: Whether traffic between nodes is encrypted. It needs Dataplane V2.
    type: str
    choices: [IN_TRANSIT_ENCRYPTION_DISABLED, IN_TRANSIT_ENCRYPTION_INTER_NODE_TRANSPARENT]
  default_snat_disabled:
    description: Whether pods keep their addresses towards networks outside the cluster.
    type: bool
  dns_config:
    description: DNS of the cluster.
    type: dict
    suboptions:
      cluster_dns:
        description: Which server.
        type: str
        choices: [PLATFORM_DEFAULT, CLOUD_DNS, KUBE_DNS]
      cluster_dns_scope:
        description: From where names are found, with Cloud DNS.
        type: str
        choices: [CLUSTER_SCOPE, VPC_SCOPE]
      cluster_dns_domain:
        description: The cluster's domain.
        type: str
      additive_vpc_scope_dns_domain:
        description: A second domain, which the VPC network finds.
        type: str
  gateway_api_channel:
    description: Which resources of the Gateway API are installed.
    type: str
    choices: [CHANNEL_DISABLED, CHANNEL_EXPERIMENTAL, CHANNEL_STANDARD]
  workload_identity:
    description:
      - Whether pods can have Google identities, of the pool C(PROJECT.svc.id.goog).
      - Node pools need O(node_pools[].workload_metadata_mode=GKE_METADATA) for it.
    type: bool
  node_pool_auto_config_network_tags:
    description: Network tags of nodes that GKE makes by itself; all others are removed.
    type: list
    elements: str
  image_streaming:
    description: Start containers while their images are still being fetched, in pools that say nothing else.
    type: bool
  hpa_profile:
    description: V(PERFORMANCE) makes the horizontal pod autoscaler faster.
    type: str
    choices: [NONE, PERFORMANCE]
  vertical_pod_autoscaling:
    description: Whether there is a vertical pod autoscaler.
    type: bool
  cost_management:
    description: Whether billing shows costs by namespace and label.
    type: bool
  logging_config:
    description: What is logged.
    type: dict
    suboptions:
      components:
        description: Whose logs; V(SYSTEM_COMPONENTS) is among them, unless the list is empty.
        type: list
        elements: str
        choices:
          - SYSTEM_COMPONENTS
          - WORKLOADS
          - APISERVER
          - SCHEDULER
          - CONTROLLER_MANAGER
          - KCP_SSHD
          - KCP_CONNECTION
          - KCP_HPA
          - KCP_VPA
  monitoring_config:
    description: What is measured.
    type: dict
    suboptions:
      components:
        description: Whose metrics; V(SYSTEM_COMPONENTS) is among them, unless the list is empty.
        type: list
        elements: str
        choices:
          - SYSTEM_COMPONENTS
          - APISERVER
          - SCHEDULER
          - CONTROLLER_MANAGER
          - STORAGE
          - HPA
          - POD
          - DAEMONSET
          - DEPLOYMENT
          - STATEFULSET
          - CADVISOR
          - KUBELET
          - DCGM
          - JOBSET
      managed_prometheus:
        description: Whether Google collects Prometheus metrics.
        type: bool
      auto_monitoring_scope:
        description: Whether it does so for known workloads by itself.
        type: str
        choices: [ALL, NONE]
      datapath_metrics:
        description: Whether there are metrics of Dataplane V2.
        type: bool
  logging_service:
    description: V(none) turns logging off, whatever O(logging_config) says. The older of the two ways.
    type: str
    choices: [logging.googleapis.com/kubernetes, none]
  monitoring_service:
    description: V(none) turns monitoring off, whatever O(monitoring_config) says. The older of the two ways.
    type: str
    choices: [monitoring.googleapis.com/kubernetes, none]
  addons_config:
    description: What GKE installs; each is managed where it is given.
    type: dict
    suboptions:
      http_load_balancing:
        description: Load balancers for Ingress and Gateway.
        type: bool
      horizontal_pod_autoscaling:
        description: The horizontal pod autoscaler.
        type: bool
      network_policy:
        description: Network policies by Calico. Dataplane V2 has its own.
        type: bool
      dns_cache:
        description: A DNS cache on each node. A change replaces the nodes.
        type: bool
      gce_persistent_disk_csi_driver:
        description: Volumes on persistent disks.
        type: bool
      gcp_filestore_csi_driver:
        description: Volumes on Filestore.
        type: bool
      gcs_fuse_csi_driver:
        description: Volumes on Cloud Storage.
        type: bool
      gke_backup_agent:
        description: Backup for GKE.
        type: bool
      ray_operator:
        description: The Ray operator.
        type: bool
  shielded_nodes:
    description: Whether nodes prove who they are. A change replaces the nodes.
    type: bool
  confidential_nodes:
    description: Encryption of all nodes' memory. It can't be changed.
    type: dict
    suboptions:
      enabled:
        description: Whether it is on.
        type: bool
      confidential_instance_type:
        description: By which technology.
        type: str
        choices: [SEV, SEV_SNP, TDX]
  binary_authorization:
    description: Whether only images that the project's policy allows can run.
    type: str
    choices: [DISABLED, PROJECT_SINGLETON_POLICY_ENFORCE]
  database_encryption:
    description: Encryption of secrets by a key of your own.
    type: dict
    suboptions:
      state:
        description: What is encrypted. Google shows V(ENCRYPTED) for the last one, too, so that the two count as the same.
        type: str
        required: true
        choices: [ENCRYPTED, DECRYPTED, ALL_OBJECTS_ENCRYPTION_ENABLED]
      key_name:
        description: The key, as C(projects/P/locations/L/keyRings/R/cryptoKeys/K).
        type: str
  security_posture_mode:
    description: What the security dashboard shows.
    type: str
    choices: [DISABLED, BASIC, ENTERPRISE]
  maintenance_policy:
    description: When Google may upgrade and repair.
    type: dict
    suboptions:
      daily_window_start_time:
        description: Every day from this time of day (GMT) on, such as V(03:00). An empty text ends that.
        type: str
      recurring_window:
        description: At times that recur. Not together with O(maintenance_policy.daily_window_start_time).
        type: dict
        suboptions:
          start_time:
            description: Begin of the first window, such as V(2027-01-02T02:00:00Z).
            type: str
            required: true
          end_time:
            description: End of the first window.
            type: str
            required: true
          recurrence:
            description: When it recurs, by RFC 5545, such as V(FREQ=WEEKLY;BYDAY=SA,SU).
            type: str
            required: true
      exclusions:
        description: When it may not; all others are removed.
        type: list
        elements: dict
        suboptions:
          name:
            description: The exclusion's name.
            type: str
            required: true
          start_time:
            description: Its begin.
            type: str
            required: true
          end_time:
            description: Its end.
            type: str
          end_time_behavior:
            description: In place of an end, the end of the version's support.
            type: str
            choices: [UNTIL_END_OF_SUPPORT]
          scope:
            description: What may not be upgraded.
            type: str
            choices: [NO_UPGRADES, NO_MINOR_UPGRADES, NO_MINOR_OR_NODE_UPGRADES]
  resource_labels:
    description: Labels on the cluster as a Google resource; all others but Google's own (C(goog-...)) are removed.
    type: dict
  node_pools_exclusive:
    description: Whether node pools that are not named in O(node_pools) are removed; those of node auto-provisioning stay.
    type: bool
    default: false
  recreate:
    description:
      - What may be deleted and made anew where a wanted change needs that.
      - V(never) fails the task before anything is changed, and tells what would have to be made anew.
      - V(pools) allows it for node pools. A cluster is never made anew, unless its creation failed.
    type: str
    choices: [never, pools]
    default: never
  deletion_protection:
    description:
      - Refuse O(state=absent) while the cluster exists.
      - This is known to the playbook alone, for example from the inventory; Google is not told.
    type: bool
    default: false
  own_only:
    description:
      - With O(state=absent), leave a cluster that this module did not create. What it created has the label
        C(made-by=mlops-tfserving) among its O(resource_labels), whatever else these are.
      - Give that label to a cluster of an older release or of your own, and it counts as made here.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait for everything together.
    type: int
    default: 1800
extends_documentation_fragment:
  - mlops.tfserving.gcp
  - mlops.tfserving.gcp.gke
  - mlops.tfserving.gcp.kubeconfig
  - mlops.tfserving.gcp.planned
  - mlops.tfserving.node_pool.listed
  - mlops.tfserving.node_pool.provisioned
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
from ..module_utils.gcp.options import GKE_ENDPOINT, PACKAGES, Json, answered, argument_spec
from ..module_utils.gke.converge import converge_cluster
from ..module_utils.gke.desired import CLUSTER_ARGUMENTS
from ..module_utils.gke.info import KUBECONFIG_ARGUMENTS

SPEC: Json = {
    "argument_spec": argument_spec(
        GKE_ENDPOINT,
        state={"type": "str", "choices": ["present", "absent"], "default": "present"},
        location={"type": "str", "required": True},
        node_pools_exclusive={"type": "bool", "default": False},
        recreate={"type": "str", "choices": ["never", "pools"], "default": "never"},
        deletion_protection={"type": "bool", "default": False},
        own_only={"type": "bool", "default": False},
        wait_timeout={"type": "int", "default": 1800},
        **KUBECONFIG_ARGUMENTS,
        **CLUSTER_ARGUMENTS,
    ),
    "supports_check_mode": True,
}


def answer(params: Json, *, check_mode: bool) -> Json:
    return answered(params, lambda: converge_cluster(params, check_mode))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
