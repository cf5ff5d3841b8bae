"""Google's rules for names, places, versions, ranges and the like, one complaint each. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ..gcp.errors import BadInput
from .option import version
from .places import REGION, ZONE, is_zone, region_of

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
_PROJECT = re.compile(r"(?:[a-z][-a-z0-9.]*:)?[a-z][-a-z0-9]{4,28}[a-z0-9]|[0-9]+")
_NODE_LABEL = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_TAG = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_DURATION = re.compile(r"(\d+(?:\.\d{1,9})?)s")
_MAX_RESOURCE_LABELS = 64


def check_name(kind: str, name: str) -> None:
    """Google's rule for names of clusters and node pools."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{kind} name '{name}': it must start with a lower-case letter, have lower-case letters, digits and "
            "hyphens only, end with a letter or digit, and be 40 characters long at most."
        )


def check_project(project: str) -> None:
    if not _PROJECT.fullmatch(project):
        raise BadInput(f"project '{project}' is neither a project's ID (my-project-123) nor its number.")


def check_location(location: str) -> None:
    if not (REGION.fullmatch(location) or ZONE.fullmatch(location)):
        raise BadInput(f"location '{location}' is neither a zone (us-central1-f) nor a region (us-central1).")


def check_zones(what: str, zones: Iterable[str], location: str, *, with_own: bool) -> None:
    """``with_own``: a zonal cluster's nodes are in its own zone, too."""
    zones = list(zones)
    if not zones:
        raise BadInput(f"{what}: give at least one zone, or leave the option out.")
    check_once(what, zones)
    for zone in zones:
        if not is_zone(zone):
            raise BadInput(f"{what}: '{zone}' is not a zone (such as {region_of(location)}-a).")
        if region_of(zone) != region_of(location):
            raise BadInput(f"{what}: zone {zone} is not in the cluster's region {region_of(location)}.")
    if with_own and is_zone(location) and location not in zones:
        raise BadInput(f"{what}: the zone of the cluster itself, {location}, must be among them.")


def check_version(what: str, text: str) -> None:
    if version(text) is None and text not in ("latest", "-"):
        raise BadInput(f"{what} '{text}' is no version: give 1.X, 1.X.Y, 1.X.Y-gke.N or latest.")


def check_comparable_version(what: str, text: str) -> None:
    """A version which a run can find fulfilled."""
    if version(text) is None:
        raise BadInput(f"{what} '{text}' is no version: give 1.X, 1.X.Y or 1.X.Y-gke.N.")


def check_cidr(what: str, text: str, *, size_alone: bool = False, prefix: int | None = None) -> None:
    """``size_alone``: whether /20 will do. ``prefix``: the only length allowed."""
    if size_alone and re.fullmatch(r"/(\d|[12]\d|3[0-2])", text):
        return
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise BadInput(f"{what} '{text}' is no range of addresses such as 10.0.0.0/16: {error}.") from error
    if prefix is not None and network.prefixlen != prefix:
        raise BadInput(f"{what} '{text}' must be a /{prefix} range.")


def _is_label_text(text: str) -> bool:
    """Up to 63 letters of any language that are not upper case, digits, _ and -."""
    return len(text) <= 63 and all((c.isalnum() and not c.isupper()) or c in "-_" for c in text)


def check_resource_labels(what: str, labels: Mapping[str, Any]) -> None:
    """https://cloud.google.com/compute/docs/labeling-resources#requirements"""
    if len(labels) > _MAX_RESOURCE_LABELS:
        raise BadInput(f"{what}: {len(labels)} labels; a resource can have {_MAX_RESOURCE_LABELS}.")
    for key, value in labels.items():
        if not (_is_label_text(str(key)) and str(key)[:1].isalpha()):
            raise BadInput(
                f"{what}: key '{key}' must start with a lower-case letter and have up to 63 lower-case letters, digits, _ and -."
            )
        if str(key).startswith("goog-"):
            raise BadInput(f"{what}: key '{key}' is reserved: labels that begin with goog- are Google's own.")
        if isinstance(value, (Mapping, list)) or not _is_label_text(str(value)):
            raise BadInput(
                f"{what}: value '{value}' of {key} must have up to 63 lower-case letters, digits, _ and -."
            )


def check_node_label_key(what: str, key: str, *, reserved: bool = True) -> None:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set

    ``reserved``: whether Kubernetes' own prefixes are refused, as for labels.
    """
    prefix, slash, name = key.rpartition("/")
    if not _NODE_LABEL.fullmatch(name) or (slash and (not _DNS.fullmatch(prefix) or len(prefix) > 253)):
        raise BadInput(
            f"{what}: '{key}' is no valid key: [prefix/]name, the name up to 63 letters, digits, -, _ and dots."
        )
    theirs = prefix in ("kubernetes.io", "k8s.io") or prefix.endswith((".kubernetes.io", ".k8s.io"))
    if reserved and theirs and prefix not in ("node.kubernetes.io", "kubelet.kubernetes.io"):
        raise BadInput(f"{what}: '{key}': the prefix {prefix} is reserved for Kubernetes itself.")


def check_node_label_value(what: str, value: Any) -> None:
    if isinstance(value, (Mapping, list)) or (value != "" and not _NODE_LABEL.fullmatch(str(value))):
        raise BadInput(f"{what}: '{value}' is no valid value: up to 63 letters, digits, -, _ and dots.")


def check_tags(what: str, tags: Iterable[str]) -> None:
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise BadInput(
                f"{what}: '{tag}' must start with a lower-case letter and have up to 63 lower-case letters, digits and -."
            )


def check_duration(what: str, text: str, *, maximum: float | None = None) -> None:
    """``most``: the longest allowed, in seconds."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise BadInput(f"{what} '{text}' is no duration in seconds such as 3600s.")
    if maximum is not None and float(found[1]) > maximum:
        raise BadInput(f"{what} {text} is longer than Google allows ({maximum:.0f}s).")


def moment(what: str, text: str) -> datetime:
    """A point in time with its zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{what} '{text}' is no time such as 2027-01-31T22:00:00Z.") from None
    if found.tzinfo is None:
        raise BadInput(f"{what} '{text}' has no time zone: write 2027-01-31T22:00:00Z.")
    return found


def check_range(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise BadInput(f"{what} must be from {low} to {high}, not {value}.")


def check_once(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"{what}: {', '.join(twice)} is named twice.")
