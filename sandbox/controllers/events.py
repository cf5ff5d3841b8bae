"""Events, as controllers leave them beside the objects they are about."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from ..kube.rest import Json, KubeRest


def emit(
    rest: KubeRest, about: Json, *, kind: str, reason: str, message: str, source: str, now: float
) -> None:
    """Records a Normal event about an object, given with its metadata."""
    metadata = about["metadata"]
    namespace = metadata.get("namespace", "default")
    timestamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": about.get("apiVersion", "v1"),
            "kind": kind,
            "name": metadata["name"],
            "namespace": metadata.get("namespace", ""),
            "uid": metadata.get("uid", ""),
        },
        "type": "Normal",
        "reason": reason,
        "message": message,
        "source": {"component": source},
        "firstTimestamp": timestamp,
        "lastTimestamp": timestamp,
        "count": 1,
    }
    rest.request("POST", f"/api/v1/namespaces/{namespace}/events", event)
