"""How many nodes a pool can have, as far as the GKE API tells, and what a raised minimum asks for. Pure.

A node pool does not show its size. ``initialNodeCount`` follows ``setSize`` (so it is the size of a pool without
autoscaling), but not the autoscaler. ``currentNodeCount`` of the cluster counts all pools together.
"""

from __future__ import annotations

import math

from .schema import Json


def zones_of(pool: Json, cluster: Json) -> int:
    return len(pool.get("locations") or cluster.get("locations") or [None])


def limits(autoscaling: Json, zones: int) -> tuple[int, float]:
    """Fewest and most nodes in all zones together, for an autoscaling message of Google's that is enabled."""
    low = max(autoscaling.get("totalMinNodeCount", 0), autoscaling.get("minNodeCount", 0) * zones)
    high = autoscaling.get("totalMaxNodeCount") or autoscaling.get("maxNodeCount", 0) * zones
    return low, high or math.inf


def _range(pool: Json, cluster: Json) -> tuple[float, float]:
    zones, autoscaling = zones_of(pool, cluster), pool.get("autoscaling") or {}
    if autoscaling.get("enabled"):
        return limits(autoscaling, zones)
    size = pool.get("initialNodeCount", 0) * zones
    return size, size


def bounds(pool: Json, cluster: Json) -> tuple[float, float]:
    """Fewest and most nodes that the pool can have now: the cluster's count less what the others can have."""
    others = [_range(p, cluster) for p in cluster.get("nodePools", []) if p["name"] != pool["name"]]
    if not (pool.get("autoscaling") or {}).get("enabled"):
        return _range(pool, cluster)
    if "currentNodeCount" not in cluster:
        return _range(pool, cluster)
    total = cluster["currentNodeCount"]
    return max(0, total - sum(high for _unused, high in others)), total - sum(low for low, _unused in others)


def growth(desired: Json, pool: Json, cluster: Json) -> int | None:
    """Nodes in each zone that a raised minimum needs at once, None for no need; raises ``Unknown``.

    ``desired``: the autoscaling message that is about to be set. Google does not add nodes by itself when only the
    minimum is raised; setting a size, which is one for each zone, would remove nodes that are in use where a zone has more.
    """
    zones = zones_of(pool, cluster)
    now = pool.get("autoscaling") or {}
    low, _unused = limits(desired, zones)
    if now.get("enabled") and low <= limits(now, zones)[0]:
        return None
    minimum, maximum = bounds(pool, cluster)
    if minimum >= low:
        return None
    count = math.ceil(low / zones)
    if maximum < low and _fullest(pool, zones, maximum) <= count:
        return count
    raise Unknown(low)


def _fullest(pool: Json, zones: int, nodes: float) -> float:
    """Most nodes that one zone may have of so many in all: they stand unevenly after a stockout, or by location policy ANY."""
    now = pool.get("autoscaling") or {}
    if not now.get("enabled"):
        return float(pool.get("initialNodeCount", 0))
    return float(min(nodes - (zones - 1) * now.get("minNodeCount", 0), now.get("maxNodeCount") or math.inf))


class Unknown(Exception):
    """The API does not tell whether the pool has fewer nodes than the new minimum, the only argument, or a zone too many."""
