"""What keeps one container from being ready: no image, no configuration, ends again, killed, not ready yet.

Pure. Reasons and messages are the kubelet's and the container runtime's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .images import image_trouble
from .objects import Json, name_of, seconds_since, timestamp
from .probes import budget, hint_for, kills, last_answer
from .verdicts import Failed, Waiting

CONFIG_TROUBLE = {"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError"}

PASSING = re.compile(
    r"context deadline|failed to sync \w+ cache|timed out|is reserved for|not registered", re.IGNORECASE
)
"""Words of the kubelet and containerd for what the next attempt, seconds later, usually mends."""

CONFIG_GRACE = 5.0
"""Seconds for which a missing object is taken for a race: it may be made in the same breath as the pod."""

RECENT = 600.0
"""Seconds during which a container's earlier end counts as belonging to this rollout."""

EXIT_CODES = {
    126: "its command is not executable",
    127: "its command does not exist in the image",
    132: "illegal instruction: the image is built for a CPU that the node does not have (AVX)",
    134: "it aborted itself",
    137: "it was killed (SIGKILL)",
    139: "it crashed (segmentation fault)",
    143: "it was told to end (SIGTERM)",
}
"""What shells and runtimes mean by an exit code; 128 and more is 128 plus the number of a signal."""


def container_trouble(
    pod: Json, status: Mapping[str, Any], events: Sequence[Json], now: float, *, retried: bool = False
) -> Failed | None:
    """The verdict on a container that will not come, from its status; None while it may.

    `events` are the pod's, oldest first. `retried`: its workload counts ends by itself (a Job).
    """
    name, container = name_of(pod), str(status["name"])
    what = f"{'init container' if is_init(pod, container) else 'container'} {container} of pod {name}"
    arrived = pod.get("status", {}).get("startTime") or pod["metadata"].get("creationTimestamp")
    since = timestamp(arrived)
    image = image_trouble(what, name, status, events, now, now if since is None else since)
    if image is not None:
        return image
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    if reason in CONFIG_TROUBLE and not PASSING.search(message):
        if "not found" in message and seconds_since(arrived, now) < CONFIG_GRACE:
            return None
        return Failed(f"{what} cannot be created: {reason}: {message}", (), _config_hint(message), name)
    if retried:
        return None
    if reason == "RunContainerError" and not status.get("lastState") and not PASSING.search(message):
        return Failed(f"{what} cannot be started: {message}", (), "correct its command, or the image", name)
    return _killed(what, pod, container, events, now) or _ended(what, pod, status, reason, events, now)


def container_waits(pod: Json, status: Mapping[str, Any], events: Sequence[Json], now: float) -> Waiting:
    """What a container that is not ready does, and what its probe said."""
    name, container = name_of(pod), str(status["name"])
    state = status.get("state") or {}
    label = f"{name}: {'init container' if is_init(pod, container) else 'container'} {container}"
    if "waiting" in state:
        reason = state["waiting"].get("reason", "starting")
        return Waiting(f"{label} waits ({reason})", pod=name, container=container)
    if "running" not in state:
        code = (state.get("terminated") or {}).get("exitCode", "?")
        return Waiting(f"{label} ended with exit code {code}, starts again", pod=name, container=container)
    if is_init(pod, container):
        return Waiting(f"{label} runs", pod=name, container=container)
    starting = "startupProbe" in _spec(pod, container) and status.get("started") is False
    answer = last_answer(events, container, now, "startup" if starting else "readiness")
    if answer is None:
        return Waiting(f"{label} runs, not ready yet", pod=name, container=container)
    text = f"{label} runs, but its {answer.kind} probe says: {answer.text}"
    return Waiting(text, hint_for(answer.said), name, container)


def is_init(pod: Json, container: str) -> bool:
    """Whether it runs before the others and ends; a sidecar (which never ends) is none."""
    found = [c for c in pod["spec"].get("initContainers") or [] if c.get("name") == container]
    return bool(found) and found[0].get("restartPolicy") != "Always"


def last_words(pod: Json) -> tuple[str, str | None]:
    """How a pod that has ended did so, in words, and the container that failed."""
    statuses = [
        *(pod.get("status", {}).get("initContainerStatuses") or []),
        *(pod.get("status", {}).get("containerStatuses") or []),
    ]
    for status in statuses:
        state = status.get("state") or {}
        ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
        if ended and ended.get("exitCode") != 0:
            return f"container {status['name']} ended with {_how(pod, str(status['name']), ended)}", str(
                status["name"]
            )
    return str(pod.get("status", {}).get("message") or pod.get("status", {}).get("reason") or "ended"), None


def _killed(what: str, pod: Json, container: str, events: Sequence[Json], now: float) -> Failed | None:
    """A container that its own probe has killed: at once for startup, the second time for liveness."""
    kind, times = kills(events, container, now)
    if not kind or (kind == "liveness" and times < 2):
        return None
    answer = last_answer(events, container, now, kind)
    said = answer.text if answer else "no answer"
    probe = _spec(pod, container).get(f"{kind}Probe") or {}
    allowed = f"allow it more than {budget(probe):.0f} s ({kind}Probe: failureThreshold × periodSeconds)"
    hint = hint_for(answer.said) if answer else "look at the container's log"
    return Failed(
        f"{what} is killed by its {kind} probe: {said}",
        (),
        f"{allowed}; {hint}",
        name_of(pod),
        container,
        previous=True,
    )


def _ended(
    what: str, pod: Json, status: Mapping[str, Any], waiting: str, events: Sequence[Json], now: float
) -> Failed | None:
    """A container that ended again and again, or in a way that another start does not change."""
    container = str(status["name"])
    restarts = int(status.get("restartCount", 0))
    now_ended = (status.get("state") or {}).get("terminated") or {}
    ended = now_ended or (status.get("lastState") or {}).get("terminated") or {}
    if not ended or (now_ended and now_ended.get("exitCode") == 0 and is_init(pod, container)):
        return None
    in_vain = (
        waiting in ("CrashLoopBackOff", "RunContainerError", "PostStartHookError")
        or ended.get("reason") in ("StartError", "ContainerCannotRun")
        or (bool(now_ended) and restarts >= 1)
        or (restarts >= 2 and seconds_since(ended.get("finishedAt"), now) < RECENT)
    )
    if not in_vain:
        return None
    times = f"{restarts} restart{'' if restarts == 1 else 's'}"
    words = str(ended.get("message") or "").strip()
    hooks = [e for e in events if e.get("reason") == "FailedPostStartHook"]
    if hooks and not words:
        words = str(hooks[-1].get("message", ""))
    return Failed(
        f"{what} fails ({_how(pod, container, ended)}, {times})"
        + (f": {words.splitlines()[-1]}" if words else ""),
        tuple(words.splitlines()[-20:]),
        _end_hint(ended, words),
        name_of(pod),
        container,
        # Once it runs again, what it said at its end is in the log of its life before.
        previous="running" in (status.get("state") or {}),
    )


def _how(pod: Json, container: str, ended: Mapping[str, Any]) -> str:
    code, reason = ended.get("exitCode"), str(ended.get("reason", "Error"))
    if reason == "OOMKilled":
        limit = ((_spec(pod, container).get("resources") or {}).get("limits") or {}).get("memory")
        return f"exit code {code}, OOMKilled" + (
            f" at its limit of {limit}" if limit else " with no limit of its own"
        )
    means = EXIT_CODES.get(int(code)) if isinstance(code, int) else None
    return f"exit code {code}, {reason}" + (f": {means}" if means else "")


def _end_hint(ended: Mapping[str, Any], words: str) -> str:
    if ended.get("reason") == "OOMKilled":
        return "raise its memory limit"
    if ended.get("exitCode") == 0:
        return "its process must not end: correct the command"
    if "exec format error" in words:
        return "use an image for the nodes' CPU architecture"
    if ended.get("reason") in ("StartError", "ContainerCannotRun") or ended.get("exitCode") in (126, 127):
        return "correct its command, or the image"
    return "read its last words; correct its configuration, image or model, then run again"


def _config_hint(message: str) -> str:
    if "on-root" in message or "runAsNonRoot" in message or "run as root" in message:
        return "set securityContext.runAsUser to a numeric user other than 0, or use an image that has one"
    if "couldn't find key" in message or "non-existent config key" in message:
        return "add the key to the ConfigMap or Secret, or correct its name in the pod template"
    if "not found" in message:
        return "make the ConfigMap or Secret, or correct its name in the pod template"
    return "correct what the message names in the pod template"


def _spec(pod: Json, container: str) -> Mapping[str, Any]:
    for found in [*(pod["spec"].get("initContainers") or []), *(pod["spec"].get("containers") or [])]:
        if found.get("name") == container:
            return dict(found)
    return {}
