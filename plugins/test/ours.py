"""Whether an object was applied by the collection's roles."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable

from ..module_utils.k8s.objects import is_ours

DOCUMENTATION = r"""
name: ours
short_description: Whether an object in a cluster was applied by the collection's roles
version_added: 0.2.0
description:
  - True for an object with the label C(app.kubernetes.io/managed-by=mlops.tfserving), which all have that roles apply.
  - Nothing else is removed by roles, whatever name it has.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: The object, as an API server shows it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Name what would be removed
  ansible.builtin.debug:
    msg: "{{ found.resources | select('mlops.tfserving.ours') | map(attribute='metadata.name') }}"
"""

RETURN = r"""
_value:
  description: Whether it was.
  type: bool
"""


class TestModule:
    """The test by its name."""

    def tests(self) -> dict[str, Callable[..., bool]]:
        return {"ours": is_ours}
