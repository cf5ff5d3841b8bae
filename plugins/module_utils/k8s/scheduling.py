"""A pod that no node takes: is a node coming, may one come, or never?

Pure. Reasons and messages are the scheduler's and the cluster autoscaler's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .fit import never_fits, too_large
from .objects import Json, condition, event_time, name_of, seconds_since, timestamp
from .verdicts import Failed, Waiting

UNSCHEDULABLE_GRACE = 30.0
"""Seconds that a pod may find no room although the autoscaler says no: something may yet leave a node."""

NO_AUTOSCALER_GRACE = 60.0
"""Seconds after which silence means that no node autoscaler will help a pod that might fit."""

NEVER_FITS_GRACE = 20.0
"""The same for a pod that no node there is can ever take: two scans of the autoscaler, one every 10 s."""

PASSING_SCALE_UP_TROUBLE = (
    "max node group size reached", "max limit reached", "max cluster", "in backoff after failed scale-up",
    "not ready for scale-up", "is at risk of not being scheduled", "quota", "out of resources", "stockout",
)  # fmt: skip
"""Parts of NotTriggerScaleUp and FailedScaleUp that are about the moment; others are about the pod and stay."""

CLAIM = re.compile(r'persistentvolumeclaim "[^"]+" (?:not found|bound to non-existent)|non-existent pv')


def unscheduled(
    pod: Json, events: Sequence[Json], nodes: Sequence[Json] | None, now: float, *, room_is_coming: bool
) -> Waiting | Failed | None:
    """The verdict on a pod that has no node; None when the scheduler has not spoken of it.

    `events` are the pod's, oldest first. `nodes` is None where they may not be listed. `room_is_coming`: another
    pod of the workload is just leaving.
    """
    scheduled = condition(pod, "PodScheduled")
    name, message = name_of(pod), str(scheduled.get("message", ""))
    if scheduled.get("reason") == "SchedulingGated":
        gates = ", ".join(gate.get("name", "?") for gate in pod["spec"].get("schedulingGates") or [])
        return Waiting(
            f"{name}: held back by its scheduling gates ({gates})", "who should remove the gates?", name
        )
    if scheduled.get("reason") != "Unschedulable":
        return None
    waited = seconds_since(scheduled.get("lastTransitionTime"), now)
    if CLAIM.search(message) and waited >= 5:
        return Failed(
            f"pod {name} waits for a volume that does not exist: {message}", (), "make the claim", name
        )
    impossible = never_fits(pod, nodes or [])
    spoken = [
        e
        for e in events
        if e.get("reason") in ("TriggeredScaleUp", "NotTriggerScaleUp", "FailedScaleUp")
        # Words from before the pod was last refused belong to a node that has come since.
        and event_time(e) >= (timestamp(scheduled.get("lastTransitionTime")) or 0.0) - 1
    ]
    latest = spoken[-1] if spoken else {}
    words = str(latest.get("message", ""))
    if latest.get("reason") == "TriggeredScaleUp":
        return Waiting(
            f"{name}: no room on the nodes, one is coming ({words})",
            "wait longer (timeout), or see why the node pool does not grow: its operations, the project's quota",
            name,
        )
    if latest:
        return _refused(pod, latest, message, impossible, nodes, waited, room_is_coming=room_is_coming)
    if impossible and waited >= NEVER_FITS_GRACE:
        return Failed(f"pod {name} can never fit: {impossible}", (message,), _hint_for(impossible), name)
    if waited >= NO_AUTOSCALER_GRACE and not room_is_coming:
        return Failed(
            f"pod {name} finds no room for {waited:.0f} s, and no autoscaler speaks of a new node: {message}",
            (),
            _hint_for(message),
            name,
        )
    return Waiting(f"{name}: no room yet ({impossible or message})", _hint_for(impossible or message), name)


def _refused(
    pod: Json,
    latest: Json,
    message: str,
    impossible: str | None,
    nodes: Sequence[Json] | None,
    waited: float,
    *,
    room_is_coming: bool,
) -> Waiting | Failed:
    """The autoscaler adds no node: because of the pod (in vain at once), or because of the moment."""
    name, words = name_of(pod), str(latest.get("message", ""))
    passing = latest.get("reason") == "FailedScaleUp" or any(
        part in words.lower() for part in PASSING_SCALE_UP_TROUBLE
    )
    if not passing:
        return Failed(
            f"pod {name} fits no node that the cluster may add: {words}",
            tuple(filter(None, (impossible, message))),
            _hint_for(" ".join((words, impossible or message))),
            name,
        )
    # A pool at its maximum has nodes: what is too large for them is too large for one more of them.
    large = too_large(pod, nodes or []) if impossible else None
    if large and "max" in words:
        return Failed(
            f"pod {name} can never fit: {large}; the autoscaler says: {words}",
            (message,),
            _hint_for("Insufficient"),
            name,
        )
    if waited >= UNSCHEDULABLE_GRACE and not room_is_coming:
        hint = (
            "raise the node pool's maximum, or lower requests or replicas"
            if "max" in words
            else "raise the project's quota or use other zones or machines, or lower requests or replicas"
        )
        return Failed(f"pod {name} finds no room, and no node may be added: {words}", (message,), hint, name)
    return Waiting(f"{name}: no room yet ({words})", "raise the node pool's maximum", name)


def _hint_for(words: str) -> str:
    for pattern, hint in (
        (r"affinity/selector|no label|^\d+ nodes?: label|node affinity does not", "correct nodeSelector or affinity, or label a node pool so"),
        (r"taint", "tolerate the taint, or give the cluster nodes without it"),
        (r"anti-affinity|topology spread", "relax the rule, or give the cluster more nodes or zones"),
        (r"free ports", "do not ask for a host port, or give the cluster more nodes"),
        (r"nvidia|gpu", "add a node pool with these accelerators, or ask for fewer"),
        (r"Insufficient|requested|requests|too many pods", "lower its requests, or give the cluster a node pool with larger machines"),
        (r"ersistentvolume|volume", "look at the claim: its storage class, size and zone"),
    ):  # fmt: skip
        if re.search(pattern, words, re.IGNORECASE):
            return hint
    return "add a node, enable node autoscaling, or lower requests or replicas"
