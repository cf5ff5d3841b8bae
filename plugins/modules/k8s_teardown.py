#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Removes what this collection made in a namespace."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_teardown
short_description: Remove what this collection made in a namespace
version_added: 0.2.0
description:
  - Removes the objects that the roles serving, autoscaling and loadtest made for a site. They are known by their labels.
  - The namespace itself goes where the serving role created it, which it noted in the annotation
    C(mlops.tfserving/made-by), and nothing of others is found in it. Otherwise it stays, with all that others have there.
  - Found are workloads, Services, ConfigMaps, service accounts, volume claims, policies and autoscalers. Secrets and custom
    resources are not read; they go with a namespace that goes.
  - Waits until everything is gone.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.k8s_teardown
  - mlops.tfserving.kubernetes
attributes:
  check_mode:
    support: full
    description: Returns what would be removed.
  diff_mode:
    support: none
    description: The result names what is removed.
  idempotent:
    support: full
    description: What is not there is not removed.
seealso:
  - module: mlops.tfserving.gke_cluster
"""

OPTIONS = r"""
namespace: The namespace.
app: Name of the model server's Deployment and Service.
scope:
  - V(namespace) for all of it.
  - V(load_balancers) for routes and for the Services that have one or groups of endpoints, before the cluster itself goes.
whole: Remove the namespace, whoever made it, with all that it holds.
timeout: Seconds to wait until everything is gone.
"""

EXAMPLES = r"""
- name: Remove the site
  mlops.tfserving.k8s_teardown:
    namespace: tfserving
    app: image-classifier
"""

RETURN = r"""
removed:
  description: What was removed, or would be; of a namespace that goes the namespace alone.
  type: list
  elements: str
  returned: success
  sample: [Service/image-classifier, Deployment/image-classifier]
kept:
  description: Why the namespace stays; empty when it does not, or was not there.
  type: str
  returned: success
reason:
  description: Kubernetes' word for why.
  type: str
  returned: failure
"""

from ..module_utils import outcome
from ..module_utils.k8s.options import PACKAGES, Json, answered, client_from_params, module_spec
from ..module_utils.k8s.teardown import remove

SPEC = module_spec(
    namespace={"type": "str", "required": True},
    app={"type": "str", "required": True},
    scope={"type": "str", "choices": ["namespace", "load_balancers"], "default": "namespace"},
    whole={"type": "bool", "default": False},
    timeout={"type": "int", "default": 300},
)


def answer(params: Json, *, check_mode: bool) -> Json:
    return answered(lambda: remove(client_from_params(params), params, check_mode))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
