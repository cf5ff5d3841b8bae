"""What is said of a rollout: when it is done, and which pods it looks at."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.verdicts import Failed, Ready, Waiting
from kube_objects import Json, crashing, pod, running, verdict, waiting, workload

DONE = {"readyReplicas": 1, "availableReplicas": 1}
DAEMONS = {"numberReady": 1, "numberAvailable": 1}


@pytest.mark.parametrize(
    ("kind", "spec", "status", "expected"),
    [
        ("Deployment", {}, DONE, Ready),
        ("Deployment", {}, {**DONE, "replicas": 2}, Waiting),
        ("Deployment", {}, {**DONE, "observedGeneration": 1}, Waiting),
        ("Deployment", {}, {"readyReplicas": 1}, Waiting),
        ("Deployment", {"paused": True}, DONE, Ready),
        ("Deployment", {"replicas": 0}, {"replicas": 0, "updatedReplicas": 0}, Ready),
        ("StatefulSet", {}, DONE, Ready),
        ("StatefulSet", {}, {**DONE, "updatedReplicas": 0}, Waiting),
        (
            "StatefulSet",
            {"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}},
            {"replicas": 3, "readyReplicas": 3, "availableReplicas": 3, "updatedReplicas": 1},
            Ready,
        ),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, {**DONE, "updatedReplicas": 0}, Failed),
        ("DaemonSet", {}, DAEMONS, Ready),
        ("DaemonSet", {}, {**DAEMONS, "updatedNumberScheduled": 0}, Waiting),
        ("DaemonSet", {}, dict.fromkeys(("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled"), 0), Ready),
        ("Job", {}, {}, Waiting),
        ("Job", {}, {"succeeded": 1, "active": 0, "conditions": [{"type": "Complete", "status": "True"}]}, Ready),
        ("Job", {}, {"active": 0, "conditions": [{"type": "FailureTarget", "status": "True"}]}, Failed),
    ],
)  # fmt: skip
def test_done_is_said_only_when_nothing_old_is_left(
    kind: str, spec: Json, status: Json, expected: type
) -> None:
    assert isinstance(verdict(of=workload(kind, spec=spec, **status), kind=kind), expected)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job"])
def test_a_failing_pod_fails_the_rollout_of_each_kind(kind: str) -> None:
    found = verdict(pod(kind=kind, containerStatuses=[waiting("ErrImagePull", "m:9: not found")]), kind=kind)
    assert isinstance(found, Failed)
    assert "m:9: not found" in found.reason


def test_the_template_before_may_crash_while_the_new_one_comes() -> None:
    found = verdict(pod(old=True, containerStatuses=[crashing(1)]), pod(containerStatuses=[running()]))
    assert isinstance(found, Waiting)


def test_pods_of_others_are_not_looked_at() -> None:
    stranger = pod(containerStatuses=[crashing(1)])
    stranger["metadata"]["ownerReferences"] = [{"uid": "another"}]
    assert isinstance(verdict(stranger), Waiting)


def test_a_failed_container_is_named_for_its_log() -> None:
    found: Any = verdict(pod(name="w-1", containerStatuses=[crashing(1)]))
    assert (found.pod, found.container, found.previous) == ("w-1", "m", False)
    again = verdict(pod(containerStatuses=[running(restartCount=2, lastState=crashing(1)["lastState"])]))
    assert again.previous, "what it said at its end is in the log of its life before"
