"""What has to change for a bucket to be as wanted. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..gcp.errors import BadInput
from ..gcp.labels import MARK, MARK_WORDS, as_texts, is_ours
from . import sites

Json = dict[str, Any]

CONDITIONS = (
    "age", "created_before", "custom_time_before", "days_since_custom_time", "days_since_noncurrent_time", "is_live",
    "matches_prefix", "matches_storage_class", "matches_suffix", "noncurrent_time_before", "num_newer_versions",
)  # fmt: skip
"""Conditions of a lifecycle rule, as options; the API has them in camel case."""

PRIVATE = {"uniform_bucket_level_access": True, "public_access_prevention": "enforced"}
"""Of what is made here, unless asked otherwise."""

_DATES = ("created_before", "custom_time_before", "noncurrent_time_before")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def check_name(name: str) -> None:
    """Raises ``BadInput``. https://cloud.google.com/storage/docs/buckets#naming"""
    if (
        not _NAME.fullmatch(name)
        or name.startswith("goog")
        or any(not 0 < len(p) <= 63 for p in name.split("."))
    ):
        raise BadInput(
            f"bucket name '{name}': 3 to 63 lower-case letters, digits, hyphens, underscores and dots, beginning and "
            "ending with a letter or digit, not beginning with goog. With dots it may have 222, and 63 between two."
        )


def check(options: Mapping[str, Any]) -> None:
    """Refuses what Google would refuse, before asking. Raises ``BadInput``."""
    check_name(options["name"])
    seconds = options.get("soft_delete_seconds")
    if seconds is not None and seconds != 0 and not 604_800 <= seconds <= 7_776_000:
        raise BadInput("soft_delete_seconds must be 0 (off) or from 604800 (7 days) to 7776000 (90 days).")
    for number, rule in enumerate(options.get("lifecycle_rules") or [], 1):
        _check_rule(number, rule)


def _check_rule(number: int, rule: Mapping[str, Any]) -> None:
    where = f"lifecycle_rules: rule {number}"
    given = {key: rule[key] for key in CONDITIONS if rule.get(key) is not None}
    if not given:
        raise BadInput(
            f"{where} has no condition, and would take every object: give one of {', '.join(CONDITIONS)}."
        )
    if (rule["action"] == "SetStorageClass") != bool(rule.get("storage_class")):
        raise BadInput(f"{where}: storage_class goes with the action SetStorageClass, and with that alone.")
    if rule["action"] == "AbortIncompleteMultipartUpload" and set(given) - {
        "age",
        "matches_prefix",
        "matches_suffix",
    }:
        raise BadInput(
            f"{where}: AbortIncompleteMultipartUpload knows age, matches_prefix and matches_suffix only."
        )
    for key, value in given.items():
        if key in _DATES and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(value)):
            raise BadInput(f"{where}: {key} must be a date such as 2026-01-31, not {value!r}.")
        if isinstance(value, int) and not isinstance(value, bool) and value < 0:
            raise BadInput(f"{where}: {key} must not be negative.")


def desired(options: Mapping[str, Any]) -> Json:
    """The bucket's managed fields in the API's form."""
    body: Json = {}
    if options.get("storage_class") is not None:
        body["storageClass"] = options["storage_class"]
    if options.get("labels") is not None:
        body["labels"] = as_texts(options["labels"])
    if options.get("versioning") is not None:
        body["versioning"] = {"enabled": options["versioning"]}
    if options.get("soft_delete_seconds") is not None:
        body["softDeletePolicy"] = {"retentionDurationSeconds": str(options["soft_delete_seconds"])}
    if options.get("lifecycle_rules") is not None:
        body["lifecycle"] = {"rule": [_rule(rule) for rule in options["lifecycle_rules"]]}
    access: Json = {}
    if options.get("uniform_bucket_level_access") is not None:
        access["uniformBucketLevelAccess"] = {"enabled": options["uniform_bucket_level_access"]}
    if options.get("public_access_prevention") is not None:
        access["publicAccessPrevention"] = options["public_access_prevention"]
    if access:
        body["iamConfiguration"] = access
    return body


def _rule(rule: Mapping[str, Any]) -> Json:
    action = {"type": rule["action"]} | (
        {"storageClass": rule["storage_class"]} if rule.get("storage_class") else {}
    )
    condition = {_camel(key): rule[key] for key in CONDITIONS if rule.get(key) is not None}
    return {"action": action, "condition": condition}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


def creation(options: Mapping[str, Any]) -> Json:
    """The body that creates the bucket, with our mark; private unless asked otherwise."""
    body = desired(_private(options))
    body["labels"] = body.get("labels", {}) | MARK | _site(options)
    return {
        "name": options["name"],
        **({"location": options["location"]} if options.get("location") else {}),
        **body,
    }


def patch(options: Mapping[str, Any], current: Json) -> Json:
    """The merge patch that makes the bucket as wanted; empty when it is. Raises ``BadInput``."""
    location = options.get("location")
    if location and location.upper() != current["location"].upper():
        raise BadInput(
            f"bucket {options['name']} is in {current['location']}, not in {location.upper()}, and a bucket can't be moved: "
            "set location to where it is, or choose another name."
        )
    labels = current.get("labels") or {}
    ours, own_only = is_ours(labels), options.get("own_only")
    goal = desired(_private(options) if own_only and ours else options)
    others = {key: value for key, value in labels.items() if key not in sites.every(labels)}
    kept = others if "labels" not in goal or (own_only and not ours) else {}
    goal["labels"] = kept | goal.get("labels", {}) | (MARK if ours else {}) | _sites(labels, options)
    body = _changed(goal, current)
    if "labels" in body:
        # A label that is not wanted goes by an explicit null.
        body["labels"] = {**dict.fromkeys(current.get("labels", {})), **body["labels"]}
    return body


def _private(options: Mapping[str, Any]) -> Json:
    return {**options, **{name: value for name, value in PRIVATE.items() if options.get(name) is None}}


def left_words(options: Mapping[str, Any], current: Json) -> str:
    """What a bucket of others has in place of private access, which is left as it is; empty where there is nothing to tell."""
    if is_ours(current.get("labels")) or not options.get("own_only"):
        return ""
    access = current.get("iamConfiguration") or {}
    has = {
        "uniform_bucket_level_access": bool((access.get("uniformBucketLevelAccess") or {}).get("enabled")),
        "public_access_prevention": access.get("publicAccessPrevention") or "inherited",
    }
    open_ = {
        name: value for name, value in has.items() if options.get(name) is None and value != PRIVATE[name]
    }
    if not open_:
        return ""
    told = " and ".join(f"{name} is {str(value).lower()}" for name, value in open_.items())
    goal = ", ".join(f"{name}: {str(PRIVATE[name]).lower()}" for name in open_)
    return (
        f"bucket {options['name']} was not made here (it lacks the {MARK_WORDS}), and its access is left as it is: {told}. Who has it as "
        f"wanted says so, and who wants it private, too: {goal}. The role's variables begin with storage_."
    )


def _sites(labels: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The labels of the sites that use it: others' as they are, and this one's for what it uses now."""
    mine = sites.own(labels, options.get("site"))
    return {key: value for key, value in sites.every(labels).items() if key not in mine} | _site(options)


def _site(options: Mapping[str, Any]) -> dict[str, str]:
    paths = [options.get("model_path") or "", *(options.get("more_model_paths") or [])]
    return sites.labels_of(options.get("site"), paths)


def _changed(desired: Json, current: Json) -> Json:
    body: Json = {}
    for key, value in desired.items():
        if key == "labels":
            if value != current.get("labels", {}):
                body[key] = value
        elif key == "lifecycle":
            if _rules(value) != _rules(current.get(key) or {}):
                body[key] = value
        elif isinstance(value, dict):
            inner = _changed(value, current.get(key, {}))
            if inner:
                body[key] = inner
        elif (value or None) != (current.get(key) or None):
            body[key] = value
    return body


def _rules(lifecycle: Json) -> list[str]:
    """Rules in a form that compares: their order means nothing, nor does that of a condition's lists."""
    return sorted(
        json.dumps(
            {
                **rule,
                "condition": {
                    k: sorted(v) if isinstance(v, list) else v for k, v in rule["condition"].items()
                },
            },
            sort_keys=True,
        )
        for rule in lifecycle.get("rule", [])
    )


def before(body: Json, current: Json) -> Json:
    """The current values of what a patch changes, for the diff."""
    return {
        key: before(value, current.get(key) or {}) if isinstance(value, dict) else current.get(key)
        for key, value in body.items()
    }
