"""Pods that the API server does not let their controller make: quota, admission, names that do not exist.

Pure. Messages are the API server's, as controllers repeat them in conditions and events (FailedCreate).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .objects import Json, condition, event_time, events_of, first_time, last_change, timestamp
from .verdicts import Failed

GRACE = 5.0
"""Seconds for which a refusal is taken for a race (a service account or quota just being made)."""

_RULES: tuple[tuple[str, float, str], ...] = (
    (r"exceeded quota", GRACE, "raise the namespace's quota, or lower requests, limits and replicas"),
    (r"failed quota", GRACE, "the namespace's quota wants these requests and limits: set them in the pod template"),
    (r"violates PodSecurity", 0, "set in the pod template what the message names, or let the namespace allow it (label pod-security.kubernetes.io/enforce)"),
    (r"failed calling webhook", 30, "repair the admission webhook's service, or remove its configuration"),
    (r"admission webhook|ValidatingAdmissionPolicy", 0, "change the pod template, or the admission policy that refuses it"),
    (r"error looking up service account|serviceaccount \S+ not found", GRACE, "make the service account, or correct serviceAccountName"),
    (r"PriorityClass", GRACE, "make the priority class, or correct priorityClassName"),
    (r"RuntimeClass|runtimeclass", GRACE, "make the runtime class, or correct runtimeClassName"),
    (r"(?:maximum|minimum|max limit to request ratio) .*(?:usage per|per \w+ is)", GRACE, "stay within the namespace's LimitRange"),
    (r"being terminated|is terminating", 0, "the namespace is being deleted: wait for its end and apply everything again"),
    (r"etcdserver|[Tt]imeout|timed out|too many requests|connection refused|has been modified|Internal error", 60,
     "the API server is in trouble: look at its load, or try again"),
    (r"is invalid", 0, "correct what the message names in the pod template"),
    (r"", GRACE, "change the pod template or the admission policy that refuses it"),
)  # fmt: skip
"""Words, seconds for which they may pass, and the way out; the first that matches counts."""


def refusal(
    workload: Json, makers: Sequence[Json], events: Sequence[Json], now: float, *, pods_are_leaving: bool
) -> Failed | None:
    """Why pods are not made, if so; None when they are, or when it may pass.

    `makers` are what makes the pods: a Deployment's newest ReplicaSet, else the workload itself.
    `pods_are_leaving`: what they hold of a quota comes free.
    """
    told = _condition(workload) or _event(workload, makers, events)
    if told is None:
        return None
    message, since = told
    _unused, grace, hint = next(rule for rule in _RULES if re.search(rule[0], message))
    if now - since < grace or ("exceeded quota" in message and pods_are_leaving):
        return None
    return Failed(f"the API server refuses the pods: {message}", (), hint)


def _condition(workload: Json) -> tuple[str, float] | None:
    """What a Deployment's controller says, and since when."""
    for kind, status, reason in (
        ("ReplicaFailure", "True", None),
        ("Progressing", "False", "ReplicaSetCreateError"),
    ):
        found = condition(workload, kind)
        if found.get("status") == status and reason in (None, found.get("reason")):
            return str(found.get("message", "")), timestamp(found.get("lastTransitionTime")) or 0.0
    return None


def _event(workload: Json, makers: Sequence[Json], events: Sequence[Json]) -> tuple[str, float] | None:
    """What the newest event about making pods says, when it is a refusal of the present template."""
    changed, _unused = last_change(workload)
    for maker in makers:
        told = [
            event
            for event in events_of(maker, events)
            if event.get("reason") in ("FailedCreate", "SuccessfulCreate") and event_time(event) >= changed
        ]
        if told and told[-1]["reason"] == "FailedCreate":
            message = re.sub(
                r"^Error creating: |^create .* failed error: ", "", str(told[-1].get("message", ""))
            )
            return message, max(changed, first_time(told[-1]))
    return None
