"""A module's options in the API's form, checked before anything is asked of Google. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..gcp.errors import BadInput

Json = dict[str, Any]

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
_LOCATION = re.compile(r"[a-z]+(-[a-z]+)+[0-9]+(-[a-z])?")
_MAX_NODES = 1000

POOL_OPTIONS: Json = {
    "name": {"type": "str", "required": True},
    "machine_type": {"type": "str"},
    "disk_size_gb": {"type": "int"},
    "disk_type": {"type": "str", "choices": ["pd-standard", "pd-balanced", "pd-ssd", "hyperdisk-balanced"]},
    "image_type": {"type": "str"},
    "labels": {"type": "dict"},
    "tags": {"type": "list", "elements": "str"},
    "taints": {
        "type": "list",
        "elements": "dict",
        "options": {
            "key": {"type": "str", "required": True, "no_log": False},
            "value": {"type": "str", "default": ""},
            "effect": {
                "type": "str",
                "required": True,
                "choices": ["NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"],
            },
        },
    },
    "spot": {"type": "bool"},
    "service_account": {"type": "str"},
    "oauth_scopes": {"type": "list", "elements": "str"},
    "initial_node_count": {"type": "int"},
    "autoscaling": {
        "type": "dict",
        "options": {
            "enabled": {"type": "bool", "default": True},
            "min_node_count": {"type": "int"},
            "max_node_count": {"type": "int"},
            "total_min_node_count": {"type": "int"},
            "total_max_node_count": {"type": "int"},
            "location_policy": {"type": "str", "choices": ["BALANCED", "ANY"]},
        },
    },
    "management": {
        "type": "dict",
        "options": {"auto_repair": {"type": "bool"}, "auto_upgrade": {"type": "bool"}},
    },
}

_CONFIG = {
    "machine_type": "machineType", "disk_size_gb": "diskSizeGb", "disk_type": "diskType",
    "image_type": "imageType", "labels": "labels", "tags": "tags", "taints": "taints", "spot": "spot",
    "service_account": "serviceAccount", "oauth_scopes": "oauthScopes",
}  # fmt: skip


def check_name(kind: str, name: str) -> None:
    """Google's rule for names of clusters and node pools."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{kind} name '{name}': it must start with a lower-case letter, have lower-case letters, digits and "
            "hyphens only, end with a letter or digit, and be 40 characters long at most."
        )


def check_location(location: str) -> None:
    if not _LOCATION.fullmatch(location):
        raise BadInput(f"location '{location}' is neither a zone (us-central1-f) nor a region (us-central1).")


def cluster_path(project: str, location: str, name: str) -> str:
    return f"/v1/projects/{project}/locations/{location}/clusters/{name}"


def wanted_pool(options: Mapping[str, Any]) -> Json:
    """A node pool as wanted; options that are None are left out. Raises ``BadInput``."""
    name = options["name"]
    check_name("node pool", name)
    pool: Json = {"name": name}
    config = {api: options[key] for key, api in _CONFIG.items() if options.get(key) is not None}
    if config:
        pool["config"] = config
    if options.get("initial_node_count") is not None:
        if not 0 <= options["initial_node_count"] <= _MAX_NODES:
            raise BadInput(f"node pool {name}: initial_node_count must be from 0 to {_MAX_NODES}.")
        pool["initialNodeCount"] = options["initial_node_count"]
    if options.get("autoscaling") is not None:
        pool["autoscaling"] = _autoscaling(name, options["autoscaling"])
    if options.get("management") is not None:
        pool["management"] = _camel(options["management"])
    return pool


def _autoscaling(pool: str, options: Mapping[str, Any]) -> Json:
    given = {key: value for key, value in options.items() if value is not None}
    if not given.get("enabled"):
        return {"enabled": False}
    per_zone = {"min_node_count", "max_node_count"} & set(given)
    total = {"total_min_node_count", "total_max_node_count"} & set(given)
    if per_zone and total:
        raise BadInput(
            f"node pool {pool}: limits a zone (min_node_count, max_node_count) and total limits exclude each other."
        )
    low = given.get("min_node_count", given.get("total_min_node_count", 0))
    high = given.get("max_node_count", given.get("total_max_node_count"))
    if high is None:
        raise BadInput(f"node pool {pool}: autoscaling needs max_node_count or total_max_node_count.")
    if not 0 <= low <= high or high < 1:
        raise BadInput(
            f"node pool {pool}: autoscaling from {low} to {high} nodes: the minimum must be 0 or more, the maximum "
            "at least 1 and not below the minimum."
        )
    return _camel(given)


def _camel(options: Mapping[str, Any]) -> Json:
    def name(key: str) -> str:
        first, *rest = key.split("_")
        return first + "".join(word.capitalize() for word in rest)

    return {name(key): value for key, value in options.items() if value is not None}


def wanted_cluster(options: Mapping[str, Any]) -> Json:
    """A cluster as wanted. Raises ``BadInput``."""
    check_name("cluster", options["name"])
    check_location(options["location"])
    cluster: Json = {"name": options["name"]}
    if options.get("release_channel"):
        cluster["releaseChannel"] = {"channel": options["release_channel"]}
    if options.get("workload_identity") is not None:
        pool = f"{options['project']}.svc.id.goog" if options["workload_identity"] else ""
        cluster["workloadIdentityConfig"] = {"workloadPool": pool}
    for key, api in (
        ("resource_labels", "resourceLabels"),
        ("network", "network"),
        ("subnetwork", "subnetwork"),
    ):
        if options.get(key) is not None:
            cluster[api] = options[key]
    if options.get("initial_cluster_version"):
        cluster["initialClusterVersion"] = options["initial_cluster_version"]
    if options.get("node_pools") is not None:
        pools = [wanted_pool(pool) for pool in options["node_pools"]]
        names = [pool["name"] for pool in pools]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadInput(f"node_pools: {', '.join(twice)} is named twice.")
        cluster["nodePools"] = pools
    return cluster
