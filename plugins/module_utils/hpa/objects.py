"""What the API shows of an HPA, its pods and their samples, as the controller sees it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..durations import duration
from ..k8s.autoscalers import is_kedas
from ..k8s.objects import condition, timestamp
from .limits import Memory, Recommendation
from .look import look
from .seen import Controller, Metric, Pod, Reading, Sample, Seen
from .spec import milli, read_spec
from .words import sentence

Json = Mapping[str, Any]
_CURRENT = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}
_LONG_AGO = float("-inf")

NO_VALUE = 2**63 - 1
"""At zero replicas an average is a division by zero, which the controller shows as the least or the greatest of its
integers, in thousandths: there is no value."""


def unread(hpa: Json) -> list[str]:
    """The names of its metrics that it did not read at its last look, or never; none of no HPA.

    What it could not read stands in its status without a type.
    """
    if not hpa:
        return []
    statuses = hpa.get("status", {}).get("currentMetrics") or []
    read = [bool(one.get("type")) for one in statuses]
    metrics = read_spec(hpa["spec"]).metrics
    return [metric.name for index, metric in enumerate(metrics) if not (index < len(read) and read[index])]


def next_look(
    hpa: Json, pods: Iterable[Json], samples: Iterable[Json], now: float, controller: Controller
) -> str:
    """What the HPA would decide now, and by which rule, in a sentence.

    ``pods``: those under its Deployment's selector; ``samples``: PodMetrics (metrics.k8s.io). Metrics of other sources
    are taken from the HPA's status. What it recommended earlier is known by its conditions alone: while they say that
    a scale-down is held back, the present number counts as recommended.
    """
    status = hpa.get("status", {})
    spec = read_spec(hpa["spec"], controller.downscale_window)
    pods = list(pods)
    seen_pods = tuple(pod_of(pod) for pod in pods)
    metrics = list(samples)
    current = status.get("currentReplicas") or 0
    statuses = status.get("currentMetrics") or []
    readings = tuple(
        _reading(metric, metrics, statuses[index] if index < len(statuses) else {}, seen_pods, current)
        for index, metric in enumerate(spec.metrics)
    )
    held = condition(hpa, "AbleToScale").get("reason") == "ScaleDownStabilized"
    memory = Memory(
        (Recommendation(status.get("desiredReplicas") or 0, now if held else _LONG_AGO),),
        scaled_to_zero=condition(hpa, "ScaledToZero").get("status") == "True",
    )
    if current == 0 and memory.scaled_to_zero and any(isinstance(reading, str) for reading in readings):
        return "there is no replica, since nobody asked: it took the last itself, and sets one when somebody asks"
    if current == 0 and is_kedas(hpa):
        return "there is no replica, since nobody asked: KEDA took the last, and sets one when somebody asks"
    seen = Seen(now, current, current, seen_pods, readings)
    words = sentence(look(spec, seen, memory, controller), seen, spec)
    strangers = ", ".join(foreign(hpa["spec"]["scaleTargetRef"]["name"], pods))
    return f"{words}; counts pods that are not its Deployment's: {strangers}" if strangers else words


def foreign(deployment: str, pods: Iterable[Json]) -> list[str]:
    """Names of the pods that no ReplicaSet of the Deployment made: canaries and debugging copies with its labels."""
    found = []
    for pod in pods:
        owners = pod["metadata"].get("ownerReferences") or []
        names = [one["name"].removeprefix(f"{deployment}-") for one in owners if one["kind"] == "ReplicaSet"]
        if not any("-" not in name for name in names):
            found.append(pod["metadata"]["name"])
    return found


def under(hpa: Json, deployments: Iterable[Json], pods: Iterable[Json]) -> list[Json]:
    """The pods that count: those with the labels that the HPA's Deployment selects by, whosever they are."""
    name = hpa["spec"]["scaleTargetRef"]["name"]
    selectors = [one["spec"]["selector"] for one in deployments if one["metadata"]["name"] == name]
    labels = selectors[0].get("matchLabels", {}) if selectors else {}
    # Of a mapping in a template `items()` is no set.
    return [
        pod
        for pod in pods
        if labels
        and all((pod["metadata"].get("labels") or {}).get(key) == value for key, value in labels.items())
    ]


def pod_of(pod: Json) -> Pod:
    """A pod as the API shows it."""
    spec, status = pod["spec"], pod.get("status", {})
    ready = condition(pod, "Ready")
    sidecars = [one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    return Pod(
        name=pod["metadata"]["name"],
        phase=status.get("phase", "Pending"),
        deleting=pod["metadata"].get("deletionTimestamp") is not None,
        ready=ready.get("status"),
        ready_since=timestamp(ready.get("lastTransitionTime")) or 0.0,
        started=timestamp(status.get("startTime")),
        requests={one["name"]: amounts(one, "requests") for one in (*spec.get("containers", ()), *sidecars)},
        pod_requests=amounts(spec, "requests"),
    )


def samples_of(metric: Metric, pod_metrics: Iterable[Json]) -> dict[str, Sample]:
    """A resource metric's samples; a pod of which not every container has one has none."""
    found = {}
    for one in pod_metrics:
        usages = [
            container["usage"].get(metric.name)
            for container in one["containers"]
            if metric.container in ("", container["name"])
        ]
        if usages and None not in usages:
            found[one["metadata"]["name"]] = Sample(
                sum(milli(usage) for usage in usages),
                timestamp(one["timestamp"]) or 0.0,
                duration(one["window"]),
            )
    return found


def _reading(
    metric: Metric, pod_metrics: list[Json], status: Json, pods: tuple[Pod, ...], current: int
) -> Reading:
    if metric.type in ("Resource", "ContainerResource"):
        return samples_of(metric, pod_metrics)
    source = status.get(metric.type.lower()) or {}
    value = source.get("current", {}).get(_CURRENT[metric.target_type])
    if value is None or abs(milli(value)) >= NO_VALUE:
        return "it had no value at the HPA's last look"
    amount = milli(value)
    if metric.type == "Pods":
        return {
            pod.name: Sample(amount, 0.0, 0.0) for pod in pods if pod.ready == "True" and not pod.deleting
        }
    return (amount * current if metric.target_type == "AverageValue" else amount,)


def amounts(item: Json, which: str) -> dict[str, int]:
    """``requests`` or ``limits`` of a container, or of a pod's spec, by resource, in thousandths."""
    found = (item.get("resources") or {}).get(which) or {}
    return {name: milli(amount) for name, amount in found.items()}
