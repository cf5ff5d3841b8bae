"""What the timeline keeps of Kubernetes' objects. Pure.

Times in them are kept under their own names, in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from .hpa import metrics_of
from .schema import Deployment, Event, Hpa, Json, Node, Pod

EVENT_REASONS = frozenset(
    {
        "SuccessfulRescale", "TriggeredScaleUp", "NotTriggerScaleUp", "ScaleDown", "FailedScheduling", "Scheduled",
        "Killing", "ScalingReplicaSet", "Unhealthy", "BackOff", "Failed", "Evicted", "RegisteredNode",
        "RemovingNode", "FailedGetContainerResourceMetric", "FailedGetResourceMetric", "FailedGetPodsMetric",
        "FailedGetObjectMetric", "FailedGetExternalMetric", "KEDAScaleTargetActivated", "KEDAScaleTargetDeactivated",
        "ScaleDownEmpty", "ScaleDownFailed", "FailedScaleOut", "NodeNotReady", "Preempted", "OOMKilling",
    }
)  # fmt: skip
"""Events that explain what the autoscalers did."""


def seconds(timestamp: str | None) -> float | None:
    """A Kubernetes timestamp as seconds since 1970."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else None


def summary(kind: str, item: Json) -> Mapping[str, Any] | None:
    """What is kept of an object; None when nothing is."""
    return _SUMMARIES[kind](item)


def _conditions(item: Json) -> dict[str, Json]:
    return {c["type"]: c for c in item.get("status", {}).get("conditions") or []}


def _since(conditions: dict[str, Json], kind: str) -> float | None:
    condition = conditions.get(kind, {})
    return seconds(condition.get("lastTransitionTime")) if condition.get("status") == "True" else None


def _pod(pod: Json) -> Pod:
    conditions = _conditions(pod)
    statuses = pod.get("status", {}).get("containerStatuses") or []
    started = [seconds(s.get("state", {}).get("running", {}).get("startedAt")) for s in statuses]
    known = [moment for moment in started if moment is not None]
    return {
        "name": pod["metadata"]["name"],
        "app": pod["metadata"].get("labels", {}).get("app", ""),
        "phase": pod.get("status", {}).get("phase"),
        "node": pod["spec"].get("nodeName"),
        "created": seconds(pod["metadata"].get("creationTimestamp")),
        "scheduled": _since(conditions, "PodScheduled"),
        "initialized": _since(conditions, "Initialized"),
        "started": max(known) if known else None,
        "ready": _since(conditions, "Ready"),
        "leaving": "deletionTimestamp" in pod["metadata"],
        "metrics_port": _metrics_port(pod),
        "gone": False,
    }


def _metrics_port(pod: Json) -> int | None:
    """Where the pod shows its metrics, as Prometheus is told."""
    port = (pod["metadata"].get("annotations") or {}).get("prometheus.io/port", "")
    return int(port) if str(port).isdigit() else None


def _node(node: Json) -> Node:
    conditions = _conditions(node)
    return {
        "name": node["metadata"]["name"],
        "pool": node["metadata"].get("labels", {}).get("cloud.google.com/gke-nodepool", ""),
        "created": seconds(node["metadata"].get("creationTimestamp")),
        "ready": _since(conditions, "Ready"),
        "leaving": any(
            t["key"] == "ToBeDeletedByClusterAutoscaler" for t in node.get("spec", {}).get("taints") or []
        ),
        "gone": False,
    }


def _hpa(hpa: Json) -> Hpa:
    spec, status = hpa["spec"], hpa.get("status", {})
    return {
        "name": hpa["metadata"]["name"],
        "min": spec.get("minReplicas", 1),
        "max": spec["maxReplicas"],
        "current": status.get("currentReplicas", 0),
        "desired": status.get("desiredReplicas", 0),
        "metrics": metrics_of(hpa),
        "gone": False,
    }


def _deployment(deployment: Json) -> Deployment:
    status = deployment.get("status", {})
    return {
        "name": deployment["metadata"]["name"],
        "wanted": deployment["spec"].get("replicas", 1),
        "ready": status.get("readyReplicas", 0),
        "gone": False,
    }


def _event(event: Json) -> Event | None:
    if event.get("reason") not in EVENT_REASONS:
        return None
    about = event.get("involvedObject", {})
    moment = (
        event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    )
    return {
        "reason": event["reason"],
        "object": f"{about.get('kind', '')}/{about.get('name', '')}",
        "at": seconds(moment),
        "message": str(event.get("message", ""))[:300],
    }


_SUMMARIES: dict[str, Callable[[Json], Mapping[str, Any] | None]] = {
    "pod": _pod, "node": _node, "hpa": _hpa, "deployment": _deployment, "event": _event,
}  # fmt: skip
