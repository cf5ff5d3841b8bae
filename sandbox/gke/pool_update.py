"""What each field of an UpdateNodePoolRequest changes of a node pool, and whether its nodes are replaced."""

from __future__ import annotations

import copy

from ..google.errors import GoogleError
from .defaults import Json, upgrade_settings
from .pool_defaults import node_config

_ADDRESSES = ("name", "projectId", "zone", "clusterId", "nodePoolId", "etag")
# Of the pool itself: no node is touched.
_OF_POOL = ("upgradeSettings", "queuedProvisioning", "nodeDrainConfig", "maintenancePolicy")
# Of each node: wrapped in the request, plain in the answer.
_WRAPPED = {"labels": "labels", "resourceLabels": "labels", "tags": "tags", "taints": "taints"}
_OF_NODES = (
    "accelerators", "bootDisk", "confidentialNodes", "consolidationDelay", "containerdConfig", "diskSizeGb",
    "diskType", "fastSocket", "flexStart", "gcfsConfig", "gvnic", "imageType", "kubeletConfig",
    "linuxNodeConfig", "loggingConfig", "machineType", "maxRunDuration", "resourceManagerTags",
    "storagePools", "taintConfig", "windowsNodeConfig", "workloadMetadataConfig",
)  # fmt: skip
VERSION_FIELD = "nodeVersion"
LOCATIONS_FIELD = "locations"
EMULATED = frozenset((*_OF_POOL, *_WRAPPED, *_OF_NODES, VERSION_FIELD, LOCATIONS_FIELD, "nodeNetworkConfig"))


def check_update(body: Json) -> list[str]:
    """The fields that an update changes; refuses none, and what is not emulated."""
    fields = sorted(set(body) - set(_ADDRESSES))
    # Clients of the zonal method send these empty when they only mean another field.
    fields = [f for f in fields if not (f in ("imageType", VERSION_FIELD) and not body[f])]
    if not fields:
        raise GoogleError(400, "Must specify a field to update.")
    missing = [field for field in fields if field not in EMULATED]
    if missing:
        raise GoogleError(501, f"not emulated here: an update of {', '.join(missing)}")
    return fields


def replaces_nodes(fields: list[str]) -> bool:
    """Whether nodes are made anew for this update."""
    return any(f in _WRAPPED or f in _OF_NODES or f == VERSION_FIELD for f in fields)


def updated(answer: Json, fields: list[str], body: Json) -> Json:
    """The pool's answer with these fields of the request applied; ``nodeVersion`` is resolved already."""
    found = copy.deepcopy(answer)
    config = found["config"]
    for field in fields:
        value = copy.deepcopy(body[field])
        if field in _WRAPPED:
            config[field] = value.get(_WRAPPED[field], {} if field.endswith("abels") else [])
        elif field in _OF_NODES:
            config[field] = value
            _disk(config, field)
        elif field == VERSION_FIELD:
            found["version"] = value
        elif field == "upgradeSettings":
            found["upgradeSettings"] = upgrade_settings(value)
        elif field == "nodeNetworkConfig":
            found["networkConfig"] |= value
        elif field != LOCATIONS_FIELD:
            found[field] = value
    config.pop("nodeImageConfig", None)
    found["config"] = node_config(config, found["version"])
    return found


def _disk(config: Json, field: str) -> None:
    """The boot disk has two spellings; the one that is sent counts."""
    if field in ("diskSizeGb", "diskType"):
        config["bootDisk"] = {}
    elif field == "bootDisk":
        config["diskSizeGb"] = config["bootDisk"].get("sizeGb") or config["diskSizeGb"]
        config["diskType"] = config["bootDisk"].get("diskType") or config["diskType"]
