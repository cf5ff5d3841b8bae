"""What nodes, the cluster and its load balancer cost: the one bill of preflight's estimate, of a run and of what is there now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..gcp.errors import BadInput
from ..variables.reading import is_true
from ..variables.settings import DEFAULT_DISK_GB, DEFAULT_DISK_TYPE, Pool
from .prices import PRICES
from .project import NotKnown, Project
from .rates import node_hour, prices

Json = dict[str, Any]

NOT_IN_IT = (
    "traffic, storage, logs, the free tier, discounts and taxes; nodes count whole, whatever else runs on them, and from when they "
    "are ready"
)


@dataclass(frozen=True)
class Terms:
    """By what is billed. ``disks``: of node pools, by name, type and GB of the boot disk, which no node tells in full.

    ``balanced``: whether a load balancer is paid, too.
    """

    table: Mapping[str, Any] = field(default_factory=lambda: PRICES)
    disks: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    balanced: bool = True


def read_terms(given: Mapping[str, Any]) -> Terms:
    """From a module's option ``billing``: prices, pools (as of the role cluster), load_balancer. Raises BadInput."""
    unknown = sorted(set(map(str, given)) - {"prices", "pools", "load_balancer"})
    if unknown:
        raise BadInput(f"billing: there is no {', '.join(unknown)}. There are: prices, pools, load_balancer.")
    try:
        disks = {
            str(pool["name"]): (
                str(pool.get("disk_type") or DEFAULT_DISK_TYPE), int(pool.get("disk_size_gb") or DEFAULT_DISK_GB),
            )
            for pool in given.get("pools") or ()
        }  # fmt: skip
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise BadInput(
            f"billing.pools has to be a list as cluster_node_pools is, each with its name: {error}"
        ) from error
    return Terms(prices(given.get("prices") or {}), disks, is_true(given.get("load_balancer", True)))


def pool_of(node: Mapping[str, Any], terms: Terms) -> Pool:
    """What a node of the timeline is paid as. What neither it nor the pool tells is GKE's default."""
    kind, size = terms.disks.get(node["pool"], (DEFAULT_DISK_TYPE, DEFAULT_DISK_GB))
    return Pool(
        node["pool"], node["machine"], spot=node["spot"], accelerators=tuple(node["accelerators"].items()),
        disk_type=node["disk_type"] or kind, disk_gb=size,
    )  # fmt: skip


def bill(
    nodes: Iterable[tuple[Pool, float]], hours: float, table: Mapping[str, Any], project: Project | None = None, *,
    cluster: bool, balanced: bool,
) -> Json:  # fmt: skip
    """Of node-hours by pool, and of so many hours of a cluster and its load balancer.

    ``unpriced``: pools whose machines, GPUs or disks the table does not have; they are not in the sum.
    """
    rows: list[Json] = []
    for pool, node_hours in nodes:
        try:
            each = node_hour(pool, project or Project(), table) if pool.machine_type else None
        except NotKnown:
            each = None
        rows.append(
            {
                "pool": pool.name,
                "machine": pool.machine_type,
                "spot": pool.spot,
                "accelerators": dict(pool.accelerators),
                "disk": f"{pool.disk_gb} GB {pool.disk_type}",
                "node_hours": round(node_hours, 4),
                "node_hour_price": None if each is None else round(each, 5),
                "price": None if each is None else each * node_hours,
            }
        )
    fee = table["cluster_hour"] * hours if cluster else 0.0
    rule = table["forwarding_rule_hour"] * hours if balanced else 0.0
    return {
        "pools": rows,
        "fee": fee,
        "load_balancer": rule,
        "price": fee + rule + sum(row["price"] or 0.0 for row in rows),
        "unpriced": [row["pool"] or row["machine"] or "a node" for row in rows if row["price"] is None],
        **{name: table[name] for name in ("currency", "region", "date", "source")},
    }


def now(nodes: Iterable[Mapping[str, Any]], terms: Terms, *, balanced: bool) -> Json:
    """What these nodes and the cluster cost in an hour; the fee is GKE's, whose nodes name a pool."""
    counts: dict[Pool, float] = {}
    for node in nodes:
        pool = pool_of(node, terms)
        counts[pool] = counts.get(pool, 0.0) + 1.0
    google = any(pool.name for pool in counts)
    return bill(counts.items(), 1.0, terms.table, cluster=google, balanced=google and balanced)


def now_in_words(found: Mapping[str, Any]) -> str:
    if not found["price"] and found["unpriced"]:
        return f"not known: the price table has nothing for {', '.join(found['unpriced'])}"
    parts = [
        f"{row['node_hours']:.0f} × {row['machine']}{' (spot)' if row['spot'] else ''} of {row['pool'] or 'no pool'} "
        f"{'?' if row['price'] is None else format(row['price'], '.3f')}"
        for row in found["pools"]
    ]
    for name, price in (("cluster", found["fee"]), ("load balancer", found["load_balancer"])):
        parts += [f"{name} {price:.3f}"] if price else []
    missing = (
        f"; without {', '.join(found['unpriced'])}, which has no price here" if found["unpriced"] else ""
    )
    return (
        f"{found['price']:.3f} {found['currency']} an hour now ({', '.join(parts) or 'no node'}){missing}; "
        f"list prices of {found['region']} of {found['date']}, without {NOT_IN_IT}"
    )
