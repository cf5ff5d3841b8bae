"""The version that rollback.yml returns to."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..module_utils.serving.history import version_before

DOCUMENTATION = r"""
name: version_before
short_description: The version that served last before the present one
version_added: 0.2.0
description:
  - Of a Deployment of the serving role, by its ReplicaSets. A version that was rolled out and undone, or whose rollout was
    broken off, is passed over.
author: The mlops.tfserving developers (!UNKNOWN)
positional: present
options:
  _input:
    description: The Deployment's ReplicaSets.
    type: list
    elements: dict
    required: true
  present:
    description: The version that runs.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say which version served before 3, and why that one
  ansible.builtin.debug:
    msg: "{{ (found.resources | mlops.tfserving.version_before('3')).words }}"
"""

RETURN = r"""
_value:
  description: C(version), empty for none, and C(words), why it is that one and which were passed over.
  type: dict
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"version_before": version_before}
