"""What a Deployment's rollout is doing, from what the API server says of it: done, under way, or in vain.

Pure: plain API objects and the time in, a verdict out. The point is to say "in vain" as soon as the cluster
knows it, in the cluster's own words, and never while it may still come ("a node is coming").
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .objects import Json, condition, owned_by, revision, seconds_since
from .pods import Failed, Waiting, pod_verdict

REPLICA_FAILURE_GRACE = 5.0
"""Seconds for which a refused pod is taken for a race (a service account or quota just being made)."""


@dataclass(frozen=True)
class Ready:
    """Every wanted replica runs the newest template and is available; nothing older is left."""

    text: str


Verdict = Ready | Waiting | Failed


@dataclass(frozen=True)
class Counts:
    """A Deployment's replica counts; what the API server leaves out is zero (wanted: one)."""

    wanted: int
    total: int
    updated: int
    ready: int
    available: int

    @classmethod
    def of(cls, deployment: Json) -> Counts:
        status = deployment.get("status", {})
        return cls(
            wanted=deployment["spec"].get("replicas", 1),
            total=status.get("replicas", 0),
            updated=status.get("updatedReplicas", 0),
            ready=status.get("readyReplicas", 0),
            available=status.get("availableReplicas", 0),
        )

    @property
    def done(self) -> bool:
        return self.wanted == self.total == self.updated == self.ready == self.available

    @property
    def text(self) -> str:
        old = self.total - self.updated
        return f"{self.available} of {self.wanted} available, {self.updated} updated" + (
            f", {old} old to go" if old > 0 else ""
        )


def diagnose(
    deployment: Json, replicasets: Sequence[Json], pods: Sequence[Json], events: Sequence[Json], now: float
) -> Verdict:
    """The state of the rollout at `now` (seconds since the epoch).

    `replicasets` and `pods` may hold strangers (they are told apart by owner), `events` those of the
    namespace. All three may be empty: they are only looked at while the Deployment itself is not done.
    """
    generation = deployment["metadata"].get("generation", 0)
    if deployment.get("status", {}).get("observedGeneration", 0) < generation:
        return Waiting("the change is not yet seen by the Deployment's controller")
    counts = Counts.of(deployment)
    if counts.done:
        return Ready(counts.text)
    if deployment["spec"].get("paused"):
        return Failed(
            "the Deployment is paused: its pods will not be replaced",
            (counts.text,),
            "resume it (spec.paused: false), then run again",
        )
    verdicts = list(_pod_verdicts(deployment, replicasets, pods, events, now))
    failed = [verdict for verdict in verdicts if isinstance(verdict, Failed)]
    if failed:
        return failed[0]
    waits = sorted({verdict.text for verdict in verdicts if isinstance(verdict, Waiting)})
    return _deployment_trouble(deployment, counts, waits, now) or Waiting("; ".join([counts.text, *waits]))


def newest_replicaset(deployment: Json, replicasets: Sequence[Json]) -> Json | None:
    """The ReplicaSet of the Deployment's present template: the highest revision it owns."""
    own = [rs for rs in replicasets if owned_by(rs, deployment)]
    return max(own, key=revision, default=None)


def previous_replicaset(deployment: Json, replicasets: Sequence[Json]) -> Json | None:
    """The ReplicaSet that the Deployment had before its present template."""
    own = sorted((rs for rs in replicasets if owned_by(rs, deployment)), key=revision)
    return own[-2] if len(own) > 1 else None


def _pod_verdicts(
    deployment: Json, replicasets: Sequence[Json], pods: Sequence[Json], events: Sequence[Json], now: float
) -> Iterator[Waiting | Failed]:
    newest = newest_replicaset(deployment, replicasets)
    if newest is None:
        return
    leaving = any("deletionTimestamp" in pod["metadata"] for pod in pods)
    for pod in pods:
        if owned_by(pod, newest) and "deletionTimestamp" not in pod["metadata"]:
            verdict = pod_verdict(pod, events, now, room_is_coming=leaving)
            if verdict is not None:
                yield verdict


def _deployment_trouble(deployment: Json, counts: Counts, waits: Sequence[str], now: float) -> Failed | None:
    """What the Deployment's own conditions say; asked after the pods, whose words are better."""
    refused = condition(deployment, "ReplicaFailure")
    if refused.get("status") == "True" and (
        seconds_since(refused.get("lastTransitionTime"), now) >= REPLICA_FAILURE_GRACE
    ):
        message = str(refused.get("message", ""))
        return Failed(
            f"the API server refuses the pods: {message}",
            (counts.text,),
            "raise the namespace's quota or lower requests and replicas"
            if "quota" in message
            else "change the pod template or the admission policy that refuses it",
        )
    progressing = condition(deployment, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Failed(
            "no progress within the Deployment's own deadline (progressDeadlineSeconds)",
            (counts.text, *waits),
            "look at the pods named above; nothing of the running version was taken away",
        )
    return None
