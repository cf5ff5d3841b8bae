#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

"""Creates, updates and removes a node pool of a GKE cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_node_pool
short_description: Converge a node pool of a GKE cluster
version_added: 0.1.0
description:
  - Creates a node pool, changes what differs, or removes it. An option that is not given is not managed.
  - The count of nodes of an autoscaled pool is never touched.
author: The mlops.tfserving developers
options:
  state:
    description: Whether the node pool is to exist.
    type: str
    choices: [present, absent]
    default: present
  cluster:
    description: The cluster's name.
    type: str
    required: true
  location:
    description: The cluster's zone or region.
    type: str
    required: true
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
  recreate:
    description:
      - V(never) fails the task, before anything is changed, where a wanted change needs a new pool.
      - V(allowed) deletes the pool and makes it anew in that case.
    type: str
    choices: [never, allowed]
    default: never
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
"""

RETURN = r"""
node_pool:
  description: The node pool as the API shows it; empty when it does not exist.
  type: dict
  returned: success
actions:
  description: What was changed, or would be, a line each.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.gcp.errors import BadInput
from ..module_utils.gcp.options import GKE_ENDPOINT, Json, argument_spec, run
from ..module_utils.gcp.rest import connect
from ..module_utils.gke.converge import Gke, check_refused, outcome
from ..module_utils.gke.plan import IN_PLACE, Change, plan_pool
from ..module_utils.gke.wanted import POOL_OPTIONS, check_location, cluster_path, wanted_pool


def converge(gke: Gke, params: Json, check_mode: bool) -> Json:
    check_location(params["location"])
    wanted = wanted_pool(params)
    parent = cluster_path(params["project"], params["location"], params["cluster"])
    path = f"{parent}/nodePools/{params['name']}"
    cluster = gke.get(parent)
    current = next((p for p in (cluster or {}).get("nodePools", []) if p["name"] == params["name"]), None)
    if params["state"] == "absent":
        gone = Change(f"node pool {params['name']}", "exists", None, IN_PLACE, "DELETE", path)
        changes = [gone] if current is not None else []
    elif cluster is None and not check_mode:
        raise BadInput(
            f"cluster {params['cluster']} does not exist in {params['location']}: create it first."
        )
    else:
        changes = plan_pool(wanted, current, parent, recreate=params["recreate"] == "allowed")
        check_refused(changes, "Set the options back, or allow recreate.")
    if changes and not check_mode:
        gke.apply(changes)
        current = gke.get(path)
    return outcome(changes, node_pool=current or {})


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            GKE_ENDPOINT,
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            cluster={"type": "str", "required": True},
            location={"type": "str", "required": True},
            recreate={"type": "str", "choices": ["never", "allowed"], "default": "never"},
            wait_timeout={"type": "int", "default": 1800},
            **POOL_OPTIONS,
        ),
        supports_check_mode=True,
    )

    def work() -> Json:
        params = module.params
        gke = Gke(connect(params), params["project"], params["location"], params["wait_timeout"])
        return converge(gke, params, module.check_mode)

    run(module, work)


if __name__ == "__main__":
    main()
