"""The GKE API, v1 and v1beta1: which method of the orchestrator answers which of Google's.

Contract: https://cloud.google.com/kubernetes-engine/docs/reference/rest
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..google.discovery import Json
from ..google.errors import GoogleError
from ..google.service import Call, Handler, Service
from .clusters import Orchestrator

HOST = "container.googleapis.com"
_CHANNELS = ("RAPID", "REGULAR", "STABLE", "EXTENDED")
_IMAGES = ["COS_CONTAINERD", "UBUNTU_CONTAINERD"]
# The zonal methods have names of their own.
_ZONAL = {
    "addons": "setAddons", "locations": "setLocations", "logging": "setLogging", "master": "updateMaster",
    "monitoring": "setMonitoring", "resourceLabels": "setResourceLabels",
}  # fmt: skip


def container_service(gke: Orchestrator) -> Service:
    """The service, with everything that is emulated of it; the rest answers 501."""

    def create(call: Call) -> Json:
        asked = call.body.get("cluster")
        if asked is None:
            raise GoogleError(400, "Cluster is required.")
        return gke.create_cluster(*_place(call), asked)

    def update(call: Call) -> Json:
        if "update" not in call.body:
            raise GoogleError(400, "Must provide an update.")
        return gke.update_cluster(*_cluster(call), call.body["update"])

    def create_pool(call: Call) -> Json:
        asked = call.body.get("nodePool")
        if asked is None:
            raise GoogleError(400, "Node pool is required.")
        return gke.pools.create(*_cluster(call), asked)

    def pools(call: Call) -> Json:
        cluster = gke.cluster(*call.path)
        return {"nodePools": [cluster.pool_view(pool) for pool in cluster.pools.values()]}

    def pool(call: Call) -> Json:
        cluster, found = gke.pools.get(*call.path)
        return cluster.pool_view(found)

    def cancel(call: Call) -> Json:
        gke.operations.cancel(gke.operations.get(*call.path))
        return {}

    handlers: dict[str, Handler] = {
        "getServerConfig": lambda _: server_config(gke.limits.versions),
        "getServerconfig": lambda _: server_config(gke.limits.versions),
        "operations.list": lambda call: {"operations": gke.operations.known(*_place(call))},
        "operations.get": lambda call: dict(gke.operations.get(*call.path).answer),
        "operations.cancel": cancel,
        "clusters.list": lambda call: {"clusters": [found.view() for found in gke.clusters(*call.path)]},
        "clusters.get": lambda call: gke.cluster(*call.path).view(),
        "clusters.create": create,
        "clusters.delete": lambda call: gke.delete_cluster(*call.path),
        "clusters.update": update,
        "clusters.setAddons": _with_body(gke.set_addons),
        "clusters.setLocations": lambda call: gke.set_locations(
            *_cluster(call), call.body.get("locations", [])
        ),
        "clusters.setLogging": lambda call: gke.set_service(
            *_cluster(call), "desiredLoggingService", call.body.get("loggingService", "")
        ),
        "clusters.setMonitoring": lambda call: gke.set_service(
            *_cluster(call), "desiredMonitoringService", call.body.get("monitoringService", "")
        ),
        "clusters.setMaintenancePolicy": _with_body(gke.set_maintenance_policy),
        "clusters.setResourceLabels": _with_body(gke.set_resource_labels),
        "clusters.updateMaster": lambda call: gke.update_master(
            *_cluster(call), call.body.get("masterVersion", "")
        ),
        "clusters.nodePools.list": pools,
        "clusters.nodePools.get": pool,
        "clusters.nodePools.create": create_pool,
        "clusters.nodePools.delete": lambda call: gke.pools.delete(*call.path),
        "clusters.nodePools.update": _with_body(gke.pools.update),
        "clusters.nodePools.setAutoscaling": _with_body(gke.pools.set_autoscaling),
        "clusters.nodePools.autoscaling": _with_body(gke.pools.set_autoscaling),
        "clusters.nodePools.setManagement": _with_body(gke.pools.set_management),
        "clusters.nodePools.setSize": _with_body(gke.pools.set_size),
        "clusters.nodePools.rollback": lambda call: gke.pools.rollback(*call.path),
    }
    handlers = {name: _by_id(gke, handler) for name, handler in handlers.items()}
    handlers |= {f"clusters.{zonal}": handlers[f"clusters.{name}"] for zonal, name in _ZONAL.items()}
    return Service(HOST, ("container.v1", "container.v1beta1"), handlers)


def _by_id(gke: Orchestrator, handler: Handler) -> Handler:
    """Takes a project's number, too, as links of operations have it."""

    def handle(call: Call) -> Json:
        project, *rest = call.path
        return handler(replace(call, path=(gke.project_id(project), *rest)))

    return handle


def _place(call: Call) -> tuple[str, str]:
    project, location = call.path
    return project, location


def _cluster(call: Call) -> tuple[str, str, str]:
    project, location, cluster = call.path
    return project, location, cluster


def _with_body(verb: Callable[..., Json]) -> Handler:
    return lambda call: verb(*call.path, call.body)


def server_config(versions: tuple[str, ...]) -> Json:
    """What can be had: every channel has every version."""
    return {
        "channels": [
            {"channel": name, "defaultVersion": versions[0], "validVersions": list(versions)}
            for name in _CHANNELS
        ],
        "defaultClusterVersion": versions[0],
        "defaultImageType": _IMAGES[0],
        "validImageTypes": _IMAGES,
        "validMasterVersions": list(versions),
        "validNodeVersions": list(versions),
    }
