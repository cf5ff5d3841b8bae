"""What the variables of the autoscaling role ask for, as parts of objects."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..plugin_utils.when_used import when_used

DOCUMENTATION = r"""
name: autoscaling_parts
short_description: What the variables of the autoscaling role ask for, as parts of objects
version_added: 0.2.0
description:
  - For the templates of the role.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: The variables of the autoscaling role that it depends on, by their names.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what the HPA looks at
  ansible.builtin.debug:
    msg: "{{ (variables | mlops.tfserving.autoscaling_parts).metrics }}"
"""

RETURN = r"""
_value:
  description: C(metrics) and C(behavior) of autoscaling/v2.
  type: dict
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"autoscaling_parts": when_used("hpa.wanted", "parts")}
