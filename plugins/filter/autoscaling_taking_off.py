"""What of others is on an HPA."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..plugin_utils.when_used import when_used

DOCUMENTATION = r"""
name: autoscaling_taking_off
short_description: What of others is on an HPA
version_added: 0.3.0
description:
  - A server-side apply leaves what others wrote. On an HPA that is a tolerance of a rollout's, and labels, annotations and tolerances of
    KEDA's.
author: The mlops.tfserving developers (!UNKNOWN)
positional: behavior, beside
options:
  _input:
    description: The HPA, as autoscaling/v2 has it; with nothing in it there is none.
    type: dict
    required: true
  behavior:
    description: The behaviour that is asked for.
    type: dict
    required: true
  beside:
    description: Names of what is made beside the HPA.
    type: list
    elements: str
    required: true
  keda:
    description: Whether KEDA is to have it.
    type: bool
    required: true
"""

EXAMPLES = r"""
- name: Refuse an HPA that others wrote
  ansible.builtin.assert:
    that: found.resources[0] | mlops.tfserving.autoscaling_taking_off(asked, [], keda=false) == {}
"""

RETURN = r"""
_value:
  description: A merge patch of the HPA; nothing in it if there is nothing.
  type: dict
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"autoscaling_taking_off": when_used("hpa.leftover", "taking_off")}
