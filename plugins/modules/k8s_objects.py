#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Applies objects to a Kubernetes cluster, or removes them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_objects
short_description: Apply objects to a Kubernetes cluster, or remove them
version_added: 0.1.0
description:
  - Applies objects by server-side apply, each only where a dry run says that it would differ; or removes them.
  - Whatever it asks may be asked twice, so an answer that may pass, such as one of an API server that is not ready, or none
    at all, is no failure and no other change; only the very object that was found is removed.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.k8s_objects
  - mlops.tfserving.kubernetes
attributes:
  check_mode:
    support: full
    description: The API server says what would be changed.
  diff_mode:
    support: full
    description: Shows each object that differs, but not what Secrets hold.
  idempotent:
    support: full
    description: Writes nothing where nothing differs.
notes:
  - The identity in the kubeconfig must be allowed to get, create and patch the objects, or to get and delete them.
seealso:
  - module: mlops.tfserving.k8s_diff
  - module: kubernetes.core.k8s
"""

OPTIONS = r"""
definition: The objects; of those to remove apiVersion, kind and where they are.
state: Whether they are to be there. What is removed is not waited for.
field_manager: Name of the owner of the fields that are applied.
force_conflicts: Whether fields of other owners are taken over; if not, such a field is an error.
"""

EXAMPLES = r"""
- name: Apply an autoscaler
  mlops.tfserving.k8s_objects:
    definition: "{{ lookup('template', 'hpa.yml.j2') | from_yaml_all | list }}"

- name: Remove it
  mlops.tfserving.k8s_objects:
    definition:
      - {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: image-classifier, namespace: tfserving}}
    state: absent
"""

RETURN = r"""
objects:
  description: Every object as it is then, or would be; of those to remove the ones that were there.
  type: list
  elements: dict
  returned: success
reason:
  description: Kubernetes' word for why.
  type: str
  returned: failure
"""

from ..module_utils import outcome
from ..module_utils.k8s.differences import absent, check, present
from ..module_utils.k8s.options import PACKAGES, Json, answered, client_from_params, module_spec

SPEC = module_spec(
    definition={"type": "list", "elements": "dict", "required": True},
    state={"type": "str", "choices": ["present", "absent"], "default": "present"},
    field_manager={"type": "str", "default": "mlops.tfserving"},
    force_conflicts={"type": "bool", "default": False},
)


def answer(params: Json, *, check_mode: bool) -> Json:
    def work() -> Json:
        check(params["definition"])
        converge = present if params["state"] == "present" else absent
        return converge(client_from_params(params), params, check_mode)

    return answered(work)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
