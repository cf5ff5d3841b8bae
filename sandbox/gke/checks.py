"""What Google refuses about a cluster and a node pool before anything is done. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from plugins.module_utils.gke.machine import MachineShape, UnknownMachineType, machine_shape

from ..google.errors import GoogleError
from ..releases import Channel
from .defaults import Json, minor, version_key
from .node_checks import check_node_settings

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
# AI zones (us-central1-ai1a) have more than a letter.
_ZONE = r"[a-z](?:[a-z]*\d+[a-z])?"
_LOCATION = re.compile(rf"[a-z]+-[a-z]+\d+(-{_ZONE})?")
_LABEL = re.compile(r"[a-z0-9_-]{0,63}")
# Nodes of a shape may together promise half as much again as the host has: they are rarely all busy.
_OVERCOMMIT = 1.5
# By how many minor versions nodes may be older than the control plane.
_SKEW = 2
# A pool with more nodes in a zone is refused.
_MAX_NODES = 1000


class Room(Protocol):
    """What a place where nodes run can give: all its CPUs, whether it has GPUs, and whether it takes any machine."""

    @property
    def cpu_milli(self) -> int: ...
    @property
    def gpus(self) -> bool: ...
    @property
    def any_machine(self) -> bool: ...


def check_location(location: str) -> None:
    if not _LOCATION.fullmatch(location):
        raise GoogleError(403, f"Permission denied on 'locations/{location}' (or it may not exist).")


def zones_of(location: str) -> tuple[str, ...]:
    """A zone itself, a region's three zones where GKE puts nodes by default."""
    return (location,) if location.count("-") == 2 else tuple(f"{location}-{letter}" for letter in "abc")


def check_zones(location: str, zones: Iterable[str]) -> None:
    """Nodes may be in zones of the cluster's region only, and are in the zone of a zonal cluster."""
    region = "-".join(location.split("-")[:2])
    for zone in zones:
        if not re.fullmatch(rf"{re.escape(region)}-{_ZONE}", zone):
            raise GoogleError(
                400, f'Invalid value for field "locations": zone "{zone}" is not in region "{region}".'
            )
    if location.count("-") == 2 and location not in zones:
        raise GoogleError(
            400, f'Invalid value for field "locations": must contain the cluster\'s zone "{location}".'
        )


def check_name(field: str, name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GoogleError(
            400,
            f'Invalid value for field "{field}": "{name or ""}": must start with a letter, contain only '
            "lower-case letters, digits and hyphens, end with a letter or digit, 40 characters at most.",
        )


def check_labels(labels: Json) -> None:
    for key, value in labels.items():
        if not key or not key[0].isalpha() or not _LABEL.fullmatch(key) or not _LABEL.fullmatch(value):
            raise GoogleError(
                400,
                f'Invalid field "resource_labels": "{key}: {value}": keys start with a lower-case letter; keys and '
                "values have lower-case letters, digits, hyphens and underscores, 63 characters at most.",
            )


def check_seconds(labels: Json, names: Iterable[str]) -> None:
    """The labels that tune the sandbox hold seconds."""
    for name in names:
        value = labels.get(name)
        if value is not None and not re.fullmatch(r"\d{1,5}", value):
            raise GoogleError(400, f'Resource label {name}: "{value}" is not a number of seconds.')


def check_cluster(asked: Json, project: str, location: str) -> None:
    """A cluster's request as a whole; its pools are checked one by one with ``check_pool``."""
    check_name("cluster.name", asked.get("name"))
    check_labels(asked.get("resourceLabels", {}))
    if asked.get("nodePools") and (asked.get("nodeConfig") or asked.get("initialNodeCount")):
        raise GoogleError(
            400, "Cluster.nodePools and Cluster.initialNodeCount (or Cluster.nodeConfig) cannot both be specified.",
        )  # fmt: skip
    names = [pool.get("name") for pool in asked.get("nodePools", [])]
    if len(set(names)) < len(names):
        raise GoogleError(
            400, f"Node pool names must be unique within a cluster: {', '.join(map(str, names))}."
        )
    check_workload_pool(asked.get("workloadIdentityConfig", {}), project)
    if asked.get("masterAuth", {}).get("clientCertificateConfig", {}).get("issueClientCertificate"):
        raise GoogleError(501, "not emulated here: client certificates (masterAuth.clientCertificateConfig)")
    if asked.get("autopilot", {}).get("enabled"):
        _check_autopilot(asked, location)


def _check_autopilot(asked: Json, location: str) -> None:
    if location.count("-") == 2:
        raise GoogleError(400, "Autopilot clusters must be regional clusters.")
    # gcloud sends a default pool, which is ignored but for its access scopes.
    if any(
        pool.get("name") != "default-pool" or "autoscaling" in pool for pool in asked.get("nodePools", [])
    ):
        raise GoogleError(400, "Autopilot clusters do not support specifying node pools.")
    if asked.get("autoscaling", {}).get("resourceLimits"):
        raise GoogleError(400, "Autopilot clusters do not support resource limits of node auto-provisioning.")


def check_workload_pool(config: Json, project: str) -> None:
    wanted = f"{project}.svc.id.goog"
    if config.get("workloadPool") not in (None, "", wanted):
        raise GoogleError(400, f'Currently, the only supported identity namespace is "{wanted}".')


def check_autoscaling(name: str, scaling: Json) -> None:
    """A pool's limits: per zone or in total, and the lower one not above the upper one."""
    if not scaling.get("enabled"):
        return
    low, high = scaling.get("minNodeCount", 0), scaling.get("maxNodeCount", 0)
    total_low, total_high = scaling.get("totalMinNodeCount", 0), scaling.get("totalMaxNodeCount", 0)
    if (low or high) and (total_low or total_high):
        raise GoogleError(
            400, f"Node pool {name}: total_min_node_count and total_max_node_count are mutually exclusive with "
            "min_node_count and max_node_count.",
        )  # fmt: skip
    if not high and not total_high:
        raise GoogleError(
            400, "Node_pool_autoscaling.max_node_count and node_pool_autoscaling.total_max_node_count cannot be "
            "both set to zero.",
        )  # fmt: skip
    if total_low or total_high:
        low, high = total_low, total_high
    if not 0 <= low <= high or not 1 <= high <= _MAX_NODES:
        raise GoogleError(
            400, f"Invalid autoscaling limits of node pool {name}: min {low}, max {high}: "
            f"max must be at least 1, at most {_MAX_NODES} and not below min.",
        )  # fmt: skip


def check_management(management: Json, channel: Json) -> None:
    """In a release channel Google upgrades and repairs nodes. What is left out of ``management`` is off."""
    name = channel.get("channel", "UNSPECIFIED")
    off = [field for field in ("autoUpgrade", "autoRepair") if not management.get(field)]
    if name != "UNSPECIFIED" and off:
        words = " and ".join(
            {"autoUpgrade": "auto_upgrade", "autoRepair": "auto_repair"}[field] for field in off
        )
        raise GoogleError(400, f"{words.capitalize()} cannot be false when release_channel {name} is set.")


def check_pool(asked: Json, location: str, zones: list[str], limits: Room) -> None:
    """A node pool's request, and whether the place where nodes run can give what it begins with."""
    check_name("node_pool.name", asked.get("name"))
    name, config = str(asked["name"]), asked.get("config", {})
    if asked.get("locations"):
        check_zones("-".join(location.split("-")[:2]), asked["locations"])
    check_autoscaling(name, asked.get("autoscaling", {}))
    if asked.get("initialNodeCount", 0) < 0 or asked.get("initialNodeCount", 0) > _MAX_NODES:
        raise GoogleError(
            400, f'Invalid value for field "node_pool.initial_node_count": {asked["initialNodeCount"]}.'
        )
    check_settings(name, config, asked.get("upgradeSettings", {}))
    scaling = asked.get("autoscaling", {}) if asked.get("autoscaling", {}).get("enabled") else {}
    per_zone = max(asked.get("initialNodeCount", 0), scaling.get("minNodeCount", 0))
    check_room(config, max(per_zone * len(zones), scaling.get("totalMinNodeCount", 0)), zones, limits)


def check_tags(tags: Json, number: str) -> None:
    """There are no tags here to bind. Google's words for one that does not exist
    (containernodepool-resourcemanagertags@2026-08-19-2db25f)."""
    for key in tags.get("tags", {}):
        agent = f"service-{number}@container-engine-robot.iam.gserviceaccount.com"
        raise GoogleError(403, f'Permission denied: for {agent} on TagKey "{key}" (or it may not exist).')


def check_settings(name: str, config: Json, upgrades: Json) -> None:
    """What a pool's nodes are to be, and how they are replaced."""
    if config.get("spot") and config.get("preemptible"):
        raise GoogleError(400, f"Node pool {name}: spot and preemptible are mutually exclusive.")
    for taint in config.get("taints", []):
        if not taint.get("key") or taint.get("effect", "EFFECT_UNSPECIFIED") == "EFFECT_UNSPECIFIED":
            raise GoogleError(400, f"Node pool {name}: each taint needs a key and an effect; got {taint}.")
    check_node_settings(config)
    _check_surge(name, upgrades)


def _check_surge(name: str, settings: Json) -> None:
    surge, unavailable = settings.get("maxSurge"), settings.get("maxUnavailable", 0)
    if settings.get("strategy", "SURGE") == "SURGE" and surge is not None and surge + unavailable < 1:
        raise GoogleError(400, f"Node pool {name}: max_surge and max_unavailable can not both be 0.")
    if (surge or 0) + unavailable > 20:
        raise GoogleError(400, f"Node pool {name}: max_surge and max_unavailable together are 20 at most.")


def check_room(config: Json, nodes: int, zones: list[str], limits: Room) -> None:
    """Refuses nodes that can't all be had, in the words of a missing quota."""
    shape = _known_shape(config.get("machineType") or "e2-medium", zones, limits)
    if shape is None:
        return
    if config.get("accelerators") and not limits.gpus:
        kind = str(config["accelerators"][0].get("acceleratorType", "")).upper().replace("-", "_")
        raise _no_quota(f"{kind}_GPUS", 1000, 0, "this machine has no GPU")
    needed = round(max(shape.cpu_milli, shape.allocatable_cpu_milli * nodes / _OVERCOMMIT))
    if needed > limits.cpu_milli:
        raise _no_quota("CPUS", needed, limits.cpu_milli, "the CPUs of this machine")


def _no_quota(resource: str, needed: int, limit: int, why: str) -> GoogleError:
    return GoogleError(
        403,
        f'Insufficient regional quota to satisfy request: resource "{resource}": request requires '
        f"'{needed / 1000:.1f}' and is short '{(needed - limit) / 1000:.1f}'. project has a quota of "
        f"'{limit / 1000:.1f}' with '{limit / 1000:.1f}' available ({why}).",
        info="QUOTA_EXCEEDED",
    )


def _known_shape(machine: str, zones: list[str], limits: Room) -> MachineShape | None:
    try:
        return machine_shape(machine)
    except UnknownMachineType:
        if limits.any_machine:
            return None
        text = f'Machine type with name "{machine}" does not exist in zone "{zones[0]}".'
        raise GoogleError(400, text) from None


def check_master_upgrade(current: str, wanted: str) -> None:
    """The control plane goes up by one minor version at a time, and never down by one."""
    step = version_key(wanted)[1] - version_key(current)[1]
    if step < 0:
        raise GoogleError(
            400, f'Master cannot be downgraded from "{current}" to minor version of "{wanted}".'
        )
    if step > 1:
        raise GoogleError(
            400,
            f'Master cannot be upgraded from "{current}" to "{wanted}": more than one minor version at a time.',
        )


def check_skew(master: str, nodes: Iterable[str]) -> None:
    """Nodes may be of an older minor version than the control plane, by two at most, and never of a newer one.

    https://cloud.google.com/kubernetes-engine/docs/concepts/types-of-upgrades
    """
    for version in nodes:
        if minor(version) > minor(master):
            raise GoogleError(
                400,
                f'Node version "{version}" must not have a greater minor version than master version "{master}".',
            )
        if minor(master) - minor(version) > _SKEW:
            raise GoogleError(
                400,
                f'Node version "{version}" must be within two minor versions of master version "{master}".',
            )


def resolve_version(asked: str, channel: Channel, name: str = "", current: str | None = None) -> str:
    """A version by its whole name, its beginning ("1.34"), "latest", or "-" for the default.

    ``channel``: the release channel of this name whose versions count; without a name, all that there are.
    """
    if asked in ("", "-"):
        return current or channel.default
    if asked == "latest":
        return channel.valid[0]
    for version in channel.valid:
        if version == asked or re.match(rf"{re.escape(asked)}[.-]", version):
            return version
    if name in ("", "UNSPECIFIED"):
        raise GoogleError(400, f'Master version "{asked}" is unsupported.')
    raise GoogleError(
        400,
        f'Master version must be one of "{name}" channel supported versions [{", ".join(reversed(channel.valid))}].',
    )
