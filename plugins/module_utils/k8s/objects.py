"""Small readings of Kubernetes API objects as plain JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ..digits import natural

Json = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
MANAGED_BY = {"app.kubernetes.io/managed-by": "mlops.tfserving"}
"""Label of all that roles apply."""
MADE_HERE = "mlops.tfserving/made-by"
"""Annotation of a namespace that was created here; its value is the site's name, or MADE_BY for every site's."""
MADE_BY = "mlops.tfserving"


def name_of(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"]["name"])


def is_ours(obj: Mapping[str, Any]) -> bool:
    """Whether one of the roles applied it."""
    labels = obj["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in MANAGED_BY.items())


def made_here(namespace: Mapping[str, Any], site: str = "") -> bool:
    """Whether it was created here; with a name: for that site, or for none in particular."""
    found = (namespace["metadata"].get("annotations") or {}).get(MADE_HERE)
    return found is not None and (not site or found in (site, MADE_BY))


def owned_by(obj: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    uid = owner["metadata"].get("uid")
    references = obj["metadata"].get("ownerReferences", [])
    return uid is not None and any(reference.get("uid") == uid for reference in references)


def revision(replicaset: Mapping[str, Any]) -> int:
    """A ReplicaSet's place in its Deployment's history; 0 when its controller has not numbered it yet."""
    value = replicaset["metadata"].get("annotations", {}).get(REVISION, "0")
    return natural(str(value)) or 0


def condition(obj: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The status condition of that type, or an empty mapping."""
    for found in obj.get("status", {}).get("conditions") or []:
        if found.get("type") == kind:
            return dict(found)
    return {}


def is_true(obj: Mapping[str, Any], kind: str) -> bool:
    return condition(obj, kind).get("status") == "True"


def timestamp(text: str | None) -> float | None:
    """Kubernetes' RFC 3339 time as seconds since the epoch; None for none."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def seconds_since(text: str | None, now: float) -> float:
    """Seconds from that time to `now`; 0 when it is not known or lies ahead (clocks differ)."""
    then = timestamp(text)
    return 0.0 if then is None else max(0.0, now - then)


def event_time(event: Mapping[str, Any]) -> float:
    """When an event happened last, in seconds since the epoch; 0 when it does not say."""
    series = event.get("series") or {}
    for text in (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime")):
        found = timestamp(text)
        if found is not None:
            return found
    return timestamp(event["metadata"].get("creationTimestamp")) or 0.0


def event_count(event: Mapping[str, Any]) -> int:
    series = event.get("series") or {}
    return int(series.get("count") or event.get("count") or 1)


def label_selector(selector: Mapping[str, Any]) -> str:
    """A LabelSelector object as the query parameter `labelSelector`."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, values = expression["key"], ",".join(expression.get("values") or [])
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[expression["operator"]]
        )
    return ",".join(parts)


def first_time(event: Mapping[str, Any]) -> float:
    """When an event happened first, in seconds since the epoch; 0 when it does not say."""
    for text in (
        event.get("firstTimestamp"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    ):
        found = timestamp(text)
        if found is not None:
            return found
    return 0.0


def events_of(obj: Mapping[str, Any], events: Iterable[Json]) -> list[Json]:
    """The events about an object, oldest first. By uid where the event has one, since names come again."""
    name, uid = obj["metadata"].get("name"), obj["metadata"].get("uid")
    mine = []
    for event in events:
        about = event.get("involvedObject") or {}
        if about.get("name") == name and (not uid or about.get("uid") in (None, "", uid)):
            mine.append(event)
    return sorted(mine, key=event_time)


def last_change(obj: Mapping[str, Any]) -> tuple[float, str]:
    """When somebody changed an object's spec last, and the name of the field manager that did.

    Status, scale (an HPA's changes) and what Kubernetes' own controllers write do not count.
    """
    found = (timestamp(obj["metadata"].get("creationTimestamp")) or 0.0, "")
    for entry in obj["metadata"].get("managedFields") or []:
        then = timestamp(entry.get("time"))
        manager = str(entry.get("manager", ""))
        if then is not None and not entry.get("subresource") and manager != "kube-controller-manager":
            found = max(found, (then, manager))
    return found


def last_scaled(obj: Mapping[str, Any]) -> float:
    """When somebody, such as an HPA, last changed how many replicas it has by its scale; 0 when nobody did."""
    return max(
        (
            timestamp(entry.get("time")) or 0.0
            for entry in obj["metadata"].get("managedFields") or []
            if entry.get("subresource") == "scale"
        ),
        default=0.0,
    )


def warning_lines(events: Iterable[Json], limit: int = 5) -> tuple[str, ...]:
    """The newest warnings among events, one line each, oldest first."""
    found = sorted((event for event in events if event.get("type", "Warning") == "Warning"), key=event_time)
    return tuple(
        f"event {event.get('reason', '')}: {' '.join(str(event.get('message', '')).split())}"
        + (f" ({event_count(event)} times)" if event_count(event) > 1 else "")
        for event in found[-limit:]
    )
