"""The one kubeconfig that all tasks of a play use."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..module_utils.k8s.kubeconfigs import kubeconfig_path

DOCUMENTATION = r"""
name: kubeconfig_path
short_description: The path of a kubeconfig, with which every module reaches the same cluster
version_added: 0.2.0
description:
  - An absolute path, as by P(mlops.tfserving.absolute_path#filter). Of several with a C(:) between them, as kubectl takes
    them in E(KUBECONFIG), those that are there.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: The path or paths; empty where there is no cluster.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Use a kubeconfig
  ansible.builtin.set_fact:
    cluster_kubeconfig: "{{ '~/.kube/config' | mlops.tfserving.kubeconfig_path }}"
"""

RETURN = r"""
_value:
  description: The absolute path, or paths.
  type: str
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubeconfig_path": kubeconfig_path}
