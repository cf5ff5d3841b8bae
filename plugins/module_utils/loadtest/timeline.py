"""What the timeline keeps of Kubernetes' objects, and the numbers that can be read off it. Pure.

One event a line: ``{"t": seconds since 1970, "kind": ...}``. ``t`` is the controller's clock when it saw the
change; times in Kubernetes' objects are kept beside it under their own names, in the same unit.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import bisect
from collections.abc import Iterable
from datetime import datetime
from typing import Any

Json = dict[str, Any]

EVENT_REASONS = frozenset(
    {
        "SuccessfulRescale", "TriggeredScaleUp", "NotTriggerScaleUp", "ScaleDown", "FailedScheduling", "Scheduled",
        "Killing", "ScalingReplicaSet", "Unhealthy", "BackOff", "Failed", "Evicted", "RegisteredNode",
        "RemovingNode", "FailedGetContainerResourceMetric", "FailedGetResourceMetric", "ScaleDownEmpty",
        "ScaleDownFailed", "FailedScaleOut", "NodeNotReady", "Preempted", "OOMKilling",
    }
)  # fmt: skip
"""Events that explain what the autoscalers did."""


def seconds(timestamp: str | None) -> float | None:
    """A Kubernetes timestamp as seconds since 1970."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else None


def summary(kind: str, item: Json) -> Json | None:
    """What is kept of an object; None when nothing is."""
    return {
        "pod": _pod, "node": _node, "hpa": _hpa, "deployment": _deployment, "event": _event,
    }[kind](item)  # fmt: skip


def _conditions(item: Json) -> dict[str, Json]:
    return {c["type"]: c for c in item.get("status", {}).get("conditions") or []}


def _since(conditions: dict[str, Json], kind: str) -> float | None:
    condition = conditions.get(kind, {})
    return seconds(condition.get("lastTransitionTime")) if condition.get("status") == "True" else None


def _pod(pod: Json) -> Json:
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
    }


def _metrics_port(pod: Json) -> int | None:
    """Where the pod shows its metrics, as Prometheus is told."""
    port = (pod["metadata"].get("annotations") or {}).get("prometheus.io/port", "")
    return int(port) if str(port).isdigit() else None


def _node(node: Json) -> Json:
    conditions = _conditions(node)
    return {
        "name": node["metadata"]["name"],
        "pool": node["metadata"].get("labels", {}).get("cloud.google.com/gke-nodepool", ""),
        "created": seconds(node["metadata"].get("creationTimestamp")),
        "ready": _since(conditions, "Ready"),
        "leaving": any(
            t["key"] == "ToBeDeletedByClusterAutoscaler" for t in node.get("spec", {}).get("taints") or []
        ),
    }


def _hpa(hpa: Json) -> Json:
    status = hpa.get("status", {})
    metrics = status.get("currentMetrics") or []
    usage = [
        (metric.get("containerResource") or metric.get("resource") or {}).get("current", {})
        for metric in metrics
    ]
    targets = [
        (metric.get("containerResource") or metric.get("resource") or {}).get("target", {})
        for metric in hpa["spec"].get("metrics") or []
    ]
    return {
        "name": hpa["metadata"]["name"],
        "min": hpa["spec"].get("minReplicas", 1),
        "max": hpa["spec"]["maxReplicas"],
        "current": status.get("currentReplicas", 0),
        "desired": status.get("desiredReplicas", 0),
        "cpu_percent": next((u["averageUtilization"] for u in usage if "averageUtilization" in u), None),
        "target_percent": next((t["averageUtilization"] for t in targets if "averageUtilization" in t), None),
    }


def _deployment(deployment: Json) -> Json:
    status = deployment.get("status", {})
    return {
        "name": deployment["metadata"]["name"],
        "wanted": deployment["spec"].get("replicas", 1),
        "ready": status.get("readyReplicas", 0),
    }


def _event(event: Json) -> Json | None:
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


def of_kind(events: Iterable[Json], kind: str) -> list[Json]:
    return [event for event in events if event["kind"] == kind]


def counts_over_time(events: list[Json], kind: str, **fields: Any) -> list[tuple[float, int]]:
    """(t, how many objects of the kind are ready) after every change; ``fields`` choose among them."""
    alive: set[str] = set()
    steps: list[tuple[float, int]] = []
    for event in of_kind(events, kind):
        if any(event.get(key) != value for key, value in fields.items()):
            continue
        if event.get("gone") or event["ready"] is None:
            alive.discard(event["name"])
        else:
            alive.add(event["name"])
        if not steps or steps[-1][1] != len(alive):
            steps.append((event["t"], len(alive)))
    return steps


def since(steps: list[tuple[float, int]], begin: float, first: int) -> list[tuple[float, int]]:
    """Steps since the run began: the first list of objects comes one by one and is no change."""
    return [(begin, first), *((t, value) for t, value in steps if t > begin)]


def value_at(steps: list[tuple[float, int]], t: float) -> int:
    """The value in force at a time; 0 before the first."""
    index = bisect.bisect_right(steps, t, key=lambda step: step[0])
    return steps[index - 1][1] if index else 0


def load_of(event: Json) -> float:
    """How much load there is in a sample: users, or, in the open model, requests a second that are due."""
    if event.get("users") is None:
        return float(event.get("offered") or 0.0)
    return float(event["users"])


def falls_at(events: list[Json]) -> float | None:
    """When the load begins to go for good; None while it has not."""
    loads = of_kind(events, "load")
    if not loads:
        return None
    top = max(load_of(event) for event in loads)
    last_top = max(index for index, event in enumerate(loads) if load_of(event) == top)
    return float(loads[last_top + 1]["t"]) if last_top + 1 < len(loads) else None
