#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Makes sure that a load test can prove something, before anything of it is created."""

from __future__ import annotations

DOCUMENTATION = r"""
module: locust_prepare
short_description: Check a load test's shape, payload and limits against the model, and put its payload in place
version_added: 0.1.0
description:
  - Turns the shape into the curve of load that Locust follows, and refuses one that says nothing.
  - Makes a request body from each file of the payload, once, holds it against the model's signature as the model
    server tells it, and sends it once. What the model would refuse is refused here, in the server's own words.
  - Removes what earlier load tests that were killed have left in the namespace; refuses to run beside another one.
  - Puts the bodies into ConfigMaps, as many as they need.
  - With O(state=absent) everything of the run is removed from the cluster.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.locust_prepare
  - mlops.tfserving.kubernetes
attributes:
  check_mode:
    support: full
    description: Everything is checked; nothing is created or removed.
  diff_mode:
    support: none
    description: Objects of a run live as long as the run.
  idempotent:
    support: partial
    description: With O(state=absent).
"""

OPTIONS = r"""
namespace: Namespace of the model server and of Locust.
run: The run's name. Its objects are called C(locust-RUN) and carry it in the label C(mlops.tfserving/run).
state: Whether to prepare the run, or to remove all its objects.
deployment: The model server's Deployment; its pods have the label C(app) with that value.
model: The model's name.
version: The model's version. Without it the newest is asked.
signature: The signature that is asked.
protocol:
  - How Locust asks. The check beforehand always uses REST.
  - For V(grpc) the bodies are serialised here, which needs the Python package C(protobuf).
payload: A file, or a folder of files. JSON files hold a whole request body (with C(instances) or C(inputs)) or one
  instance; every other file is sent as its bytes.
payload_format: Whether instances are sent as rows (C(instances)) or as columns (C(inputs)).
payload_weights: How often a file is drawn, by name or pattern; 1 where nothing is said, and 0 for never.
locustfile: A locustfile of somebody's own, whose users come instead and send what they like, so that there is no payload. It
  must compile, have a class, and import nothing that stands beside it.
shape:
  - The load over time. V(kind) is V(steps), V(constant), V(ramp), V(spike), V(sine), V(stages) or V(replay); each has options
    of its own, see the documentation of load tests.
  - V(model) is V(closed) (users) or V(open) (requests that are due at moments of their own).
slo: The limits of the run, as M(mlops.tfserving.scaling_report) takes them; only checked for mistakes.
token_renewed: Whether somebody renews the kubeconfig's token. Otherwise a load is refused that takes longer than the token is good.
ask_model: Whether there is a model to be asked. In check mode one that is not there yet is no error.
"""

EXAMPLES = r"""
- name: Prepare a day in ten minutes
  mlops.tfserving.locust_prepare:
    namespace: tfserving
    run: "1"
    deployment: image-classifier
    model: image_classifier
    signature: serving_preprocess
    payload: pictures/
    payload_weights: {"large-*.jpg": 0.1}
    shape: {kind: sine, model: open, low: 1, high: 30, period: 600}

- name: Remove it
  mlops.tfserving.locust_prepare:
    namespace: tfserving
    run: "1"
    state: absent
"""

RETURN = r"""
plan:
  description: The curve of load, with the most C(users), the C(requests) of the open model, and its C(seconds).
  type: dict
  returned: with O(state=present)
words:
  description: The plan in a sentence.
  type: str
  returned: with O(state=present)
path:
  description: The path at which the model is asked by REST.
  type: str
  returned: with O(state=present)
bodies:
  description: The request bodies as the workers find them, C(file), C(name) and C(weight) of each.
  type: list
  elements: dict
  returned: with O(state=present)
config_maps:
  description: Names of the ConfigMaps with the bodies.
  type: list
  elements: str
  returned: with O(state=present)
model_asked:
  description: Whether the payload was held against the model.
  type: bool
  returned: with O(state=present)
removed:
  description: What was removed from the cluster, of earlier runs or of this one.
  type: list
  elements: str
  returned: always
"""

from ..module_utils import outcome
from ..module_utils.k8s.options import PACKAGES, module_spec
from ..module_utils.loadtest.preparing import prepare_run
from ..module_utils.loadtest.schema import Json
from ..module_utils.protos import PROTOBUF_IMPORT_ERROR

SPEC = module_spec(
    namespace={"type": "str", "required": True},
    run={"type": "str", "required": True},
    state={"type": "str", "choices": ["present", "absent"], "default": "present"},
    deployment={"type": "str"},
    model={"type": "str"},
    version={"type": "int"},
    signature={"type": "str", "default": "serving_default"},
    protocol={"type": "str", "choices": ["rest", "grpc"], "default": "rest"},
    payload={"type": "path"},
    payload_format={"type": "str", "choices": ["row", "columnar"], "default": "row"},
    payload_weights={"type": "dict", "default": {}},
    locustfile={"type": "path"},
    shape={"type": "dict"},
    slo={"type": "list", "elements": "str", "default": []},
    token_renewed={"type": "bool", "default": False},
    ask_model={"type": "bool", "default": True},
    rules={
        "required_if": [
            ("state", "present", ("deployment", "model", "shape")),
            ("state", "present", ("payload", "locustfile"), True),
        ]
    },
)


def answer(params: Json, *, check_mode: bool) -> Json:
    if params["protocol"] == "grpc":
        lacks = outcome.missing({"protobuf": PROTOBUF_IMPORT_ERROR}, "for protocol: grpc")
        if lacks:
            return lacks
    return prepare_run(params, check_mode=check_mode)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
