"""What a model server's pod asks of nodes, and how long it takes to go."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def pod_needs(*given: Any) -> Any:
    from ..module_utils.variables.pod_needs import pod_needs  # noqa: PLC0415 - Ansible reads all filters to find one

    return pod_needs(*given)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"pod_needs": pod_needs}
