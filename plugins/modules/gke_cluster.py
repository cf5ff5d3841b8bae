#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

"""Creates, updates and removes a GKE cluster and its node pools."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_cluster
short_description: Converge a GKE cluster and its node pools
version_added: 0.1.0
description:
  - Creates a Standard cluster with its node pools in one request, changes what differs, one field a request, or
    removes it.
  - An option that is not given is not managed.
  - Waits for operations that are running already, also those of an interrupted run, and fails when an operation
    fails, in Google's words.
author: The mlops.tfserving developers
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
  release_channel:
    description: Release channel.
    type: str
    choices: [RAPID, REGULAR, STABLE, EXTENDED]
  initial_cluster_version:
    description: Kubernetes version of a new cluster; not looked at again.
    type: str
  network:
    description: VPC network. It can't be changed.
    type: str
  subnetwork:
    description: Subnetwork. It can't be changed.
    type: str
  workload_identity:
    description: Whether pods can have Google identities, of the pool C(PROJECT.svc.id.goog).
    type: bool
  resource_labels:
    description: Labels on the cluster as a Google resource; all others are removed.
    type: dict
  node_pools:
    description: The node pools, each converged as M(mlops.tfserving.gke_node_pool) would.
    type: list
    elements: dict
    suboptions:
      name:
        description: The pool's name.
        type: str
        required: true
      machine_type:
        description: Machine type of the nodes, such as V(e2-standard-4). A change replaces the nodes one by one.
        type: str
      disk_size_gb:
        description: Size of the boot disk in GB.
        type: int
      disk_type:
        description: Kind of the boot disk.
        type: str
        choices: [pd-standard, pd-balanced, pd-ssd, hyperdisk-balanced]
      image_type:
        description: Image of the nodes, such as V(COS_CONTAINERD).
        type: str
      labels:
        description: Kubernetes labels of the nodes; all others are removed.
        type: dict
      tags:
        description: Network tags of the nodes; all others are removed.
        type: list
        elements: str
      taints:
        description: Taints of the nodes; all others are removed.
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
            default: ""
          effect:
            description: What it does to pods that don't tolerate it.
            type: str
            required: true
            choices: [NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE]
      spot:
        description: Use spot machines. Only a new pool can change this.
        type: bool
      service_account:
        description: Google service account of the nodes. Only a new pool can change this.
        type: str
      oauth_scopes:
        description: OAuth scopes of the nodes. Only a new pool can change this.
        type: list
        elements: str
      initial_node_count:
        description: Nodes in each zone when the pool is created; never looked at again.
        type: int
      autoscaling:
        description: Limits of the node autoscaler. The count of nodes within them is the autoscaler's alone.
        type: dict
        suboptions:
          enabled:
            description: Whether the pool is autoscaled.
            type: bool
            default: true
          min_node_count:
            description: Fewest nodes in each zone.
            type: int
          max_node_count:
            description: Most nodes in each zone.
            type: int
          total_min_node_count:
            description: Fewest nodes in all zones together.
            type: int
          total_max_node_count:
            description: Most nodes in all zones together.
            type: int
          location_policy:
            description: How zones are chosen.
            type: str
            choices: [BALANCED, ANY]
      management:
        description: What Google does to the nodes by itself.
        type: dict
        suboptions:
          auto_repair:
            description: Replace broken nodes.
            type: bool
          auto_upgrade:
            description: Upgrade nodes with the control plane.
            type: bool
  node_pools_exclusive:
    description: Whether node pools that are not named in O(node_pools) are removed.
    type: bool
    default: false
  recreate_node_pools:
    description:
      - Whether a node pool may be deleted and made anew where a wanted change needs that.
      - Otherwise such a change fails the task before anything is changed.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait for everything together.
    type: int
    default: 1800
extends_documentation_fragment:
  - mlops.tfserving.gcp
  - mlops.tfserving.gcp.gke
  - mlops.tfserving.gcp.planned
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
        initial_node_count: 1
        autoscaling:
          min_node_count: 1
          max_node_count: 3
"""

RETURN = r"""
cluster:
  description: The cluster as the API shows it, without credentials; empty when it does not exist.
  type: dict
  returned: success
actions:
  description: What was changed, or would be, a line each.
  type: list
  elements: str
  returned: success
  sample: ["node pool default-pool: autoscaling: {'enabled': True} -> {'enabled': False} (in place)"]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.gcp.options import GKE_ENDPOINT, Json, argument_spec, run
from ..module_utils.gcp.rest import connect
from ..module_utils.gke.converge import Gke, check_refused, outcome, without_secrets
from ..module_utils.gke.plan import IN_PLACE, Change, plan_cluster
from ..module_utils.gke.wanted import POOL_OPTIONS, cluster_path, wanted_cluster

WAY_OUT = (
    "Set the options back, or set recreate_node_pools: true if the pools may be made anew; "
    "a cluster is never recreated: remove it by yourself (state: absent) if that is what you want."
)


def present(gke: Gke, params: Json, check_mode: bool) -> Json:
    wanted = wanted_cluster(params)
    path = cluster_path(params["project"], params["location"], params["name"])
    current = gke.get(path)
    if (
        current is not None
        and current["status"] in ("PROVISIONING", "STOPPING", "RECONCILING")
        and not check_mode
    ):
        gke.adopt(path)
        current = gke.get(path)
    changes: list[Change] = []
    if current is not None and current["status"] == "ERROR":
        # What a failed creation leaves can't be repaired: Google itself removes it later.
        changes.append(Change(f"failed cluster {params['name']}", "ERROR", None, IN_PLACE, "DELETE", path))
        current = None
    changes += plan_cluster(
        wanted,
        current,
        path,
        exclusive_pools=params["node_pools_exclusive"],
        recreate_pools=params["recreate_node_pools"],
    )
    check_refused(changes, WAY_OUT)
    if changes and not check_mode:
        gke.apply(changes)
        current = gke.get(path)
    return outcome(changes, cluster=without_secrets(current))


def absent(gke: Gke, params: Json, check_mode: bool) -> Json:
    path = cluster_path(params["project"], params["location"], params["name"])
    current = gke.get(path)
    changes = []
    if current is not None:
        changes.append(Change(f"cluster {params['name']}", "exists", None, IN_PLACE, "DELETE", path))
    if changes and not check_mode:
        gke.apply(changes)
    return outcome(changes, cluster=without_secrets(current) if check_mode else {})


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            GKE_ENDPOINT,
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            name={"type": "str", "required": True},
            location={"type": "str", "required": True},
            release_channel={"type": "str", "choices": ["RAPID", "REGULAR", "STABLE", "EXTENDED"]},
            initial_cluster_version={"type": "str"},
            network={"type": "str"},
            subnetwork={"type": "str"},
            workload_identity={"type": "bool"},
            resource_labels={"type": "dict"},
            node_pools={"type": "list", "elements": "dict", "options": POOL_OPTIONS},
            node_pools_exclusive={"type": "bool", "default": False},
            recreate_node_pools={"type": "bool", "default": False},
            wait_timeout={"type": "int", "default": 1800},
        ),
        supports_check_mode=True,
    )

    def work() -> Json:
        params = module.params
        gke = Gke(connect(params), params["project"], params["location"], params["wait_timeout"])
        return (present if params["state"] == "present" else absent)(gke, params, module.check_mode)

    run(module, work)


if __name__ == "__main__":
    main()
