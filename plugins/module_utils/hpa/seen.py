"""What the controller of a HorizontalPodAutoscaler (HPA) sees at one look, and what the HPA asks for.

Amounts are whole thousandths ("milli"), as the controller computes: 250 is a quarter of a CPU. Times are seconds.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Literal

Ready = Literal["True", "False", "Unknown"]
MetricType = Literal["Resource", "ContainerResource", "Pods", "Object", "External"]
TargetType = Literal["Utilization", "AverageValue", "Value"]
SelectPolicy = Literal["Max", "Min", "Disabled"]


@dataclasses.dataclass(frozen=True)
class Sample:
    """A metric of a pod: its value, the end of the time it was measured over, and that time's length."""

    value: int
    t: float
    window: float


@dataclasses.dataclass(frozen=True)
class Pod:
    """A pod under the selector, whosever it is."""

    name: str
    phase: str = "Running"
    deleting: bool = False
    ready: Ready | None = "True"
    """the condition's status; None while there is no such condition"""
    ready_since: float = 0.0
    """when that status last changed"""
    started: float | None = 0.0
    """status.startTime: the kubelet has taken it"""
    requests: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    """by container, sidecars among them, and resource"""
    pod_requests: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """by resource, where the pod itself requests (spec.resources)"""
    count: int = 1
    """so many pods that are alike, each with the sample of this name: a simulation's, which has crowds of them"""


Reading = Mapping[str, Sample] | tuple[int, ...] | str
"""What a metric's source answered: a sample for each pod (Resource, ContainerResource, Pods), the values (Object,
External), or in words why there is none."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """Everything that one look goes by."""

    t: float
    replicas: int
    """spec.replicas of the Deployment's scale"""
    status_replicas: int
    """status.replicas of the same: pods that exist"""
    pods: tuple[Pod, ...]
    readings: tuple[Reading, ...]
    """in the order of the HPA's metrics"""


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric with its target."""

    type: MetricType
    name: str
    target_type: TargetType
    target: int
    """per cent for Utilization"""
    container: str = ""


@dataclasses.dataclass(frozen=True)
class Policy:
    """At most so many pods, or so many per cent, in a time."""

    type: Literal["Pods", "Percent"]
    value: int
    seconds: int


@dataclasses.dataclass(frozen=True)
class Rules:
    """The behaviour in one direction."""

    policies: tuple[Policy, ...]
    window: int
    """stabilisation window in seconds"""
    select: SelectPolicy = "Max"
    tolerance: float | None = None


@dataclasses.dataclass(frozen=True)
class Behavior:
    """spec.behavior, its defaults filled in."""

    up: Rules
    down: Rules


@dataclasses.dataclass(frozen=True)
class Spec:
    """An HPA's spec, its defaults filled in."""

    min: int
    max: int
    metrics: tuple[Metric, ...]
    behavior: Behavior | None = None


@dataclasses.dataclass(frozen=True)
class Controller:
    """How the controller was started, and of which Kubernetes it is.

    The defaults are kube-controller-manager's (--horizontal-pod-autoscaler-...).
    """

    minor: int = 37
    tolerance: float = 0.1
    downscale_window: float = 300.0
    cpu_initialization: float = 300.0
    """so long after a pod's start a sample counts only when it was measured while the pod was ready"""
    initial_readiness_delay: float = 30.0
    """a pod that is not ready and was ready no later than so long after its start was never ready"""

    @classmethod
    def of(cls, version: str) -> Controller:
        """That of a Kubernetes version as ``v1.35.4-gke.100``, with the defaults; the newest that is known of one that can't
        be read."""
        minor = re.match(r"v?1\.(\d+)", version)
        return cls(int(minor[1])) if minor else cls()

    @property
    def spec_tolerance(self) -> bool:
        """HPAConfigurableTolerance is on"""
        return self.minor >= 35

    @property
    def container_required(self) -> bool:
        """a pod without the named container stops the metric, where it once counted as requesting nothing"""
        return self.minor >= 35

    @property
    def scale_to_zero(self) -> bool:
        """HPAScaleToZero is on"""
        return self.minor >= 37
