"""What a run cost, by preflight's price table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..loadtest.schema import Cost
from ..loadtest.timeline import counts_over_time, since, value_at
from ..preflight.bill import NOT_IN_IT, Terms, pool_of
from ..variables.settings import Pool
from .measured import by_second

HOUR = 3600.0


def node_hours(
    nodes: Sequence[Mapping[str, Any]], terms: Terms, begin: float, seconds: int
) -> dict[Pool, float]:
    """Node-hours of a run by what nodes are paid as: machine, GPUs, disk, spot. ``nodes``: the timeline's events of them."""
    found: dict[Pool, float] = {}
    for pool in dict.fromkeys(pool_of(node, terms) for node in nodes):
        steps = counts_over_time([dict(node) for node in nodes if pool_of(node, terms) == pool], "node")
        there = since(steps, begin, int(value_at(steps, begin)))
        found[pool] = float(sum(by_second(there, begin, seconds))) / HOUR
    return found


def cost(replica_seconds: float, seconds: float, requests: float, billed: Mapping[str, Any]) -> Cost:
    """``billed``: of its nodes and cluster. Prices are null where a pool has none: a part of a price would pass for the whole."""
    whole = None if billed["unpriced"] else billed["price"]
    rows = [
        row | {"price": None if row["price"] is None else round(row["price"], 5)} for row in billed["pools"]
    ]
    return {
        "replica_hours": round(replica_seconds / HOUR, 4),
        "node_hours": round(sum(row["node_hours"] for row in rows), 4),
        "hours": round(seconds / HOUR, 4),
        "predictions": round(requests),
        "pools": rows,
        "fee": round(billed["fee"], 5),
        "load_balancer": round(billed["load_balancer"], 5),
        "price": None if whole is None else round(whole, 5),
        "price_per_hour": None if whole is None or not seconds else round(whole / seconds * HOUR, 5),
        "price_per_1000": None if whole is None or requests < 1 else round(whole / requests * 1000, 6),
        "unpriced": billed["unpriced"],
        "currency": billed["currency"],
        "region": billed["region"],
        "date": billed["date"],
        "source": billed["source"],
        "not_in_it": NOT_IN_IT,
    }  # fmt: skip
