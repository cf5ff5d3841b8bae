"""What one node costs, by a price table into which a user's own prices are merged. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..gcp.errors import BadInput
from ..variables.settings import Pool
from .nodes import accelerators, shape
from .prices import PRICES
from .project import Project

Json = dict[str, Any]

HOURS_A_MONTH = 730
"""As Google's price lists count."""

_SHARED_CORES = {"micro": 0.25, "small": 0.5, "medium": 1.0}
"""vCPUs that are paid of e2-custom-micro and so on. https://cloud.google.com/compute/vm-instance-pricing"""


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
