#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

"""Reads objects of a Kubernetes cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_objects_info
short_description: Read objects of a Kubernetes cluster
version_added: 0.1.0
description:
  - Returns the objects of a kind, as M(kubernetes.core.k8s_info) does. For a play on the controller it needs neither
    a process nor a discovery of the whole API, and takes a tenth of the time.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  api_version:
    description: Group and version of the kind.
    type: str
    default: v1
  kind:
    description: The kind.
    type: str
    required: true
  namespace:
    description: Namespace of the objects; all namespaces if unset.
    type: str
  name:
    description: Name of the one object to return.
    type: str
  label_selectors:
    description: What the labels must be, all of them.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - mlops.tfserving.kubernetes
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: N/A
    description: Changes nothing.
  idempotent:
    support: N/A
    description: Changes nothing.
  action_group:
    support: full
    description: The groups whose C(module_defaults) reach it.
    membership: [mlops.tfserving.all, mlops.tfserving.k8s]
seealso:
  - module: kubernetes.core.k8s_info
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

from typing import Any

from ..module_utils.k8s.client import (
    KubeApi,
    client_from_params,
    kube_argument_spec,
    require_kubernetes,
)
from ..module_utils.k8s.errors import KubeError
from ..module_utils.k8s.listing import pages
from ..module_utils.k8s.resources import Resources
from ..module_utils.no_log import Module
from ..module_utils.outcome import end, failure

SPEC: dict[str, Any] = {
    "argument_spec": {
        **kube_argument_spec(),
        "api_version": {"type": "str", "default": "v1"},
        "kind": {"type": "str", "required": True},
        "namespace": {"type": "str"},
        "name": {"type": "str"},
        "label_selectors": {"type": "list", "elements": "str", "default": []},
    },
    "supports_check_mode": True,
}


def read(api: KubeApi, params: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects; raises KubeError."""
    api_version, kind, namespace, name = (params[key] for key in ("api_version", "kind", "namespace", "name"))
    resources = Resources(api)
    if name and resources.namespaced(api_version, kind) and not namespace:
        raise KubeError(0, "NoNamespace", f"name is {name}: say in which namespace, with namespace.")
    path = resources.path(api_version, kind, namespace, name)
    if name:
        found = api.get_or_none(path)
        return [] if found is None else [found]
    selector = ",".join(params["label_selectors"]) or None
    # A list's items don't say what they are.
    known = {"apiVersion": api_version, "kind": kind}
    return [{**known, **item} for page in pages(api, path, labelSelector=selector) for item in page]


def answer(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    try:
        return {"changed": False, "resources": read(client_from_params(params), params)}
    except KubeError as error:
        return failure(error.message, reason=error.reason)


def main() -> None:
    module = Module(**SPEC)
    require_kubernetes(module)
    end(module, answer(module.params, check_mode=module.check_mode))


if __name__ == "__main__":
    main()
