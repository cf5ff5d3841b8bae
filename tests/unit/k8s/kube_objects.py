"""Kubernetes objects as an API server gives them, as far as a rollout's diagnosis reads them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.diagnosis import Snapshot, diagnose

Json = dict[str, Any]

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
_numbers = itertools.count()


def ago(seconds: float) -> str:
    return datetime.fromtimestamp(NOW - seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def workload(kind: str = "Deployment", *, spec: Json | None = None, **status: Any) -> Json:
    """One replica wanted, its pod made and not ready."""
    counts: dict[str, Json] = {
        "Deployment": {"replicas": 1, "updatedReplicas": 1, "unavailableReplicas": 1},
        "StatefulSet": {"replicas": 1, "updatedReplicas": 1, "currentRevision": "w-new", "updateRevision": "w-new"},
        "DaemonSet": {"desiredNumberScheduled": 1, "currentNumberScheduled": 1, "updatedNumberScheduled": 1},
        "Job": {"active": 1, "ready": 0},
    }  # fmt: skip
    own = {"Job": {"completions": 1, "parallelism": 1}, "DaemonSet": {}}.get(kind, {"replicas": 1})
    return {
        "metadata": {
            "name": "w", "uid": "w-uid", "generation": 2, "creationTimestamp": ago(3600),
            "managedFields": [
                {"manager": "mlops.tfserving", "operation": "Apply", "time": ago(120)},
                {"manager": "kube-controller-manager", "operation": "Update", "time": ago(1), "subresource": "status"},
            ],
        },
        "spec": {**own, "selector": {"matchLabels": {"app": "w"}}, "template": {"spec": {}}, **(spec or {})},
        "status": {"observedGeneration": 2, **counts[kind], **status},
    }  # fmt: skip


def history(kind: str = "Deployment") -> list[Json]:
    """What keeps the present template, and the one before."""
    owner = [{"uid": "w-uid", "controller": True}]
    if kind == "Deployment":
        return [
            {
                "metadata": {
                    "name": f"w-{name}", "uid": f"w-{name}", "ownerReferences": owner,
                    "annotations": {"deployment.kubernetes.io/revision": number},
                },
            }
            for name, number in (("old", "1"), ("new", "2"))
        ]  # fmt: skip
    return [
        {
            "metadata": {"name": f"w-{name}", "ownerReferences": owner, "labels": {"controller-revision-hash": f"w-{name}"}},
            "revision": number,
        }
        for name, number in (("old", 1), ("new", 2))
    ]  # fmt: skip


def pod(
    *,
    name: str | None = None,
    kind: str = "Deployment",
    old: bool = False,
    age: float = 110,
    spec: Json | None = None,
    metadata: Json | None = None,
    **status: Any,
) -> Json:
    """A pod of the workload, of its present template or the one before, on node n1 unless told otherwise."""
    template = "w-old" if old else "w-new"
    return {
        "metadata": {
            "name": name or f"{template}-{next(_numbers)}", "uid": f"pod-{next(_numbers)}", "creationTimestamp": ago(age),
            "labels": {"app": "w", "controller-revision-hash": template},
            "ownerReferences": [{"uid": template if kind == "Deployment" else "w-uid", "controller": True}],
            **(metadata or {}),
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "m"}], **(spec or {})},
        "status": {"phase": "Pending", "startTime": ago(age), **status},
    }  # fmt: skip


def waiting(reason: str, message: str = "", *, image: str = "registry.example/m:9", **more: Any) -> Json:
    """The status of a container that waits."""
    return {
        "name": "m", "image": image, "ready": False, "started": False, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}}, **more,
    }  # fmt: skip


def running(**more: Any) -> Json:
    return {
        "name": "m", "ready": False, "started": True, "restartCount": 0, "state": {"running": {"startedAt": ago(60)}}, **more,
    }  # fmt: skip


def ended(code: int, reason: str = "Error", message: str = "", since: float = 5) -> Json:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, "finishedAt": ago(since)}}


def crashing(
    code: int, reason: str = "Error", message: str = "", *, restarts: int = 2, name: str = "m"
) -> Json:
    back_off = "back-off 20s restarting failed container=m pod=w_ns(1)"
    return waiting(
        "CrashLoopBackOff", back_off, restartCount=restarts, lastState=ended(code, reason, message), name=name
    )


def event(
    about: Json,
    reason: str,
    message: str,
    *,
    age: float = 3,
    count: int = 1,
    first: float | None = None,
    **more: Any,
) -> Json:
    """An event of the kubelet or a controller about an object."""
    return {
        "metadata": {"creationTimestamp": ago(first if first is not None else age)},
        "involvedObject": {"name": about["metadata"]["name"], "uid": about["metadata"]["uid"]},
        "reason": reason, "message": message, "count": count, "type": "Warning",
        "firstTimestamp": ago(first if first is not None else age), "lastTimestamp": ago(age), **more,
    }  # fmt: skip


def unscheduled(
    message: str, *, since: float = 3, spec: Json | None = None, kind: str = "Deployment"
) -> Json:
    refused = {
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        "lastTransitionTime": ago(since),
    }  # fmt: skip
    return pod(kind=kind, age=since, spec={"nodeName": None, **(spec or {})}, conditions=[refused])


def node(
    name: str = "n1", *, cpu: str = "3920m", memory: str = "12Gi", labels: Json | None = None,
    taints: list[Json] | None = None, ready: str = "True", since: float = 3600, message: str = "kubelet is posting ready status",
) -> Json:  # fmt: skip
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"taints": taints or []},
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": "110"},
            "conditions": [
                {"type": "Ready", "status": ready, "reason": "KubeletReady", "message": message, "lastTransitionTime": ago(since)}
            ],
        },
    }  # fmt: skip


def verdict(
    *pods: Json, of: Json | None = None, kind: str = "Deployment", events: tuple[Json, ...] = (),
    nodes: list[Json] | None = None,
) -> Any:  # fmt: skip
    return diagnose(Snapshot(kind, of or workload(kind), NOW, history(kind), pods, events, nodes))
