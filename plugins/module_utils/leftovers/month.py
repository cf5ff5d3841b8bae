"""What a resource costs in a month, by the table of prices. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..preflight.project import NotKnown, Project
from ..preflight.rates import HOURS_A_MONTH, node_hour
from ..variables.settings import Pool

Json = dict[str, Any]


def month(noun: str, item: Json, table: Mapping[str, Any]) -> float | None:
    """Of a resource in Google's list of that noun; None where the table does not have it. What it moves is not in it."""
    if noun == "instances":
        hour = _machine_hour(item, table)
        return None if hour is None else round(hour * HOURS_A_MONTH, 2)
    if noun == "disks":
        price = table["disk_gib_month"].get(_last(item.get("type")))
        return None if price is None else round(price * int(item.get("sizeGb", 0)), 2)
    hours = {
        "clusters": table["cluster_hour"],
        "forwardingRules": table["forwarding_rule_hour"],
        "addresses": table["unused_address_hour"] if _is_unused(item) else 0.0,
    }
    return round(float(hours.get(noun, 0.0)) * HOURS_A_MONTH, 2)


def _machine_hour(item: Json, table: Mapping[str, Any]) -> float | None:
    """Without its disks, which are in a list of their own."""
    cards = tuple(
        (_last(card.get("acceleratorType")), int(card.get("acceleratorCount", 0)))
        for card in item.get("guestAccelerators") or []
    )
    scheduling = item.get("scheduling") or {}
    spot = scheduling.get("provisioningModel") == "SPOT" or bool(scheduling.get("preemptible"))
    pool = Pool(item["name"], _last(item.get("machineType")), spot=spot, accelerators=cards, disk_gb=0)
    if item.get("status") in ("TERMINATED", "SUSPENDED"):
        return 0.0
    try:
        return node_hour(pool, Project(), table)
    except NotKnown:
        return None


def _is_unused(item: Json) -> bool:
    return item.get("status") == "RESERVED" and item.get("addressType", "EXTERNAL") == "EXTERNAL"


def _last(link: object) -> str:
    return str(link or "").rpartition("/")[2]
