"""What several sources say of the same load at the same moments, and what the HPA would make of each."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.sources import (
    Site,
    external_name,
    gke_metrics,
    promql,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.quantities import quantity

from .following import Following

Json = dict[str, Any]
NAMESPACE, NAME, SECONDS = "tfserving", "image-classifier", 15
IN_FLIGHT: Json = {"type": "in_flight", "target": 2}
EXTERNAL = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}"
CUSTOM = f"/apis/custom.metrics.k8s.io/v1beta2/namespaces/{NAMESPACE}/pods"
METRICS = f"/apis/autoscaling.gke.io/v1beta1/namespaces/{NAMESPACE}/autoscalingmetrics"
_LOOK_SECONDS = 2


def site(source: str) -> Site:
    return Site(NAME, NAMESPACE, "tfserving", 60, source, SECONDS, "")


def wanted(total: float, most: int) -> int:
    """Replicas by a total, as autoscaling/v2 has it of AverageValue, between one and ``most``."""
    return min(max(math.ceil(total / IN_FLIGHT["target"]), 1), most)


def external_total(api: KubeClient) -> float:
    """By prometheus-adapter."""
    name = external_name(IN_FLIGHT, site("prometheus"))
    return _sum(api, f"{EXTERNAL}/{name}")


def keda_total(api: KubeClient) -> float:
    """By KEDA's adapter, of its second trigger."""
    return _sum(api, f"{EXTERNAL}/s1-prometheus", labelSelector=f"scaledobject.keda.sh/name={NAME}")


def prometheus_total(api: KubeClient) -> float:
    """By the role's Prometheus itself."""
    path = f"/api/v1/namespaces/{NAMESPACE}/services/http:{NAME}-prometheus:9090/proxy/api/v1/query"
    (one,) = _asked(api, path, query=promql(IN_FLIGHT, site("prometheus")))["data"]["result"]
    return float(one["value"][1])


def gke_total(api: KubeClient) -> float:
    """By GKE's adapter, of the AutoscalingMetric that ``SideBySide`` makes."""
    name = quote("autoscaling.gke.io|beside|in-flight", safe="")
    return _sum(api, f"{CUSTOM}/*/{name}", labelSelector=f"app={NAME}")


def _sum(api: KubeClient, path: str, **query: object) -> float:
    return sum(float(quantity(one["value"])) for one in _asked(api, path, **query)["items"])


def _asked(api: KubeClient, path: str, **query: object) -> Json:
    """Values are no objects, as everything else in a list is."""
    status, _, body = api.raw("GET", path, query=query, timeout=10)
    if status != 200:
        raise KubeError(status, "", f"GET {path}: {status} {body!r:.300}")
    return dict(json.loads(body))


BOTH = {"prometheus": external_total, "gke": gke_total}
"""What a cluster without KEDA can have at once."""


@dataclass(frozen=True)
class Moment:
    """Totals of requests in flight, by source."""

    t: float
    totals: Mapping[str, float]


@dataclass
class SideBySide(Following):
    """Reads all of them as long as the block lasts; GKE's by an AutoscalingMetric of its own, as the role would make it."""

    api: KubeClient
    sources: Mapping[str, Callable[[KubeClient], float]]
    moments: list[Moment] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        kind = {"apiVersion": "autoscaling.gke.io/v1beta1", "kind": "AutoscalingMetric"}
        body = {
            **kind,
            "metadata": {"name": "beside"},
            "spec": {"metrics": gke_metrics([IN_FLIGHT], site("gke"))},
        }
        self.api.post(METRICS, body)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.api.delete(f"{METRICS}/beside")

    def apart(self, most: int, seconds: float) -> list[str]:
        """Moments at which an HPA by one would have two replicas more than by another, or more; what all said before.

        ``seconds``: for so long the highest recommendation counts (``autoscaling_scale_down_stabilization_seconds``).
        """
        found = []
        for now in self.moments:
            before = [one for one in self.moments if now.t - seconds <= one.t <= now.t]
            decisions = [max(wanted(one.totals[source], most) for one in before) for source in self.sources]
            if max(decisions) - min(decisions) > 1:
                said = ", ".join(" ".join(f"{total:.1f}" for total in one.totals.values()) for one in before)
                found.append(f"{now.t - self.moments[0].t:.0f} s: {decisions} of {said}")
        return found

    def _follow(self) -> None:
        while not self.stop.wait(_LOOK_SECONDS):
            try:
                totals = {source: read(self.api) for source, read in self.sources.items()}
            except (KubeError, ValueError) as error:
                self.problems.append(str(error))
            else:
                self.moments.append(Moment(time.time(), totals))
