"""What a run cost, by preflight's price table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..loadtest.schema import Cost
from ..preflight.estimate import node_hour
from ..preflight.project import NotKnown, Project
from ..variables.settings import DEFAULT_DISK_GB, DEFAULT_DISK_TYPE, Pool

HOUR = 3600.0

NOT_IN_IT = (
    f"the cluster's own fee, load balancer, traffic, storage, logs, discounts and taxes; boot disks count as {DEFAULT_DISK_GB} GB "
    f"of {DEFAULT_DISK_TYPE}, GKE's default; nodes count whole, whatever else runs on them"
)


def cost(
    replica_seconds: float,
    node_seconds: float,
    requests: float,
    machine: str,
    table: Mapping[str, Any],
    *,
    spot: bool = False,
) -> Cost:
    """Hours and their price; prices are null for a machine type that the table does not have."""
    hour = price_of(machine, table, spot=spot)
    whole = None if hour is None else hour * node_seconds / HOUR
    return {
        "replica_hours": round(replica_seconds / HOUR, 4),
        "node_hours": round(node_seconds / HOUR, 4),
        "predictions": round(requests),
        "machine": machine,
        "spot": spot,
        "node_hour_price": None if hour is None else round(hour, 5),
        "price": None if whole is None else round(whole, 5),
        "price_per_1000": None if whole is None or requests < 1 else round(whole / requests * 1000, 6),
        "currency": table["currency"],
        "region": table["region"],
        "date": table["date"],
        "not_in_it": NOT_IN_IT,
    }


def price_of(machine: str, table: Mapping[str, Any], *, spot: bool) -> float | None:
    """A node's hour; None where the table has no such machine."""
    if not machine:
        return None
    try:
        return node_hour(Pool("", machine_type=machine, spot=spot), Project(), table)
    except NotKnown:
        return None
