"""What is said of a rollout: done, under way, or in vain, and why."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.diagnosis import Ready, diagnose
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.pods import Failed, Waiting

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
EARLIER = "2025-12-31T23:58:00Z"
JUST_NOW = "2025-12-31T23:59:58Z"


def deployment(**status: Any) -> dict[str, Any]:
    counts = {
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": 0,
        "availableReplicas": 0,
        "observedGeneration": 2,
    }
    return {
        "metadata": {"name": "d", "uid": "d", "generation": 2},
        "spec": {"replicas": 1},
        "status": {**counts, **status},
    }


REPLICASET = {
    "metadata": {
        "name": "d-1", "uid": "rs", "annotations": {"deployment.kubernetes.io/revision": "1"},
        "ownerReferences": [{"uid": "d", "controller": True}],
    },
}  # fmt: skip


def pod(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "d-1-x", "creationTimestamp": EARLIER, "ownerReferences": [{"uid": "rs", "controller": True}],
        },
        "spec": {"containers": [{"name": "m"}]},
        "status": {"phase": "Pending", **status},
    }  # fmt: skip


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    status = {
        "name": "m",
        "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}},
        **more,
    }
    return pod(containerStatuses=[status])


def unschedulable(message: str, since: str) -> dict[str, Any]:
    condition = {
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        "lastTransitionTime": since,
    }  # fmt: skip
    return pod(conditions=[condition])


def event(reason: str, message: str) -> dict[str, Any]:
    return {
        "reason": reason, "message": message, "involvedObject": {"name": "d-1-x"}, "lastTimestamp": JUST_NOW,
        "metadata": {"creationTimestamp": JUST_NOW},
    }  # fmt: skip


def verdict(*pods: dict[str, Any], events: tuple[dict[str, Any], ...] = (), **status: Any) -> Any:
    return diagnose(deployment(**status), [REPLICASET], pods, events, NOW)


def test_done_is_said_only_when_nothing_old_is_left() -> None:
    assert isinstance(verdict(readyReplicas=1, availableReplicas=1), Ready)
    assert isinstance(verdict(readyReplicas=1, availableReplicas=1, replicas=2), Waiting)
    assert isinstance(verdict(readyReplicas=1, availableReplicas=1, observedGeneration=1), Waiting)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (waiting("ErrImagePull", 'image "x:9" not found'), "not found"),
        (waiting("InvalidImageName", "couldn't parse image"), "InvalidImageName"),
        (waiting("CreateContainerConfigError", 'configmap "c" not found'), 'configmap "c" not found'),
    ],
)
def test_what_can_never_come_fails_at_once(found: dict[str, Any], words: str) -> None:
    result = verdict(found)
    assert isinstance(result, Failed)
    assert words in result.reason
    assert result.way_out


def test_a_crash_loop_fails_with_the_containers_last_words() -> None:
    ended = {"exitCode": 255, "reason": "Error", "message": "Failed to start server", "finishedAt": JUST_NOW}
    result = verdict(waiting("CrashLoopBackOff", restartCount=2, lastState={"terminated": ended}))
    assert isinstance(result, Failed)
    assert "Failed to start server" in " ".join((result.reason, *result.evidence))


def test_a_registry_that_is_slow_is_waited_for() -> None:
    assert isinstance(verdict({**waiting("ContainerCreating")}), Waiting)


def test_a_node_that_is_coming_is_waited_for_and_told() -> None:
    found = unschedulable("0/1 nodes are available: 1 Insufficient cpu.", EARLIER)
    result = verdict(
        found, events=(event("TriggeredScaleUp", "pod triggered scale-up: [{p 1->2 (max: 3)}]"),)
    )
    assert isinstance(result, Waiting)
    assert "node" in result.text


def test_a_pod_that_fits_no_node_the_cluster_may_add_is_in_vain() -> None:
    found = unschedulable("0/1 nodes are available: 1 Insufficient cpu.", EARLIER)
    result = verdict(
        found, events=(event("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 Insufficient cpu"),)
    )
    assert isinstance(result, Failed)
    assert "Insufficient cpu" in " ".join((result.reason, *result.evidence))


def test_quota_that_refuses_the_pods_is_told() -> None:
    refused = {
        "type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q", "lastTransitionTime": EARLIER,
    }  # fmt: skip
    result = verdict(conditions=[refused])
    assert isinstance(result, Failed)
    assert "exceeded quota" in result.reason
    assert "quota" in result.way_out


def test_a_paused_deployment_is_told() -> None:
    paused = deployment()
    paused["spec"]["paused"] = True
    result = diagnose(paused, [REPLICASET], [], [], NOW)
    assert isinstance(result, Failed)
    assert "paused" in result.reason
