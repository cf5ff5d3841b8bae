"""Pods that are not made, find no node, or go: as API server, scheduler, autoscaler and controllers write it."""

from __future__ import annotations

from typing import Any

import pytest
from hang_cases import Case, check, told
from kube_objects import (
    Json,
    ago,
    crashing,
    ended,
    event,
    node,
    pod,
    running,
    unscheduled,
    verdict,
    waiting,
    workload,
)

GROUP = "https://www.googleapis.com/compute/v1/projects/p/zones/europe-west4-a/instanceGroups/gke-c-default-pool-grp"
LARGE = {"containers": [{"name": "m", "resources": {"requests": {"cpu": "8", "memory": "4Gi"}}}]}
SMALL = {"containers": [{"name": "m", "resources": {"requests": {"cpu": "300m"}}}]}
GPU_TAINT = [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]


def _refused(message: str, *, since: float = 10) -> Any:
    condition = {
        "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message,
        "lastTransitionTime": ago(since),
    }  # fmt: skip
    return verdict(of=workload(replicas=0, updatedReplicas=0, conditions=[condition]))


def _refused_event(kind: str, message: str, *, reason: str = "FailedCreate", **about: Any) -> Any:
    of = workload(kind, **{"StatefulSet": {"replicas": 0, "updatedReplicas": 0}}.get(kind, {}))
    return verdict(of=of, kind=kind, events=(event(of, reason, message, **about),))


REFUSALS = {
    "quota": Case(
        lambda: _refused('pods "w-new-x" is forbidden: exceeded quota: team, requested: cpu=1, used: cpu=4, limited: cpu=4'),
        "exceeded quota: team", "raise the namespace's quota",
    ),
    "quota, a moment ago": Case(lambda: _refused("exceeded quota: team", since=2), "0 of 1 available", in_vain=False),
    "quota that wants limits": Case(
        lambda: _refused('pods "w-x" is forbidden: failed quota: team: must specify limits.memory for: m'), "must specify", "set them"
    ),
    "Pod Security": Case(
        lambda: _refused('pods "w-x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "m" must set securityContext.allowPrivilegeEscalation=false)', since=0),
        "violates PodSecurity", "pod-security.kubernetes.io/enforce",
    ),
    "webhook says no": Case(
        lambda: _refused('admission webhook "policy.example" denied the request: images must be signed', since=1), "images must be signed", "admission policy"
    ),
    "policy says no": Case(
        lambda: _refused("pods \"w-x\" is forbidden: ValidatingAdmissionPolicy 'limits' with binding 'all' denied request: too large"), "too large", "policy"
    ),
    "webhook is away for a moment": Case(
        lambda: _refused('Internal error occurred: failed calling webhook "policy.example": Post "https://policy": connection refused'), "0 of 1", in_vain=False
    ),
    "webhook is away": Case(
        lambda: _refused('Internal error occurred: failed calling webhook "policy.example": Post "https://policy": connection refused', since=40), "failed calling webhook", "repair"
    ),
    "service account missing": Case(
        lambda: _refused('pods "w-x" is forbidden: error looking up service account ns/reader: serviceaccount "reader" not found'), "reader", "serviceAccountName"
    ),
    "priority class missing": Case(
        lambda: _refused('pods "w-x" is forbidden: no PriorityClass with name urgent was found'), "urgent", "priorityClassName"
    ),
    "limit range": Case(
        lambda: _refused('pods "w-x" is forbidden: maximum cpu usage per Container is 1, but limit is 2'), "maximum cpu", "LimitRange"
    ),
    "namespace going": Case(
        lambda: _refused('pods "w-x" is forbidden: unable to create new content in namespace ns because it is being terminated'), "terminated", "namespace"
    ),
    "StatefulSet's quota": Case(
        lambda: _refused_event("StatefulSet", 'create Pod w-0 in StatefulSet w failed error: pods "w-0" is forbidden: exceeded quota: team, requested: cpu=1', first=30),
        'refuses the pods: pods "w-0" is forbidden', "quota",
    ),
    "DaemonSet's Pod Security": Case(
        lambda: _refused_event("DaemonSet", 'Error creating: pods "w-" is forbidden: violates PodSecurity "baseline:latest": hostPath volumes (volume "v")'),
        "violates PodSecurity", "namespace",
    ),
    "Job's service account": Case(
        lambda: _refused_event("Job", 'Error creating: pods "w-" is forbidden: error looking up service account ns/x: serviceaccount "x" not found', first=20),
        'serviceaccount "x" not found', "service account",
    ),
    "refusal of the template before": Case(
        lambda: _refused_event("StatefulSet", "create Pod w-0 in StatefulSet w failed error: exceeded quota", age=500), "0 of 1", in_vain=False
    ),
}  # fmt: skip

NO_ROOM = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."

SCHEDULING = {
    "node coming": Case(
        lambda: told(unscheduled(NO_ROOM, since=100, spec=SMALL), ("TriggeredScaleUp", f"pod triggered scale-up: [{{{GROUP} 1->2 (max: 3)}}]"), age=90),
        "one is coming", "node pool", in_vain=False,
    ),
    "a moment ago": Case(lambda: verdict(unscheduled(NO_ROOM, spec=SMALL), nodes=[node()]), "Insufficient cpu", in_vain=False),
    "pools at their maximum": Case(
        lambda: told(unscheduled(NO_ROOM, since=40, spec=SMALL), ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached"), nodes=[node()]),
        "max node group size reached", "raise the node pool's maximum",
    ),
    "pools at their maximum, a pod is leaving": Case(
        lambda: told(
            unscheduled(NO_ROOM, since=40, spec=SMALL), ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached"),
            nodes=[node()], beside=[pod(metadata={"deletionTimestamp": ago(-10)})],
        ),
        "max node group size reached", in_vain=False,
    ),
    "larger than any machine": Case(
        lambda: told(unscheduled(NO_ROOM, spec=LARGE), ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 Insufficient cpu"), nodes=[node()]),
        "fits no node", "larger machines",
    ),
    "larger than any machine, the pool at its maximum": Case(
        lambda: told(unscheduled(NO_ROOM, spec=LARGE), ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached"), nodes=[node()]),
        "requests 8 cpu, the largest node has 3.92", "larger machines",
    ),
    "larger than any machine, no autoscaler": Case(
        lambda: verdict(unscheduled(NO_ROOM, since=25, spec=LARGE), nodes=[node(), node("n2", cpu="1930m")]),
        "can never fit: 1 node: cpu 8 requested, 3.92 allocatable; 1 node", "larger machines",
    ),
    "nodes may not be listed": Case(
        lambda: told(unscheduled(NO_ROOM, spec=LARGE), ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 Insufficient cpu"), nodes=None),
        "fits no node", "larger machines",
    ),
    "selector that no node has": Case(
        lambda: verdict(
            unscheduled("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.", since=25, spec={**SMALL, "nodeSelector": {"pool": "gpu"}}),
            nodes=[node()],
        ),
        "no label pool=gpu", "nodeSelector",
    ),
    "selector that no pool has, says the autoscaler": Case(
        lambda: told(
            unscheduled("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.", spec={"nodeSelector": {"pool": "gpu"}}),
            ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 node(s) didn't match Pod's node affinity/selector"), nodes=[node()],
        ),
        "didn't match Pod's node affinity", "nodeSelector",
    ),
    "taint that is not tolerated": Case(
        lambda: verdict(
            unscheduled("0/1 nodes are available: 1 node(s) had untolerated taint {nvidia.com/gpu: present}.", since=25, spec=SMALL), nodes=[node(taints=GPU_TAINT)]
        ),
        "taint nvidia.com/gpu=present:NoSchedule is not tolerated", "tolerate",
    ),
    "taint of a node that is just coming up": Case(
        lambda: verdict(
            unscheduled("0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.", since=25, spec=SMALL),
            nodes=[node(taints=[{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])],
        ),
        "not-ready", in_vain=False,
    ),
    "anti-affinity, no autoscaler": Case(
        lambda: verdict(unscheduled("0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.", since=70, spec=SMALL), nodes=[node()]),
        "anti-affinity", "relax the rule",
    ),
    "project out of quota": Case(
        lambda: told(unscheduled(NO_ROOM, since=60, spec=SMALL), ("FailedScaleUp", "Node scale up in zones europe-west4-a associated with this pod failed: GCE quota exceeded. Pod is at risk of not being scheduled.")),
        "GCE quota exceeded", "project's quota",
    ),
    "claim missing": Case(
        lambda: verdict(unscheduled('0/1 nodes are available: persistentvolumeclaim "models" not found. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.', since=10)),
        'persistentvolumeclaim "models" not found', "claim",
    ),
    "scheduling gates": Case(
        lambda: verdict(pod(spec={"nodeName": None, "schedulingGates": [{"name": "queue.example/admitted"}]}, conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates"}])),
        "queue.example/admitted", in_vain=False,
    ),
}  # fmt: skip


def _lost(kind: str, *, since: float, tolerated: float | None = 300) -> Any:
    toleration = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
    spec = {
        "tolerations": [{**toleration, **({} if tolerated is None else {"tolerationSeconds": tolerated})}]
    }
    found = pod(
        kind=kind, phase="Running", spec=spec, conditions=[{"type": "Ready", "status": "False"}],
        containerStatuses=[running(ready=True)],
    )  # fmt: skip
    gone = node(ready="Unknown", since=since, message="Kubelet stopped posting node status.")
    return verdict(found, kind=kind, nodes=[gone])


def _evicted(count: int, reason: str, message: str, **more: Any) -> Any:
    return verdict(
        *[pod(phase="Failed", reason=reason, message=message, **more) for _ in range(count)], pod()
    )


def _going(
    kind: str, late: float, *, spec: Json | None = None, nodes: list[Json] | None = None, **metadata: Any
) -> Any:
    found = pod(kind=kind, old=True, phase="Running", metadata={"deletionTimestamp": ago(late), **metadata})
    return verdict(found, of=workload(kind, spec=spec, replicas=0, updatedReplicas=0), kind=kind, nodes=nodes)


ENDS = {
    "node lost, the pod is replaced": Case(
        lambda: _lost("Deployment", since=90), "node n1 is not ready for 90 s: Kubelet stopped posting node status.; the pod is given up after 300 s", "repair the node", in_vain=False
    ),
    "node lost for a moment": Case(lambda: _lost("StatefulSet", since=20), "Kubelet stopped", in_vain=False),
    "node lost, the pod is not replaced": Case(lambda: _lost("DaemonSet", since=90, tolerated=None), "lost node", "delete it"),
    "node gone": Case(
        lambda: verdict(pod(phase="Running", conditions=[{"type": "Ready", "status": "False"}], containerStatuses=[running(ready=True)]), nodes=[node("n2")]),
        "node n1 is gone", in_vain=False,
    ),
    "pod unknown": Case(lambda: verdict(pod(phase="Unknown")), "lost touch", in_vain=False),
    "evicted once": Case(lambda: _evicted(1, "Evicted", "The node was low on resource: memory."), "to be replaced", in_vain=False),
    "evicted for memory again and again": Case(
        lambda: _evicted(3, "Evicted", "The node was low on resource: memory. Threshold quantity: 100Mi, available: 60Mi. Container m was using 900Mi, request is 0, has larger consumption of memory. "),
        "3 pods ended one after the other", "requests",
    ),
    "evicted for its own disk": Case(
        lambda: _evicted(3, "Evicted", 'Usage of EmptyDir volume "model" exceeds the limit "100Mi". '), "EmptyDir", "sizeLimit"
    ),
    "evicted yesterday": Case(lambda: _evicted(5, "Evicted", "low on memory", age=9000), "to be replaced", in_vain=False),
    "refused by the kubelet": Case(
        lambda: _evicted(4, "OutOfcpu", "Pod was rejected: Node didn't have enough resource: cpu, requested: 500, used: 800, capacity: 940"), "OutOfcpu", "lower its requests"
    ),
    "spot machines taken back": Case(
        lambda: _evicted(5, "Terminated", "Pod was terminated in response to imminent node shutdown."), "imminent node shutdown", in_vain=False
    ),
    "StatefulSet's pod within its grace": Case(lambda: _going("StatefulSet", -12), "12 s of its grace period left", in_vain=False),
    "held by a finalizer": Case(
        lambda: _going("StatefulSet", 45, finalizers=["example.com/backup"]), "finalizer example.com/backup", "controller"
    ),
    "stuck on a lost node": Case(
        lambda: _going("StatefulSet", 45, nodes=[node(ready="Unknown", since=400, message="Kubelet stopped posting node status.")]), "Kubelet stopped", "delete the node"
    ),
    "Recreate waits for the old pod": Case(lambda: _going("Deployment", 90, spec={"strategy": {"type": "Recreate"}}), "stuck in Terminating", "kubelet"),
    "a rolling update does not": Case(lambda: _going("Deployment", 90), "0 of 1 available", in_vain=False),
    "StatefulSet broken before": Case(
        lambda: verdict(pod(name="w-0", kind="StatefulSet", old=True, containerStatuses=[waiting("ErrImagePull", "x:9: not found")]), kind="StatefulSet", of=workload("StatefulSet", updatedReplicas=0)),
        "earlier template is broken", "delete pod w-0",
    ),
}  # fmt: skip


def _job(status: Json | None = None, *pods: Json, **job: Any) -> Any:
    found = pods or ((pod(kind="Job", containerStatuses=[status]),) if status else ())
    return verdict(*found, kind="Job", of=workload("Job", **job))


def _failed_job(reason: str, message: str, *pods: Json) -> Any:
    return _job(
        None,
        *pods,
        active=0,
        failed=3,
        conditions=[{"type": "Failed", "status": "True", "reason": reason, "message": message}],
    )


WORKLOADS = {
    "paused": Case(lambda: verdict(of=workload(spec={"paused": True})), "paused", "resume"),
    "not yet seen": Case(lambda: verdict(of=workload(observedGeneration=1)), "not yet seen", "controller-manager", in_vain=False),
    "over its deadline": Case(
        lambda: verdict(
            pod(containerStatuses=[running()]),
            of=workload(conditions=[{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": 'ReplicaSet "w-new" has timed out progressing.'}]),
        ),
        "no progress within the Deployment's own deadline (progressDeadlineSeconds): w-new", "look at the pods",
    ),
    "OnDelete": Case(
        lambda: verdict(kind="DaemonSet", of=workload("DaemonSet", spec={"updateStrategy": {"type": "OnDelete"}}, updatedNumberScheduled=0, numberReady=1, numberAvailable=1)),
        "OnDelete", "delete the old pods",
    ),
    "DaemonSet's pods killed by its controller": Case(
        lambda: _refused_event("DaemonSet", "Found failed daemon pod ns/w-1 on node n1, will try to kill it", reason="FailedDaemonPod", count=5),
        "Found failed daemon pod", "room",
    ),
    "Job suspended": Case(lambda: verdict(kind="Job", of=workload("Job", spec={"suspend": True}, active=0)), "suspended", "resume"),
    "Job tries again": Case(lambda: _job(crashing(1, message="no")), "waits (CrashLoopBackOff)", in_vain=False),
    "Job without image": Case(lambda: _job(waiting("ErrImagePull", "x:9: not found")), "x:9: not found", "tag"),
    "Job failed": Case(
        lambda: _failed_job("BackoffLimitExceeded", "Job has reached the specified backoff limit", pod(kind="Job", phase="Failed", containerStatuses=[{"name": "m", "state": ended(3, message="no such model")}])),
        "BackoffLimitExceeded: Job has reached the specified backoff limit; container m ended with exit code 3", "delete the Job",
    ),
    "Job too slow": Case(
        lambda: _failed_job("DeadlineExceeded", "Job was active longer than specified deadline"), "its pods are gone", "activeDeadlineSeconds"
    ),
}  # fmt: skip

CASES = {**REFUSALS, **SCHEDULING, **ENDS, **WORKLOADS}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_hang_is_told_apart(case: Case) -> None:
    check(case)
