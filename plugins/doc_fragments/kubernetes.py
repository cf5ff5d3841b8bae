"""Options of every module of this collection that talks to a Kubernetes cluster."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - The kubeconfig of the cluster, as a path or as a dictionary.
      - Without it E(K8S_AUTH_KUBECONFIG), then the cluster of the pod that Ansible runs in, then E(KUBECONFIG), then
        C(~/.kube/config) is taken, as by modules of kubernetes.core.
      - Other variables C(K8S_AUTH_…) that lead kubernetes.core to a cluster are refused, since both are used together.
    type: raw
  context:
    description: Name of the context in the kubeconfig; its current one if unset.
    type: str
requirements:
  - kubernetes (Python package)
"""
