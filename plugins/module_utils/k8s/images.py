"""A container whose image does not come: missing, not allowed, or a registry in trouble that may pass.

Pure. Reasons are the kubelet's, messages those of containerd and of registries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .objects import Json, first_time
from .verdicts import Failed

NEVER = {"InvalidImageName", "ErrImageNeverPull"}
TROUBLE = {
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "ImageInspectError",
    "SignatureValidationFailed",
}

NOT_ALLOWED = re.compile(
    r"unauthorized|authentication required|authorization failed|denied|forbidden|no basic auth credentials",
    re.IGNORECASE,
)
"""Words of registries for a pull that needs other credentials."""

MISSING = re.compile(
    r"not found|manifest unknown|does not exist|invalid reference|no such host|no match for platform",
    re.IGNORECASE,
)
"""Words of registries and containerd for what another attempt does not change."""

GRACE = 90.0
"""Seconds of any other trouble with a registry (timeouts, 5xx, rate limits) after which waiting is in vain."""


def image_trouble(
    what: str, pod: str, status: Mapping[str, Any], events: Sequence[Json], now: float, since: float
) -> Failed | None:
    """The verdict on a container that waits for its image; None while it may come.

    `events` are the pod's; `since` is when the pod came to its node, for kubelets that tell no pull by events.
    """
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    if reason not in NEVER | TROUBLE:
        return None
    image = str(status.get("image") or "")
    pulls = [event for event in events if _failed_pull(event, image)]
    if pulls and not NOT_ALLOWED.search(message) and not MISSING.search(message):
        # "Back-off pulling image" alone says nothing; the event of the attempt does.
        message = str(pulls[-1].get("message", "")) or message
    began = first_time(pulls[0]) if pulls else since
    lasts = now - began >= GRACE
    if NOT_ALLOWED.search(message):
        hint = (
            "give the nodes (or the pod, by imagePullSecrets) access to its registry; "
            "registries say the same of an image that does not exist"
        )
    elif reason in NEVER or MISSING.search(message):
        hint = (
            "load the image onto the nodes, or let them pull it (imagePullPolicy)"
            if reason == "ErrImageNeverPull"
            else "correct the image's name, tag or platform"
        )
    elif lasts:
        hint = "look at the registry, and at the way to it from the nodes (firewall, NAT, proxy, rate limits)"
    else:
        return None
    return Failed(f"{what} has no image: {reason}: {message or image}", (f"image: {image}",), hint, pod)


def _failed_pull(event: Json, image: str) -> bool:
    message = str(event.get("message", ""))
    return event.get("reason") == "Failed" and "pull image" in message and (not image or image in message)
