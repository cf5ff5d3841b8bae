"""What the variables of the monitoring role ask for, as parts of objects."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.gcp.errors import BadInput

DOCUMENTATION = r"""
name: monitoring_parts
short_description: What the variables of the monitoring role ask for, as parts of objects
version_added: 0.2.0
description:
  - For the templates of the role.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: The variables of the monitoring role that it depends on, by their names, and those of other roles.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what is recorded, and what calls whom
  ansible.builtin.debug:
    msg: "{{ (variables | mlops.tfserving.monitoring_parts).rules }}"
"""

RETURN = r"""
_value:
  description: >-
    C(rules) as Prometheus takes them, C(gke_rules) as Google's Rules do, C(pod_monitoring), C(pod_monitor), C(scrape_configs), and
    C(dashboards).
  type: dict
"""


def monitoring_parts(variables: Mapping[str, Any]) -> dict[str, Any]:
    from ..module_utils.monitoring.wanted import parts  # noqa: PLC0415 - Ansible reads all filters to find one

    try:
        return parts(variables)
    except (BadInput, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"monitoring_parts: {error}") from None


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"monitoring_parts": monitoring_parts}
