#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Finds the cluster that a play's tasks go to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_connection
short_description: Find the cluster that a play's tasks go to
version_added: 0.3.0
description:
  - Takes a kubeconfig that exists, or asks Google for the cluster and writes one with a fresh token, which a process in the
    background renews until the run's end.
  - Options that the task does not give are the variables of the role cluster, as the play has them, over the role's defaults.
  - Before, it refuses variables with names that no role and no playbook has, and an environment that leads modules of
    kubernetes.core to another cluster; at the end an extra variable C(cluster_kubeconfig) or C(cluster_context) that does.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.cluster_connection
  - mlops.tfserving.gcp
  - mlops.tfserving.info
"""

OPTIONS = r"""
exists: Whether Google's cluster exists and its kubeconfig was written, where that is known. Then Google is not asked.
needed: Whether the task fails where there is no cluster that can be reached; never in check mode.
"""

EXAMPLES = r"""
- name: Connect
  mlops.tfserving.cluster_connection:
    project: my-project
    name: cluster-1
    location: us-central1-f
    kubeconfig_file: ~/.kube/cluster-1.yml
  register: connection

- name: See its nodes
  mlops.tfserving.k8s_objects_info:
    kubeconfig: "{{ connection.kubeconfig }}"
    context: "{{ connection.context }}"
    kind: Node
  when: connection.reachable
"""

RETURN = r"""
kubeconfig:
  description: The kubeconfig's absolute path, or paths with a C(:) between them; empty where no cluster can be reached.
  type: str
  returned: success
context:
  description: Name of the context in it.
  type: str
  returned: success
reachable:
  description: Whether there is a cluster that can be reached, which it can't while it is being created.
  type: bool
  returned: success
exists:
  description: Whether Google was asked and has the cluster.
  type: bool
  returned: success
made_here:
  description: Whether Google was asked and the cluster has the label C(made-by=mlops-tfserving).
  type: bool
  returned: success
status:
  description: Google's word for the cluster's state, such as V(PROVISIONING); empty where Google was not asked, or has none.
  type: str
  returned: success
renewed:
  description: Whether the token in the kubeconfig is renewed until the run's end.
  type: bool
  returned: success
"""

import dataclasses

from ..module_utils import outcome
from ..module_utils.gke.connection import ARGUMENTS, Connection, Json, answered, connect, needed, packages

SPEC = {
    "argument_spec": {
        **ARGUMENTS,
        "exists": {"type": "bool"},
        "needed": {"type": "bool", "default": False},
    },
    "supports_check_mode": True,
}

PACKAGES = packages


def answer(params: Json, *, check_mode: bool) -> Json:
    def work() -> Json:
        found = connect(params)
        return _told(needed(found, params) if params["needed"] and not check_mode else found)

    return answered(params, work)


def _told(found: Connection) -> Json:
    return {"changed": False, "reachable": bool(found.kubeconfig), **dataclasses.asdict(found)}


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
