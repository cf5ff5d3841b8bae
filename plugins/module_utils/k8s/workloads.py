"""Deployments, StatefulSets, DaemonSets and Jobs alike: where they live, how many pods they want and have.

Pure. When a rollout is done follows kubectl's `rollout status`, but nothing older may be left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .objects import REVISION, Json, condition, is_true, owned_by, revision

HASH = "controller-revision-hash"


@dataclass(frozen=True)
class Kind:
    """A kind of workload: the API group's path, its resource, and what keeps its earlier templates."""

    group: str
    resource: str
    history: str | None


KINDS = {
    "Deployment": Kind("/apis/apps/v1", "deployments", "replicasets"),
    "StatefulSet": Kind("/apis/apps/v1", "statefulsets", "controllerrevisions"),
    "DaemonSet": Kind("/apis/apps/v1", "daemonsets", "controllerrevisions"),
    "Job": Kind("/apis/batch/v1", "jobs", None),
}


def collection_path(kind: str, namespace: str) -> str:
    return f"{KINDS[kind].group}/namespaces/{namespace}/{KINDS[kind].resource}"


def workload_path(kind: str, namespace: str, name: str) -> str:
    return f"{collection_path(kind, namespace)}/{name}"


def history_path(kind: str, namespace: str) -> str | None:
    found = KINDS[kind]
    return found.history and f"{found.group}/namespaces/{namespace}/{found.history}"


@dataclass(frozen=True)
class Counts:
    """A workload's pods; what the API server leaves out is zero (wanted: one). `old_kept`: by a partition."""

    desired: int
    total: int
    updated: int
    ready: int
    available: int
    old_kept: int = 0

    @classmethod
    def of(cls, kind: str, workload: Json) -> Counts:
        spec, status = workload["spec"], workload.get("status", {})
        if kind == "DaemonSet":
            return cls(
                desired=status.get("desiredNumberScheduled", 0),
                total=status.get("currentNumberScheduled", 0),
                updated=status.get("updatedNumberScheduled", 0),
                ready=status.get("numberReady", 0),
                available=status.get("numberAvailable", 0),
            )
        if kind == "Job":
            desired = spec.get("completions", spec.get("parallelism", 1))
            done = status.get("succeeded", 0)
            return cls(desired, status.get("active", 0), done, status.get("ready", 0) or 0, done)
        strategy = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
        desired = spec.get("replicas", 1)
        return cls(
            desired=desired,
            total=status.get("replicas", 0),
            updated=status.get("updatedReplicas", 0),
            ready=status.get("readyReplicas", 0),
            available=status.get("availableReplicas", 0),
            old_kept=min(desired, strategy.get("partition") or 0),
        )

    @property
    def done(self) -> bool:
        return self.desired == self.total == self.ready == self.available and (
            self.desired - self.old_kept <= self.updated <= self.desired
        )

    @property
    def text(self) -> str:
        old = self.total - self.updated
        text = f"{self.available} of {self.desired} available, {self.updated} updated"
        if self.old_kept:
            return f"{text}, {self.old_kept} kept as they are (partition)"
        return text + (f", {old} old to go" if old > 0 else "")


def is_observed(kind: str, workload: Json) -> bool:
    """Whether the workload's controller has seen its present spec (a Job's controller does not say)."""
    generation = workload["metadata"].get("generation", 0)
    return kind == "Job" or int(workload.get("status", {}).get("observedGeneration", 0)) >= int(generation)


def stands_still(kind: str, workload: Json) -> tuple[str, str] | None:
    """Why nothing will be replaced although nothing is wrong (reason, way out); None when it will."""
    spec = workload["spec"]
    if kind == "Deployment" and spec.get("paused"):
        return (
            "the Deployment is paused: its pods will not be replaced",
            "resume it (spec.paused: false), then run again",
        )
    if kind == "Job" and spec.get("suspend"):
        return (
            "the Job is suspended: its pods will not run",
            "resume it (spec.suspend: false), then run again",
        )
    counts = Counts.of(kind, workload)
    strategy = (spec.get("updateStrategy") or {}).get("type")
    if strategy == "OnDelete" and counts.updated < counts.desired == counts.ready:
        return (
            f"the {kind}'s update strategy is OnDelete: {counts.desired - counts.updated} pods keep the old template",
            "delete the old pods, or set the update strategy to RollingUpdate",
        )
    return None


def job_end(job: Json) -> tuple[bool, str] | None:
    """Whether a Job has ended well, and its own words; None while it runs."""
    for kind, well in (("Complete", True), ("Failed", False), ("FailureTarget", False)):
        if is_true(job, kind):
            found = condition(job, kind)
            return well, ": ".join(filter(None, (found.get("reason"), found.get("message"))))
    return None


def newest_replicaset(deployment: Json, replicasets: Sequence[Json]) -> Json | None:
    """The ReplicaSet of the Deployment's present template: the highest revision it owns."""
    return max((rs for rs in replicasets if owned_by(rs, deployment)), key=revision, default=None)


def newest_revision(workload: Json, revisions: Sequence[Json]) -> Json | None:
    """The ControllerRevision of a StatefulSet's or DaemonSet's present template."""
    own = [found for found in revisions if owned_by(found, workload)]
    return max(own, key=lambda found: int(found.get("revision", 0)), default=None)


def current_pods(
    kind: str, workload: Json, history: Sequence[Json], pods: Sequence[Json]
) -> tuple[list[Json], list[Json]]:
    """The workload's own pods: those of its present template, and older ones. `history` is of its kind."""
    if kind == "Job":
        return [pod for pod in pods if owned_by(pod, workload)], []
    if kind == "Deployment":
        newest = newest_replicaset(workload, history)
        sets = [rs for rs in history if owned_by(rs, workload)]
        own = [pod for pod in pods if any(owned_by(pod, rs) for rs in sets)]
        new = [newest is not None and owned_by(pod, newest) for pod in own]
    else:
        own = [pod for pod in pods if owned_by(pod, workload)]
        mark = update_hash(kind, workload, history)
        new = [(pod["metadata"].get("labels") or {}).get(HASH) == mark for pod in own]
    return (
        [pod for pod, is_new in zip(own, new, strict=True) if is_new],
        [pod for pod, is_new in zip(own, new, strict=True) if not is_new],
    )


def update_hash(kind: str, workload: Json, history: Sequence[Json]) -> str | None:
    """The mark that pods of the present template carry (label controller-revision-hash)."""
    if kind == "StatefulSet":
        found: str | None = workload.get("status", {}).get("updateRevision")
        return found
    newest = newest_revision(workload, history)
    return None if newest is None else str((newest["metadata"].get("labels") or {}).get(HASH, ""))


def revision_of(kind: str, workload: Json) -> str:
    """The revision in words, as far as the workload itself says: a number (Deployment) or a name."""
    if kind == "Deployment":
        return str((workload["metadata"].get("annotations") or {}).get(REVISION, ""))
    return str(workload.get("status", {}).get("updateRevision", ""))
