"""What keeps one pod from being ready: something that passes, or something that will not.

Pure. Puts together what is known of its place, its containers and its node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .containers import container_trouble, container_waits, is_init, last_words
from .objects import Json, event_count, event_time, events_of, is_true, name_of, seconds_since
from .placement import on_lost_node, starting_trouble
from .scheduling import unscheduled
from .verdicts import Failed, Waiting

RECENT = 600.0
"""Seconds during which a pod's end counts as belonging to this rollout."""

ENDED_PODS = 3
"""So many pods of one template that ended are no accident."""

SHUT_DOWN = {"Terminated", "NodeShutdown", "Shutdown", "NodeLost", "Preempting"}
"""Ends that are the node's, not the pod's: a machine that was taken back or given up."""


def pod_verdict(
    pod: Json,
    events: Sequence[Json],
    now: float,
    *,
    nodes: Sequence[Json] | None = None,
    room_is_coming: bool = False,
    replaced: bool = True,
    retried: bool = False,
) -> Waiting | Failed | None:
    """Why this pod is not ready, or None when it is (or has done its work).

    `events` may be those of the whole namespace; `nodes` is None where they are not known. `room_is_coming`:
    another pod is just leaving. `replaced`: given up with a lost node, it is made anew elsewhere. `retried`: its
    workload counts ends by itself (a Job).
    """
    if is_true(pod, "Ready"):
        return None
    name, mine = name_of(pod), events_of(pod, events)
    phase = pod.get("status", {}).get("phase")
    if phase == "Succeeded" and retried:
        return None
    if phase in ("Failed", "Succeeded"):
        words, container = last_words(pod)
        return Waiting(f"{name}: {words}, to be replaced", pod=name, container=container)
    placed = unscheduled(pod, mine, nodes, now, room_is_coming=room_is_coming)
    if placed is not None:
        return placed
    lost = on_lost_node(pod, nodes, now, replaced=replaced)
    if lost is not None:
        return lost
    for status in _statuses(pod):
        failed = container_trouble(pod, status, mine, now, retried=retried)
        if failed is not None:
            return failed
    return starting_trouble(pod, mine, now) or _progress(pod, mine, now)


def ended_again_and_again(pods: Sequence[Json], now: float) -> Failed | None:
    """Pods of one template that are evicted, refused by their node or ended, one after the other."""
    ended = [
        pod
        for pod in pods
        if pod.get("status", {}).get("phase") == "Failed"
        and pod["status"].get("reason") not in SHUT_DOWN
        and seconds_since(pod["status"].get("startTime") or pod["metadata"].get("creationTimestamp"), now)
        < RECENT
    ]
    if len(ended) < ENDED_PODS:
        return None
    last = max(ended, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    status = last["status"]
    reason, message = str(status.get("reason", "")), " ".join(str(status.get("message", "")).split())
    words = f"{reason}: {message}" if message else last_words(last)[0]
    return Failed(
        f"{len(ended)} pods ended one after the other, the last ({name_of(last)}) with {words}",
        (),
        _end_hint(reason, message),
        name_of(last),
        last_words(last)[1],
    )


def killed_by_its_controller(workload: Json, events: Sequence[Json], now: float) -> Failed | None:
    """A DaemonSet's pods that ended and were removed at once: only its controller's event tells of them."""
    found = [
        event
        for event in events_of(workload, events)
        if event.get("reason") == "FailedDaemonPod" and now - event_time(event) < RECENT
    ]
    if sum(event_count(event) for event in found) < ENDED_PODS:
        return None
    return Failed(
        f"the DaemonSet's pods end again and again: {found[-1].get('message', '')}",
        (),
        "look at the node named there: does it have the room that the pod requests?",
    )


def needs_nodes(pod: Json, events: Sequence[Json], now: float) -> bool:
    """Whether the state of the nodes may tell why this pod is not ready (or not gone)."""
    if "deletionTimestamp" in pod["metadata"]:
        return seconds_since(pod["metadata"]["deletionTimestamp"], now) > 0
    if is_true(pod, "Ready"):
        return False
    if not pod["spec"].get("nodeName") or pod.get("status", {}).get("phase") == "Unknown":
        return True
    # A kubelet that reports no more leaves its containers ready; the node controller takes the pod's readiness.
    statuses = pod.get("status", {}).get("containerStatuses") or []
    silent = bool(statuses) and all(status.get("ready") for status in statuses)
    return silent or any(event.get("reason") == "NodeNotReady" for event in events_of(pod, events))


def _progress(pod: Json, events: Sequence[Json], now: float) -> Waiting:
    """One phrase on what the pod is doing."""
    name = name_of(pod)
    for status in _statuses(pod):
        container = str(status["name"])
        finished = (status.get("state") or {}).get("terminated") or {}
        if is_init(pod, container) and finished.get("exitCode") == 0:
            continue
        if not status.get("ready") or is_init(pod, container):
            return container_waits(pod, status, events, now)
    if not pod["spec"].get("nodeName"):
        return Waiting(f"{name}: being scheduled", "is a kube-scheduler running?", name)
    gates = [gate.get("conditionType", "?") for gate in pod["spec"].get("readinessGates") or []]
    missing = [gate for gate in gates if not is_true(pod, gate)]
    if missing and pod.get("status", {}).get("containerStatuses"):
        return Waiting(
            f"{name}: its containers are ready, its readiness gates are not ({', '.join(missing)})",
            "look at the controller (of a load balancer) that should set them",
            name,
        )
    last = events[-1].get("message", "") if events else ""
    return Waiting(f"{name}: starting" + (f" ({last})" if last else ""), pod=name)


def _statuses(pod: Json) -> Iterator[Mapping[str, Any]]:
    yield from pod.get("status", {}).get("initContainerStatuses") or []
    yield from pod.get("status", {}).get("containerStatuses") or []


def _end_hint(reason: str, message: str) -> str:
    if reason == "Evicted" and ("ephemeral" in message or "EmptyDir" in message):
        return "raise the pod's ephemeral-storage request and limit, or its emptyDir's sizeLimit"
    if reason == "Evicted":
        return "raise its requests to what it uses, or give the cluster larger nodes"
    if reason.startswith("OutOf"):
        return "lower its requests, or give the cluster larger nodes"
    if reason in ("NodeAffinity", "UnexpectedAdmissionError"):
        return "correct the node's labels or devices, or the pod template that names them"
    if reason == "DeadlineExceeded":
        return "raise activeDeadlineSeconds"
    return "read the pod's last words; correct its configuration, image or model, then run again"
