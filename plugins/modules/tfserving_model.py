#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

"""Asks every ready pod of a Deployment for the state of its model and for golden predictions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tfserving_model
short_description: Check that every ready pod serves a model's version, and answers as expected
version_added: 0.1.0
description:
  - Asks each ready pod on its own, through the API server's proxy, so that one bad pod among many is found.
  - Each must have the model's version in state AVAILABLE and, where given, answer golden predictions within
    their tolerance.
  - Fails with a list of every pod that differs. Changes nothing.
author: The mlops.tfserving developers
options:
  namespace:
    description: Namespace of the pods.
    type: str
    required: true
  deployment:
    description: Name of the Deployment whose pods are asked; or else O(label_selector).
    type: str
  label_selector:
    description: Label selector of the pods.
    type: str
  model:
    description: Name of the model.
    type: str
    required: true
  version:
    description: The version that must be available; without it any.
    type: int
  golden:
    description: Requests whose answers are known.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the request, for messages.
        type: str
        required: true
      signature_name:
        description: Signature of the model to call.
        type: str
        default: serving_default
      instances:
        description: Inputs in row format; or else O(golden[].inputs).
        type: list
        elements: raw
      inputs:
        description: Inputs in column format.
        type: raw
      expect:
        description:
          - What RV(ignore:predictions) (row format) or RV(ignore:outputs) (column format) must be.
          - Of an object only the keys given here are compared, of a list all elements.
        type: raw
        required: true
      tolerance:
        description: By how much a number may differ.
        type: float
        default: 0.001
  port:
    description: REST port of the model server.
    type: int
    default: 8501
  minimum_pods:
    description: Fail when fewer pods than this are ready.
    type: int
    default: 1
  timeout:
    description: Seconds to wait for one answer.
    type: int
    default: 30
extends_documentation_fragment:
  - mlops.tfserving.kubernetes
attributes:
  check_mode:
    support: full
    description: The module only reads.
  diff_mode:
    support: none
    description: There is nothing that changes.
  idempotent:
    support: full
    description: The module only reads.
  action_group:
    support: full
    description: In the action group C(mlops.tfserving.k8s).
"""

EXAMPLES = r"""
- name: Every pod answers with version 3, and knows an espresso
  mlops.tfserving.tfserving_model:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: tfserving
    deployment: image-classifier
    model: image_classifier
    version: 3
    golden:
      - name: coffee
        signature_name: serving_preprocess
        instances: [{b64: "{{ coffee_jpeg_base64 }}"}]
        expect: [{labels: [espresso, cup, eggnog, soup bowl, coffee mug]}]
"""

RETURN = r"""
pods:
  description: One entry for each ready pod.
  type: list
  elements: dict
  returned: when pods were asked
  contains:
    pod: {description: Name of the pod., type: str}
    node: {description: Its node., type: str}
    versions: {description: State of each version that it has., type: dict}
    ok: {description: Whether it is as wanted., type: bool}
    problems: {description: What differs., type: list, elements: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.k8s.client import KubeApi, client_from_params, kube_argument_spec, require_kubernetes
from ..module_utils.k8s.errors import KubeError
from ..module_utils.k8s.objects import label_selector
from ..module_utils.k8s.rollout import get_workload
from ..module_utils.tfserving.pods import Golden, PodResult, Target, check_pods, ready_pods

ARGUMENTS: dict[str, dict[str, Any]] = {
    "namespace": {"type": "str", "required": True},
    "deployment": {"type": "str"},
    "label_selector": {"type": "str"},
    "model": {"type": "str", "required": True},
    "version": {"type": "int"},
    "golden": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "signature_name": {"type": "str", "default": "serving_default"},
            "instances": {"type": "list", "elements": "raw"},
            "inputs": {"type": "raw"},
            "expect": {"type": "raw", "required": True},
            "tolerance": {"type": "float", "default": 0.001},
        },
        "mutually_exclusive": [["instances", "inputs"]],
        "required_one_of": [["instances", "inputs"]],
    },
    "port": {"type": "int", "default": 8501},
    "minimum_pods": {"type": "int", "default": 1},
    "timeout": {"type": "int", "default": 30},
}


def run(api: KubeApi, params: dict[str, Any]) -> list[PodResult]:
    """Results of all ready pods; raises KubeError, also when too few pods are ready."""
    namespace = params["namespace"]
    selector = params["label_selector"]
    if params["deployment"] is not None:
        deployment = get_workload(api, "Deployment", namespace, params["deployment"])
        selector = label_selector(deployment["spec"]["selector"])
    pods = ready_pods(api, namespace, selector)
    if len(pods) < params["minimum_pods"]:
        raise KubeError(
            0,
            "TooFewPods",
            f"{len(pods)} pods of {selector} in namespace {namespace} are ready, "
            f"expected at least {params['minimum_pods']}. Wait for the rollout first (k8s_rollout).",
        )
    target = Target(namespace, params["model"], params["version"], params["port"], params["timeout"])
    return check_pods(api, target, pods, [Golden.of(golden) for golden in params["golden"]])


def main() -> None:
    module = AnsibleModule(
        argument_spec={**kube_argument_spec(), **ARGUMENTS},
        supports_check_mode=True,
        mutually_exclusive=[["deployment", "label_selector"]],
        required_one_of=[["deployment", "label_selector"]],
    )
    require_kubernetes(module)
    try:
        results = run(client_from_params(module.params), module.params)
    except KubeError as error:
        module.fail_json(msg=error.message, reason=error.reason)
    pods = [result.as_dict() for result in results]
    bad = [result for result in results if result.problems]
    if bad:
        lines = [f"{result.pod}: {problem}" for result in bad for problem in result.problems]
        module.fail_json(
            msg=f"{len(bad)} of {len(results)} pods do not serve {module.params['model']} as expected:\n  "
            + "\n  ".join(lines),
            pods=pods,
        )
    module.exit_json(changed=False, pods=pods)


if __name__ == "__main__":
    main()
