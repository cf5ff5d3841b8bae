"""Which of its metrics an HPA has not read."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..plugin_utils.when_used import when_used

DOCUMENTATION = r"""
name: autoscaling_unread
short_description: Which of its metrics an HPA has not read
version_added: 0.2.0
description:
  - An HPA says C(ScalingActive) as soon as it can read one of its metrics. Without the others it goes on, and scales in no more.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: The HPA, as autoscaling/v2 has it; with nothing in it there is none.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse an HPA that goes by the CPU alone, against its word
  ansible.builtin.assert:
    that: found.resources[0] | mlops.tfserving.autoscaling_unread | length == 0
"""

RETURN = r"""
_value:
  description: The names of the metrics.
  type: list
  elements: str
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"autoscaling_unread": when_used("hpa.objects", "unread")}
