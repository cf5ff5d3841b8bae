#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

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
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.gke_cluster_info
  - mlops.tfserving.gcp
  - mlops.tfserving.info
"""

OPTIONS = r"""
name: The cluster's name.
location: A zone or a region.
process: The id of the process with whose end the run ends. Until then a process in the background puts a fresh token into
  O(kubeconfig_file) before the present one ends.
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
made_here:
  description: Whether the cluster has the label C(made-by=mlops-tfserving), which M(mlops.tfserving.gke_cluster) gives to those
    that it creates.
  type: bool
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
renewed:
  description: >-
    Whether the token in O(kubeconfig_file) is renewed until the end of the run. A bare O(access_token) can't be, and a plugin's
    needs not be.
  type: bool
  returned: success
kubeconfig_context:
  description: Name of the cluster's context in it.
  type: str
  returned: when the cluster can be reached
"""

from ..module_utils import outcome
from ..module_utils.gcp.options import GKE_ENDPOINT, Json, answered, module_spec
from ..module_utils.gcp.packages import PACKAGES
from ..module_utils.gke.info import KUBECONFIG_ARGUMENTS, read_cluster

SPEC = module_spec(
    GKE_ENDPOINT,
    name={"type": "str", "required": True},
    location={"type": "str", "required": True},
    process={"type": "int"},
    **KUBECONFIG_ARGUMENTS,
)


def answer(params: Json, *, check_mode: bool) -> Json:
    return answered(params, lambda: read_cluster(params))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
