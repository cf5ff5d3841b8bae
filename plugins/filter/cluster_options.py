"""The cluster role's variables as options of the module that makes the cluster."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.gcp.errors import BadInput

DOCUMENTATION = r"""
name: cluster_options
short_description: Options of gke_cluster from the variables of the cluster role
version_added: 0.2.0
description:
  - What C(cluster_options) has, under the variables that are named for an option each.
  - Null and the empty text are unset, and leave an option as it is. False and empty lists and dictionaries are values.
  - A key of C(cluster_options) that is no option is refused, with the nearest that is one.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: The role's variables by name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Converge the cluster
  mlops.tfserving.gke_cluster:
    name: cluster-1
    location: us-central1-f
  module_defaults:
    mlops.tfserving.gke_cluster: >-
      {{ {'cluster_image_streaming': false, 'cluster_options': {'shielded_nodes': true}} | mlops.tfserving.cluster_options }}
"""

RETURN = r"""
_value:
  description: The options that are set, by name.
  type: dict
"""


def cluster_options(variables: Mapping[str, Any]) -> dict[str, Any]:
    from ..module_utils.gke.role_options import role_options  # noqa: PLC0415 - Ansible reads all filters to find one

    try:
        return role_options(variables)
    except BadInput as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cluster_options": cluster_options}
