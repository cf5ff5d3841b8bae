"""What the settings cost an hour, and how long a reaction takes that needs a node. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..gcp.errors import BadInput
from ..variables.settings import Pool, Settings
from .capacity import replicas_on
from .nodes import accelerators, allocatable, serving_pools, shape
from .prices import PRICES
from .project import NotKnown, Project

Json = dict[str, Any]

HOURS_A_MONTH = 730
"""As Google's price lists count."""

_SHARED_CORES = {"micro": 0.25, "small": 0.5, "medium": 1.0}
"""vCPUs that are paid of e2-custom-micro and so on. https://cloud.google.com/compute/vm-instance-pricing"""


@dataclass(frozen=True)
class Phase:
    """A part of a reaction. Seconds at least and at most; None for what depends on things that are not known here."""

    name: str
    seconds: tuple[int, int] | None
    source: str


def prices(changed: Mapping[str, Any]) -> Json:
    """The price table, with what a user knows better: a key wins, of a table its keys do. Raises ``BadInput``."""
    unknown = sorted(set(map(str, changed)) - set(PRICES))
    if unknown:
        raise BadInput(f"preflight_prices: there is no {', '.join(unknown)}. There are: {', '.join(PRICES)}.")
    return _merged(PRICES, changed, "preflight_prices")


def _merged(table: Json, changed: Mapping[str, Any], where: str) -> Json:
    found = dict(table)
    for key, value in changed.items():
        known, name = table.get(key), f"{where}.{key}"
        if where == "preflight_prices.families":
            known = known or dict.fromkeys(("cpu_hour", "gib_hour"))
        if isinstance(known, Mapping):
            if not isinstance(value, Mapping):
                raise BadInput(f"{name} is {value!r}, and has to be a dictionary as in prices.py.")
            found[key] = _merged(dict(known), value, name)
            missing = [each for each, price in found[key].items() if price is None]
            if missing:
                raise BadInput(f"{name}: {', '.join(missing)} is missing.")
        elif isinstance(known, str):
            found[key] = str(value)
        else:
            found[key] = _price(value, name)
    return found


def _price(value: Any, name: str) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = -1.0
    if not 0 <= found < math.inf or isinstance(value, bool):
        raise BadInput(f"{name} is {value!r}, and has to be a number of 0 or more.")
    return found


def node_hour(pool: Pool, project: Project, table: Mapping[str, Any]) -> float | None:
    """A node's price for an hour, its boot disk included; None where the table has none."""
    own = table["machine_types"].get(pool.machine_type)
    if own is None:
        own = _by_size(pool, project, table)
    if own is None:
        return None
    for kind, count in accelerators(pool, project):
        if kind not in table["accelerators"]:
            return None
        own += table["accelerators"][kind] * count
    disk = table["disk_gib_month"].get(pool.disk_type)
    if disk is None:
        return None
    return float(own * (table["spot_factor"] if pool.spot else 1) + disk * pool.disk_gb / HOURS_A_MONTH)


def _by_size(pool: Pool, project: Project, table: Mapping[str, Any]) -> float | None:
    """A machine's price by its vCPUs and memory. Custom machines of all families but e2 cost a little more, and
    memory beyond a family's own limits (-ext) has a price that the table does not have.
    """
    name, _unused, rest = pool.machine_type.partition("-")
    name = "n1" if name == "custom" else name
    family = table["families"].get(name)
    if family is None or rest.endswith("-ext"):
        return None
    found = shape(pool, project)
    share = next((share for size, share in _SHARED_CORES.items() if rest.startswith(f"custom-{size}-")), None)
    cores = found.cpu_milli / 1000 if share is None else share
    price = cores * family["cpu_hour"] + found.memory_mib / 1024 * family["gib_hour"]
    custom = "custom-" in pool.machine_type and name != "e2"
    return float(price * (table["custom_factor"] if custom else 1))


def cost(settings: Settings, project: Project, table: Mapping[str, Any]) -> Json | None:
    """An hour's cost with the fewest and the most nodes; None where it is not this project's, or nobody's guess.

    ``unpriced`` names pools whose machines, GPUs or disks the table does not have; they are not in the sums.
    """
    cluster = settings.cluster
    if cluster.given or cluster.autopilot or cluster.autoprovisioning or not cluster.pools:
        return None
    fixed = table["cluster_hour"]
    if settings.serving.service_type == "LoadBalancer":
        fixed += table["forwarding_rule_hour"]
    minimum = maximum = fixed
    unpriced = []
    for pool in cluster.pools:
        try:
            each = node_hour(pool, project, table)
        except NotKnown:
            each = None
        if each is None:
            unpriced.append(pool.name)
            continue
        minimum += pool.minimum * each
        maximum += pool.maximum * each
    return {
        "min_per_hour": round(minimum, 3),
        "buffer_per_hour": _buffer(settings, project, table),
        "max_per_hour": round(maximum, 3),
        "currency": table["currency"],
        "region": table["region"],
        "date": table["date"],
        "source": table["source"],
        "unpriced": unpriced,
    }


def _buffer(settings: Settings, project: Project, table: Mapping[str, Any]) -> float:
    """What the nodes cost that room in stock keeps at most, of the largest pool for replicas; they are in the sums only
    where the pools' sizes hold them."""
    wanted = settings.autoscaling.buffer
    try:
        pools = [pool for pool in serving_pools(settings, project) if pool.maximum] if wanted else []
        if not pools:
            return 0.0
        pool = max(pools, key=lambda one: one.maximum)
        each = replicas_on(allocatable(pool, settings, project), wanted, settings.serving.pod)
        hour = node_hour(pool, project, table)
    except NotKnown:
        return 0.0
    return round(math.ceil(wanted / max(1, each)) * (hour or 0.0), 3)


def reaction(settings: Settings) -> list[Phase]:
    """From a step of the load until a replica on a node that has to come answers."""
    low, high = settings.node_seconds
    up = settings.autoscaling.up_seconds
    return [
        Phase(
            "the load shows in the metrics",
            (15, max(15, settings.metrics_window)),
            "metrics-server reads every 15 to 60 s",
        ),
        Phase(
            "the HPA decides",
            (up, 15 + up),
            "it looks every 15 s; autoscaling_scale_up_stabilization_seconds on top",
        ),
        Phase(
            "a node comes",
            (low, high),
            "https://cloud.google.com/kubernetes-engine/docs/how-to/capacity-provisioning",
        ),
        Phase("images, model, first answer", None, "as long as they are large: measured by the load test"),
    ]


def total(phases: list[Phase]) -> tuple[int, int]:
    """Seconds at least and at most of the phases that are known."""
    known = [phase.seconds for phase in phases if phase.seconds]
    return sum(low for low, _unused in known), sum(high for _unused, high in known)
