"""How many replicas one metric asks for, and by which rule.

After ``pkg/controller/podautoscaler/replica_calculator.go`` of Kubernetes 1.34 to 1.37; tests/hpa holds it
against theirs. Pure.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from .seen import Controller, Metric, Pod, Sample, Seen, Spec

Rule = Literal[
    "ratio",  # replicas are multiplied by value / target
    "tolerance",  # the value is near enough to the target
    "unready",  # with the pods that do not count yet as using nothing: near enough, or below
    "missing",  # with the pods without a sample as using what would not move it: near enough, or beyond
    "length",  # the pods counted are so many, or few, that the result would point the other way
    "unreadable",  # there is no value
]


@dataclasses.dataclass(frozen=True)
class Proposal:
    """What a metric asks for."""

    rule: Rule
    replicas: int | None = None
    """None when the metric could not be read"""
    value: int | None = None
    """what it saw, as the HPA's status shows it: per cent for Utilization"""
    ratio: float = 1.0
    """value / target, of the pods that have a sample that counts"""
    all_ratio: float = 1.0
    """the same with the pods that do not count filled in"""
    counted: int = 0
    """pods with a sample that counts"""
    unready: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    problem: str = ""


class _Unreadable(Exception):
    """Why a metric has no value."""


@dataclasses.dataclass(frozen=True)
class _Tolerance:
    down: float
    up: float

    def holds(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


def proposal(metric: Metric, index: int, seen: Seen, spec: Spec, controller: Controller) -> Proposal:
    """What the metric at ``index`` of the HPA asks for at this look."""
    reading = seen.readings[index]
    tolerance = _tolerance(spec, controller)
    try:
        if isinstance(reading, str):
            raise _Unreadable(reading)
        if isinstance(reading, Mapping):
            return _of_pods(metric, reading, seen, tolerance, controller)
        if metric.target_type == "AverageValue":
            return _of_a_total(metric, sum(reading), seen.status_replicas, tolerance)
        return _of_a_value(metric, sum(reading), seen, tolerance)
    except _Unreadable as problem:
        return Proposal("unreadable", problem=str(problem))


def _tolerance(spec: Spec, controller: Controller) -> _Tolerance:
    own = spec.behavior if controller.spec_tolerance else None
    up, down = (own.up.tolerance, own.down.tolerance) if own else (None, None)
    default = controller.tolerance
    return _Tolerance(default if down is None else down, default if up is None else up)


def _of_pods(
    metric: Metric, samples: Mapping[str, Sample], seen: Seen, tolerance: _Tolerance, controller: Controller
) -> Proposal:
    if not samples:
        raise _Unreadable("no metrics returned")
    if not seen.pods:
        raise _Unreadable("no pods returned by selector while calculating replica count")
    ready, unready, missing, ignored = _grouped(seen, samples, metric, controller)
    values = {name: one.value for name, one in samples.items() if name not in ignored and name not in unready}
    if not values:
        raise _Unreadable("did not receive metrics for targeted pods (pods might be unready)")
    measure, at_target = _measures(metric, seen.pods, controller)
    ratio, value = measure(values)
    all_ratio = ratio
    counts = {pod.name: pod.count for pod in seen.pods}
    counted = _how_many(values, counts)

    def answer(rule: Rule, replicas: int) -> Proposal:
        return Proposal(rule, replicas, value, ratio, all_ratio, counted, tuple(unready), tuple(missing))

    unready_count = bool(unready) and ratio > 1.0
    if not unready_count and not missing:
        if tolerance.holds(ratio):
            return answer("tolerance", seen.replicas)
        return answer("ratio", math.ceil(ratio * ready))
    if ratio != 1.0:
        values |= {name: at_target(name) if ratio < 1.0 else 0 for name in missing}
    if unready_count:
        values |= dict.fromkeys(unready, 0)
    all_ratio, _ = measure(values)
    turned = (ratio < 1.0 < all_ratio) or (all_ratio < 1.0 < ratio)
    if tolerance.holds(all_ratio) or turned:
        if tolerance.holds(ratio):
            return answer("tolerance", seen.replicas)
        return answer("unready" if unready_count else "missing", seen.replicas)
    wanted = math.ceil(all_ratio * _how_many(values, counts))
    if (all_ratio < 1.0 and wanted > seen.replicas) or (all_ratio > 1.0 and wanted < seen.replicas):
        return answer("length", seen.replicas)
    return answer("ratio", wanted)


def _of_a_total(metric: Metric, total: int, replicas: int, tolerance: _Tolerance) -> Proposal:
    """An average over the replicas of a value that is theirs together; tolerance counts, readiness does not."""
    ratio = _divided(float(total), float(metric.target) * replicas)
    value = math.ceil(total / replicas) if replicas else None
    if tolerance.holds(ratio):
        return Proposal("tolerance", replicas, value, ratio, ratio, replicas)
    return Proposal("ratio", math.ceil(total / metric.target), value, ratio, ratio, replicas)


def _of_a_value(metric: Metric, value: int, seen: Seen, tolerance: _Tolerance) -> Proposal:
    ratio = value / metric.target
    if seen.replicas == 0:
        return Proposal("ratio", math.ceil(ratio), value, ratio, ratio)
    if tolerance.holds(ratio):
        return Proposal("tolerance", seen.replicas, value, ratio, ratio)
    if not seen.pods:
        raise _Unreadable("no pods returned by selector while calculating replica count")
    ready = sum(pod.count for pod in seen.pods if pod.phase == "Running" and pod.ready == "True")
    return Proposal("ratio", min(math.ceil(ratio * ready), 2**31 - 1), value, ratio, ratio, ready)


def _divided(value: float, by: float) -> float:
    if by:
        return value / by
    return math.nan if value == 0 else math.copysign(math.inf, value)


def _grouped(
    seen: Seen, samples: Mapping[str, Sample], metric: Metric, controller: Controller
) -> tuple[int, list[str], list[str], set[str]]:
    """(how many count, not ready, without a sample, on their way out)"""
    cpu = metric.name == "cpu" and metric.type in ("Resource", "ContainerResource")
    ready, unready, missing, ignored = 0, [], [], set()
    for pod in seen.pods:
        if pod.deleting or pod.phase == "Failed":
            ignored.add(pod.name)
        elif pod.phase == "Pending":
            unready.append(pod.name)
        elif pod.name not in samples:
            missing.append(pod.name)
        elif cpu and _starting(pod, samples[pod.name], seen.t, controller):
            unready.append(pod.name)
        else:
            ready += pod.count
    return ready, unready, missing, ignored


def _starting(pod: Pod, sample: Sample, now: float, controller: Controller) -> bool:
    """Whether a sample of CPU tells of the pod's start rather than of its work."""
    if pod.ready is None or pod.started is None:
        return True
    if pod.started + controller.cpu_initialization > now:
        return pod.ready == "False" or sample.t < pod.ready_since + sample.window
    return pod.ready == "False" and pod.started + controller.initial_readiness_delay > pod.ready_since


def _measures(
    metric: Metric, pods: tuple[Pod, ...], controller: Controller
) -> tuple[Callable[[Mapping[str, int]], tuple[float, int]], Callable[[str], int]]:
    """(pods' values to ratio and average, what a pod would use that moves nothing)"""
    counts = {pod.name: pod.count for pod in pods}
    if metric.target_type != "Utilization":

        def average(values: Mapping[str, int]) -> tuple[float, int]:
            total = sum(value * counts.get(name, 1) for name, value in values.items())
            mean = _quotient(total, _how_many(values, counts))
            return mean / metric.target, mean

        return average, lambda _: metric.target
    requests = {pod.name: _request(pod, metric, controller) for pod in pods}

    def utilization(values: Mapping[str, int]) -> tuple[float, int]:
        requested = sum(requests[name] * counts[name] for name in values if name in requests)
        if not requested:
            raise _Unreadable("no metrics returned matched known pods")
        used = sum(value * counts[name] for name, value in values.items() if name in requests)
        percent = _quotient(100 * used, requested)
        return percent / metric.target, percent

    return utilization, lambda name: requests[name] * max(100, metric.target) // 100


def _how_many(names: Iterable[str], counts: Mapping[str, int]) -> int:
    return sum(counts.get(name, 1) for name in names)


def _quotient(value: int, by: int) -> int:
    """Towards zero, as Go divides."""
    return value // by if value >= 0 else -(-value // by)


def _request(pod: Pod, metric: Metric, controller: Controller) -> int:
    resource, container = metric.name, metric.container
    if container:
        if container in pod.requests:
            return _requested(pod, container, resource)
        if controller.container_required:
            raise _Unreadable(f"container {container} not found in Pod {pod.name}")
        return 0
    if pod.pod_requests:
        of_containers = [one[resource] for one in pod.requests.values() if resource in one]
        if resource not in pod.pod_requests and not of_containers:
            raise _Unreadable(f"missing pod-level request for {resource} in Pod {pod.name}")
        return pod.pod_requests.get(resource, sum(of_containers))
    return sum(_requested(pod, name, resource) for name in pod.requests)


def _requested(pod: Pod, container: str, resource: str) -> int:
    if resource not in pod.requests[container]:
        raise _Unreadable(f"missing request for {resource} in container {container} of Pod {pod.name}")
    return pod.requests[container][resource]
