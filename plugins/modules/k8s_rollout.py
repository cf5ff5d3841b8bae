#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

"""Waits for a Deployment's rollout and fails as soon as the cluster knows that it cannot succeed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_rollout
short_description: Wait for a Deployment, failing within seconds when it cannot come, or undo it
version_added: 0.1.0
description:
  - Waits until every wanted replica of a Deployment runs the newest pod template and is available, and none
    of an older one is left.
  - Fails as soon as the cluster knows that this will not happen, with the pod's own words. That is, on
    containers that end again and again, missing images, configuration that names what does not exist, pods
    refused by quota or admission, and pods that fit no node that the cluster may add.
  - Keeps waiting while something is under way, such as a node that the autoscaler has asked for.
  - Says on the terminal what it is waiting for, whenever that changes.
author: The mlops.tfserving developers
options:
  namespace:
    description: Namespace of the workload.
    type: str
    required: true
  name:
    description: Name of the workload.
    type: str
    required: true
  kind:
    description: Kind of the workload.
    type: str
    choices: [Deployment]
    default: Deployment
  state:
    description:
      - V(waited) waits and changes nothing.
      - V(undone) first gives the Deployment the pod template of its previous revision back, then waits.
    type: str
    choices: [waited, undone]
    default: waited
  timeout:
    description: Seconds to wait at most.
    type: int
    default: 300
extends_documentation_fragment:
  - mlops.tfserving.kubernetes
attributes:
  check_mode:
    support: full
    description: Nothing is waited for; with O(state=undone) the server is asked for a dry run.
  diff_mode:
    support: full
    description: Shows the pod template before and after with O(state=undone).
  idempotent:
    support: partial
    description: O(state=undone) swaps the last two revisions each time.
  action_group:
    support: full
    description: In the action group C(mlops.tfserving.k8s).
"""

EXAMPLES = r"""
- name: Wait until the model server is rolled out
  mlops.tfserving.k8s_rollout:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: tfserving
    name: image-classifier
    timeout: 300

- name: Return to the previous revision
  mlops.tfserving.k8s_rollout:
    namespace: tfserving
    name: image-classifier
    state: undone
"""

RETURN = r"""
status:
  description: The state of the rollout in words.
  type: str
  returned: success
  sample: 2 of 2 available, 2 updated
replicas:
  description: How many replicas are available.
  type: int
  returned: when waited
  sample: 2
revision:
  description: The Deployment's revision.
  type: str
  returned: when waited
  sample: "3"
reason:
  description: Why the rollout cannot succeed, in one line.
  type: str
  returned: failure
  sample: "container tfserving of pod image-classifier-5c9-x7k has no image: ErrImagePull: not found"
evidence:
  description: The pod's last words, being its termination message and the end of its log.
  type: list
  elements: str
  returned: failure
way_out:
  description: What to do about it.
  type: str
  returned: failure
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.k8s.client import KubeApi, client_from_params, kube_argument_spec, require_kubernetes
from ..module_utils.k8s.errors import KubeError
from ..module_utils.k8s.objects import REVISION
from ..module_utils.k8s.rollout import Clock, RolloutFailed, undo, wait_for_rollout
from ..module_utils.progress import progress


def run(api: KubeApi, params: dict[str, Any], *, check_mode: bool, clock: Clock) -> dict[str, Any]:
    """The module's work: what it returns on success; raises KubeError and RolloutFailed."""
    namespace, name = params["namespace"], params["name"]
    result: dict[str, Any] = {"changed": False}
    if params["state"] == "undone":
        changed, before, after = undo(api, namespace, name, dry_run=check_mode)
        result.update(changed=changed, diff={"before": before, "after": after})
    if check_mode:
        return {**result, "status": "not waited for in check mode"}
    deployment, status = wait_for_rollout(
        api, namespace, name, timeout=params["timeout"], clock=clock, say=progress
    )
    return {
        **result,
        "status": status,
        "replicas": deployment["status"].get("availableReplicas", 0),
        "revision": deployment["metadata"].get("annotations", {}).get(REVISION, ""),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **kube_argument_spec(),
            "namespace": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "kind": {"type": "str", "choices": ["Deployment"], "default": "Deployment"},
            "state": {"type": "str", "choices": ["waited", "undone"], "default": "waited"},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    require_kubernetes(module)
    try:
        api = client_from_params(module.params)
        clock = Clock(time.time, time.sleep)
        module.exit_json(**run(api, module.params, check_mode=module.check_mode, clock=clock))
    except RolloutFailed as error:
        failed = error.failed
        words = "\n  ".join(["", *failed.evidence]) if failed.evidence else ""
        module.fail_json(
            msg=f"{module.params['name']}: {failed.reason}. Way out: {failed.way_out}.{words}",
            reason=failed.reason,
            evidence=list(failed.evidence),
            way_out=failed.way_out,
        )
    except KubeError as error:
        module.fail_json(msg=error.message, reason=error.reason, evidence=[], way_out="")


if __name__ == "__main__":
    main()
