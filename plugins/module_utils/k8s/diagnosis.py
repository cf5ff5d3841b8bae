"""What a workload's rollout is doing, from what the API server says of it: done, under way, or in vain.

Pure: plain API objects and the time in, a verdict out. The point is to say "in vain" as soon as the cluster
knows it, in the cluster's own words, and never while it may still come ("a node is coming").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .containers import last_words
from .objects import Json, condition, is_true, name_of
from .placement import leaving
from .pods import ended_again_and_again, killed_by_its_controller, needs_nodes, pod_verdict
from .refusals import refusal
from .verdicts import Failed, Ready, Verdict, Waiting
from .workloads import (
    Counts,
    current_pods,
    is_observed,
    job_end,
    newest_replicaset,
    stands_still,
)


@dataclass(frozen=True)
class Snapshot:
    """A workload and what belongs to it, at one moment.

    `history` are ReplicaSets (Deployment) or ControllerRevisions (StatefulSet, DaemonSet). `history`, `pods` and
    `events` may hold strangers, they are told apart by owner; `nodes` is None where they are not known.
    """

    kind: str
    workload: Json
    now: float
    history: Sequence[Json] = ()
    pods: Sequence[Json] = ()
    events: Sequence[Json] = ()
    nodes: Sequence[Json] | None = None


def settled(kind: str, workload: Json) -> Ready | Waiting | None:
    """What the workload alone tells: done, or not even seen by its controller; None: look at its pods."""
    if kind == "Job":
        ended = job_end(workload)
        return Ready(_job_text(workload)) if ended is not None and ended[0] else None
    if not is_observed(kind, workload):
        return Waiting(
            f"the change is not yet seen by the {kind}'s controller",
            "is the kube-controller-manager running?",
        )
    counts = Counts.of(kind, workload)
    return Ready(counts.text) if counts.done else None


def wants_nodes(snapshot: Snapshot) -> bool:
    """Whether the verdict may depend on nodes, which are many and not always allowed to be listed."""
    new, old = current_pods(snapshot.kind, snapshot.workload, snapshot.history, snapshot.pods)
    return any(needs_nodes(pod, snapshot.events, snapshot.now) for pod in [*new, *old])


def diagnose(snapshot: Snapshot) -> Verdict:
    """The state of the rollout at that moment."""
    kind, workload = snapshot.kind, snapshot.workload
    known = settled(kind, workload)
    if known is not None:
        return known
    still = stands_still(kind, workload)
    if still is not None:
        return Failed(still[0], (_text(kind, workload),), still[1])
    new, old = current_pods(kind, workload, snapshot.history, snapshot.pods)
    if kind == "Job" and job_end(workload) is not None:
        return _failed_job(workload, new)
    verdicts = list(_verdicts(snapshot, new, old))
    for verdict in verdicts:
        if isinstance(verdict, Failed):
            return verdict
    waits = [verdict for verdict in verdicts if isinstance(verdict, Waiting)]
    return _workload_trouble(snapshot, new, old, waits) or _waiting(_text(kind, workload), waits)


def _verdicts(snapshot: Snapshot, new: Sequence[Json], old: Sequence[Json]) -> Iterator[Waiting | Failed]:
    """What each pod that matters has to say; failures of the present template first."""
    kind = snapshot.kind
    going = any("deletionTimestamp" in pod["metadata"] for pod in snapshot.pods)
    for pod in new:
        if "deletionTimestamp" not in pod["metadata"]:
            verdict = pod_verdict(
                pod,
                snapshot.events,
                snapshot.now,
                nodes=snapshot.nodes,
                room_is_coming=going,
                replaced=kind in ("Deployment", "Job"),
                retried=kind == "Job",
            )
            if verdict is not None:
                yield verdict
    if kind != "Job":
        ended = ended_again_and_again(new, snapshot.now)
        if ended is not None:
            yield ended
    killed = killed_by_its_controller(snapshot.workload, snapshot.events, snapshot.now)
    if killed is not None:
        yield killed
    yield from _in_the_way(snapshot, [*new, *old], old)


def _in_the_way(snapshot: Snapshot, pods: Sequence[Json], old: Sequence[Json]) -> Iterator[Waiting | Failed]:
    """Pods that must go, or become ready, before the next one is made."""
    spec = snapshot.workload["spec"]
    recreated = (spec.get("strategy") or {}).get("type") == "Recreate"
    if snapshot.kind in ("StatefulSet", "DaemonSet") or recreated:
        for pod in pods:
            if "deletionTimestamp" in pod["metadata"]:
                yield leaving(pod, snapshot.events, snapshot.nodes, snapshot.now)
    if snapshot.kind == "StatefulSet" and spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady":
        for pod in old:
            if "deletionTimestamp" in pod["metadata"]:
                continue
            verdict = pod_verdict(pod, snapshot.events, snapshot.now, nodes=snapshot.nodes, replaced=False)
            if isinstance(verdict, Failed):
                # https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
                yield Failed(
                    f"pod {name_of(pod)} of an earlier template is broken, and the StatefulSet replaces none before it "
                    f"is ready: {verdict.reason}",
                    verdict.evidence,
                    f"delete pod {name_of(pod)}: it is made anew from the present template",
                    verdict.pod,
                    verdict.container,
                    verdict.previous,
                )


def _workload_trouble(
    snapshot: Snapshot, new: Sequence[Json], old: Sequence[Json], waits: Sequence[Waiting]
) -> Failed | None:
    """What the workload's own conditions and events say; asked after the pods, whose words are better."""
    workload = snapshot.workload
    makers = [workload]
    if snapshot.kind == "Deployment":
        newest = newest_replicaset(workload, snapshot.history)
        makers = [newest] if newest is not None else []
    going = any("deletionTimestamp" in pod["metadata"] for pod in [*new, *old])
    refused = refusal(workload, makers, snapshot.events, snapshot.now, pods_are_leaving=going)
    if refused is not None:
        return refused
    if condition(workload, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        told = _waiting("", waits)
        reason = "no progress within the Deployment's own deadline (progressDeadlineSeconds)"
        return Failed(
            reason + (f": {waits[0].text}" if waits else ""),
            (_text(snapshot.kind, workload), *(wait.text for wait in waits[1:])),
            told.hint or "look at the pods named above; nothing of the running version was taken away",
            told.pod,
            told.container,
        )
    return None


def _failed_job(job: Json, pods: Sequence[Json]) -> Failed:
    """A Job that has failed, with the last words of the pod that failed last."""
    ended = job_end(job)
    words = ended[1] if ended else ""
    failed = [pod for pod in pods if pod.get("status", {}).get("phase") == "Failed"]
    failed = failed or [pod for pod in pods if not is_true(pod, "Ready")]
    last = max(failed, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)
    how, container = last_words(last) if last is not None else ("its pods are gone", None)
    hint = "read its last words; correct its configuration or image, delete the Job, then run again"
    if "DeadlineExceeded" in words:
        hint = "give it more time (activeDeadlineSeconds), or see why it is slow"
    return Failed(
        f"the Job has failed: {words}; {how}",
        (_job_text(job),),
        hint,
        None if last is None else name_of(last),
        container,
    )


def _waiting(text: str, waits: Sequence[Waiting]) -> Waiting:
    """All that is being waited for in one line; what to do, and whose log to read, from whoever knows it."""
    told = next((wait for wait in waits if wait.hint), waits[0] if waits else Waiting(""))
    texts = sorted({wait.text for wait in waits})
    return Waiting("; ".join(filter(None, (text, *texts))), told.hint, told.pod, told.container)


def _text(kind: str, workload: Json) -> str:
    return _job_text(workload) if kind == "Job" else Counts.of(kind, workload).text


def _job_text(job: Json) -> str:
    status, counts = job.get("status", {}), Counts.of("Job", job)
    text = f"{counts.updated} of {counts.desired} succeeded"
    failed, active = status.get("failed", 0), status.get("active", 0)
    return text + (f", {active} running" if active else "") + (f", {failed} failed" if failed else "")
