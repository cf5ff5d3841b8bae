#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Tells how many requests the proxies before model servers refused."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tfserving_refusals_info
short_description: Tell how many requests the proxies before model servers refused
version_added: 0.2.0
description:
  - Reads the counters of the proxy in each pod, through the API server. They begin with the pod, and end with it.
  - A pod without a proxy, or one that does not answer, is left out.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.tfserving_refusals_info
  - mlops.tfserving.kubernetes
  - mlops.tfserving.info
notes:
  - The identity in the kubeconfig must be allowed to list pods and to get C(pods/proxy).
"""

OPTIONS = r"""
namespace: Namespace of the pods.
label_selector: Label selector of the pods.
"""

EXAMPLES = r"""
- name: Look for requests that were refused
  mlops.tfserving.tfserving_refusals_info:
    namespace: tfserving
    label_selector: app=image-classifier
  register: refused
"""

RETURN = r"""
refused:
  description:
    - By pod, how many requests were refused in each way, such as C(full) for a full queue; empty for none.
    - The ways are those that C(docs/serving.md) has; C(connections) are connections that were closed; those that begin with C(held_) are
      of pods that hold requests while there is no replica (label C(app=NAME-hold)).
  type: dict
  returned: success
  sample: {"image-classifier-5f7b9c-x2x4z": {"full": 10, "size": 2}}
words:
  description: The same of all pods in words; empty for none.
  type: str
  returned: success
  sample: 12 (10 full, 2 size)
reason:
  description: Kubernetes' word for why.
  type: str
  returned: failure
"""

from ..module_utils import outcome
from ..module_utils.k8s.options import PACKAGES, Json, answered, client_from_params, module_spec
from ..module_utils.model_server.refusals import found

SPEC = module_spec(
    namespace={"type": "str", "required": True},
    label_selector={"type": "str", "required": True},
)


def answer(params: Json, *, check_mode: bool) -> Json:
    return answered(lambda: found(client_from_params(params), params))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
