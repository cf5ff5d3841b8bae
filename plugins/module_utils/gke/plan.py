"""What has to change for a cluster and its pools to be as wanted: an ordered list of changes. Pure.

Wishes are options as ``desired`` gives them; what is missing is not managed. The present is a resource as the API
shows it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from ..gcp.errors import BadInput
from ..gcp.labels import MARK, MARK_WORDS, is_ours
from . import sizes
from .cluster_options import CLUSTER_OPTIONS
from .compare import restrict
from .option import AT_CREATION, IN_PLACE, NEVER, RECREATE, Option
from .places import is_zone
from .pool_options import POOL_OPTIONS
from .schema import Json, look_up, put, write

FAILED = "ERROR"
"""The status of a cluster or pool that Google could not make, or that is broken. It may have nodes that work."""

Recreate: TypeAlias = Literal["never", "failed", "pools"]
"""What may be deleted and made anew: nothing; what is in status ERROR; pools, for any reason."""

RECREATE_ARGUMENT: Json = {"type": "str", "choices": list(get_args(Recreate)), "default": "never"}

BORN = {"addonsConfig": {"gcePersistentDiskCsiDriverConfig": {"enabled": True}}}
"""What a cluster begins with, however its creation asks (seen in Google's answers of 2025 and 2026)."""

Find: TypeAlias = "Callable[[Json | None], Json | None]"


@dataclass(frozen=True)
class Change:
    """One request and what it changes. ``how``: see ``option``; without a method it can't be made.

    ``done``: whether the cluster, as the API then shows it (None: not at all), has the change already; None where
    that does not show.
    """

    field: str
    before: Any
    after: Any
    how: str
    method: str = ""
    path: str = ""
    body: Json | None = None
    done: Callable[[Json | None], bool] | None = dataclasses.field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.field}: {_short(self.before)} -> {_short(self.after)} ({self.how})"

    @property
    def creates(self) -> bool:
        return self.method == "POST" and self.path.endswith(("/clusters", "/nodePools"))

    @property
    def cluster(self) -> str:
        """The path of the cluster that it changes."""
        if self.path.endswith("/clusters"):
            return f"{self.path}/{(self.body or {})['cluster']['name']}"
        head, mark, rest = self.path.partition("/clusters/")
        return head + mark + rest.partition("/")[0].partition(":")[0]


@dataclass
class Plan:
    """Changes in the order in which they are made, and what the user should know."""

    changes: list[Change] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def _short(value: Any) -> str:
    return "unset" if value is None else str(value)


def _find_pool(cluster: Json | None, name: str) -> Json | None:
    return next((pool for pool in (cluster or {}).get("nodePools", []) if pool["name"] == name), None)


def _itself(cluster: Json | None) -> Json | None:
    return cluster


def _stands(resource: Json | None) -> bool:
    return resource is not None and resource.get("status") != FAILED


def differences(
    options: Iterable[Option], desired: Json, current: Json, path: str, find: Find, prefix: str = ""
) -> list[Change]:
    """A change for each managed option that differs, in the options' order; those of a group make one.

    ``find``: the resource in a cluster.
    """
    changes: dict[str, list[tuple[Option, Any, Any]]] = {}
    for option in options:
        if option.name not in desired or option.how == AT_CREATION:
            continue
        now, goal = option.now(current), desired[option.name]
        if not option.same(goal, now):
            changes.setdefault(option.group or option.name, []).append((option, now, goal))
    return [_change(differing, current, path, find, prefix) for differing in changes.values()]


def _change(
    differing: list[tuple[Option, Any, Any]], current: Json, path: str, find: Find, prefix: str
) -> Change:
    name = " and ".join(option.name for option, _unused, _unused in differing)
    if len(differing) == 1:
        option, now, after = differing[0]
        before = restrict(option.schema, after, now)
    else:
        option = differing[0][0]
        before = {one.name: now for one, now, _unused in differing}
        after = {one.name: goal for one, _unused, goal in differing}
    stuck = option.one_way and not after
    if option.request is None or stuck:
        return Change(prefix + name, before, after, NEVER if stuck else option.how)
    body: Json = {}
    for one, _unused, goal in differing:
        one.write_into(body, goal, current)

    def done(cluster: Json | None) -> bool:
        resource = find(cluster)
        return resource is not None and all(
            one.same(goal, one.now(resource)) for one, _unused, goal in differing
        )

    request = option.request
    return Change(prefix + name, before, after, option.how, request.method, path + request.suffix, body, done)


def _resource(options: Iterable[Option], desired: Json) -> Json:
    """A resource for a creation."""
    found: Json = {"name": desired["name"]}
    for option in options:
        if option.name in desired and not option.later:
            value = write(option.schema, desired[option.name])
            # What belongs together in an update does so here, but for numbers that an update has as text.
            put(
                found,
                option.path,
                option.body(value, desired[option.name]) if isinstance(value, dict) else value,
            )
    return found


def pool_resource(desired: Json, zones: int = 1) -> Json:
    """A node pool for a creation; ``zones``: how many its cluster has. An autoscaled one begins with its minimum."""
    found = _resource(POOL_OPTIONS, desired)
    zones = len(desired.get("node_locations", ())) or zones
    limits = desired.get("autoscaling", {})
    low = limits.get("min_node_count")
    if low is None and limits.get("total_min_node_count") is not None:
        low = math.ceil(limits["total_min_node_count"] / zones)
    if "initialNodeCount" not in found and low is not None:
        found["initialNodeCount"] = low
    if "management" in found:
        # What is not named there would be off, and not as Google has it by default.
        found["management"] = {"autoRepair": True, "autoUpgrade": True} | found["management"]
    return found


def cluster_resource(desired: Json, zones: int = 1) -> Json:
    """A cluster for a creation, in so many zones; Google makes a pool of one node where none is wanted."""
    found = _resource(CLUSTER_OPTIONS, desired)
    if "ipAllocationPolicy" in found:
        found["ipAllocationPolicy"]["useIpAliases"] = True
    if desired.get("node_pools"):
        found["nodePools"] = [pool_resource(pool, zones) for pool in desired["node_pools"]]
    elif not desired.get("autopilot"):
        found["initialNodeCount"] = 1
    return found


def _create_pool(desired: Json, cluster: Json, parent: str) -> Change:
    name = desired["name"]
    return Change(
        f"node pool {name}", None, desired, IN_PLACE, "POST", f"{parent}/nodePools",
        {"nodePool": pool_resource(desired, sizes.zones_of({}, cluster))},
        lambda found: _stands(_find_pool(found, name)),
    )  # fmt: skip


def remove_pool(name: str, parent: str, how: str = IN_PLACE, before: str = "exists") -> Change:
    return Change(
        f"node pool {name}", before, None, how, "DELETE", f"{parent}/nodePools/{name}", None,
        lambda cluster: _find_pool(cluster, name) is None,
    )  # fmt: skip


def remove_cluster(name: str, path: str, before: str = "exists") -> Change:
    return Change(
        f"cluster {name}", before, None, IN_PLACE, "DELETE", path, None, lambda found: found is None
    )


def plan_pool(
    desired: Json, cluster: Json, parent: str, *, recreate: Recreate = "never", prefix: str = ""
) -> Plan:
    """Changes for one node pool of a cluster; ``parent``: the cluster's path.

    A change that only a new pool can make, and a pool that failed, become deletion and creation where ``recreate``
    allows that.
    """
    name = desired["name"]
    current = _find_pool(cluster, name)
    if (cluster.get("autopilot") or {}).get("enabled"):
        raise BadInput(
            f"node pool {name}: the cluster is an Autopilot cluster: its nodes are Google's; leave node pools out."
        )
    anew = _create_pool(desired, cluster, parent)
    if current is None:
        return Plan([anew])
    if current.get("status") == FAILED:
        if recreate == "never":
            raise BadInput(_failed(f"node pool {name}", current))
        return Plan([remove_pool(name, parent, RECREATE, FAILED), anew])
    path = f"{parent}/nodePools/{name}"

    def find(found: Json | None) -> Json | None:
        return _find_pool(found, name)

    _refuse_two_masters(desired, current)
    changes = differences(POOL_OPTIONS, desired, current, path, find, prefix)
    changes += _size_after_autoscaling(desired, current, changes, path, find, prefix)
    if recreate == "pools" and any(change.how == RECREATE for change in changes):
        return Plan([remove_pool(name, parent, RECREATE), anew])
    return _grown(changes, current, cluster, path, prefix)


def _failed(what: str, current: Json) -> str:
    reason = current.get("statusMessage") or "Google does not say why"
    return (
        f"{what} is in status {FAILED}, and nothing was changed: {reason.rstrip('.')}. It may have nodes that work. Mend it, "
        "or set recreate: failed, if it may be deleted and made anew."
    )


def _refuse_two_masters(desired: Json, current: Json) -> None:
    autoscaled = (current.get("autoscaling") or {}).get("enabled")
    if autoscaled and "node_count" in desired and "autoscaling" not in desired:
        raise BadInput(
            f"node pool {desired['name']}: it is autoscaled, so that its node_count is the autoscaler's. Turn that off "
            "with autoscaling: {enabled: false}, or leave node_count out."
        )


def _size_after_autoscaling(
    desired: Json, current: Json, changes: list[Change], path: str, find: Find, prefix: str
) -> list[Change]:
    """A pool that stops being autoscaled may have any size; what it shows is that from before."""
    autoscaled = (current.get("autoscaling") or {}).get("enabled")
    if not autoscaled or "node_count" not in desired or (changes and changes[-1].path.endswith(":setSize")):
        return []
    option = next(option for option in POOL_OPTIONS if option.name == "node_count")
    return [_change([(option, None, desired["node_count"])], current, path, find, prefix)]


def _grown(changes: list[Change], current: Json, cluster: Json, path: str, prefix: str) -> Plan:
    """The plan with the nodes that a raised minimum needs at once."""
    plan = Plan()
    for change in changes:
        limits = (change.body or {}).get("autoscaling", {})
        if change.path.endswith(":setAutoscaling") and limits.get("enabled"):
            try:
                count = sizes.growth(limits, current, cluster)
            except sizes.Unknown as unknown:
                count = None
                plan.warnings.append(
                    f"{prefix}Google adds no nodes by itself when only the minimum is raised, and does not tell how "
                    f"many this pool has in each zone: if they are fewer than {unknown} in all, set the size once (gcloud "
                    "container clusters resize), which is for each zone: no less than the fullest has, or it loses nodes."
                )
            if count is not None:
                plan.changes.append(
                    Change(
                        f"{prefix}nodes in each zone", None, count, IN_PLACE, "POST", f"{path}:setSize",
                        {"nodeCount": count},
                    )
                )  # fmt: skip
        plan.changes.append(change)
    return plan


def plan_cluster(
    desired: Json,
    current: Json | None,
    path: str,
    *,
    exclusive_pools: bool = False,
    recreate: Recreate = "never",
    protected: bool = False,
) -> Plan:
    """Changes for a cluster and the pools in ``desired['node_pools']``; pools that are not named stay.

    ``protected``: the cluster is not deleted, whatever else allows it.
    """
    name = desired["name"]
    plan = Plan()
    marked = current is None or is_ours(current.get("resourceLabels"))
    failed = current is not None and current.get("status") == FAILED
    if failed and not marked:
        raise BadInput(
            f"cluster {name} could not be made (status {FAILED}), and is not replaced, since it does not have the "
            f"{MARK_WORDS} of what this collection made. Remove it by yourself, or give it that label."
        )
    if failed and recreate != "failed":
        raise BadInput(_failed(f"cluster {name}", current or {}))
    if failed and protected:
        raise BadInput(
            f"cluster {name} is in status {FAILED}, and is not replaced: deletion_protection is true. Set it to false "
            "first, if the cluster is to go."
        )
    if marked and (current is None or failed or "resource_labels" in desired):
        desired = {**desired, "resource_labels": desired.get("resource_labels", {}) | MARK}
    if failed:
        plan.changes.append(remove_cluster(name, path, FAILED))
        current = None
    if current is None:
        parent = path.rpartition("/")[0]
        location = path.rpartition("/clusters/")[0].rpartition("/")[2]
        body = {"cluster": cluster_resource(desired, _zones(desired, location))}
        plan.changes.append(Change(f"cluster {name}", None, desired, IN_PLACE, "POST", parent, body, _stands))
        late = [option for option in CLUSTER_OPTIONS if option.later]
        plan.changes += differences(late, desired, {}, path, _itself)
        plan.changes += differences(CLUSTER_OPTIONS, _against_birth(desired), BORN, path, _itself)
        return plan
    plan.changes += differences(CLUSTER_OPTIONS, desired, current, path, _itself)
    pools = list(desired.get("node_pools", []))
    moves = [change for change in plan.changes if change.field == "node_locations"]
    if moves:
        at = plan.changes.index(moves[0])
        plan.changes[at : at + 1] = _in_two_steps(desired, current, path)
        pools, current = _kept_in_place(pools, current, desired["node_locations"], exclusive=exclusive_pools)
    for pool in pools:
        prefix = f"node pool {pool['name']}: "
        found = plan_pool(pool, current, path, recreate=recreate, prefix=prefix)
        plan.changes += found.changes
        plan.warnings += found.warnings
    googles = look_up(current, "autopilot.enabled")
    if exclusive_pools and "node_pools" in desired and not googles:
        named = {pool["name"] for pool in desired["node_pools"]}
        plan.changes += [
            remove_pool(pool["name"], path)
            for pool in current.get("nodePools", [])
            # Google makes and removes pools of its own where node auto-provisioning is on.
            if pool["name"] not in named and not look_up(pool, "autoscaling.autoprovisioned")
        ]
    return plan


def _zones(desired: Json, location: str) -> int:
    """In how many zones a new cluster's nodes are; Google chooses three where a regional one names none."""
    return len(desired.get("node_locations", ())) or (1 if is_zone(location) else 3)


def _against_birth(desired: Json) -> Json:
    """What of the wishes a cluster is born without."""
    driver = "gce_persistent_disk_csi_driver"
    wish = desired.get("addons_config", {}).get(driver)
    return (
        {"name": desired["name"]}
        if wish is None
        else {"name": desired["name"], "addons_config": {driver: wish}}
    )


def _in_two_steps(desired: Json, current: Json, path: str) -> list[Change]:
    """Other zones: one request adds or removes, never both (terraform-provider-google#1352); first it adds."""
    now, goal = current.get("locations", []), desired["node_locations"]
    both = [*now, *(zone for zone in goal if zone not in now)]
    steps = [zones for zones in (both, goal) if set(zones) != set(now)]
    if len(steps) == 2 and set(both) == set(goal):
        del steps[0]
    option = next(option for option in CLUSTER_OPTIONS if option.name == "node_locations")
    found = []
    for zones in steps:
        found.append(_change([(option, now, zones)], current, path, _itself, ""))
        now = zones
    return found


def _kept_in_place(
    pools: list[Json], cluster: Json, zones: list[str], *, exclusive: bool
) -> tuple[list[Json], Json]:
    """(wishes, cluster) once the cluster is in these zones: every pool moves along, those with zones of their own back."""
    before = set(cluster.get("locations", ()))
    own = {
        pool["name"]: {"node_locations": pool["locations"]}
        for pool in cluster.get("nodePools", [])
        if pool.get("locations") and set(pool["locations"]) != before and pool.get("status") != FAILED
    }
    named = {pool["name"] for pool in pools}
    wishes = [{**own.get(pool["name"], {}), **pool} for pool in pools]
    if not exclusive:
        wishes += [{"name": name, **wish} for name, wish in own.items() if name not in named]
    moved = [{**pool, "locations": list(zones)} for pool in cluster.get("nodePools", [])]
    return wishes, {**cluster, "locations": list(zones), "nodePools": moved}


def refuse_impossible(changes: list[Change]) -> None:
    """Raises ``BadInput`` with all that can't be changed."""
    impossible = [change for change in changes if not change.method]
    if not impossible:
        return
    anew = any(change.how == RECREATE for change in impossible)
    fixed = any(change.how == NEVER for change in impossible)
    ways = ["Set these options back."]
    if anew:
        ways.append("Or set recreate: pools, if the pools may be deleted and made anew.")
    if fixed:
        ways.append(
            "A cluster is never recreated: remove it by yourself (state: absent) if that is what you want."
        )
    raise BadInput(
        f"These can't be changed on what is there, and nothing was: {'; '.join(map(str, impossible))}. "
        + " ".join(ways)
    )


def words_of_others(changes: list[Change], cluster: Json, *, adopt: bool) -> tuple[str, str] | None:
    """What would be changed of a cluster that others made, and the ways out; None where that is nothing, or allowed."""
    if adopt or not changes or is_ours(cluster.get("resourceLabels")):
        return None
    name, location = cluster["name"], cluster["location"]
    return (
        f"cluster {name} in {location} was not made here (it lacks the {MARK_WORDS}), and is not changed unless that is said. It would "
        f"be: {'; '.join(map(str, changes))}",
        "If that is meant, set cluster_adopt: true (adopt: true of the module), which lets it be changed, and no more: teardown leaves "
        "it. If not, leave out what it has otherwise (of node pools, which the role has by default, by cluster_node_pools: []), or choose "
        "another name. If an older release of this collection made it, give it "
        f"the label, and teardown counts it, too: gcloud container clusters update {name} --location={location} "
        f"--update-labels={'='.join(*MARK.items())}",
    )


def refuse_of_others(changes: list[Change], cluster: Json | None, *, adopt: bool) -> None:
    """Raises ``BadInput`` with all that would be changed of a cluster that others made, unless that was allowed."""
    if cluster is not None and (words := words_of_others(changes, cluster, adopt=adopt)):
        raise BadInput(". ".join(words))


def diff(changes: list[Change]) -> dict[str, Any]:
    """The plan as Ansible's diff: of what is deleted and made anew, the beginning and the end."""
    before: Json = {}
    for change in changes:
        before.setdefault(change.field, change.before)
    return {"before": before, "after": {change.field: change.after for change in changes}}
