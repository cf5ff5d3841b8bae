#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Tells which objects a server-side apply would create or change."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_diff
short_description: Tell which objects a server-side apply would change
version_added: 0.1.0
description:
  - Asks the API server for a dry run of each object's server-side apply, as C(kubectl diff --server-side) does, and
    returns those that would be created or changed.
  - So a play applies what differs, and nothing where nothing does.
  - Does not look at what only tells who wrote an object and how often, and at its status.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.k8s_diff
  - mlops.tfserving.kubernetes
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
    description: What applies, M(kubernetes.core.k8s), shows the difference.
  idempotent:
    support: full
    description: Changes nothing.
notes:
  - The identity in the kubeconfig must be allowed to get, create and patch the objects, a dry run though it is.
seealso:
  - module: kubernetes.core.k8s
"""

OPTIONS = r"""
definition: The objects, whole.
field_manager: Name of the owner of the fields that are applied.
force_conflicts: Whether fields of other owners would be taken over; if not, such a field is an error.
own_kinds: Kinds of which an object that is there is left as it is, unless its annotation C(mlops.tfserving/made-by) says that it
  was made here.
site: The site that O(own_kinds) means by here, by its name; what was made for no site in particular is taken for its own. Empty is
  any site.
"""

EXAMPLES = r"""
- name: Look for differences
  mlops.tfserving.k8s_diff:
    definition: "{{ lookup('template', 'deployment.yml.j2') | from_yaml_all | list }}"
    field_manager: my-playbooks
  register: differences

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
pending:
  description: Those of O(definition) that would be created or changed, as they were given and in that order.
  type: list
  elements: dict
  returned: success
missing:
  description: Those of O(definition) that are not there.
  type: list
  elements: dict
  returned: success
left:
  description: What is left as it is for O(own_kinds), as it is.
  type: list
  elements: dict
  returned: success
objects:
  description:
    - Every object as it would be, with its status as it is. One whose namespace is not there either is not among them.
  type: list
  elements: dict
  returned: success
reason:
  description: Kubernetes' word for why.
  type: str
  returned: failure
"""

from ..module_utils import outcome
from ..module_utils.k8s.differences import check, pending
from ..module_utils.k8s.options import PACKAGES, Json, answered, client_from_params, module_spec

SPEC = module_spec(
    definition={"type": "list", "elements": "dict", "required": True},
    field_manager={"type": "str", "required": True},
    force_conflicts={"type": "bool", "default": False},
    own_kinds={"type": "list", "elements": "str", "default": []},
    site={"type": "str", "default": ""},
)


def answer(params: Json, *, check_mode: bool) -> Json:
    def work() -> Json:
        check(params["definition"])
        return pending(client_from_params(params), params)

    return answered(work)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
