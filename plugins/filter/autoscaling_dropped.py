"""What a cluster dropped of an HPA's behaviour."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..plugin_utils.when_used import when_used

DOCUMENTATION = r"""
name: autoscaling_dropped
short_description: What a cluster dropped of an HPA's behaviour
version_added: 0.2.0
description:
  - Kubernetes takes an HPA with fields that it does not know, and drops them without a word; so does KEDA's definition of a
    C(ScaledObject).
author: The mlops.tfserving developers (!UNKNOWN)
positional: kept
options:
  _input:
    description: The behaviour that was asked for.
    type: dict
    required: true
  kept:
    description: The behaviour as the cluster has it, or would have.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse what this cluster would forget
  ansible.builtin.assert:
    that: asked | mlops.tfserving.autoscaling_dropped(kept) | length == 0
"""

RETURN = r"""
_value:
  description: The variables of the autoscaling role whose fields are missing.
  type: list
  elements: str
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"autoscaling_dropped": when_used("hpa.wanted", "dropped")}
