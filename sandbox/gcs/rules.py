"""What Cloud Storage demands of names and settings of buckets, and what it fills in. Pure.

https://cloud.google.com/storage/docs/buckets#naming, …/json_api/v1/buckets, and recorded answers of Google's.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from ..google.errors import GoogleError, invalid

Json = dict[str, Any]

_COMPONENT = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
_LABEL_KEY = re.compile(r"[a-z\u00df-\U0010ffff][a-z0-9_\u00df-\U0010ffff-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_\u00df-\U0010ffff-]{0,63}")
_MULTI_REGIONS = frozenset({"US", "EU", "ASIA"})
_DUAL_REGIONS = frozenset({"ASIA1", "EUR4", "EUR5", "EUR7", "EUR8", "NAM4"})
_CLASSES = frozenset(
    {
        "STANDARD",
        "NEARLINE",
        "COLDLINE",
        "ARCHIVE",
        "MULTI_REGIONAL",
        "REGIONAL",
        "DURABLE_REDUCED_AVAILABILITY",
    }
)
_DAY = 86_400
SOFT_DELETE_DEFAULT = 7 * _DAY
SOFT_DELETE_RANGE = range(7 * _DAY, 90 * _DAY + 1)
UNIFORM_LOCK_SECONDS = 90 * _DAY
RETENTION_RANGE = range(1, 3_155_760_000 + 1)
_LIFECYCLE_ACTIONS = frozenset({"Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"})
_MAX_LIFECYCLE_RULES = 100
_MAX_LABELS = 64
WRITABLE = (
    "autoclass", "billing", "cors", "customPlacementConfig", "defaultEventBasedHold", "iamConfiguration", "ipFilter",
    "labels", "lifecycle", "logging", "retentionPolicy", "rpo", "softDeletePolicy", "storageClass", "versioning", "website",
)  # fmt: skip
# Accepting these without doing what they promise would be a lie.
_MISSING = ("encryption", "hierarchicalNamespace", "objectRetention")


def check_name(name: str) -> None:
    """Raises ``GoogleError`` for a name that no bucket may have."""
    parts = name.split(".")
    fits = 3 <= len(name) <= (222 if len(parts) > 1 else 63) and all(
        _COMPONENT.fullmatch(part) for part in parts
    )
    if not fits or name.startswith("goog") or re.search(r"g[o0][o0]g[l1]e", name) or _is_address(name):
        raise invalid(f"Invalid bucket name: '{name}'")
    if len(parts) > 1:
        text = (
            f"The bucket name '{name}' is a domain name: only who has proven to own the domain may create it."
        )
        raise GoogleError(403, text)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def place(location: str, regions: frozenset[str], placement: Json | None) -> tuple[str, str]:
    """The location as it is stored, and its type."""
    name = location.upper()
    if placement and name in _MULTI_REGIONS:
        chosen = [region.upper() for region in placement.get("dataLocations", [])]
        if len(set(chosen)) != 2 or not set(chosen) <= regions:
            raise invalid("customPlacementConfig.dataLocations must name two regions.")
        return name, "dual-region"
    if name in _MULTI_REGIONS:
        return name, "multi-region"
    if name in _DUAL_REGIONS:
        return name, "dual-region"
    if name in regions:
        return name, "region"
    raise invalid("The specified location constraint is not valid.")


def check_settings(body: Json) -> None:
    """Refuses values of a bucket's writable fields that Google refuses, and what is not emulated."""
    for field in _MISSING:
        if body.get(field) and body[field] != {"enabled": False}:
            raise GoogleError(501, f"not emulated here: {field} of a bucket")
    if body.get("storageClass") not in (None, *_CLASSES):
        raise invalid(f"The storage class '{body['storageClass']}' is not valid.")
    _check_labels(body.get("labels") or {})
    _check_lifecycle(body.get("lifecycle") or {})
    seconds = (body.get("softDeletePolicy") or {}).get("retentionDurationSeconds")
    if seconds is not None and int(seconds) != 0 and int(seconds) not in SOFT_DELETE_RANGE:
        text = "softDeletePolicy.retentionDurationSeconds must be 0 or from 604800 (7 days) to 7776000 (90 days)."
        raise invalid(text)
    kept = body.get("retentionPolicy")
    if kept and int(kept.get("retentionPeriod") or 0) not in RETENTION_RANGE:
        raise invalid("retentionPolicy.retentionPeriod must be from 1 to 3155760000 (100 years) seconds.")
    prevention = (body.get("iamConfiguration") or {}).get("publicAccessPrevention")
    if prevention not in (None, "inherited", "unspecified", "enforced"):
        raise invalid(f"Invalid value for publicAccessPrevention: '{prevention}'.")
    terminal = (body.get("autoclass") or {}).get("terminalStorageClass")
    if terminal not in (None, "NEARLINE", "ARCHIVE"):
        raise invalid("autoclass.terminalStorageClass must be NEARLINE or ARCHIVE.")
    if body.get("rpo") not in (None, "DEFAULT", "ASYNC_TURBO"):
        raise invalid(f"Invalid value for rpo: '{body['rpo']}'.")


def _check_labels(labels: Json) -> None:
    kept = {key: value for key, value in labels.items() if value is not None}
    if len(kept) > _MAX_LABELS:
        raise invalid(f"A bucket can have {_MAX_LABELS} labels at most.")
    for key, value in kept.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise invalid(f"Invalid label: '{key}': '{value}'.")


def _check_lifecycle(lifecycle: Json) -> None:
    rules = lifecycle.get("rule") or []
    if len(rules) > _MAX_LIFECYCLE_RULES:
        raise invalid(f"A bucket can have {_MAX_LIFECYCLE_RULES} lifecycle rules at most.")
    for rule in rules:
        action, condition = rule.get("action") or {}, rule.get("condition") or {}
        if action.get("type") not in _LIFECYCLE_ACTIONS:
            raise invalid(f"Unknown lifecycle action: '{action.get('type', '')}'.")
        if (action["type"] == "SetStorageClass") != ("storageClass" in action) or action.get(
            "storageClass", "STANDARD"
        ) not in _CLASSES:
            text = "A lifecycle action needs a valid storageClass if, and only if, it is SetStorageClass."
            raise invalid(text)
        if not condition:
            raise invalid("A lifecycle rule needs a condition.")
        if any(
            isinstance(value, int) and not isinstance(value, bool) and value < 0
            for value in condition.values()
        ):
            raise invalid("A lifecycle condition's numbers can't be negative.")
        if action["type"] == "AbortIncompleteMultipartUpload" and set(condition) - {
            "age", "matchesPrefix", "matchesSuffix",
        }:  # fmt: skip
            text = "AbortIncompleteMultipartUpload supports only age, matchesPrefix and matchesSuffix."
            raise invalid(text)


def merge(current: Json, patch: Json) -> Json:
    """A JSON merge patch (RFC 7396): null removes a field."""
    merged = dict(current)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merge(merged.get(key) or {}, value)
        else:
            merged[key] = value
    return merged


def settings(wanted: Json, before: Json, now: str, lock_time: str) -> Json:
    """The writable fields as they are stored: defaults filled in, times of changes noted.

    ``before``: as they were stored until now, empty for a new bucket.
    """
    result: Json = {field: wanted[field] for field in WRITABLE if wanted.get(field) not in (None, {}, [])}
    if not (result.get("lifecycle") or {}).get("rule"):
        result.pop("lifecycle", None)
    result.setdefault("storageClass", "STANDARD")
    result.setdefault("rpo", "DEFAULT")
    result["iamConfiguration"] = _access(
        result.get("iamConfiguration", {}), before.get("iamConfiguration", {}), lock_time
    )
    result["softDeletePolicy"] = _soft_delete(
        result.get("softDeletePolicy"), before.get("softDeletePolicy"), now
    )
    if "retentionPolicy" in result:
        result["retentionPolicy"] = _retention(result["retentionPolicy"], before.get("retentionPolicy"), now)
    if "autoclass" in result:
        result["autoclass"] = _autoclass(result["autoclass"], before.get("autoclass", {}), now)
        if result["autoclass"]["enabled"]:
            result["storageClass"] = "STANDARD"
    return result


def _access(wanted: Json, before: Json, lock_time: str) -> Json:
    old = before.get("uniformBucketLevelAccess", {"enabled": False})
    asked = wanted.get("uniformBucketLevelAccess") or wanted.get("bucketPolicyOnly") or {}
    if asked == old:
        # The older name of the same setting may be the one that changed.
        asked = wanted.get("bucketPolicyOnly") or asked
    enabled = bool(asked.get("enabled", False))
    uniform: Json = {"enabled": enabled}
    if enabled:
        uniform["lockedTime"] = old.get("lockedTime") or lock_time
    prevention = wanted.get("publicAccessPrevention") or "inherited"
    return {
        "bucketPolicyOnly": dict(uniform),
        "uniformBucketLevelAccess": uniform,
        "publicAccessPrevention": "inherited" if prevention == "unspecified" else prevention,
    }


def _soft_delete(wanted: Json | None, before: Json | None, now: str) -> Json:
    seconds = str((wanted or {}).get("retentionDurationSeconds", SOFT_DELETE_DEFAULT))
    if seconds == "0":
        return {"retentionDurationSeconds": "0"}
    if before and before.get("retentionDurationSeconds") == seconds:
        return before
    return {"retentionDurationSeconds": seconds, "effectiveTime": now}


def _retention(wanted: Json, before: Json | None, now: str) -> Json:
    seconds = str(wanted["retentionPeriod"])
    if before and before["retentionPeriod"] == seconds:
        return before
    return {"retentionPeriod": seconds, "effectiveTime": now}


def _autoclass(wanted: Json, before: Json, now: str) -> Json:
    enabled = bool(wanted.get("enabled", False))
    toggled = before.get("toggleTime", now) if enabled == before.get("enabled") else now
    result: Json = {"enabled": enabled, "toggleTime": toggled}
    if enabled:
        terminal = wanted.get("terminalStorageClass", "NEARLINE")
        same = terminal == before.get("terminalStorageClass")
        result["terminalStorageClass"] = terminal
        result["terminalStorageClassUpdateTime"] = before["terminalStorageClassUpdateTime"] if same else now
    return result
