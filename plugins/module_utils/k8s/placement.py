"""A pod on its node: a node that is lost, volumes and networks that do not come, a pod that will not go.

Pure. Reasons and messages are those of the kubelet and of the node controllers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .objects import Json, condition, event_count, event_time, first_time, name_of, seconds_since, timestamp
from .verdicts import Failed, Waiting

MOUNT_GRACE = 20.0
"""Seconds that a volume may fail to mount: a ConfigMap made in the same breath reaches the kubelet late."""

ATTACH_GRACE = 120.0
"""Seconds that a disk may be attached elsewhere: it is let go when its pod there has ended."""

SETUP_GRACE = 60.0
"""Seconds that the network may fail to come up: on a new node its plugin arrives after the node."""

STUCK_GRACE = 30.0
"""Seconds beyond its grace period after which a pod that is still there is stuck."""

NODE_LOST_GRACE = 60.0
"""Seconds that a node may not report (a kubelet that starts again, a hiccup of the network)."""

PASSING_MOUNT = re.compile(r"failed to sync \w+ cache|not registered")


def node_of(pod: Json, nodes: Sequence[Json] | None) -> Json | None:
    """The pod's node among `nodes`; None when it has none, it is gone, or nodes may not be listed."""
    desired = pod["spec"].get("nodeName")
    return next((node for node in nodes or [] if name_of(node) == desired), None) if desired else None


def node_lost(pod: Json, nodes: Sequence[Json] | None, now: float) -> tuple[str, float] | None:
    """What is wrong with the pod's node, in words, and for how many seconds; None when nothing is known."""
    name = pod["spec"].get("nodeName")
    if not name or nodes is None:
        return None
    node = node_of(pod, nodes)
    if node is None:
        return f"node {name} is gone", 0.0
    ready = condition(node, "Ready")
    if not ready or ready.get("status") == "True":
        return None
    lasts = seconds_since(ready.get("lastTransitionTime"), now)
    why = ready.get("message") or ready.get("reason") or ready.get("status")
    return f"node {name} is not ready for {lasts:.0f} s: {why}", lasts


def on_lost_node(
    pod: Json, nodes: Sequence[Json] | None, now: float, *, replaced: bool
) -> Waiting | Failed | None:
    """The verdict on a pod whose node does not report. `replaced`: its workload makes another one elsewhere."""
    lost = node_lost(pod, nodes, now)
    if lost is None:
        if pod.get("status", {}).get("phase") != "Unknown":
            return None
        lost = f"node {pod['spec'].get('nodeName', '?')} has lost touch with it", 0.0
    name, (words, lasts) = name_of(pod), lost
    hint = "repair the node, or delete it so that its pods are given up"
    if replaced or lasts < NODE_LOST_GRACE:
        after = _tolerated(pod) if replaced else None
        more = f"; the pod is given up after {after:.0f} s" if after is not None else ""
        return Waiting(f"{name}: {words}{more}", hint, name)
    return Failed(f"pod {name} is on a lost node: {words}", (), hint, name)


def starting_trouble(pod: Json, events: Sequence[Json], now: float) -> Failed | None:
    """A volume or a network that will not come; `events` are the pod's, oldest first."""
    if _any_started(pod):
        return None
    name = name_of(pod)
    since = timestamp(pod.get("status", {}).get("startTime") or pod["metadata"].get("creationTimestamp"))
    elapsed = 0.0 if since is None else max(0.0, now - since)
    for reasons, grace, what in (
        (("FailedMount", "FailedMapVolume"), MOUNT_GRACE, "cannot mount a volume"),
        (("FailedAttachVolume",), ATTACH_GRACE, "cannot get a disk"),
        (("FailedCreatePod", "NetworkNotReady", "FailedPrepareDynamicResources"), SETUP_GRACE, "cannot be set up on its node"),
    ):  # fmt: skip
        found = [e for e in events if str(e.get("reason", "")).startswith(reasons)]
        if not found or event_time(found[-1]) < (since or 0.0):
            continue
        # The kubelet says what is missing, and two minutes later that it has waited for it: the former tells.
        told = [e for e in found if "waiting for the condition" not in str(e.get("message", ""))] or found
        message = str(told[-1].get("message", ""))
        repeated = len(found) > 1 or event_count(found[-1]) > 1 or now - first_time(found[0]) >= grace
        if "no runtime for" in message:
            grace = 0.0  # noqa: PLW2901 - a runtime class that the node lacks does not come by waiting
        if elapsed >= grace and repeated and not PASSING_MOUNT.search(message):
            return Failed(f"pod {name} {what}: {message}", (), _hint_for(message), name)
    return None


def leaving(pod: Json, events: Sequence[Json], nodes: Sequence[Json] | None, now: float) -> Waiting | Failed:
    """The verdict on a pod that others wait for to go: Terminating, its grace period over or not."""
    name = name_of(pod)
    due = timestamp(pod["metadata"].get("deletionTimestamp")) or now
    late = now - due
    if late < STUCK_GRACE:
        left = f", {-late:.0f} s of its grace period left" if late < 0 else ""
        return Waiting(f"{name}: is going{left}", pod=name)
    finalizers = ", ".join(pod["metadata"].get("finalizers") or [])
    stuck = f"pod {name} is stuck in Terminating, {late:.0f} s after its grace period"
    if finalizers:
        return Failed(
            f"{stuck}: held by finalizer {finalizers}",
            (),
            "repair the controller that should remove the finalizer",
            name,
        )
    lost = node_lost(pod, nodes, now)
    if lost is not None:
        return Failed(
            f"{stuck}: {lost[0]}",
            (),
            "repair or delete the node; its pods are given up then, and made anew",
            name,
        )
    killing = [
        str(e.get("message", "")) for e in events if e.get("reason") in ("FailedKillPod", "FailedPreStopHook")
    ]
    if late >= 2 * STUCK_GRACE:
        return Failed(
            stuck + (f": {killing[-1]}" if killing else ": its node does not confirm that it has ended"),
            (),
            "look at the node's kubelet and container runtime; drain and replace the node if they hang",
            name,
        )
    return Waiting(stuck, pod=name)


def _tolerated(pod: Json) -> float | None:
    """Seconds for which the pod stays bound to an unreachable node; None for ever."""
    for toleration in pod["spec"].get("tolerations") or []:
        if toleration.get("key") in ("node.kubernetes.io/unreachable", None, ""):
            seconds = toleration.get("tolerationSeconds")
            return None if seconds is None else float(seconds)
    return 0.0


def _hint_for(message: str) -> str:
    for words, hint in (
        ("non-existent config key", "add the key, or correct its name in the pod template"),
        ("configmap", "make the ConfigMap, or correct its name in the pod template"),
        ("secret", "make the Secret, or correct its name in the pod template"),
        (
            "Multi-Attach",
            "a disk is held by one node: scale the other pod down, or use a strategy without surge",
        ),
        ("no runtime for", "correct runtimeClassName, or use nodes that have the runtime"),
        ("network", "look at the node's network plugin"),
        ("cni", "look at the node's network plugin"),
    ):
        if words in message:
            return hint
    return "make the object that the volume names, or correct its name"


def _any_started(pod: Json) -> bool:
    status = pod.get("status", {})
    statuses = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return any({"running", "terminated"} & set(s.get("state") or {}) for s in statuses)
