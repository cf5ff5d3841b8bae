"""The one context of a kubeconfig that all tasks of a play use."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..module_utils.k8s.kubeconfigs import kubeconfig_context

DOCUMENTATION = r"""
name: kubeconfig_context
short_description: The current context of a kubeconfig
version_added: 0.2.0
description:
  - Its name, for modules to be given by that. Each module reads the file anew, and C(kubectl config use-context) or
    C(gcloud container clusters get-credentials) in another terminal would else lead the rest of a run to another cluster.
  - Of several files with a C(:) between them the first one's that has one, as for kubectl.
  - Empty where there is none, or no such file. What then asks the cluster says so.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: The path or paths, as of P(mlops.tfserving.kubeconfig_path#filter).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Stay with a cluster
  ansible.builtin.set_fact:
    cluster_context: "{{ cluster_kubeconfig | mlops.tfserving.kubeconfig_context }}"
"""

RETURN = r"""
_value:
  description: The context's name.
  type: str
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubeconfig_context": kubeconfig_context}
