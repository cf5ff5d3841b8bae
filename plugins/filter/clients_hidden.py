"""Whose address the pods' proxy sees."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..module_utils.serving.clients import clients_hidden

DOCUMENTATION = r"""
name: clients_hidden
short_description: What puts an address of its own in place of the clients'
version_added: 0.2.0
description:
  - For the proxy's configuration, which has limits for each client's address only where it sees it, so that the rules about
    variables know what it knows.
author: The mlops.tfserving developers (!UNKNOWN)
positional: external_traffic_policy
options:
  _input:
    description: Type of the Service, or V(Gateway).
    type: str
    required: true
  external_traffic_policy:
    description: The Service's C(externalTrafficPolicy).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say whether clients can be told apart
  ansible.builtin.debug:
    msg: "{{ 'NodePort' | mlops.tfserving.clients_hidden('Cluster') or 'nothing' }} hides the clients"
"""

RETURN = r"""
_value:
  description: In words; empty where nothing does.
  type: str
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"clients_hidden": clients_hidden}
