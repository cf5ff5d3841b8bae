"""Long-running operations in words: how far they are, why they failed, and what to do then. Pure."""

from __future__ import annotations

from typing import Any

from .schema import Json

_HINTS = (
    # Codes of StatusCondition, and what messages without one are recognised by (lower case).
    (("gce_quota_exceeded", "quota"), "Ask for more quota in this region, or use smaller or fewer machines."),
    (
        ("gce_stockout", "stockout", "does not have enough resources", "zone_resource_pool_exhausted"),
        "The zone has no such machines now: try another zone or machine type.",
    ),
    (
        ("gke_service_account_deleted", "container-engine-robot"),
        "GKE's own account lost its access: enable the API anew, or grant it roles/container.serviceAgent.",
    ),
    (
        ("node_service_account_missing_permissions",),
        "Grant the nodes' service account roles/container.defaultNodeServiceAccount.",
    ),
    (
        ("cloud_kms_key_error", "cloud_kms_key_destroyed", "cryptokey"),
        "See that the key exists and that GKE's account may use it (roles/cloudkms.cryptoKeyEncrypterDecrypter).",
    ),
    (
        ("ip_space_exhausted", "free ip space", "insufficient ip"),
        "The ranges of pods or nodes are used up: give a larger range, or fewer pods per node.",
    ),
    (
        ("permission_denied", "permission", "service account"),
        "See that the account exists and has the role that is missing.",
    ),
)


def hint(text: str) -> str:
    """What to do about a problem of Google's, or nothing."""
    found = text.lower()
    return next((f" {words}" for signs, words in _HINTS if any(sign in found for sign in signs)), "")


def conditions_in_words(conditions: list[Json]) -> list[str]:
    """Conditions that are not OK: their messages, or else their codes."""
    bad = [c for c in conditions if c.get("canonicalCode", "UNKNOWN" if c.get("code") else "OK") != "OK"]
    return [c.get("message") or c.get("code") or c["canonicalCode"] for c in bad]


def failure(operation: Json) -> str | None:
    """Why a finished operation failed, in words; None when it did not."""
    error = operation.get("error") or {}
    conditions = [*(operation.get("clusterConditions") or []), *(operation.get("nodepoolConditions") or [])]
    words = conditions_in_words(conditions)
    if error:
        words.insert(0, error.get("message") or f"error code {error.get('code', 'unknown')}")
    elif operation.get("statusMessage"):
        words.insert(0, operation["statusMessage"])
    text = "; ".join(dict.fromkeys(words))
    codes = " ".join(str(c.get(key, "")) for c in conditions for key in ("code", "canonicalCode"))
    if not text:
        return None
    return text + (hint(codes) or hint(text))


def trouble(resource: Json) -> str | None:
    """What is wrong with a cluster or pool that works only in part; None for nothing."""
    if resource.get("status") not in ("DEGRADED", "RUNNING_WITH_ERROR", "ERROR"):
        return None
    words = conditions_in_words(resource.get("conditions", [])) or [resource.get("statusMessage", "")]
    text = "; ".join(filter(None, dict.fromkeys(words))) or "Google gives no reason"
    return f"{resource['name']} is {resource['status']}: {text}.{hint(text)}"


def progress_in_words(operation: Json) -> str:
    """Google's detail and counts, as far as they are given: ``CLUSTER_DEPLOYING 3/12``."""
    words = [operation["detail"]] if operation.get("detail") else []
    progress = operation.get("progress") or {}
    for stage in [progress, *progress.get("stages", [])]:
        words += _counts(stage.get("metrics", []))
    return ", ".join(words)


def _counts(metrics: list[Json]) -> list[str]:
    values: dict[str, Any] = {
        metric["name"]: metric.get("intValue", metric.get("doubleValue", metric.get("stringValue")))
        for metric in metrics
        if "name" in metric
    }
    return [
        f"{name} {value}/{values[f'{name}_TOTAL']}" if f"{name}_TOTAL" in values else f"{name} {value}"
        for name, value in values.items()
        if not name.endswith("_TOTAL")
    ]
