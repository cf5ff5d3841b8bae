"""Finds the pods, asks them, and judges what they said together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..k8s.client import KubeApi
from ..k8s.errors import KubeError
from ..k8s.listing import get_workload
from ..k8s.objects import Json, label_selector, name_of
from .latency import Limits
from .pods import (
    Connect,
    Desired,
    PodResult,
    check_pods,
    ready_pods,
    skews,
    spreads,
    takes_traffic,
    with_skew,
)
from .skew import Skew


@dataclass(frozen=True)
class Outcome:
    """What all pods said; `gone` are those that ended while they were asked, and count no more."""

    results: tuple[PodResult, ...]
    skew: tuple[Skew, ...]
    spread: Mapping[str, float]
    gone: tuple[str, ...] = ()

    @property
    def bad(self) -> list[PodResult]:
        return [result for result in self.results if result.problems]

    @property
    def text(self) -> str:
        """The problems, one a line."""
        return "\n  ".join(f"{result.pod}: {problem}" for result in self.bad for problem in result.problems)

    def as_dict(self) -> dict[str, Any]:
        return {
            "pods": [result.as_dict() for result in self.results],
            "skew": [one.as_dict() for one in self.skew],
            "spread": dict(self.spread),
            "gone": list(self.gone),
        }


def find_pods(api: KubeApi, params: Mapping[str, Any]) -> list[Json]:
    """The ready pods that are meant; raises KubeError, also when they are too few."""
    namespace = params["namespace"]
    if params["pod"] is not None:
        return [_one(api, namespace, params["pod"])]
    selector = params["label_selector"]
    if params["deployment"] is not None:
        deployment = get_workload(api, "Deployment", namespace, params["deployment"])
        selector = label_selector(deployment["spec"]["selector"])
    pods = ready_pods(api, namespace, selector)
    _enough(len(pods), params["minimum_pods"], f"pods of {selector}", namespace)
    return pods


def check(
    api: KubeApi,
    connect: Connect,
    desired: Sequence[Desired],
    pods: Sequence[Json],
    *,
    minimum: int = 1,
    limits: Limits | None = None,
) -> Outcome:
    """Asks the pods. Of one that has ended meanwhile (an HPA takes pods away at any time) nothing is said.

    Raises KubeError when fewer than `minimum` are left.
    """
    results = check_pods(connect, desired, pods, limits)
    by_name = {name_of(pod): pod for pod in pods}
    gone = [result.pod for result in results if result.problems and _has_gone(api, by_name[result.pod])]
    left = [result for result in results if result.pod not in gone]
    if gone:
        _enough(
            len(left),
            minimum,
            f"pods (without {', '.join(gone)}, which ended meanwhile)",
            pods[0]["metadata"]["namespace"],
        )
    apart = skews(desired, left)
    left = with_skew(desired, left, apart)
    return Outcome(tuple(left), tuple(apart), spreads(desired, left), tuple(gone))


def _one(api: KubeApi, namespace: str, name: str) -> Json:
    found = api.get_or_none(f"/api/v1/namespaces/{namespace}/pods/{name}")
    if found is None:
        raise KubeError(
            404, "NotFound", f"no pod {name} in namespace {namespace}. Is it made yet, or ended already?"
        )
    if not takes_traffic(found):
        state = "is ending" if "deletionTimestamp" in found["metadata"] else "is not ready"
        raise KubeError(
            0, "TooFewPods", f"pod {name} in namespace {namespace} {state}. Wait until it is ready first."
        )
    return found


def _has_gone(api: KubeApi, pod: Json) -> bool:
    metadata = pod["metadata"]
    try:
        now = api.get_or_none(f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}")
    except KubeError:
        return False
    return (
        now is None
        or now["metadata"].get("uid") != metadata.get("uid")
        or "deletionTimestamp" in now["metadata"]
    )


def _enough(ready: int, minimum: int, what: str, namespace: str) -> None:
    if ready < minimum:
        raise KubeError(
            0,
            "TooFewPods",
            f"{ready} {what} in namespace {namespace} are ready, expected at least {minimum}. "
            "Wait for the rollout first (k8s_rollout).",
        )
