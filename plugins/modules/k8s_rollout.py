#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Waits for a workload's rollout and fails as soon as the cluster knows that it cannot succeed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_rollout
short_description: Wait for a workload, failing within seconds when it cannot come, or undo it
version_added: 0.1.0
description:
  - Waits until every wanted replica of a Deployment, StatefulSet or DaemonSet runs the newest pod template and is
    available, and none of an older one is left; or until a Job has succeeded.
  - Fails as soon as the cluster knows that this will not happen, with the pod's own words, which are its
    termination message, the end of its log and its warnings.
  - That is, on images that are missing or need other credentials; containers that end again and again, run out of
    memory or are killed by their probes; configuration, volumes and service accounts that do not exist; pods
    refused by quota, Pod Security or another admission; pods that fit no node that the cluster may add; nodes
    that are lost; pods that are evicted again and again or stuck while they end; a Deployment that is paused or
    over its own deadline; another rollout that takes over.
  - Keeps waiting while something is under way, such as a node that the autoscaler has asked for, or a registry
    that does not answer for a moment. What a readiness probe answers is told meanwhile, and in the error when
    time is over.
  - Says on the terminal what it is waiting for, whenever that changes.
  - Meanwhile the HPA of a Deployment does not ask for more replicas because of the pods that a rollout has more for a while.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.k8s_rollout
  - mlops.tfserving.kubernetes
attributes:
  check_mode:
    support: full
    description:
      - Nothing is waited for; RV(status) says how the rollout stands now.
      - With O(state=undone) the server is asked for a dry run.
  diff_mode:
    support: full
    description: Shows the pod template before and after with O(state=undone).
  idempotent:
    support: partial
    description: O(state=undone) without O(revision) swaps the last two revisions each time.
notes:
  - With O(hold_hpa) it must be allowed to list, get and patch C(horizontalpodautoscalers) of C(autoscaling).
  - The identity in the kubeconfig must be allowed to read the workload and its ReplicaSets or ControllerRevisions,
    pods, pod logs and events in the namespace. Where it may list nodes, too, a pod that can never fit is found
    sooner, and a lost node is named.
"""

OPTIONS = r"""
namespace: Namespace of the workload.
name: Name of the workload.
kind: Kind of the workload.
state:
  - V(waited) waits and changes nothing.
  - V(undone) first gives the workload the pod template of an earlier revision back, then waits. The number of replicas is
    left alone. A Job keeps no earlier template and cannot be undone.
revision:
  - The revision to return to with O(state=undone), as C(kubectl rollout history) lists it.
  - Without it the one before the present, so that undoing twice is as before.
timeout: Seconds to wait at most.
hold_hpa:
  - Whether the HPA that scales a Deployment gets a tolerance downwards of 1 meanwhile, and then its own back. The controller
    counts the pods of a surge, and below its target asks for more replicas because of them. Above its target it scales out as
    ever; it scales in after the rollout.
  - Nothing is held on Kubernetes before 1.35, which has no such field, where KEDA owns the HPA, and where this identity may not
    list HPAs. Who may list but not change them is warned.
  - A process in the background gives the tolerance back where this one is killed.
"""

EXAMPLES = r"""
- name: Wait until the model server is rolled out
  mlops.tfserving.k8s_rollout:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: tfserving
    name: image-classifier
    timeout: 300

- name: Wait for a Job, with its last words when it fails
  mlops.tfserving.k8s_rollout:
    namespace: tfserving
    kind: Job
    name: convert-model

- name: Return to the previous revision
  mlops.tfserving.k8s_rollout:
    namespace: tfserving
    name: image-classifier
    state: undone

- name: Return to revision 7, if it is not there already
  mlops.tfserving.k8s_rollout:
    namespace: tfserving
    name: image-classifier
    state: undone
    revision: 7
"""

RETURN = r"""
status:
  description: The state of the rollout in words.
  type: str
  returned: success
  sample: 2 of 2 available, 2 updated
replicas:
  description: How many replicas are available; of a Job, how many pods have succeeded.
  type: int
  returned: when waited
  sample: 2
revision:
  description: The Deployment's revision, or the name of the StatefulSet's; empty for other kinds.
  type: str
  returned: when waited
  sample: "3"
reason:
  description: Why the rollout cannot succeed, in one line.
  type: str
  returned: failure
  sample: "container tfserving of pod image-classifier-5c9-x7k has no image: ErrImagePull: not found"
evidence:
  description: The pod's last words, being its termination message, the end of its log and its warnings.
  type: list
  elements: str
  returned: failure
  sample: ["Failed to start server. Error: ...", "event BackOff: Back-off restarting failed container (3 times)"]
hint:
  description: What to do about it.
  type: str
  returned: failure
  sample: correct the image's name, tag or platform
pod:
  description: The pod that tells why, if it is one.
  type: str
  returned: failure
  sample: image-classifier-5c9-x7k
container:
  description: Its container that tells why, if it is one.
  type: str
  returned: failure
  sample: tfserving
"""

from ..module_utils import outcome
from ..module_utils.k8s.converge import check, converge
from ..module_utils.k8s.options import PACKAGES, Json, answered, client_from_params, module_spec
from ..module_utils.k8s.workloads import KINDS

SPEC = module_spec(
    namespace={"type": "str", "required": True},
    name={"type": "str", "required": True},
    kind={"type": "str", "choices": list(KINDS), "default": "Deployment"},
    state={"type": "str", "choices": ["waited", "undone"], "default": "waited"},
    revision={"type": "int"},
    timeout={"type": "int", "default": 300},
    hold_hpa={"type": "bool", "default": True},
)


def answer(params: Json, *, check_mode: bool) -> Json:
    def work() -> Json:
        check(params)
        return converge(
            client_from_params(params), params, check_mode, again=lambda: client_from_params(params)
        )

    return answered(work)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
