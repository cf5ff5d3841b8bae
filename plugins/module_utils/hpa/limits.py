"""What stabilisation, policies and bounds make of a recommendation.

After ``pkg/controller/podautoscaler/horizontal.go`` of Kubernetes 1.34 to 1.37; tests/hpa holds it against theirs.
Pure.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from .seen import Behavior, Controller, Rules, Spec

Limit = Literal["", "ScaleUpLimit", "ScaleDownLimit", "TooManyReplicas", "TooFewReplicas"]


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """What the metrics asked for at a look."""

    replicas: int
    t: float


@dataclasses.dataclass(frozen=True)
class Change:
    """So many replicas more, or fewer, at a time."""

    replicas: int
    t: float
    outdated: bool = False


@dataclasses.dataclass(frozen=True)
class Memory:
    """What the controller keeps of an HPA between looks; a controller that starts, or an HPA made anew, has none."""

    recommendations: tuple[Recommendation, ...] = ()
    ups: tuple[Change, ...] = ()
    downs: tuple[Change, ...] = ()
    scaled_to_zero: bool = False
    """the HPA itself went to zero (a condition in its status)"""


@dataclasses.dataclass(frozen=True)
class Limited:
    """What became of a recommendation."""

    replicas: int
    stabilised: int
    """the recommendation that counts: an earlier one, while the window holds it"""
    limit: Limit
    memory: Memory


def limited(
    recommendation: int, current: int, spec: Spec, memory: Memory, now: float, controller: Controller
) -> Limited:
    """Stabilises, then limits, and remembers the recommendation."""
    if spec.behavior is None:
        since = now - controller.downscale_window
        recent = [one.replicas for one in memory.recommendations if one.t >= since]
        stabilised = max([recommendation, *recent])
        old = [index for index, one in enumerate(memory.recommendations) if one.t < since]
        replicas, limit = _by_rules(stabilised, current, spec)
    else:
        stabilised, old = _stabilised(recommendation, current, spec.behavior, memory, now)
        replicas, limit = _by_behavior(stabilised, current, spec, spec.behavior, memory, now)
    kept = list(memory.recommendations)
    if old:
        kept[old[-1]] = Recommendation(recommendation, now)
    else:
        kept.append(Recommendation(recommendation, now))
    return Limited(replicas, stabilised, limit, dataclasses.replace(memory, recommendations=tuple(kept)))


def scaled(memory: Memory, spec: Spec, current: int, desired: int, now: float) -> Memory:
    """Remembers a change of the replicas."""
    if spec.behavior is None:
        return memory
    up = desired > current
    rules, changes = (spec.behavior.up, memory.ups) if up else (spec.behavior.down, memory.downs)
    since = now - max((policy.seconds for policy in rules.policies), default=0)
    kept = [dataclasses.replace(one, outdated=one.outdated or one.t < since) for one in changes]
    old = [index for index, one in enumerate(kept) if one.outdated]
    new = Change(abs(desired - current), now)
    if old:
        kept[old[-1]] = new
    else:
        kept.append(new)
    return (
        dataclasses.replace(memory, ups=tuple(kept)) if up else dataclasses.replace(memory, downs=tuple(kept))
    )


def _stabilised(
    recommendation: int, current: int, behavior: Behavior, memory: Memory, now: float
) -> tuple[int, list[int]]:
    """(the recommendation that counts, which of the remembered ones are of no more use)"""
    up_since, down_since = now - behavior.up.window, now - behavior.down.window
    known = memory.recommendations
    lowest = min([recommendation, *(one.replicas for one in known if one.t > up_since)])
    highest = max([recommendation, *(one.replicas for one in known if one.t > down_since)])
    old = [index for index, one in enumerate(known) if one.t < up_since and one.t < down_since]
    return min(max(current, lowest), highest), old


def _by_rules(wanted: int, current: int, spec: Spec) -> tuple[int, Limit]:
    most = max(2 * current, 4)
    if wanted < spec.min:
        return spec.min, "TooFewReplicas"
    if wanted > min(most, spec.max):
        return (most, "ScaleUpLimit") if spec.max > most else (spec.max, "TooManyReplicas")
    return wanted, ""


def _by_behavior(
    wanted: int, current: int, spec: Spec, behavior: Behavior, memory: Memory, now: float
) -> tuple[int, Limit]:
    if wanted > current:
        most = max(current, _bound(current, memory, behavior.up, now, up=True))
        if wanted > min(most, spec.max):
            return (most, "ScaleUpLimit") if spec.max > most else (spec.max, "TooManyReplicas")
    elif wanted < current:
        fewest = min(current, _bound(current, memory, behavior.down, now, up=False))
        if wanted < max(fewest, spec.min):
            return (fewest, "ScaleDownLimit") if spec.min < fewest else (spec.min, "TooFewReplicas")
    return wanted, ""


def _bound(current: int, memory: Memory, rules: Rules, now: float, *, up: bool) -> int:
    """As far as the policies let it go."""
    if rules.select == "Disabled":
        return current
    bounds = []
    for policy in rules.policies:
        added, removed = (
            sum(one.replicas for one in changes if one.t > now - policy.seconds)
            for changes in (memory.ups, memory.downs)
        )
        begin = current - added + removed
        sign = 1 if up else -1
        if policy.type == "Pods":
            bounds.append(begin + sign * policy.value)
        else:
            share = begin * (1 + sign * policy.value / 100)
            bounds.append(math.ceil(share) if up else math.trunc(share))
    return max(bounds) if (rules.select == "Max") == up else min(bounds)
