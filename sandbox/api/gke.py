"""The GKE API v1: routes to the orchestrator. Methods that are missing answer 501.

Contract: https://cloud.google.com/kubernetes-engine/docs/reference/rest
"""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..orchestrator import Orchestrator, public
from .errors import GoogleError
from .gke_defaults import VERSION


class ContainerApi:
    """Routes below /v1/projects, in both spellings: ``locations`` and ``zones``."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._gke = orchestrator

    def routes(self) -> list[Route]:
        found = []
        for place in ("locations", "zones"):
            base = f"/v1/projects/{{project}}/{place}/{{location}}"
            name = f"{base}/clusters/{{cluster}}"
            found += [
                Route(f"{base}/serverConfig", self.server_config, methods=["GET"]),
                Route(f"{base}/serverconfig", self.server_config, methods=["GET"]),
                Route(f"{base}/operations", self.operations, methods=["GET"]),
                Route(f"{base}/operations/{{operation}}", self.operation, methods=["GET"]),
                Route(f"{base}/clusters", self.clusters, methods=["GET", "POST"]),
                Route(f"{name}:setResourceLabels", self.labels, methods=["POST"]),
                Route(f"{name}/resourceLabels", self.labels, methods=["POST"]),
                Route(name, self.cluster, methods=["GET", "DELETE", "PUT"]),
                Route(f"{name}/nodePools", self.pools, methods=["GET", "POST"]),
                Route(f"{name}/nodePools/{{pool}}:setAutoscaling", self.autoscaling, methods=["POST"]),
                Route(f"{name}/nodePools/{{pool}}/autoscaling", self.autoscaling, methods=["POST"]),
                Route(f"{name}/nodePools/{{pool}}", self.pool, methods=["GET", "DELETE", "PUT"]),
            ]
        found.append(Route("/v1/{rest:path}", missing, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]))
        return found

    async def server_config(self, request: Request) -> Response:
        channels = [
            {"channel": name, "defaultVersion": VERSION, "validVersions": [VERSION]}
            for name in ("RAPID", "REGULAR", "STABLE")
        ]
        return JSONResponse(
            {
                "channels": channels,
                "defaultClusterVersion": VERSION,
                "defaultImageType": "COS_CONTAINERD",
                "validImageTypes": ["COS_CONTAINERD"],
                "validMasterVersions": [VERSION],
                "validNodeVersions": [VERSION],
            }
        )

    async def operations(self, request: Request) -> Response:
        found = self._gke.operations(request.path_params["project"], request.path_params["location"])
        return JSONResponse({"operations": [public(operation) for operation in found]} if found else {})

    async def operation(self, request: Request) -> Response:
        p = request.path_params
        return JSONResponse(public(self._gke.operation(p["project"], p["location"], p["operation"])))

    async def clusters(self, request: Request) -> Response:
        project, location = request.path_params["project"], request.path_params["location"]
        if request.method == "POST":
            asked = (await _body(request)).get("cluster")
            if not isinstance(asked, dict):
                raise GoogleError(400, "Cluster is required.")
            return JSONResponse(public(self._gke.create_cluster(project, location, asked)))
        found = [cluster.view() for cluster in self._gke.clusters(project, location)]
        return JSONResponse({"clusters": found} if found else {})

    async def cluster(self, request: Request) -> Response:
        project, location, name = _where(request)
        if request.method == "DELETE":
            return JSONResponse(public(self._gke.delete_cluster(project, location, name)))
        cluster = self._gke.cluster(project, location, name)
        if request.method == "PUT":
            update = (await _body(request)).get("update", {})
            raise GoogleError(
                501, f"not emulated here: an update of {', '.join(sorted(update)) or 'nothing'}"
            )
        return JSONResponse(cluster.view())

    async def labels(self, request: Request) -> Response:
        return JSONResponse(public(self._gke.set_resource_labels(*_where(request), await _body(request))))

    async def pools(self, request: Request) -> Response:
        project, location, name = _where(request)
        if request.method == "POST":
            asked = (await _body(request)).get("nodePool")
            if not isinstance(asked, dict):
                raise GoogleError(400, "Node pool is required.")
            return JSONResponse(public(self._gke.create_pool(project, location, name, asked)))
        cluster = self._gke.cluster(project, location, name)
        found = [cluster.pool_view(pool) for pool in cluster.pools.values()]
        return JSONResponse({"nodePools": found} if found else {})

    async def pool(self, request: Request) -> Response:
        project, location, name = _where(request)
        pool_name = request.path_params["pool"]
        if request.method == "DELETE":
            return JSONResponse(public(self._gke.delete_pool(project, location, name, pool_name)))
        cluster, pool = self._gke.pool(project, location, name, pool_name)
        if request.method == "PUT":
            fields = sorted(await _body(request))
            raise GoogleError(501, f"not emulated here: an update of {', '.join(fields) or 'nothing'}")
        return JSONResponse(cluster.pool_view(pool))

    async def autoscaling(self, request: Request) -> Response:
        pool = request.path_params["pool"]
        answer = self._gke.set_autoscaling(*_where(request), pool, await _body(request))
        return JSONResponse(public(answer))


async def missing(request: Request) -> Response:
    """Methods of Google's that are not emulated."""
    raise GoogleError(501, f"not emulated here: {request.method} {request.url.path}")


def _where(request: Request) -> tuple[str, str, str]:
    p = request.path_params
    return p["project"], p["location"], p["cluster"]


async def _body(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body() or b"{}")
    except ValueError:
        raise GoogleError(400, "Invalid JSON payload received.") from None
    if not isinstance(value, dict):
        raise GoogleError(400, "Invalid JSON payload received.")
    return value
