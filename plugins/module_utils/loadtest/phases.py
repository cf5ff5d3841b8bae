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
    decisions, pods = _decisions(events), _pods(events, app)
    found = []
    for index, (t, before, after) in enumerate(decisions):
        later = decisions[index + 1 :]
        until = later[0][0] if later else float("inf")
        if after > before:
            taken = [moment for moment, earlier, fewer in later if fewer < earlier]
            found.append(_outward(events, pods, (t, before, after), until, taken))
        else:
            found.append(_inward(events, pods, (t, before, after), until))
    return found


def _pods(events: list[Json], app: str) -> list[Json]:
    """Each pod with all that was ever seen of it; ``left``: when it was first seen to leave, ``gone``: when it had, both None if not."""
    found: dict[str, Json] = {}
    for event in of_kind(events, "pod"):
        if event["app"] != app:
            continue
        pod = found.setdefault(event["name"], {"left": None, "gone": None})
        pod |= {
            key: value for key, value in event.items() if value is not None and key not in ("left", "gone")
        }
        if (event["leaving"] or event["gone"]) and pod["left"] is None:
            pod["left"] = event["t"]
        pod["gone"] = event["t"] if event["gone"] else pod["gone"]
    return list(found.values())


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


def _outward(
    events: list[Json], pods: list[Json], decision: tuple[float, int, int], until: float, taken: list[float]
) -> Reaction:
    """``taken``: when the HPA took replicas back afterwards."""
    t, before, after = decision
    started = _load_change(events, t, rising=True)
    reaction = Reaction("out", started, before, after, {"decide": round(t - started, 1)})
    reaction.metric_lag = _metric_lag(events, started, t)
    made = [pod for pod in pods if pod.get("created", float("inf")) < until - SLACK]
    new = [pod for pod in made if pod["created"] >= t - SLACK]
    # One that comes last is the pod that was ready last, or was waited for until the HPA took it back, or is waited for still.
    waited = [(end, pod) for pod in new if (end := _waited_until(pod, taken)) is not None]
    there = sum(pod["created"] < t - SLACK and (pod["left"] or until) > t for pod in made)
    if max(before, there) + len(new) < after:
        waited.append((taken[0] if taken else float("inf"), {}))
    if not waited:
        return reaction
    end, slowest = max(waited, key=lambda one: (one[0], -len(one[1].keys() & _MILESTONES.values())))
    is_ready = slowest.get("ready") is not None
    reaction.ended = "ready" if is_ready else None if end == float("inf") else "taken back"
    reaction.pod = slowest.get("name")
    moment = t
    for phase, key in _MILESTONES.items():
        if key in slowest:
            reached = max(moment, slowest[key])
            reaction.phases[phase] = round(reached - moment, 1)
            moment = reached
        elif not is_ready:
            if reaction.ended:
                reaction.phases[phase] = round(max(0.0, end - moment), 1)
            break
    reaction.node_wait = _node_wait(events, slowest, None if is_ready else end)
    answered = [
        event["t"]
        for event in of_kind(events, "metrics")
        if is_ready and event["name"] == slowest["name"] and event["requests"] > 0 and event["t"] >= moment
    ]
    if answered:
        reaction.phases["serve"] = round(answered[0] - moment, 1)
    return reaction


def _waited_until(pod: Json, taken: list[float]) -> float | None:
    """When a new pod was ready, or the HPA took it back before it was; infinite while neither is so. None for one that somebody else
    removed, or that failed for good: its ReplicaSet makes another.
    """
    if "ready" in pod:
        return float(pod["ready"])
    if pod["left"] is None:
        return None if pod.get("phase") == "Failed" else float("inf")
    return float(pod["left"]) if any(moment <= pod["left"] + SLACK for moment in taken) else None


def _node_wait(events: list[Json], pod: Json, until: float | None) -> float | None:
    """From the request for a node for this pod until that node was ready, or nobody waited for it any more; None if none was
    requested, or it is waited for still. ``until``: of a pod that never was ready.
    """
    requested = [
        e["at"]
        for e in of_kind(events, "event")
        if e["reason"] == "TriggeredScaleUp"
        and e["object"] == f"Pod/{pod.get('name')}"
        and e["at"] is not None
    ]
    ready = [
        e["ready"] for e in of_kind(events, "node") if e["name"] == pod.get("node") and e["ready"] is not None
    ]
    if not ready and until not in (None, float("inf")):
        ready = [until]
    return round(ready[0] - requested[0], 1) if requested and ready else None


def _inward(events: list[Json], pods: list[Json], decision: tuple[float, int, int], until: float) -> Reaction:
    t, before, after = decision
    started = _load_change(events, t, rising=False)
    reaction = Reaction("in", started, before, after, {"decide": round(t - started, 1)})
    mine = [pod for pod in pods if pod["left"] is not None and t - SLACK <= pod["left"] < until - SLACK]
    there = sum(
        pod.get("created", float("inf")) <= t
        and (pod["left"] or float("inf")) >= until - SLACK
        and pod.get("phase") != "Failed"
        for pod in pods
    )
    if any(pod["gone"] is None for pod in mine) or (not mine and there > after):
        return reaction
    reaction.ended = "gone"
    if mine:
        last = max(pod["gone"] for pod in mine)
        reaction.phases["drain"] = round(max(0.0, last - t), 1)
        # A node goes once the last of such decisions has emptied it.
        nodes = [e["t"] for e in of_kind(events, "node") if e["gone"] and e["t"] >= last]
        if nodes and until == float("inf"):
            reaction.phases["node_gone"] = round(nodes[-1] - last, 1)
    return reaction
