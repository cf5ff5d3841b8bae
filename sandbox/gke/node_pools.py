"""What GKE does behind its API for node pools: it makes nodes, replaces them and takes them away."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..google.errors import GoogleError, failed_precondition
from . import pool_update
from .checks import (
    check_autoscaling,
    check_management,
    check_pool,
    check_room,
    check_settings,
    check_skew,
    check_tags,
    check_zones,
    resolve_version,
)
from .cluster import Cluster, Limits, Pool
from .defaults import Json, version_key
from .operations import Operations, Run, failure
from .pool_defaults import autoscaling
from .pool_defaults import node_pool as pool_answer
from .update import check_etag


class NodePools:
    """The verbs of node pools. Methods raise ``GoogleError``; work goes on in threads."""

    def __init__(self, operations: Operations, limits: Limits) -> None:
        self._operations = operations
        self._limits = limits

    def get(self, cluster: Cluster, name: str) -> tuple[Cluster, Pool]:
        if name not in cluster.pools:
            raise GoogleError(404, f'Not found: node pool "{name}" not found.')
        return cluster, cluster.pools[name]

    def check(self, cluster: Cluster, asked: Json) -> None:
        """Refuses a pool that can't be."""
        zones = asked.get("locations") or cluster.answer["locations"]
        check_pool(asked, cluster.location, zones, self._limits)
        check_tags(asked.get("config", {}).get("resourceManagerTags", {}), cluster.place.number)
        if asked.get("management"):
            check_management(asked["management"], cluster.answer["releaseChannel"])
        if asked.get("version"):
            self._node_version(cluster, asked["version"])

    def _node_version(self, cluster: Cluster, asked: str) -> str:
        master = cluster.answer["currentMasterVersion"]
        wanted = resolve_version(asked, self._limits.channel(""), current=master)
        check_skew(master, [wanted])
        return wanted

    def make(self, cluster: Cluster, asked: Json) -> Pool:
        """A pool that has no nodes yet."""
        version = {"version": self._node_version(cluster, asked["version"])} if asked.get("version") else {}
        return Pool(pool_answer({**asked, **version}, cluster.place, cluster.answer))

    def create(self, cluster: Cluster, asked: Json) -> Json:
        self._refuse_change(cluster)
        self.check(cluster, asked)
        if asked["name"] in cluster.pools:
            path = cluster.place.path("clusters", cluster.name)
            raise GoogleError(409, f"Already exists: {path}/nodePools/{asked['name']}.")
        pool = self.make(cluster, asked)
        cluster.pools[pool.name] = pool

        def work(run: Run) -> None:
            try:
                run.go_on()
                self.first_nodes(cluster, pool, run)
            except Exception as error:
                self._failed(pool, error)
                raise

        return self._operations.begin(cluster, "CREATE_NODE_POOL", pool.answer["selfLink"], work)

    def _refuse_change(self, cluster: Cluster) -> None:
        if cluster.answer["autopilot"].get("enabled"):
            raise GoogleError(400, "Autopilot clusters do not support mutating node pools.")
        self._operations.refuse_change(cluster)

    def first_nodes(self, cluster: Cluster, pool: Pool, run: Run | None = None) -> None:
        """The nodes that a pool begins with; what has come stays if others do not."""
        if run is not None:
            run.detail("nodes")
        try:
            cluster.boot(pool, [zone for zone in pool.answer["locations"] for _ in range(pool.first_nodes())])
        except Exception as error:
            self._failed(pool, error)
            raise
        pool.answer["status"] = "RUNNING"

    def _failed(self, pool: Pool, error: Exception) -> None:
        """ERROR where no node has come, RUNNING_WITH_ERROR where some have."""
        told = failure(error)
        came = any(pool.nodes.values())
        pool.answer |= {"status": "RUNNING_WITH_ERROR" if came else "ERROR", "statusMessage": str(error)}
        if told.conditions:
            pool.answer["conditions"] = list(told.conditions)

    def delete(self, cluster: Cluster, pool: Pool, _: Json) -> Json:
        self._refuse_change(cluster)
        pool.answer["status"] = "STOPPING"

        def work(run: Run) -> None:
            try:
                run.go_on()
                for node in list(pool.nodes):
                    run.detail(f"draining {node}")
                    cluster.drain(node)
            except Exception as error:
                self._failed(pool, error)
                raise
            del cluster.pools[pool.name]

        return self._operations.begin(cluster, "DELETE_NODE_POOL", pool.answer["selfLink"], work)

    def set_autoscaling(self, cluster: Cluster, pool: Pool, body: Json) -> Json:
        self._refuse_change(cluster)
        wanted = body.get("autoscaling", {})
        check_autoscaling(pool.name, wanted)

        def work(run: Run) -> None:
            run.go_on()
            self._report(run, 0, 0)
            limits = autoscaling(wanted, pool.answer["config"])
            pool.answer = {k: v for k, v in pool.answer.items() if k != "autoscaling"} | (
                {"autoscaling": limits} if limits else {}
            )

        return self._work(cluster, pool, "UPDATE_CLUSTER", work)

    def set_management(self, cluster: Cluster, pool: Pool, body: Json) -> Json:
        self._refuse_change(cluster)
        wanted = body.get("management", {})
        check_management(wanted, cluster.answer["releaseChannel"])

        def work(run: Run) -> None:
            run.go_on()
            pool.answer = pool.answer | {"management": wanted}

        return self._work(cluster, pool, "SET_NODE_POOL_MANAGEMENT", work)

    def set_size(self, cluster: Cluster, pool: Pool, body: Json) -> Json:
        """``nodeCount`` nodes in each zone. An autoscaler that is on may change that again."""
        self._refuse_change(cluster)
        wanted: int = body.get("nodeCount", 0)
        zones = pool.answer["locations"]
        if wanted < 0:
            raise GoogleError(400, f'Invalid value for field "node_count": {wanted}.')
        check_room(pool.answer["config"], wanted * len(zones), zones, self._limits)

        def work(run: Run) -> None:
            run.go_on()
            pool.answer = pool.answer | {"initialNodeCount": wanted}
            self._resize(cluster, pool, dict.fromkeys(zones, wanted), run)
            pool.answer = _healthy(pool.answer)

        return self._work(cluster, pool, "SET_NODE_POOL_SIZE", work)

    def _resize(self, cluster: Cluster, pool: Pool, wanted: dict[str, int], run: Run) -> None:
        counts = pool.zonal_counts
        for node in list(pool.nodes):
            zone = pool.zones[node]
            if counts[zone] > wanted.get(zone, 0):
                run.detail(f"draining {node}")
                cluster.drain(node)
                counts[zone] -= 1
        run.detail("nodes")
        cluster.boot(pool, [zone for zone, n in wanted.items() for _ in range(n - counts[zone])])

    def relocate(self, cluster: Cluster, pool: Pool, locations: list[str], run: Run) -> None:
        """Moves a pool to these zones: each gets as many nodes as the fullest one has now."""
        size = max(pool.zonal_counts.values(), default=0)
        kept = pool.answer["locations"]
        pool.answer = pool.answer | {"locations": locations}
        self._resize(
            cluster,
            pool,
            {zone: pool.zonal_counts[zone] if zone in kept else size for zone in locations},
            run,
        )

    def update(self, cluster: Cluster, pool: Pool, body: Json) -> Json:
        self._refuse_change(cluster)
        fields = pool_update.check_update(body)
        check_etag(body.get("etag"), cluster.pool_etag(pool))
        if pool_update.VERSION_FIELD in fields:
            body = body | {"nodeVersion": self._node_version(cluster, body["nodeVersion"])}
        if pool_update.LOCATIONS_FIELD in fields:
            check_zones(cluster.place.region, body["locations"])
        wanted = pool_update.updated(pool.answer, fields, body)
        check_settings(pool.name, wanted["config"], wanted["upgradeSettings"])
        check_tags(body.get("resourceManagerTags", {}), cluster.place.number)
        if not pool_update.replaces_nodes(fields):

            def work(run: Run) -> None:
                run.go_on()
                pool.answer = wanted | {"status": pool.answer["status"]}
                if pool_update.LOCATIONS_FIELD in fields:
                    self.relocate(cluster, pool, body["locations"], run)

            return self._work(cluster, pool, "UPDATE_CLUSTER", work)
        check_room(wanted["config"], len(pool.nodes), wanted["locations"], self._limits)
        return self._replace(cluster, pool, wanted)

    def update_by_cluster(self, cluster: Cluster, update: Json) -> Json:
        """The fields of a ClusterUpdate that concern a node pool: the one that is named, or all."""
        named = update.get("desiredNodePoolId") or (
            "" if len(cluster.pools) > 1 else next(iter(cluster.pools), "")
        )
        if not named:
            raise GoogleError(400, "Node pool must be specified: the cluster has more than one.")
        cluster, pool = self.get(cluster, named)
        if "desiredNodePoolAutoscaling" in update:
            return self.set_autoscaling(cluster, pool, {"autoscaling": update["desiredNodePoolAutoscaling"]})
        body = {
            "nodeVersion": update.get("desiredNodeVersion", ""),
            "imageType": update.get("desiredImageType", ""),
        }
        return self.update(cluster, pool, {field: value for field, value in body.items() if value})

    def rollback(self, cluster: Cluster, pool: Pool, _: Json) -> Json:
        """Returns a pool whose upgrade did not end to what it was before."""
        self._refuse_change(cluster)
        if pool.before is None:
            raise failed_precondition(f"Node pool {pool.name} has no failed or aborted upgrade to roll back.")  # fmt: skip
        return self._replace(cluster, pool, pool.before)

    def _replace(self, cluster: Cluster, pool: Pool, wanted: Json) -> Json:
        """Makes every node anew by the pool's upgrade strategy, and keeps what was until all are new."""
        before = pool.answer

        def work(run: Run) -> None:
            old = [node for node in pool.nodes if pool.zones[node] in wanted["locations"]]
            total = len(old)
            self._report(run, total, 0)
            try:
                run.go_on()
                pool.before = pool.before or before
                pool.answer = {
                    k: v for k, v in wanted.items() if k not in ("conditions", "statusMessage")
                } | {"status": "RECONCILING"}
                green = wanted["upgradeSettings"]["strategy"] == "BLUE_GREEN"
                if green:
                    run.detail("green nodes")
                    cluster.boot(pool, [pool.zones[node] for node in old])
                    # All at once, so that no pod moves from one blue node to the next.
                    for node in old:
                        cluster.cordon(node)
                for batch in _batches(old, wanted["upgradeSettings"]):
                    run.go_on()
                    run.detail(f"replacing {', '.join(batch)}")
                    if green:
                        for node in batch:
                            cluster.drain(node)
                    else:
                        self._surge(cluster, pool, batch)
                    self._report(run, total, total - len([node for node in old if node in pool.nodes]))
            except Exception as error:
                self._failed(pool, error)
                raise
            pool.before = None
            pool.answer = _healthy(pool.answer)
            oldest = min((other.answer["version"] for other in cluster.pools.values()), key=version_key)
            cluster.answer = cluster.answer | {"currentNodeVersion": oldest}

        return self._work(cluster, pool, "UPGRADE_NODES", work)

    def _surge(self, cluster: Cluster, pool: Pool, batch: list[str]) -> None:
        """New nodes first, as many as may be there on top; then the old ones go, then the others come."""
        zones = [pool.zones[node] for node in batch]
        surge = pool.answer["upgradeSettings"].get("maxSurge", 0)
        cluster.boot(pool, zones[:surge])
        for node in batch:
            cluster.drain(node)
        cluster.boot(pool, zones[surge:])

    def _report(self, run: Run, total: int, done: int) -> None:
        if not total:
            run.metrics(NODES_TOTAL=0)
            return
        run.metrics(
            NODES_TOTAL=total, NODES_FAILED=0, NODES_COMPLETE=done, NODES_DONE=done, NODE_PDB_DELAY_SECONDS=0
        )

    def _work(self, cluster: Cluster, pool: Pool, kind: str, work: Callable[[Run], None]) -> Json:
        """An operation on a pool; pool and cluster are being reconciled meanwhile."""
        settled, owner = pool.answer["status"], cluster.answer["status"]
        pool.answer["status"] = cluster.answer["status"] = "RECONCILING"

        def run_it(run: Run) -> None:
            try:
                work(run)
            except Exception as error:
                # Nodes that did not come; what only the pool's description is about leaves it as it was.
                if not all(pool.nodes.values()) or kind == "SET_NODE_POOL_SIZE":
                    self._failed(pool, error)
                raise
            finally:
                if pool.answer["status"] == "RECONCILING":
                    pool.answer["status"] = settled
                cluster.answer["status"] = owner

        return self._operations.begin(cluster, kind, pool.answer["selfLink"], run_it)


def _healthy(answer: Json) -> Json:
    """A pool's answer when all its nodes are there."""
    return {k: v for k, v in answer.items() if k not in ("conditions", "statusMessage")} | {
        "status": "RUNNING"
    }


def _batches(nodes: list[str], settings: Json) -> list[list[str]]:
    """Which nodes are replaced together."""
    if settings["strategy"] == "BLUE_GREEN":
        policy = settings["blueGreenSettings"].get("standardRolloutPolicy", {})
        share = policy.get("batchPercentage")
        size = math.ceil(len(nodes) * share) if share else policy.get("batchNodeCount", 1)
    else:
        size = settings.get("maxSurge", 0) + settings.get("maxUnavailable", 0)
    size = max(1, int(size))
    return [nodes[start : start + size] for start in range(0, len(nodes), size)]
