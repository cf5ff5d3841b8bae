"""The one kubeconfig that all tasks of a play use."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..module_utils.paths import absolute_path

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


def kubeconfig_path(given: Any) -> str:
    paths = [absolute_path(path) for path in str(given or "").split(os.pathsep)]
    # All of them where none is there, so that what reads them says so.
    return os.pathsep.join([path for path in paths if Path(path).exists()] or paths) if given else ""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubeconfig_path": kubeconfig_path}
