"""The desired state that a module's options describe: only what was given, checked, and the API's paths. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..gcp.labels import as_texts
from .check_cluster import check_cluster, check_place
from .check_pool import check_pool
from .cluster_options import CLUSTER_OPTIONS
from .pool_options import POOL_OPTIONS
from .schema import Json, Labels, Raw, given, in_googles_form

POOL_ARGUMENTS: Json = {
    "name": {"type": "str", "required": True},
    **{option.name: option.argument() for option in POOL_OPTIONS},
}
CLUSTER_ARGUMENTS: Json = {
    "name": {"type": "str", "required": True},
    **{option.name: option.argument() for option in CLUSTER_OPTIONS},
    "node_pools": {"type": "list", "elements": "dict", "options": POOL_ARGUMENTS},
}


def parent_path(project: str, location: str) -> str:
    return f"/v1/projects/{project}/locations/{location}"


def cluster_path(project: str, location: str, name: str) -> str:
    return f"{parent_path(project, location)}/clusters/{name}"


_RAW = {o.name for o in POOL_OPTIONS if isinstance(o.schema, Raw)}
_LABELS = {o.name for o in (*CLUSTER_OPTIONS, *POOL_OPTIONS) if isinstance(o.schema, Labels)}


def _given(options: Mapping[str, Any], names: Iterable[str]) -> Json:
    """The options that were given."""
    found = {name: options[name] for name in names if options.get(name) is not None}
    forms: dict[str, Callable[[Any], Any]] = {
        **dict.fromkeys(_LABELS, as_texts),
        **dict.fromkeys(_RAW, in_googles_form),
    }
    return {name: forms.get(name, given)(value) for name, value in found.items()}


def _pool(options: Mapping[str, Any]) -> Json:
    found = _given(options, POOL_ARGUMENTS)
    if "autoscaling" in found:
        found["autoscaling"].setdefault("enabled", True)
    _imply_surge(found.get("upgrade_settings", {}))
    return found


def _imply_surge(settings: Json) -> None:
    """Numbers of a surge mean that there is one."""
    if "max_surge" in settings or "max_unavailable" in settings:
        settings.setdefault("strategy", "SURGE")


def desired_pool(options: Mapping[str, Any], location: str) -> Json:
    """A node pool as it is desired. Raises ``BadInput``."""
    found = _pool(options)
    check_pool(found, location)
    return found


def desired_cluster(options: Mapping[str, Any]) -> Json:
    """A cluster as it is desired, ``node_pools`` among them. Raises ``BadInput``."""
    check_place(options["project"], options["location"], options["name"])
    found = _given(options, CLUSTER_ARGUMENTS)
    if "workload_identity" in found:
        # The only pool that a project has; fleets have others, which are not managed here.
        found["workload_identity"] = f"{options['project']}.svc.id.goog" if found["workload_identity"] else ""
    defaults = found.get("autoscaling", {}).get("autoprovisioning_node_pool_defaults", {})
    _imply_surge(defaults.get("upgrade_settings", {}))
    if "node_pools" in found:
        found["node_pools"] = [_pool(pool) for pool in found["node_pools"]]
    check_cluster(found, options["location"])
    return found
