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
  - Waits for operations that are running already, and fails when an operation fails, in Google's words. A pool that
    a failed creation left is replaced.
author: The mlops.tfserving developers (!UNKNOWN)
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
  recreate:
    description:
      - V(never) fails the task, before anything is changed, where a wanted change needs a new pool.
      - V(pools) deletes the pool and makes it anew in that case.
    type: str
    choices: [never, pools]
    default: never
  wait_timeout:
    description: Seconds to wait for everything together.
    type: int
    default: 1800
extends_documentation_fragment:
  - mlops.tfserving.gcp
  - mlops.tfserving.gcp.gke
  - mlops.tfserving.gcp.planned
  - mlops.tfserving.node_pool
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
from ..module_utils.gcp.options import GKE_ENDPOINT, PACKAGES, Json, answered, argument_spec
from ..module_utils.gke.converge import converge_pool
from ..module_utils.gke.desired import POOL_ARGUMENTS

SPEC: Json = {
    "argument_spec": argument_spec(
        GKE_ENDPOINT,
        state={"type": "str", "choices": ["present", "absent"], "default": "present"},
        cluster={"type": "str", "required": True},
        location={"type": "str", "required": True},
        recreate={"type": "str", "choices": ["never", "pools"], "default": "never"},
        wait_timeout={"type": "int", "default": 1800},
        **POOL_ARGUMENTS,
    ),
    "supports_check_mode": True,
}


def answer(params: Json, *, check_mode: bool) -> Json:
    return answered(params, lambda: converge_pool(params, check_mode))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
