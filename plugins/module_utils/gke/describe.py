"""A cluster as the options that would make it: the way back from what the API shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .cluster_options import CLUSTER_OPTIONS
from .option import AT_CREATION, Option
from .pool_options import POOL_OPTIONS
from .schema import (
    OUTPUT_ONLY,
    Json,
    Labels,
    Named,
    Record,
    Records,
    Scalar,
    Schema,
    Strings,
    is_googles,
    look_up,
    read,
)

_READ_ONLY = frozenset(
    {
        "conditions", "createTime", "currentEmulatedVersion", "currentMasterVersion", "currentNodeCount",
        "currentNodeVersion", "endpoint", "etag", "expireTime", "id", "instanceGroupUrls", "kubeletCertInfo",
        "labelFingerprint", "location", "master", "name", "nodeIpv4CidrSize", "nodePools", "podIpv4CidrSize",
        "privateCluster", "satisfiesPzi", "satisfiesPzs", "selfLink", "servicesIpv4Cidr", "status", "statusMessage",
        "tpuIpv4CidrBlock", "updateInfo", "zone",
        # Older places of what is shown elsewhere, too.
        "clusterIpv4Cidr", "initialNodeCount", "masterAuthorizedNetworksConfig", "nodeConfig",
        "autoscaling.autoprovisioningNodePoolDefaults.management.upgradeOptions",
        "config.bootDisk", "config.effectiveCgroupMode", "config.nodeImageConfig",
        "controlPlaneEndpointsConfig.dnsEndpointConfig.endpoint",
        "controlPlaneEndpointsConfig.ipEndpointsConfig.privateEndpoint",
        "controlPlaneEndpointsConfig.ipEndpointsConfig.publicEndpoint",
        "databaseEncryption.currentState", "databaseEncryption.decryptionKeys", "initialClusterVersion",
        "databaseEncryption.lastOperationErrors", "ipAllocationPolicy.clusterIpv4Cidr",
        "ipAllocationPolicy.defaultPodIpv4RangeUtilization", "ipAllocationPolicy.useIpAliases", "ipAllocationPolicy.servicesIpv4Cidr",
        "maintenancePolicy.resourceVersion", "masterAuth.clusterCaCertificate", "networkConfig.network",
        "networkConfig.podIpv4RangeUtilization", "networkConfig.subnetwork",
        "privateClusterConfig.enablePrivateEndpoint", "privateClusterConfig.enablePrivateNodes",
        "privateClusterConfig.peeringName", "privateClusterConfig.privateEndpoint",
        "privateClusterConfig.publicEndpoint",
    }
)  # fmt: skip
"""What Google alone fills in, or shows a second time (dotted)."""


def without_secrets(cluster: Json | None) -> Json:
    """A cluster without credentials, for results."""
    shown = dict(cluster or {})
    auth = shown.get("masterAuth", {})
    shown["masterAuth"] = {key: value for key, value in auth.items() if key not in ("clientKey", "password")}
    return shown if cluster else {}


def options_of_pool(pool: Json) -> Json:
    """A node pool's options."""
    found = {"name": pool["name"], **_options(POOL_OPTIONS, pool)}
    if (pool.get("autoscaling") or {}).get("enabled"):
        found.pop("node_count", None)
    else:
        found["autoscaling"] = {"enabled": False}
    if "pod_range" in found:
        found.pop("pod_ipv4_cidr_block", None)
    _one_strategy(found.get("upgrade_settings", {}))
    return found


def _one_strategy(settings: Json) -> None:
    """Numbers of the other way of upgrading may be left from before."""
    surge = settings.get("strategy", "SURGE") == "SURGE"
    for name in ("blue_green_settings",) if surge else ("max_surge", "max_unavailable"):
        settings.pop(name, None)


def options_of(cluster: Json) -> Json:
    """A cluster's options, its node pools among them; an Autopilot cluster has none."""
    found = {"name": cluster["name"], **_options(CLUSTER_OPTIONS, cluster)}
    found["workload_identity"] = bool(found.get("workload_identity"))
    policy = found.get("ip_allocation_policy", {})
    for kind in ("cluster", "services"):
        if f"{kind}_ipv4_cidr_block" in policy:
            policy.pop(f"{kind}_secondary_range_name", None)
    defaults = found.get("autoscaling", {}).get("autoprovisioning_node_pool_defaults", {})
    _one_strategy(defaults.get("upgrade_settings", {}))
    for kind in ("logging", "monitoring"):
        if found.get(f"{kind}_service") == "none":
            found.pop(f"{kind}_config", None)
    if found.get("autopilot"):
        for name in ("autoscaling", "default_max_pods_per_node"):
            found.pop(name, None)
        return found
    return {**found, "node_pools": [options_of_pool(pool) for pool in cluster.get("nodePools", [])]}


def _options(options: Iterable[Option], resource: Json) -> Json:
    found = {}
    for option in options:
        value = None if option.how == AT_CREATION else _sayable(option.schema, option.now(resource))
        if isinstance(option.schema, Labels) and value:
            googles = option.schema.googles
            value = {k: v for k, v in value.items() if not is_googles(k, googles)}
        if value is not None:
            found[option.name] = value
    return found


def _sayable(schema: Schema, value: Any) -> Any:
    """The value without what an option can't say: choices that are not among its own."""
    if value is None:
        return None
    match schema:
        case Scalar(choices=choices):
            return value if not choices or value in choices else None
        case Strings(choices=choices):
            return value if not choices or set(value) <= set(choices) else None
        case Record(parts=parts):
            found = {p.name: _sayable(p.schema, value.get(p.name)) for p in parts}
            whole = all(found[p.name] is not None for p in parts if p.required)
            return {k: v for k, v in found.items() if v is not None} or None if whole else None
        case Records(record=inner):
            return [said for item in value if (said := _sayable(inner, item)) is not None]
        case Named(record=inner):
            said = ({"name": item["name"], **(_sayable(inner, item) or {})} for item in value)
            return list(said)
        case _:
            return value


def unmanaged(cluster: Json) -> list[str]:
    """Fields that the API shows and no option speaks of: dotted, those of pools behind ``nodePools``."""
    found = {
        *_unknown(cluster, frozenset(_covered(CLUSTER_OPTIONS))),
        *_unsayable(CLUSTER_OPTIONS, cluster),
    }
    for pool in cluster.get("nodePools", []):
        found |= {f"nodePools.{path}" for path in unmanaged_of_pool(pool)}
    return sorted(found)


def unmanaged_of_pool(pool: Json) -> list[str]:
    return sorted({*_unknown(pool, frozenset(_covered(POOL_OPTIONS))), *_unsayable(POOL_OPTIONS, pool)})


def _unsayable(options: Iterable[Option], resource: Json) -> Iterator[str]:
    """Options' own fields with values that they can't say."""
    for option in options:
        value = read(option.schema, look_up(resource, option.path))
        if value and _sayable(option.schema, value) != value:
            yield option.path


def _covered(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        yield from _paths(option.schema, option.path)


def _paths(schema: Schema, path: str) -> Iterator[str]:
    """The paths that a schema speaks of; below them everything."""
    if isinstance(schema, Record):
        for one in schema.parts:
            yield from _paths(one.schema, f"{path}.{one.api}")
    elif isinstance(schema, (Records, Named)):
        for one in schema.record.parts:
            yield from _paths(one.schema, f"{path}.[].{one.api}")
    else:
        yield path


def _unknown(value: Any, covered: frozenset[str], path: str = "") -> Iterator[str]:
    """Paths of what is there and neither covered nor only shown."""
    if path in covered or path in _READ_ONLY or path.rpartition(".")[2] in OUTPUT_ONLY:
        return
    if isinstance(value, Mapping):
        named = f"{path}.[]" if any(one.startswith(f"{path}.[].") for one in covered) else ""
        for key, item in value.items():
            yield from _unknown(item, covered, named or (f"{path}.{key}" if path else key))
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for item in value:
            for key, inner in item.items():
                yield from _unknown(inner, covered, f"{path}.[].{key}")
    elif value:
        yield path
