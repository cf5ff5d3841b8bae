#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Reads objects of a Kubernetes cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_objects_info
short_description: Read objects of a Kubernetes cluster
version_added: 0.1.0
description:
  - Returns the objects of a kind, as M(kubernetes.core.k8s_info) does. For a play on the controller it needs neither
    a process nor a discovery of the whole API, and takes a tenth of the time. An answer that may pass, such as an API
    server's that is not ready, is asked for again.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.k8s_objects_info
  - mlops.tfserving.kubernetes
  - mlops.tfserving.info
seealso:
  - module: kubernetes.core.k8s_info
"""

OPTIONS = r"""
api_version: Group and version of the kind.
kind: The kind.
objects:
  - Instead of a kind, manifests; of each its C(apiVersion), C(kind), name and namespace. Those that are there are returned.
  - Of a kind that the cluster does not have there are none. One that may not be read is refused, unless O(skip_forbidden) is true.
skip_forbidden: Whether O(objects) that may not be read are left out, as if they were not there.
namespace: Namespace of the objects; all namespaces if unset.
name: Name of the one object to return.
label_selectors: What the labels must be, all of them.
condition: Type of a condition that is waited for, until there are objects and the status of each says that it is true.
timeout: Seconds to wait for O(condition).
"""

EXAMPLES = r"""
- name: Read the Deployments of an application
  mlops.tfserving.k8s_objects_info:
    api_version: apps/v1
    kind: Deployment
    namespace: tfserving
    label_selectors: [app=image-classifier]
  register: found
"""

RETURN = r"""
resources:
  description: The objects; none where there is no such object, or no such namespace.
  type: list
  elements: dict
  returned: success
reason:
  description: Kubernetes' word for why.
  type: str
  returned: failure
"""

from ..module_utils import outcome
from ..module_utils.k8s.listing import awaited, those_there
from ..module_utils.k8s.options import PACKAGES, Json, answered, client_from_params, module_spec
from ..module_utils.retry import Clock

SPEC = module_spec(
    rules={"required_one_of": [["kind", "objects"]], "mutually_exclusive": [["kind", "objects"]]},
    api_version={"type": "str", "default": "v1"},
    kind={"type": "str"},
    objects={"type": "list", "elements": "dict"},
    skip_forbidden={"type": "bool", "default": False},
    namespace={"type": "str"},
    name={"type": "str"},
    label_selectors={"type": "list", "elements": "str", "default": []},
    condition={"type": "str"},
    timeout={"type": "int", "default": 120},
)


def answer(params: Json, *, check_mode: bool) -> Json:
    def work() -> Json:
        api = client_from_params(params)
        if params["objects"] is None:
            return {"changed": False, "resources": awaited(api, params, Clock())}
        found = those_there(api, params["objects"], skip_forbidden=params["skip_forbidden"])
        return {"changed": False, "resources": found}

    return answered(work)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
