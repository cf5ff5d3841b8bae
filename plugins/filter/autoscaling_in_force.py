"""The variables that an HPA could be made of."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..plugin_utils.when_used import when_used

DOCUMENTATION = r"""
name: autoscaling_in_force
short_description: The autoscaling role's variables that an HPA could be made of again
version_added: 0.3.0
description:
  - Target, bounds, windows, policies and tolerances of an HPA as it is, whatever an inventory says, so that it can be given back.
author: The mlops.tfserving developers (!UNKNOWN)
positional: metrics
options:
  _input:
    description: The HPA's C(spec).
    type: dict
    required: true
  metrics:
    description: What C(autoscaling_metrics) is. The target of its entry for the CPU is there, if it has one of its own.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Remember what is in force
  ansible.builtin.set_fact:
    was: "{{ hpa.spec | mlops.tfserving.autoscaling_in_force([{'type': 'cpu'}]) }}"
"""

RETURN = r"""
_value:
  description: The variables with their values; empty for an HPA that goes by anything else than a percentage of the CPU.
  type: dict
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"autoscaling_in_force": when_used("scaling.settings", "in_force")}
