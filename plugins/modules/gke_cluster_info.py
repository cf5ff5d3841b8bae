#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

"""Tells about a GKE cluster and how to reach it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_cluster_info
short_description: Read a GKE cluster, its node pools and a kubeconfig for it
version_added: 0.1.0
description:
  - Returns the cluster, the options that describe it, and a kubeconfig, by default one with a fresh access token,
    which needs neither gcloud nor a plugin.
  - The result holds that token. Use C(no_log) on the task, and O(kubeconfig_file) to hand it on.
author: The mlops.tfserving developers
options:
  name:
    description: The cluster's name.
    type: str
    required: true
  location:
    description: A zone or a region.
    type: str
    required: true
  kubeconfig_file:
    description:
      - Where to write the kubeconfig, with mode 0600, also in check mode, since reading needs it.
      - In a file that exists, the cluster, the user and the context with this cluster's names are replaced or added,
        and all others stay. A file that is no kubeconfig is refused.
      - The token in it is new each time, which does not count as a change.
    type: path
  kubeconfig_current_context:
    description:
      - Whether the cluster's context becomes the current one of O(kubeconfig_file).
      - Otherwise it does so only in a file without a current context.
    type: bool
    default: false
  kubeconfig_auth:
    description:
      - V(token) puts an access token into the kubeconfig, which is good for an hour at most.
      - V(exec) has C(gke-gcloud-auth-plugin) asked for one each time; that must be installed where it is used.
    type: str
    choices: [token, exec]
    default: token
  kubeconfig_endpoint:
    description: Which of the control plane's endpoints the kubeconfig names.
    type: str
    choices: [ip, dns, private]
    default: ip
extends_documentation_fragment:
  - mlops.tfserving.gcp
  - mlops.tfserving.gcp.gke
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: Changes nothing that could be shown.
  idempotent:
    support: full
    description: Only reads.
  action_group:
    support: full
    description: In the action group C(mlops.tfserving.gcp).
"""

EXAMPLES = r"""
- name: Connect
  mlops.tfserving.gke_cluster_info:
    project: my-project
    name: cluster-1
    location: us-central1-f
    kubeconfig_file: ~/.kube/cluster-1.yml
  register: found
  no_log: true
"""

RETURN = r"""
exists:
  description: Whether the cluster exists and can be reached, which it can't while it is being created.
  type: bool
  returned: success
cluster:
  description: The cluster as the API shows it, with its node pools; empty when it does not exist.
  type: dict
  returned: success
options:
  description: The options of M(mlops.tfserving.gke_cluster) that describe it; empty when it does not exist.
  type: dict
  returned: success
unmanaged:
  description: Fields of the cluster that no option speaks of.
  type: list
  elements: str
  returned: success
kubeconfig:
  description: A kubeconfig for it; empty when it can't be reached.
  type: dict
  returned: success
kubeconfig_context:
  description: Name of the cluster's context in it.
  type: str
  returned: when the cluster can be reached
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.gcp.options import GKE_ENDPOINT, argument_spec, run
from ..module_utils.gke.info import read_cluster


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            GKE_ENDPOINT,
            name={"type": "str", "required": True},
            location={"type": "str", "required": True},
            kubeconfig_file={"type": "path"},
            kubeconfig_current_context={"type": "bool", "default": False},
            kubeconfig_auth={"type": "str", "choices": ["token", "exec"], "default": "token"},
            kubeconfig_endpoint={"type": "str", "choices": ["ip", "dns", "private"], "default": "ip"},
        ),
        supports_check_mode=True,
    )
    run(module, lambda: read_cluster(module.params))


if __name__ == "__main__":
    main()
