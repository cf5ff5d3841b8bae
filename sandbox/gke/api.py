"""The GKE API, v1 and v1beta1: which method of the orchestrator answers which of Google's.

Contract: https://cloud.google.com/kubernetes-engine/docs/reference/rest
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..google.discovery import Json
from ..google.errors import GoogleError
from ..google.service import Call, Handler, Service
from .cluster import Cluster, Limits, Pool
from .clusters import Orchestrator

HOST = "container.googleapis.com"
_IMAGES = ["COS_CONTAINERD", "UBUNTU_CONTAINERD"]
# The zonal methods have names of their own.
_ZONAL = {
    "addons": "setAddons", "locations": "setLocations", "logging": "setLogging", "master": "updateMaster",
    "monitoring": "setMonitoring", "resourceLabels": "setResourceLabels",
}  # fmt: skip


def container_service(gke: Orchestrator) -> Service:
    """The service, with everything that is emulated of it; the rest answers 501."""

    def create(call: Call) -> Json:
        project, location = call.path
        return gke.create_cluster(project, location, _asked(call.body, "cluster", "Cluster is required."))

    def cancel(call: Call) -> Json:
        gke.operations.cancel(gke.operations.get(*call.path))
        return {}

    def of_cluster(verb: Callable[[Cluster, Json], Json]) -> Handler:
        return lambda call: verb(gke.cluster(*call.path), call.body)

    def of_pool(verb: Callable[[Cluster, Pool, Json], Json]) -> Handler:
        return lambda call: verb(*gke.pools.get(gke.cluster(*call.path[:3]), call.path[3]), call.body)

    def updated(field: str, body_field: str, empty: Any) -> Handler:
        """An older method for what an update can do, too."""
        return of_cluster(
            lambda cluster, body: gke.update_cluster(cluster, {field: body.get(body_field, empty)})
        )

    handlers: dict[str, Handler] = {
        "getServerConfig": lambda _: server_config(gke.limits),
        "getServerconfig": lambda _: server_config(gke.limits),
        "operations.list": lambda call: {"operations": gke.operations.known(*call.path)},
        "operations.get": lambda call: dict(gke.operations.get(*call.path).answer),
        "operations.cancel": cancel,
        "clusters.list": lambda call: {"clusters": [found.view() for found in gke.clusters(*call.path)]},
        "clusters.get": of_cluster(lambda cluster, _: cluster.view()),
        "clusters.create": create,
        "clusters.delete": of_cluster(lambda cluster, _: gke.delete_cluster(cluster)),
        "clusters.update": of_cluster(
            lambda cluster, body: gke.update_cluster(
                cluster, _asked(body, "update", "Must provide an update.")
            )
        ),
        "clusters.setAddons": updated("desiredAddonsConfig", "addonsConfig", {}),
        "clusters.setLocations": updated("desiredLocations", "locations", []),
        "clusters.setLogging": updated("desiredLoggingService", "loggingService", ""),
        "clusters.setMonitoring": updated("desiredMonitoringService", "monitoringService", ""),
        "clusters.setMaintenancePolicy": of_cluster(gke.set_maintenance_policy),
        "clusters.setResourceLabels": of_cluster(gke.set_resource_labels),
        "clusters.updateMaster": updated("desiredMasterVersion", "masterVersion", ""),
        "clusters.nodePools.list": of_cluster(
            lambda cluster, _: {"nodePools": [cluster.pool_view(pool) for pool in cluster.pools.values()]}
        ),
        "clusters.nodePools.get": of_pool(lambda cluster, pool, _: cluster.pool_view(pool)),
        "clusters.nodePools.create": of_cluster(
            lambda cluster, body: gke.pools.create(
                cluster, _asked(body, "nodePool", "Node pool is required.")
            )
        ),
        "clusters.nodePools.delete": of_pool(gke.pools.delete),
        "clusters.nodePools.update": of_pool(gke.pools.update),
        "clusters.nodePools.setAutoscaling": of_pool(gke.pools.set_autoscaling),
        "clusters.nodePools.autoscaling": of_pool(gke.pools.set_autoscaling),
        "clusters.nodePools.setManagement": of_pool(gke.pools.set_management),
        "clusters.nodePools.setSize": of_pool(gke.pools.set_size),
        "clusters.nodePools.rollback": of_pool(gke.pools.rollback),
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


def _asked(body: Json, field: str, otherwise: str) -> Json:
    """A field that the body must have."""
    if body.get(field) is None:
        raise GoogleError(400, otherwise)
    return dict(body[field])


def server_config(limits: Limits) -> Json:
    """What can be had, of each release channel and without one."""
    versions = list(limits.versions)
    return {
        "channels": [
            {"channel": name, "defaultVersion": channel.default, "validVersions": list(channel.valid)}
            for name, channel in limits.channels.items()
        ],
        "defaultClusterVersion": limits.channel("").default,
        "defaultImageType": _IMAGES[0],
        "validImageTypes": _IMAGES,
        "validMasterVersions": versions,
        "validNodeVersions": versions,
    }
