"""What has to change for a cluster and its pools to be as wanted. Pure.

Wanted values are in the API's own form; a key that is missing is not managed. Source of what can be updated and
how: https://cloud.google.com/kubernetes-engine/docs/reference/rest and facts of the Terraform provider.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

IN_PLACE, ROLLING, RECREATE, NEVER = "in place", "rolling", "recreation", "never"


@dataclass(frozen=True)
class Change:
    """One request and what it changes. ``how``: in place, rolling (nodes are replaced), recreation or never."""

    field: str
    before: Any
    after: Any
    how: str
    method: str = ""
    path: str = ""
    body: Json | None = None

    def __str__(self) -> str:
        return f"{self.field}: {_short(self.before)} -> {_short(self.after)} ({self.how})"


@dataclass(frozen=True)
class Field:
    """A field: where it is in the resource, how it is changed, and the request's body for a wanted value."""

    name: str
    path: tuple[str, ...]
    how: str
    method: str = "PUT"
    suffix: str = ""
    body: Callable[[Any, Json], Json] = lambda wanted, current: {}
    same: Callable[[Any, Any], bool] = lambda wanted, current: bool(wanted == current)


def _short(value: Any) -> str:
    return "unset" if value is None else str(value)


def _subset(wanted: Any, current: Any) -> bool:
    """Every key that is wanted is there with that value; falsy and missing are the same to Google."""
    if isinstance(wanted, Mapping):
        current = current or {}
        return all(_subset(value, current.get(key)) for key, value in wanted.items())
    return bool(wanted == current) or (not wanted and not current)


def _unordered(wanted: Any, current: Any) -> bool:
    return sorted(map(repr, wanted or [])) == sorted(map(repr, current or []))


def _basename(wanted: Any, current: Any) -> bool:
    """Networks come back as a name, a path or a URL."""
    return str(wanted).rpartition("/")[2] == str(current or "").rpartition("/")[2]


def _update(key: str) -> Callable[[Any, Json], Json]:
    return lambda wanted, _: {"update": {key: wanted}}


def _pool_update(key: str, wrap: str | None = None) -> Callable[[Any, Json], Json]:
    return lambda wanted, _: {key: {wrap: wanted} if wrap else wanted}


def _labels(wanted: Any, current: Json) -> Json:
    return {"resourceLabels": wanted, "labelFingerprint": current.get("labelFingerprint", "")}


CLUSTER_FIELDS = (
    Field("location", ("location",), NEVER),
    Field("network", ("network",), NEVER, same=_basename),
    Field("subnetwork", ("subnetwork",), NEVER, same=_basename),
    Field(
        "resource_labels", ("resourceLabels",), IN_PLACE, "POST", ":setResourceLabels", _labels,
        lambda wanted, current: bool((wanted or {}) == (current or {})),
    ),
    Field("release_channel", ("releaseChannel",), IN_PLACE, body=_update("desiredReleaseChannel"), same=_subset),
    Field(
        "workload_identity", ("workloadIdentityConfig",), IN_PLACE,
        body=_update("desiredWorkloadIdentityConfig"), same=_subset,
    ),
)  # fmt: skip

POOL_FIELDS = (
    Field(
        "autoscaling", ("autoscaling",), IN_PLACE, "POST", ":setAutoscaling", _pool_update("autoscaling"), _subset
    ),
    Field("management", ("management",), IN_PLACE, "POST", ":setManagement", _pool_update("management"), _subset),
    Field(
        "labels", ("config", "labels"), IN_PLACE, body=_pool_update("labels", "labels"),
        same=lambda wanted, current: bool((wanted or {}) == (current or {})),
    ),
    Field("taints", ("config", "taints"), IN_PLACE, body=_pool_update("taints", "taints"), same=_unordered),
    Field("tags", ("config", "tags"), IN_PLACE, body=_pool_update("tags", "tags"), same=_unordered),
    Field("machine_type", ("config", "machineType"), ROLLING, body=_pool_update("machineType")),
    Field("disk_type", ("config", "diskType"), ROLLING, body=_pool_update("diskType")),
    Field("disk_size_gb", ("config", "diskSizeGb"), ROLLING, body=_pool_update("diskSizeGb")),
    Field(
        "image_type", ("config", "imageType"), ROLLING, body=_pool_update("imageType"),
        same=lambda wanted, current: str(wanted).upper() == str(current or "").upper(),
    ),
    Field("spot", ("config", "spot"), RECREATE, same=lambda wanted, current: bool(wanted) == bool(current)),
    Field("service_account", ("config", "serviceAccount"), RECREATE),
    Field("oauth_scopes", ("config", "oauthScopes"), RECREATE, same=_unordered),
)  # fmt: skip


def look_up(resource: Mapping[str, Any], path: tuple[str, ...]) -> tuple[bool, Any]:
    """Whether the path is there, and its value."""
    value: Any = resource
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return False, None
        value = value[key]
    return True, value


def differences(
    wanted: Json, current: Json, fields: tuple[Field, ...], path: str, prefix: str = ""
) -> list[Change]:
    """A change for each managed field that differs, in the fields' order. ``path``: the resource's API path."""
    changes = []
    for field in fields:
        managed, value = look_up(wanted, field.path)
        if not managed:
            continue
        _, now = look_up(current, field.path)
        if field.same(value, now):
            continue
        request: tuple[str, str, Json | None] = ("", "", None)
        if field.how in (IN_PLACE, ROLLING):
            request = (field.method, path + field.suffix, field.body(value, current))
        changes.append(Change(prefix + field.name, now, value, field.how, *request))
    return changes


def plan_pool(
    wanted: Json, current: Json | None, parent: str, *, recreate: bool, prefix: str = ""
) -> list[Change]:
    """Changes for one node pool; ``parent``: the cluster's API path. ``current`` None: it does not exist.

    A change that only a new pool can make becomes deletion and creation where ``recreate`` allows that.
    """
    path = f"{parent}/nodePools/{wanted['name']}"
    if current is None:
        return [create_pool(wanted, parent)]
    changes = differences(wanted, current, POOL_FIELDS, path, prefix)
    if recreate and any(change.how == RECREATE for change in changes):
        gone = Change(f"node pool {wanted['name']}", "exists", None, RECREATE, "DELETE", path)
        return [gone, create_pool(wanted, parent)]
    return changes


def create_pool(wanted: Json, parent: str) -> Change:
    body = {"nodePool": wanted}
    return Change(f"node pool {wanted['name']}", None, wanted, IN_PLACE, "POST", f"{parent}/nodePools", body)


def plan_cluster(
    wanted: Json,
    current: Json | None,
    path: str,
    *,
    exclusive_pools: bool = False,
    recreate_pools: bool = False,
) -> list[Change]:
    """Changes for a cluster and the pools in ``wanted['nodePools']``; pools that are not named stay."""
    if current is None:
        parent = path.rpartition("/")[0]
        name = wanted["name"]
        return [Change(f"cluster {name}", None, wanted, IN_PLACE, "POST", parent, {"cluster": wanted})]
    changes = differences(wanted, current, CLUSTER_FIELDS, path)
    if "nodePools" not in wanted:
        return changes
    existing = {pool["name"]: pool for pool in current.get("nodePools", [])}
    for pool in wanted["nodePools"]:
        prefix = f"node pool {pool['name']}: "
        changes += plan_pool(pool, existing.get(pool["name"]), path, recreate=recreate_pools, prefix=prefix)
    if exclusive_pools:
        named = {pool["name"] for pool in wanted["nodePools"]}
        changes += [
            Change(f"node pool {name}", "exists", None, IN_PLACE, "DELETE", f"{path}/nodePools/{name}")
            for name in existing
            if name not in named
        ]
    return changes


def refused(changes: list[Change]) -> list[Change]:
    """Changes that can't be made with what is allowed."""
    return [change for change in changes if not change.method]


def diff(changes: list[Change]) -> dict[str, Any]:
    """The plan as Ansible's diff."""
    return {
        "before": {change.field: change.before for change in changes},
        "after": {change.field: change.after for change in changes},
    }
