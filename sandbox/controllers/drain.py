"""Empties a node as a person would with `kubectl drain`: cordon, evict, wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from ..kube.rest import Json, KubeError, KubeRest

log = logging.getLogger(__name__)


def cordon(rest: KubeRest, node: str) -> None:
    """No new pod comes to the node."""
    # Not by the taint that this brings: the node controller derives it from here, and takes back any other within seconds.
    merge(rest, f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})


def drain(
    rest: KubeRest,
    node: str,
    *,
    seconds: float,
    stopped: Callable[[float], bool],
    monotonic: Callable[[], float] = time.monotonic,
) -> bool:
    """Moves a node's pods elsewhere; the rest is as with ``evict``."""
    cordon(rest, node)
    pods = rest.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")["items"]
    keys = [(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods]
    return evict(rest, keys, seconds=seconds, stopped=stopped, monotonic=monotonic)


def taint(rest: KubeRest, node: str, key: str, now: float) -> None:
    """Adds a NoSchedule taint with the time as its value, if it is not there yet."""
    path = f"/api/v1/nodes/{node}"
    taints = rest.get(path).get("spec", {}).get("taints", [])
    if not any(t["key"] == key for t in taints):
        taints.append({"key": key, "value": str(int(now)), "effect": "NoSchedule"})
        merge(rest, path, {"spec": {"taints": taints}})


def untaint(rest: KubeRest, node: Json, key: str) -> None:
    taints = [t for t in node.get("spec", {}).get("taints", []) if t["key"] != key]
    merge(rest, f"/api/v1/nodes/{node['metadata']['name']}", {"spec": {"taints": taints or None}})


def merge(rest: KubeRest, path: str, patch: Json) -> None:
    rest.request("PATCH", path, patch, content_type="application/merge-patch+json")


def evict(
    rest: KubeRest,
    pods: Iterable[tuple[str, str]],
    *,
    seconds: float,
    stopped: Callable[[float], bool],
    monotonic: Callable[[], float] = time.monotonic,
) -> bool:
    """Evicts the pods, respecting their disruption budgets, and waits until they are gone.

    ``stopped(seconds)`` waits and says whether to give up. False when time ran out or it was stopped.
    """
    deadline = monotonic() + seconds
    waiting = set(pods)
    asked: set[tuple[str, str]] = set()
    while waiting:
        for namespace, name in sorted(waiting - asked):
            path = f"/api/v1/namespaces/{namespace}/pods/{name}"
            body = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"namespace": namespace, "name": name},
            }
            try:
                rest.request("POST", f"{path}/eviction", body)
                asked.add((namespace, name))
            except KubeError as error:
                if error.status == 404:
                    waiting.discard((namespace, name))
                elif error.status != 429:
                    log.warning("eviction of %s/%s: %s", namespace, name, error)
        for namespace, name in sorted(waiting):
            try:
                rest.get(f"/api/v1/namespaces/{namespace}/pods/{name}")
            except KubeError as error:
                if error.status == 404:
                    waiting.discard((namespace, name))
        if waiting and (monotonic() > deadline or stopped(0.5)):
            return False
    return True
