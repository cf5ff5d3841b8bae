"""Where the seconds of each reaction of the autoscalers went. Pure.

Outwards, for each time the HPA wants more replicas: the last rise of load before, its decision, then the slowest
of the pods that it led to: created, scheduled (with the node it waited for), its model fetched and its server
started, ready, its first request. Inwards: load falls, decision, pods gone, nodes gone.
"""

from __future__ import annotations

import itertools

from .hpa import share
from .schema import Json, Phase, Reaction
from .timeline import load_of, of_kind

SLACK = 5.0
"""Seconds by which a pod may seem older than the decision that led to it: Kubernetes' timestamps are whole
seconds, and the HPA's status is written after it has acted."""

RISE_GAP = 5.0
"""Seconds: samples of the load are 2 s apart, so what rises at longer intervals are two rises."""

TOLERANCE = 0.1
"""The HPA does nothing while a metric is within a tenth of its target."""

PHASES: dict[Phase, str] = {
    "decide": "load changes → HPA decides (metrics lag, its period)",
    "create": "decision → pod created",
    "schedule": "pod created → scheduled (waiting for room)",
    "fetch": "scheduled → server starts (image, model fetched)",
    "load": "server starts → ready (model loaded, warm)",
    "serve": "ready → first request answered",
    "drain": "decision → last pod gone",
    "node_gone": "last pod gone → node gone",
}
"""What each phase is, for people; all in seconds."""


_MILESTONES: dict[Phase, str] = {
    "create": "created", "schedule": "scheduled", "fetch": "started", "load": "ready",
}  # fmt: skip
"""What of a pod ends a phase."""


def reactions(events: list[Json], app: str) -> list[Reaction]:
    """Every reaction, in order of time. ``app``: label of the model server's pods."""
    decisions = _decisions(events)
    found = []
    for index, (t, before, after) in enumerate(decisions):
        until = decisions[index + 1][0] if index + 1 < len(decisions) else float("inf")
        maker = _outward if after > before else _inward
        found.append(maker(events, app, (t, before, after), until))
    return found


def _decisions(events: list[Json]) -> list[tuple[float, int, int]]:
    """(t, before, after) each time the HPA wants another number of replicas."""
    found: list[tuple[float, int, int]] = []
    desired: int | None = None
    for event in of_kind(events, "hpa"):
        if desired is not None and event["desired"] != desired:
            found.append((event["t"], desired, event["desired"]))
        desired = event["desired"]
    return found


def _load_change(events: list[Json], before: float, *, rising: bool) -> float:
    """When the load began its last rise before a time, or was last seen to fall; that time itself if it never did."""
    loads = [event for event in of_kind(events, "load") if event["t"] <= before]
    levels = [0.0, *map(load_of, loads)]
    moved = [
        (after > earlier) if rising else (after < earlier) for earlier, after in itertools.pairwise(levels)
    ]
    if True not in moved:
        return before
    index = len(moved) - 1 - moved[::-1].index(True)
    while rising and index and moved[index - 1] and loads[index]["t"] - loads[index - 1]["t"] <= RISE_GAP:
        index -= 1
    return float(loads[index]["t"])


def _metric_lag(events: list[Json], started: float, decided: float) -> float | None:
    """From the rise of load until the HPA first saw a metric above its target; None if it never did."""
    for event in of_kind(events, "hpa"):
        above = any((share(metric) or 0.0) > 1 + TOLERANCE for metric in event["metrics"])
        if started <= event["t"] <= decided and above:
            return round(float(event["t"]) - started, 1)
    return None


def _outward(events: list[Json], app: str, decision: tuple[float, int, int], until: float) -> Reaction:
    t, before, after = decision
    started = _load_change(events, t, rising=True)
    reaction = Reaction("out", started, before, after, {"decide": round(t - started, 1)})
    reaction.metric_lag = _metric_lag(events, started, t)
    pods: dict[str, Json] = {}
    for event in of_kind(events, "pod"):
        created = event["created"]
        if event["app"] == app and created is not None and t - SLACK <= created < until - SLACK:
            pods[event["name"]] = {
                **pods.get(event["name"], {}),
                **{k: v for k, v in event.items() if v is not None},
            }
    new = [pod for pod in pods.values() if pod.get("ready") is not None]
    if not new:
        return reaction
    slowest = max(new, key=lambda pod: pod["ready"])
    reaction.pod = slowest["name"]
    moment = t
    for phase, key in _MILESTONES.items():
        if key in slowest:
            reached = max(moment, slowest[key])
            reaction.phases[phase] = round(reached - moment, 1)
            moment = reached
    reaction.node_wait = _node_wait(events, slowest)
    answered = [
        event["t"]
        for event in of_kind(events, "metrics")
        if event["name"] == slowest["name"] and event["requests"] > 0 and event["t"] >= moment
    ]
    if answered:
        reaction.phases["serve"] = round(answered[0] - moment, 1)
    return reaction


def _node_wait(events: list[Json], pod: Json) -> float | None:
    """From the request for a node for this pod until that node was ready; None if none was requested."""
    requested = [
        e["at"]
        for e in of_kind(events, "event")
        if e["reason"] == "TriggeredScaleUp" and e["object"] == f"Pod/{pod['name']}" and e["at"] is not None
    ]
    ready = [
        e["ready"] for e in of_kind(events, "node") if e["name"] == pod.get("node") and e["ready"] is not None
    ]
    return round(ready[0] - requested[0], 1) if requested and ready else None


def _inward(events: list[Json], app: str, decision: tuple[float, int, int], until: float) -> Reaction:
    t, before, after = decision
    started = _load_change(events, t, rising=False)
    reaction = Reaction("in", started, before, after, {"decide": round(t - started, 1)})
    leaving: dict[str, float] = {}
    for event in of_kind(events, "pod"):
        if event["app"] == app and event["leaving"]:
            leaving.setdefault(event["name"], event["t"])
    mine = {name for name, moment in leaving.items() if t - SLACK <= moment < until - SLACK}
    gone = [e["t"] for e in of_kind(events, "pod") if e["gone"] and e["name"] in mine]
    if gone:
        reaction.phases["drain"] = round(max(0.0, gone[-1] - t), 1)
        # A node goes once the last of such decisions has emptied it.
        nodes = [e["t"] for e in of_kind(events, "node") if e["gone"] and e["t"] >= gone[-1]]
        if nodes and until == float("inf"):
            reaction.phases["node_gone"] = round(nodes[-1] - gone[-1], 1)
    return reaction
