"""How evenly the pods shared the load, and what their proxies refused, by their own counters. Pure."""

from __future__ import annotations

from .schema import Json, Share
from .timeline import of_kind


def shares(events: list[Json], app: str) -> list[Share]:
    """A share for each pod whose counter was seen; empty when none shows metrics."""
    begun = next((event["t"] for event in of_kind(events, "run")), None)
    counted: dict[str, list[tuple[float, int]]] = {}
    for event in of_kind(events, "metrics"):
        counted.setdefault(event["name"], []).append((event["t"], event["requests"]))
    if begun is None or not counted:
        return []
    fair, seconds, nodes = _fair(events, app)
    found = [
        Share(
            pod,
            nodes.get(pod),
            _grown(polls, begun),
            round(fair.get(pod, 0.0), 1),
            round(seconds.get(pod, 0.0), 1),
        )
        for pod, polls in counted.items()
    ]
    return sorted(found, key=lambda share: -share.requests)


def refused(events: list[Json]) -> dict[str, int]:
    """What the proxies refused since the run began, by way. What a pod refused after the last look at it is not known."""
    begun = next((event["t"] for event in of_kind(events, "run")), None)
    if begun is None:
        return {}
    counted: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for event in of_kind(events, "refused"):
        for way, count in event["counts"].items():
            counted.setdefault((event["name"], way), []).append((event["t"], count))
    found: dict[str, int] = {}
    for (_pod, way), polls in counted.items():
        found[way] = found.get(way, 0) + _grown(polls, begun)
    return {way: count for way, count in found.items() if count}


def _grown(polls: list[tuple[float, int]], begun: float) -> int:
    """What a counter grew by since the run began; a server that was restarted counts from 0 again."""
    before = [count for t, count in polls if t <= begun]
    last, total = (before[-1] if before else 0), 0
    for t, count in polls:
        if t > begun:
            total += count - last if count >= last else count
            last = count
    return total


def _fair(events: list[Json], app: str) -> tuple[dict[str, float], dict[str, float], dict[str, str | None]]:
    """Each interval's requests, split evenly among the pods that were ready in it."""
    ready: set[str] = set()
    fair: dict[str, float] = {}
    seconds: dict[str, float] = {}
    nodes: dict[str, str | None] = {}
    before = t_before = None
    for event in sorted(events, key=lambda event: event["t"]):
        if event["kind"] == "pod" and event["app"] == app:
            nodes[event["name"]] = event["node"] or nodes.get(event["name"])
            if event["gone"] or event["ready"] is None or event["leaving"]:
                ready.discard(event["name"])
            else:
                ready.add(event["name"])
        elif event["kind"] == "load":
            if before is not None and t_before is not None:
                for pod in ready:
                    fair[pod] = fair.get(pod, 0.0) + (event["requests"] - before) / len(ready)
                    seconds[pod] = seconds.get(pod, 0.0) + event["t"] - t_before
            before, t_before = event["requests"], event["t"]
    return fair, seconds, nodes


def skew_max(found: list[Share]) -> float | None:
    """The largest multiple of a fair share, among pods with enough requests to say so."""
    known = [share.skew for share in found if share.skew is not None and share.fair >= 20]
    return max(known, default=None)
