"""Whether there is no sense in doing what kubernetes.core did once more."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..module_utils.k8s.answers import refused_for_good

DOCUMENTATION = r"""
name: settled
short_description: Whether a result of kubernetes.core is final
version_added: 0.2.0
description:
  - True for a success, and for a failure in which an API server refuses for good, such as one for lack of a permission.
  - False for a failure that may pass, such as a connection that was lost or an API server that is not ready; for C(until).
  - What may be done twice is an apply, and a removal of the very object that was found. Whether something changed is then
    what was found before, not what the last try says.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: What a task of M(kubernetes.core.k8s) registered.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Apply what differs
  kubernetes.core.k8s:
    definition: "{{ differences.pending }}"
    apply: true
    server_side_apply: {field_manager: my-playbooks}
    wait: false
  register: applied
  changed_when: true
  until: applied is mlops.tfserving.settled
  retries: 6
  delay: 2
  when: differences.pending | length > 0
"""

RETURN = r"""
_value:
  description: Whether it is final.
  type: bool
"""


def settled(result: Mapping[str, Any]) -> bool:
    return not result.get("failed") or refused_for_good(str(result.get("msg", "")))


class TestModule:
    """The test by its name."""

    def tests(self) -> dict[str, Callable[..., bool]]:
        return {"settled": settled}
