"""What keeps a bucket's objects from being deleted: retention and holds. Pure.

https://cloud.google.com/storage/docs/bucket-lock, …/object-holds and …/object-lock. Whoever publishes or removes a version
claims it by an object, and gives that back by deleting it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Json = dict[str, Any]

WAY_OUT = (
    "Have the models in a bucket without retention and default holds (storage_bucket); what is deleted by mistake is kept by "
    "versioning (storage_versioning) or soft delete (storage_soft_delete_seconds)"
)
HOLDS = ("temporaryHold", "eventBasedHold")


def of_bucket(bucket: Mapping[str, Any]) -> str:
    """Why what is created in it can't be deleted soon; empty where it can.

    With versioning an object under retention becomes a noncurrent one, which is as good here; one under a hold does not.
    """
    if bucket.get("defaultEventBasedHold"):
        return "puts every new object under a hold (defaultEventBasedHold)"
    policy = bucket.get("retentionPolicy") or {}
    seconds = int(policy.get("retentionPeriod") or 0)
    if not seconds or is_versioned(bucket):
        return ""
    locked = ", locked" if policy.get("isLocked") else ""
    return f"keeps every object for {seconds} s after its creation (retention policy{locked})"


def is_versioned(bucket: Mapping[str, Any]) -> bool:
    return bool((bucket.get("versioning") or {}).get("enabled"))


def kept(objects: Mapping[str, Json], now: datetime, *, versioned: bool) -> list[str]:
    """What of listed objects can't be deleted, each with the reason."""
    reasons = {path: _reason(item, now, versioned=versioned) for path, item in sorted(objects.items())}
    return [f"{path} ({reason})" for path, reason in reasons.items() if reason]


def _reason(item: Json, now: datetime, *, versioned: bool) -> str:
    for hold in HOLDS:
        if item.get(hold):
            return hold
    until = item.get("retentionExpirationTime")
    if not until or versioned or datetime.fromisoformat(until) <= now:
        return ""
    return f"retained until {until}"
