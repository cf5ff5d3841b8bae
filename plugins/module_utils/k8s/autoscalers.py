"""Which HorizontalPodAutoscaler (autoscaling/v2) is whose. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .objects import Json, is_true


def scales(hpa: Json, deployment: str) -> bool:
    """Whether it is this Deployment's, whatever its own name: KEDA calls its HPAs keda-hpa-NAME."""
    target = hpa["spec"].get("scaleTargetRef") or {}
    return (target.get("kind"), target.get("name")) == ("Deployment", deployment)


def is_kedas(hpa: Mapping[str, Any]) -> bool:
    """Whether KEDA owns it, which would write it back."""
    return any(owner.get("kind") == "ScaledObject" for owner in hpa["metadata"].get("ownerReferences") or [])


def took_the_last(hpa: Json) -> bool:
    """Whether it was the HPA that took the last replica, or KEDA, whose HPA goes when it pauses: then it brings the next.

    roles/serving/templates/hold.lua.j2 reads the same.
    """
    return is_true(hpa, "ScaledToZero") or is_kedas(hpa)
