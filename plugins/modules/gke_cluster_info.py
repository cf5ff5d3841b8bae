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
  - Returns the cluster and a kubeconfig with a fresh access token, which needs neither gcloud nor a plugin.
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
      - The token in it is new each time, which does not count as a change.
    type: path
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
kubeconfig:
  description: A kubeconfig for it; empty when it does not exist.
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.gcp.auth import access_token
from ..module_utils.gcp.options import GKE_ENDPOINT, Json, argument_spec, run
from ..module_utils.gcp.rest import connect
from ..module_utils.gke.converge import Gke, without_secrets
from ..module_utils.gke.kubeconfig import kubeconfig, write
from ..module_utils.gke.wanted import check_location, check_name, cluster_path

SECONDS = 60


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            GKE_ENDPOINT,
            name={"type": "str", "required": True},
            location={"type": "str", "required": True},
            kubeconfig_file={"type": "path"},
        ),
        supports_check_mode=True,
    )

    def work() -> Json:
        params = module.params
        check_name("cluster", params["name"])
        check_location(params["location"])
        gke = Gke(connect(params), params["project"], params["location"], SECONDS)
        cluster = gke.get(cluster_path(params["project"], params["location"], params["name"]))
        exists = bool(cluster and cluster.get("endpoint") and cluster["status"] != "STOPPING")
        content = kubeconfig(cluster, params["project"], access_token(params)) if cluster and exists else {}
        if content and params["kubeconfig_file"]:
            write(params["kubeconfig_file"], content)
        return {
            "changed": False,
            "exists": exists,
            "cluster": without_secrets(cluster),
            "kubeconfig": content,
        }

    run(module, work)


if __name__ == "__main__":
    main()
