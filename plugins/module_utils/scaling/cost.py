"""What a run cost, by preflight's price table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..loadtest.schema import Cost
from ..preflight.bill import NOT_IN_IT

HOUR = 3600.0


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
