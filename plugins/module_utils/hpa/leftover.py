"""What is on an HPA that an apply of ours would leave there, since others wrote it and own it: rollouts, and KEDA. Pure.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..k8s.surge import NOTE as _HELD

Json = dict[str, Any]

BESIDE = "mlops.tfserving/beside"
"""Of what was made beside it: roles/autoscaling/vars."""
_NAME = "scaledobject.keda.sh/name"
_TRANSFER = "scaledobject.keda.sh/transfer-hpa-ownership"
"""KEDA copies labels and annotations of its ScaledObject, to which it adds the first; and adds labels that others have, too."""
_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/version")


def taking_off(
    hpa: Mapping[str, Any], behavior: Mapping[str, Any], beside: Iterable[str], *, keda: bool
) -> Json:
    """The merge patch that takes it off; with nothing in it there is nothing, or no HPA.

    ``behavior``: as it is asked for; ``beside``: what is made beside the HPA; ``keda``: whether KEDA is to have it, which
    would write it back.
    """
    metadata, there = hpa.get("metadata") or {}, (hpa.get("spec") or {}).get("behavior") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    was_kedas = _NAME in labels and not keda
    off = [_HELD, *((_TRANSFER, *(() if list(beside) else (BESIDE,))) if was_kedas else ())]
    ways = [
        way
        for way in ("scaleUp", "scaleDown")
        if (way == "scaleDown" and _HELD in annotations)
        or (not keda and "tolerance" in (there.get(way) or {}) and "tolerance" not in behavior[way])
    ]
    marks = {
        "annotations": dict.fromkeys(one for one in off if one in annotations),
        "labels": dict.fromkeys(one for one in (_NAME, *_LABELS) if was_kedas and one in labels),
    }
    patch = {
        "metadata": {kind: names for kind, names in marks.items() if names},
        "spec": {"behavior": {way: {"tolerance": behavior[way].get("tolerance")} for way in ways}}
        if ways
        else {},
    }
    return {part: content for part, content in patch.items() if content}
