"""What keeps one pod from being ready: something that passes, or something that will not.

Pure. Reasons and messages are the kubelet's, the scheduler's and the cluster autoscaler's own.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .objects import Json, condition, event_count, event_time, is_true, name_of, seconds_since

IMAGE_NEVER = {"InvalidImageName", "ErrImageNeverPull"}
IMAGE_TROUBLE = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"}
CONFIG_TROUBLE = {"CreateContainerConfigError", "CreateContainerError"}

IMAGE_IS_MISSING = re.compile(
    r"not found|manifest unknown|does not exist|unauthorized|authentication required|denied|forbidden"
    r"|invalid reference|no such host|no match for platform",
    re.IGNORECASE,
)
"""Words of registries and containerd for what another attempt does not change."""

IMAGE_GRACE = 90.0
"""Seconds of any other trouble with a registry (timeouts, 5xx) after which waiting is called in vain."""

UNSCHEDULABLE_GRACE = 30.0
"""Seconds that a pod may find no room although the autoscaler says no: something may yet leave a node."""

NO_AUTOSCALER_GRACE = 60.0
"""Seconds after which silence means that no node autoscaler will help (it looks every 10 s)."""

MOUNT_GRACE = 20.0
"""Seconds that a volume may fail to mount: a ConfigMap made in the same breath reaches the kubelet late."""

RECENT = 600.0
"""Seconds during which a container's earlier end counts as belonging to this rollout."""

PASSING_SCALE_UP_TROUBLE = ("max node group size reached", "in backoff after failed scale-up", "max cluster")
"""Parts of NotTriggerScaleUp that are about the moment; anything else is about the pod and stays true."""


@dataclass(frozen=True)
class Waiting:
    """Under way; `text` says what is being waited for."""

    text: str


@dataclass(frozen=True)
class Failed:
    """In vain. `pod` and `container` name whose log is worth reading (`previous`: of its last life)."""

    reason: str
    evidence: tuple[str, ...]
    way_out: str
    pod: str | None = None
    container: str | None = None
    previous: bool = False


def pod_verdict(
    pod: Json, events: Sequence[Json], now: float, *, room_is_coming: bool = False
) -> Waiting | Failed | None:
    """Why this pod is not ready, or None when it is. `room_is_coming`: another pod is just leaving."""
    if is_true(pod, "Ready"):
        return None
    name = name_of(pod)
    mine = sorted(
        (event for event in events if event.get("involvedObject", {}).get("name") == name), key=event_time
    )
    if pod.get("status", {}).get("phase") in ("Failed", "Succeeded"):
        words = pod["status"].get("reason") or pod["status"].get("message") or "ended"
        return Waiting(f"{name}: {words}, to be replaced")
    if condition(pod, "PodScheduled").get("reason") == "Unschedulable":
        return _unschedulable(pod, mine, now, room_is_coming=room_is_coming)
    for kind in ("initContainerStatuses", "containerStatuses"):
        for status in pod.get("status", {}).get(kind) or []:
            failed = _container_trouble(pod, status, now, init=kind.startswith("init"))
            if failed is not None:
                return failed
    mount = [event for event in mine if event.get("reason") == "FailedMount"]
    if (
        mount
        and event_count(mount[-1]) > 1
        and seconds_since(_started(pod), now) >= MOUNT_GRACE
        and not _any_running(pod)
    ):
        return Failed(
            f"pod {name} cannot mount a volume: {mount[-1].get('message', '')}",
            (),
            "make the object that the volume names, or correct its name",
            name,
        )
    return Waiting(_progress(pod, mine))


def _container_trouble(pod: Json, status: Mapping[str, Any], now: float, *, init: bool) -> Failed | None:
    """A container that will not come, from its status."""
    name, container = name_of(pod), str(status["name"])
    what = f"{'init container' if init else 'container'} {container} of pod {name}"
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    image = str(status.get("image") or "")
    if reason in IMAGE_NEVER or (
        reason in IMAGE_TROUBLE
        and (IMAGE_IS_MISSING.search(message) or seconds_since(_started(pod), now) >= IMAGE_GRACE)
    ):
        return Failed(
            f"{what} has no image: {reason}: {message or image}",
            (f"image: {image}",),
            "correct the image's name or tag, or give the nodes access to its registry",
            name,
        )
    if reason in CONFIG_TROUBLE and "context deadline" not in message:
        return Failed(
            f"{what} cannot be created: {reason}: {message}",
            (),
            "correct what the message names (a missing ConfigMap, Secret or key; the security context)",
            name,
        )
    return _ended(what, status, reason, now, pod=name)


def _ended(what: str, status: Mapping[str, Any], waiting: str, now: float, *, pod: str) -> Failed | None:
    """A container that ended again and again, or in a way that another start does not change."""
    restarts = int(status.get("restartCount", 0))
    now_ended = (status.get("state") or {}).get("terminated") or {}
    ended = now_ended or (status.get("lastState") or {}).get("terminated") or {}
    if not ended or (ended.get("exitCode") == 0 and ended.get("reason") == "Completed"):
        return None
    recent = seconds_since(ended.get("finishedAt"), now) < RECENT
    in_vain = (
        waiting in ("CrashLoopBackOff", "RunContainerError")
        or ended.get("reason") in ("StartError", "ContainerCannotRun")
        or (bool(now_ended) and restarts >= 1)
        or (restarts >= 2 and recent)
    )
    if not in_vain:
        return None
    times = f"{restarts} restart{'' if restarts == 1 else 's'}"
    how = f"exit code {ended.get('exitCode')}, {ended.get('reason', 'Error')}"
    words = str(ended.get("message") or "").strip()
    return Failed(
        f"{what} fails ({how}, {times})" + (f": {words.splitlines()[-1]}" if words else ""),
        tuple(words.splitlines()[-20:]),
        "raise its memory limit"
        if ended.get("reason") == "OOMKilled"
        else "read its last words; correct its configuration, image or model, then run again",
        pod,
        str(status["name"]),
        # Once it runs again, what it said at its end is in the log of its life before.
        previous="running" in (status.get("state") or {}),
    )


def _unschedulable(
    pod: Json, events: Sequence[Json], now: float, *, room_is_coming: bool
) -> Waiting | Failed:
    """No node has room: is one coming, may one come, or never?"""
    name = name_of(pod)
    scheduled = condition(pod, "PodScheduled")
    message = str(scheduled.get("message", ""))
    waited = seconds_since(scheduled.get("lastTransitionTime"), now)
    verdicts = [
        e for e in events if e.get("reason") in ("TriggeredScaleUp", "NotTriggerScaleUp", "FailedScaleUp")
    ]
    latest = verdicts[-1] if verdicts else {}
    words = str(latest.get("message", ""))
    if latest.get("reason") == "TriggeredScaleUp":
        return Waiting(f"{name}: no room on the nodes, one is coming ({words})")
    if latest.get("reason") == "NotTriggerScaleUp" and not any(t in words for t in PASSING_SCALE_UP_TROUBLE):
        return Failed(
            f"pod {name} fits no node that the cluster may add: {words}",
            (message,),
            "lower its requests, or give the cluster a node pool with larger machines",
            name,
        )
    if latest and waited >= UNSCHEDULABLE_GRACE and not room_is_coming:
        return Failed(
            f"pod {name} finds no room, and no node may be added: {words}",
            (message,),
            "raise the node pool's maximum (or the project's quota), or lower requests or replicas",
            name,
        )
    if not latest and waited >= NO_AUTOSCALER_GRACE and not room_is_coming:
        return Failed(
            f"pod {name} finds no room for {waited:.0f} s, and no autoscaler speaks of a new node: {message}",
            (),
            "add a node, enable node autoscaling, or lower requests or replicas",
            name,
        )
    return Waiting(f"{name}: no room yet ({words or message})")


def _progress(pod: Json, events: Sequence[Json]) -> str:
    """One phrase on what the pod is doing."""
    name = name_of(pod)
    for status in pod.get("status", {}).get("initContainerStatuses") or []:
        if not ((status.get("state") or {}).get("terminated") or {}):
            return f"{name}: init container {status['name']} {_state(status)}"
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if not status.get("ready"):
            return f"{name}: container {status['name']} {_state(status)}"
    if not pod["spec"].get("nodeName"):
        return f"{name}: being scheduled"
    last = events[-1].get("message", "") if events else ""
    return f"{name}: starting" + (f" ({last})" if last else "")


def _state(status: Mapping[str, Any]) -> str:
    state = status.get("state") or {}
    if "running" in state:
        return "runs, not ready yet"
    if "waiting" in state:
        return f"waits ({state['waiting'].get('reason', 'starting')})"
    return f"ended with exit code {(state.get('terminated') or {}).get('exitCode', '?')}, starts again"


def _started(pod: Json) -> str | None:
    found: str | None = pod.get("status", {}).get("startTime") or pod["metadata"].get("creationTimestamp")
    return found


def _any_running(pod: Json) -> bool:
    statuses = [
        *(pod.get("status", {}).get("initContainerStatuses") or []),
        *(pod.get("status", {}).get("containerStatuses") or []),
    ]
    return any("running" in (status.get("state") or {}) for status in statuses)
