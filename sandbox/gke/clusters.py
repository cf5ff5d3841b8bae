"""What GKE does behind its API for clusters, on this machine's Kubernetes. Node pools: ``node_pools``."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

from ..google.errors import GoogleError
from ..google.projects import project_number
from ..paths import MAX_CLUSTERS, ClusterAddresses
from . import update as updates
from .checks import (
    check_cluster,
    check_labels,
    check_location,
    check_management,
    check_master_upgrade,
    check_seconds,
    check_skew,
    check_workload_pool,
    check_zones,
    resolve_version,
    zones_of,
)
from .cluster import BOOT_LABEL, DELAY_LABEL, UNNEEDED_LABEL, Backend, Cluster, Limits
from .compute_resources import Resources
from .defaults import Json, Place, labels_fingerprint
from .defaults import cluster as cluster_answer
from .node_pools import NodePools
from .operations import Operations, Run, failure

__all__ = ["Cluster", "Limits", "Orchestrator"]

# What Google counts of a cluster's creation; of its health checks one is still open when it ends.
_CONFIGURING, _DEPLOYING, _HEALTHCHECKING = 8, 10, 2


class Orchestrator:
    """Everything the emulated GKE knows. Methods raise ``GoogleError``; work goes on in threads."""

    def __init__(
        self,
        backend: Callable[[Cluster], Backend],
        now: Callable[[], float] = time.time,
        limits: Limits | None = None,
    ) -> None:
        self._make_backend = backend
        self.limits = limits or Limits()
        self.operations = Operations(now)
        self.resources = Resources()
        self._clusters: dict[tuple[str, str, str], Cluster] = {}
        self.pools = NodePools(self.operations, self.limits)

    # Reading

    def clusters(self, project: str | None = None, location: str = "-") -> list[Cluster]:
        return [
            cluster
            for (owner, place, _), cluster in list(self._clusters.items())
            if project in (None, owner) and location in ("-", place)
        ]

    def cluster(self, project: str, location: str, name: str) -> Cluster:
        found = self._clusters.get((project, location, name))
        if found is None:
            check_location(location)
            raise GoogleError(404, f"Not found: {_place(project, location, 0).path('clusters', name)}.")
        return found

    def project_id(self, project: str) -> str:
        """A project by its name, or by the number that links have."""
        return self.operations.projects().get(project, project)

    # Changing

    def create_cluster(self, project: str, location: str, asked: Json) -> Json:
        check_location(location)
        check_cluster(asked, project, location)
        check_seconds(asked.get("resourceLabels", {}), (BOOT_LABEL, UNNEEDED_LABEL, DELAY_LABEL))
        if asked.get("autopilot", {}).get("enabled") and not self.limits.autopilot:
            raise GoogleError(
                501, "Autopilot clusters are not emulated here: this sandbox starts the nodes of node pools only, "
                "and none for single pods. Create a Standard cluster.",
            )  # fmt: skip
        if asked.get("locations"):
            check_zones(location, asked["locations"])
        channel = asked.get("releaseChannel", {}).get("channel", "REGULAR")
        wanted = asked.get("initialClusterVersion", "")
        version = resolve_version(wanted, self.limits.channel(channel), channel)
        pools = asked.get("nodePools") or [
            {
                "name": "default-pool",
                "initialNodeCount": asked.get("initialNodeCount", 0),
                "config": asked.get("nodeConfig", {}),
            }
        ]
        autopilot = bool(asked.get("autopilot", {}).get("enabled"))
        if not autopilot and not asked.get("nodePools") and not asked.get("initialNodeCount"):
            raise GoogleError(400, "Cluster.initial_node_count must be greater than zero.")
        index = self._free_index(project, location, asked["name"])
        place = _place(project, location, index, tuple(asked.get("locations", ())))
        answer = cluster_answer(asked, place, version=version, created=self.operations.timestamp())
        cluster = Cluster(place, answer, index)
        if autopilot:
            pools = [
                {
                    "name": "default-pool",
                    "config": pools[0].get("config", {}),
                    "autoscaling": {"enabled": True, "maxNodeCount": 1000},
                    "maxPodsConstraint": {"maxPodsPerNode": "32"},
                }
            ]
        else:
            for pool in pools:
                self.pools.check(cluster, pool)
        for pool in pools:
            made = self.pools.make(cluster, pool)
            cluster.pools[made.name] = made
        self._clusters[project, location, cluster.name] = cluster
        link = answer["selfLink"]
        return self.operations.begin(
            cluster, "CREATE_CLUSTER", link, lambda run: self._bring_up(cluster, run)
        )

    def _free_index(self, project: str, location: str, name: str) -> int:
        before = self._clusters.get((project, location, name))
        if before is not None:
            raise GoogleError(409, f"Already exists: {before.place.path('clusters', name)}.")
        taken = {cluster.index for cluster in self._clusters.values()}
        index = next((i for i in range(self.limits.clusters) if i not in taken), None)
        if index is None:
            raise GoogleError(
                403, f"Insufficient quota: this sandbox holds {self.limits.clusters} clusters at most.",
                info="QUOTA_EXCEEDED",
            )  # fmt: skip
        return index

    def delete_cluster(self, cluster: Cluster) -> Json:
        self.operations.refuse_if_busy(cluster)
        cluster.answer["status"] = "STOPPING"
        link = cluster.answer["selfLink"]
        return self.operations.begin(
            cluster, "DELETE_CLUSTER", link, lambda run: self._take_down(cluster, run)
        )

    def update_cluster(self, cluster: Cluster, update: Json) -> Json:
        fields = updates.check_update(update)
        updates.check_etag(update.get("etag"), cluster.etag)
        if "desiredLocations" in fields:
            return self._set_locations(cluster, update["desiredLocations"])
        if updates.OF_VERSION in fields:
            return self._update_master(cluster, update["desiredMasterVersion"])
        if any(field in updates.OF_NODES for field in fields):
            return self.pools.update_by_cluster(cluster, update)
        check_workload_pool(update.get("desiredWorkloadIdentityConfig", {}), cluster.project)
        for pool in cluster.pools.values():
            check_management(pool.answer["management"], update.get("desiredReleaseChannel", {}))
        return self._change(cluster, updates.updated(cluster.answer, fields, update, cluster.place))

    def set_maintenance_policy(self, cluster: Cluster, body: Json) -> Json:
        return self._change(
            cluster, updates.with_maintenance(cluster.answer, body.get("maintenancePolicy", {}))
        )

    def set_resource_labels(self, cluster: Cluster, body: Json) -> Json:
        self.operations.refuse_change(cluster)
        current = labels_fingerprint(cluster.answer.get("resourceLabels", {}))
        if body.get("labelFingerprint") != current:
            raise GoogleError(412, "Labels could not be set due to fingerprint mismatch.")
        labels = body.get("resourceLabels", {})
        check_labels(labels)
        check_seconds(labels, (BOOT_LABEL, UNNEEDED_LABEL, DELAY_LABEL))
        return self._change(cluster, cluster.answer | {"resourceLabels": labels})

    def _update_master(self, cluster: Cluster, version: str) -> Json:
        """The control plane becomes this version; its nodes stay what they are."""
        current = cluster.answer["currentMasterVersion"]
        channel = cluster.channel
        wanted = resolve_version(version, self.limits.channel(channel), channel, current)
        check_master_upgrade(current, wanted)
        check_skew(wanted, (pool.answer["version"] for pool in cluster.pools.values()))
        self.operations.refuse_change(cluster)

        def work(run: Run) -> None:
            run.go_on()
            if cluster.backend is not None and wanted != current:
                cluster.backend.upgrade(wanted, run.detail)
            cluster.answer = cluster.answer | {"currentMasterVersion": wanted}

        return self._reconcile(cluster, "UPGRADE_MASTER", work)

    def _set_locations(self, cluster: Cluster, locations: list[str]) -> Json:
        """Moves every pool to these zones."""
        check_zones(cluster.location, locations)
        present = set(cluster.answer["locations"])
        if present - set(locations) and set(locations) - present:
            raise GoogleError(400, "Locations can be added or removed in one update, not both.")
        self.operations.refuse_change(cluster)

        def work(run: Run) -> None:
            cluster.answer = cluster.answer | {"locations": locations}
            for pool in list(cluster.pools.values()):
                self.pools.relocate(cluster, pool, locations, run)

        return self._reconcile(cluster, "UPDATE_CLUSTER", work)

    def stop(self) -> None:
        """Takes every cluster down, at the end of the daemon."""
        for cluster in self.clusters():
            self._take_down(cluster, Run({}))

    # Inside

    def _change(self, cluster: Cluster, answer: Json, kind: str = "UPDATE_CLUSTER") -> Json:
        """An operation after which the cluster's answer is this one."""
        self.operations.refuse_change(cluster)
        settled = answer["status"]

        def work(run: Run) -> None:
            run.go_on()
            cluster.answer = answer | {"status": settled}

        return self._reconcile(cluster, kind, work)

    def _reconcile(self, cluster: Cluster, kind: str, work: Callable[[Run], None]) -> Json:
        settled = cluster.answer["status"]
        cluster.answer["status"] = "RECONCILING"

        def run_it(run: Run) -> None:
            try:
                work(run)
            except Exception as error:
                conditions = list(failure(error).conditions)
                cluster.answer |= {"status": "DEGRADED" if conditions else settled, "conditions": conditions}
                raise
            cluster.answer = {k: v for k, v in cluster.answer.items() if k != "conditions"} | {
                "status": "RUNNING"
            }

        return self.operations.begin(cluster, kind, cluster.answer["selfLink"], run_it)

    def _bring_up(self, cluster: Cluster, run: Run) -> None:
        self._report(run)
        try:
            run.go_on()
            backend = self._make_backend(cluster)
            backend.start(run.detail)
            cluster.backend = backend
            authority = base64.b64encode(backend.ca_certificate).decode()
            cluster.answer["masterAuth"] = cluster.answer["masterAuth"] | {"clusterCaCertificate": authority}
            run.detail("nodes")
            pools = list(cluster.pools.values())
            for number, pool in enumerate(pools):
                self._report(run, configured=True, deployed=_DEPLOYING * number // len(pools))
                self.pools.first_nodes(cluster, pool)
            self._report(run, configured=True, deployed=_DEPLOYING)
            backend.start_controllers(cluster, cluster.autoscaler_settings())
            cluster.answer["status"] = "RUNNING"
            self._report(run, configured=True, deployed=_DEPLOYING, healthy=True)
        except Exception as error:
            told = failure(error)
            cluster.answer |= {"status": "ERROR", "statusMessage": str(error)}
            if told.conditions:
                cluster.answer["conditions"] = list(told.conditions)
            for pool in cluster.pools.values():
                pool.answer["status"] = "ERROR"
            raise

    def _report(
        self, run: Run, *, configured: bool = False, deployed: int = 0, healthy: bool = False
    ) -> None:
        run.metrics(
            CLUSTER_CONFIGURING=_CONFIGURING * configured,
            CLUSTER_CONFIGURING_TOTAL=_CONFIGURING,
            CLUSTER_DEPLOYING=deployed,
            CLUSTER_DEPLOYING_TOTAL=_DEPLOYING,
            CLUSTER_HEALTHCHECKING=int(healthy),
            CLUSTER_HEALTHCHECKING_TOTAL=_HEALTHCHECKING,
        )

    def _take_down(self, cluster: Cluster, run: Run) -> None:
        try:
            run.go_on()
            self.resources.outlive(cluster)
            cluster.gone.set()
            if cluster.backend is not None:
                cluster.backend.stop()
        except Exception as error:
            cluster.answer |= {"status": "ERROR", "statusMessage": str(error)}
            raise
        self._clusters.pop((cluster.project, cluster.location, cluster.name), None)


def _place(project: str, location: str, index: int, zones: tuple[str, ...] = ()) -> Place:
    addresses = ClusterAddresses(index % MAX_CLUSTERS)
    return Place(
        project=project,
        number=project_number(project),
        location=location,
        zones=zones or zones_of(location),
        pods=str(addresses.pods),
        services=str(addresses.services),
    )
