"""What the timeline keeps of Kubernetes' objects. Pure.

Times in them are kept under their own names, in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..digits import natural
from ..hpa.objects import amounts
from ..variables.pod_needs import GPU
from .hpa import averages_of, metrics_of

if TYPE_CHECKING:  # long, and nothing but types is wanted of it
    from .schema import Deployment, Event, Hpa, HpaSpec, Node, Pod, PodSpec

Json = dict[str, Any]

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
    readiness = conditions.get("Ready", {})
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
        "accepted": seconds(pod.get("status", {}).get("startTime")),
        "readiness": readiness.get("status"),
        "readiness_since": seconds(readiness.get("lastTransitionTime")),
        "gone": False,
    }


def _pod_spec(pod: Json) -> PodSpec:
    spec = pod["spec"]
    sidecars = [one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    containers = [*spec.get("containers", ()), *sidecars]
    return {
        "name": pod["metadata"]["name"],
        "labels": dict(pod["metadata"].get("labels") or {}),
        "requests": {one["name"]: amounts(one, "requests") for one in containers},
        "limits": {one["name"]: amounts(one, "limits") for one in containers},
        "pod_requests": amounts(spec, "requests"),
    }


def _metrics_port(pod: Json) -> int | None:
    """Where the pod shows its metrics, as Prometheus is told."""
    port = (pod["metadata"].get("annotations") or {}).get("prometheus.io/port", "")
    return natural(str(port))


def _node(node: Json) -> Node:
    conditions, labels = _conditions(node), node["metadata"].get("labels") or {}
    return {
        "name": node["metadata"]["name"],
        "pool": labels.get("cloud.google.com/gke-nodepool", ""),
        "machine": labels.get("node.kubernetes.io/instance-type", ""),
        "spot": "true"
        in (labels.get("cloud.google.com/gke-spot"), labels.get("cloud.google.com/gke-preemptible")),
        "accelerators": _accelerators(node, labels),
        "disk_type": labels.get("cloud.google.com/gke-boot-disk", ""),
        "created": seconds(node["metadata"].get("creationTimestamp")),
        "ready": _since(conditions, "Ready"),
        "leaving": any(
            t["key"] == "ToBeDeletedByClusterAutoscaler" for t in node.get("spec", {}).get("taints") or []
        ),
        "gone": False,
    }


def _accelerators(node: Json, labels: Mapping[str, str]) -> dict[str, int]:
    """GKE's labels; cards that are shared are several of the node's, and one to pay.
    https://cloud.google.com/kubernetes-engine/docs/how-to/timesharing-gpus
    """
    kind = labels.get("cloud.google.com/gke-accelerator")
    if not kind:
        return {}
    seen = int(node.get("status", {}).get("capacity", {}).get(GPU) or 0)
    shared = int(labels.get("cloud.google.com/gke-max-shared-clients-per-gpu") or 1)
    return {kind: int(labels.get("cloud.google.com/gke-accelerator-count") or seen // shared)}


def _hpa(hpa: Json) -> Hpa:
    spec, status = hpa["spec"], hpa.get("status", {})
    return {
        "name": hpa["metadata"]["name"],
        "min": spec.get("minReplicas", 1),
        "max": spec["maxReplicas"],
        "current": status.get("currentReplicas", 0),
        "desired": status.get("desiredReplicas", 0),
        "metrics": metrics_of(hpa),
        "averages": averages_of(hpa),
        "conditions": {kind: str(one.get("reason", "")) for kind, one in sorted(_conditions(hpa).items())},
        "rescaled": seconds(status.get("lastScaleTime")),
        "gone": False,
    }


def _hpa_spec(hpa: Json) -> HpaSpec:
    return {"name": hpa["metadata"]["name"], "spec": dict(hpa["spec"])}


def _deployment(deployment: Json) -> Deployment:
    status = deployment.get("status", {})
    return {
        "name": deployment["metadata"]["name"],
        "wanted": deployment["spec"].get("replicas", 1),
        "ready": status.get("readyReplicas", 0),
        "selector": dict((deployment["spec"].get("selector") or {}).get("matchLabels") or {}),
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
    "pod": _pod, "pod_spec": _pod_spec, "node": _node, "hpa": _hpa, "hpa_spec": _hpa_spec, "deployment": _deployment,
    "event": _event,
}  # fmt: skip

ASIDE: dict[str, str] = {"pod": "pod_spec", "hpa": "hpa_spec"}
"""What is kept of an object beside its state, since it seldom changes."""
