"""What a model server's pod asks of nodes, and how long it takes to go."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..plugin_utils.when_used import when_used

DOCUMENTATION = r"""
name: pod_needs
short_description: What a model server's pod asks of nodes, and how long it takes to go
version_added: 0.2.0
description:
  - For the pod's template, so that the rules about variables and preflight know what it knows.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: The variables of the serving role that it depends on, by their names.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say how long a pod may take to go
  ansible.builtin.debug:
    msg: "{{ (variables | mlops.tfserving.pod_needs).grace_seconds }}"
"""

RETURN = r"""
_value:
  description: C(requests) of each container, C(node_selector), C(tolerations) and C(grace_seconds).
  type: dict
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"pod_needs": when_used("variables.pod_needs", "pod_needs")}
