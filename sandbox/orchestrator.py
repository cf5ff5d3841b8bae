"""Clusters, node pools and operations: what GKE does behind its API, on this machine's Kubernetes."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import re
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from .api.errors import GoogleError
from .api.gcs_store import project_number
from .api.gke_defaults import Json
from .api.gke_defaults import cluster as cluster_answer
from .api.gke_defaults import node_pool as pool_answer
from .controllers.node_autoscaler import AutoscalerSettings, PoolState
from .kube.machine import MachineShape, UnknownMachineType, machine_shape
from .kube.node import NodeSpec, Taint
from .paths import API_URL, MAX_CLUSTERS

log = logging.getLogger(__name__)

_CLUSTER_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
_LOCATION = re.compile(r"[a-z]+-[a-z]+\d+(-[a-z])?")
_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}
BOOT_LABEL = "sandbox-node-boot-seconds"
UNNEEDED_LABEL = "sandbox-scale-down-unneeded-seconds"
DELAY_LABEL = "sandbox-scale-down-delay-after-add-seconds"
# Nodes of a shape may together promise half as much again as the host has: they are rarely all busy.
_OVERCOMMIT = 1.5


class Backend(Protocol):
    """A cluster that runs. The real one is ``sandbox.backend.RealCluster``."""

    endpoint: str
    ca_certificate: bytes

    def start(self, progress: Callable[[str], None]) -> None: ...
    def add_node(self, spec: NodeSpec) -> None: ...
    def remove_node(self, name: str) -> None: ...
    def drain_node(self, name: str) -> None: ...
    def start_controllers(self, pools: Any, settings: AutoscalerSettings) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Operation:
    """One long-running operation."""

    answer: Json
    finished: threading.Event = field(default_factory=threading.Event)


@dataclass
class Pool:
    """A node pool: its answer, and the nodes that it has or is getting (value: whether it has joined)."""

    answer: Json
    nodes: dict[str, bool] = field(default_factory=dict)


class Cluster:
    """A cluster of the emulated GKE; also what its node autoscaler asks for nodes."""

    def __init__(self, project: str, answer: Json, index: int, owner: Orchestrator) -> None:
        self.project = project
        self.answer = answer
        self.index = index
        self.pools: dict[str, Pool] = {}
        self.backend: Backend | None = None
        self.gone = threading.Event()
        self._owner = owner
        self.lock = threading.RLock()

    @property
    def name(self) -> str:
        return str(self.answer["name"])

    @property
    def location(self) -> str:
        return str(self.answer["location"])

    def view(self) -> Json:
        """The cluster as GET answers it."""
        with self.lock:
            pools = [self.pool_view(pool) for pool in self.pools.values()]
            answer: Json = {
                **self.answer,
                "nodePools": pools,
                "currentNodeCount": sum(len(pool.nodes) for pool in self.pools.values()),
                "labelFingerprint": _fingerprint(self.answer.get("resourceLabels", {})),
            }
            answer["etag"] = _fingerprint(answer)
            return answer

    def pool_view(self, pool: Pool) -> Json:
        groups = (
            "https://www.googleapis.com/compute/v1/projects/{}/zones/{}/instanceGroupManagers/gke-{}-{}-grp"
        )
        urls = [
            groups.format(self.project, zone, self.name, pool.answer["name"])
            for zone in pool.answer["locations"]
        ]
        answer = {**pool.answer, "instanceGroupUrls": urls}
        answer["etag"] = _fingerprint(answer)
        return answer

    def setting(self, label: str, default: float) -> float:
        return float(self.answer.get("resourceLabels", {}).get(label, default))

    # What the node autoscaler sees of the cluster.

    def autoscaler_settings(self) -> AutoscalerSettings:
        return AutoscalerSettings(
            scale_down_unneeded_seconds=self.setting(UNNEEDED_LABEL, 600),
            scale_down_delay_after_add_seconds=self.setting(DELAY_LABEL, 600),
        )

    def pool_states(self) -> list[PoolState]:
        with self.lock:
            return [self._state(pool) for pool in self.pools.values() if pool.answer["status"] != "STOPPING"]

    def _state(self, pool: Pool) -> PoolState:
        scaling = pool.answer.get("autoscaling", {})
        zones = len(pool.answer["locations"])
        config = pool.answer["config"]
        return PoolState(
            name=pool.answer["name"],
            autoscaled=bool(scaling.get("enabled")),
            min_nodes=scaling.get("totalMinNodeCount", scaling.get("minNodeCount", 0) * zones),
            max_nodes=scaling.get("totalMaxNodeCount", scaling.get("maxNodeCount", 0) * zones),
            shape=machine_shape(config["machineType"]),
            labels=self.node_labels(pool),
            taints=_taints(config),
            nodes=tuple(pool.nodes),
            group=self.pool_view(pool)["instanceGroupUrls"][0],
        )

    def node_labels(self, pool: Pool) -> dict[str, str]:
        return {
            **pool.answer["config"].get("labels", {}),
            "cloud.google.com/gke-nodepool": pool.answer["name"],
            "node.kubernetes.io/instance-type": pool.answer["config"]["machineType"],
            "topology.kubernetes.io/zone": pool.answer["locations"][0],
        }

    def scale_up(self, pool_name: str) -> str:
        """Begins a new node of the pool; it joins after its boot time. The node's name."""
        with self.lock:
            pool = self.pools[pool_name]
            name = self._new_name(pool_name)
            pool.nodes[name] = False
        threading.Thread(target=self._boot, args=(pool, name), daemon=True).start()
        return name

    def remove(self, node: str) -> None:
        """Removes a node that is drained."""
        with self.lock:
            for pool in self.pools.values():
                pool.nodes.pop(node, None)
        if self.backend is not None:
            self.backend.remove_node(node)

    def boot(self, pool: Pool, count: int) -> None:
        """Starts nodes side by side and waits for them; raises the first failure."""
        names = []
        with self.lock:
            for _ in range(count):
                names.append(self._new_name(pool.answer["name"]))
                pool.nodes[names[-1]] = False
        failures: list[BaseException] = []
        threads = [
            threading.Thread(target=self._boot, args=(pool, name, failures), daemon=True) for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _new_name(self, pool_name: str) -> str:
        group = hashlib.sha256(f"{self.name}/{pool_name}".encode()).hexdigest()[:8]
        return f"gke-{self.name[:18]}-{pool_name[:18]}-{group}-{secrets.token_hex(2)}"

    def _boot(self, pool: Pool, name: str, failures: list[BaseException] | None = None) -> None:
        try:
            if self.gone.wait(self.setting(BOOT_LABEL, 0)):
                return
            with self.lock:
                backend = self.backend
                if backend is None or name not in pool.nodes:
                    return
            config = pool.answer["config"]
            shape = machine_shape(config["machineType"])
            backend.add_node(
                NodeSpec(name, pool.answer["name"], shape, config.get("labels", {}), _taints(config))
            )
            with self.lock:
                if name in pool.nodes:
                    pool.nodes[name] = True
        except Exception as error:
            log.exception("node %s did not come", name)
            with self.lock:
                pool.nodes.pop(name, None)
            if failures is not None:
                failures.append(error)


class Orchestrator:
    """Everything the emulated GKE knows. Methods raise ``GoogleError``; work goes on in threads."""

    def __init__(self, backend: Callable[[Cluster], Backend], now: Callable[[], float] = time.time) -> None:
        self._make_backend = backend
        self._now = now
        self._lock = threading.RLock()
        self._clusters: dict[tuple[str, str, str], Cluster] = {}
        self._operations: dict[str, Operation] = {}

    # Reading

    def clusters(self, project: str | None = None, location: str = "-") -> list[Cluster]:
        with self._lock:
            return [
                cluster
                for (owner, place, _), cluster in self._clusters.items()
                if project in (None, owner) and location in ("-", place)
            ]

    def cluster(self, project: str, location: str, name: str) -> Cluster:
        found = self._clusters.get((project, location, name))
        if found is None:
            raise GoogleError(404, f"Not found: {_path(project, location, 'clusters', name)}.")
        return found

    def pool(self, project: str, location: str, cluster: str, name: str) -> tuple[Cluster, Pool]:
        owner = self.cluster(project, location, cluster)
        if name not in owner.pools:
            path = _path(project, location, "clusters", cluster)
            raise GoogleError(404, f"Not found: {path}/nodePools/{name}.")
        return owner, owner.pools[name]

    def operations(self, project: str, location: str) -> list[Json]:
        with self._lock:
            answers = [operation.answer for operation in self._operations.values()]
        return [a for a in answers if a["_project"] == project and location in ("-", a["location"])]

    def operation(self, project: str, location: str, name: str) -> Json:
        found = self._operations.get(name)
        if found is None or found.answer["location"] != location:
            raise GoogleError(404, f"Not found: {_path(project, location, 'operations', name)}.")
        return found.answer

    # Changing

    def create_cluster(self, project: str, location: str, asked: Json) -> Json:
        name = str(asked.get("name", ""))
        if not _CLUSTER_NAME.fullmatch(name):
            raise GoogleError(
                400,
                f'Invalid value for field "cluster.name": "{name}": must start with a letter, contain only '
                "lower-case letters, digits and hyphens, end with a letter or digit, 40 characters at most.",
            )
        if not _LOCATION.fullmatch(location):
            raise GoogleError(403, f"Permission denied on 'locations/{location}' (or it may not exist).")
        if asked.get("autopilot", {}).get("enabled"):
            raise GoogleError(501, "Autopilot clusters are not emulated here.")
        pools = asked.get("nodePools") or [
            {
                "name": "default-pool",
                "initialNodeCount": asked.get("initialNodeCount", 0),
                "config": asked.get("nodeConfig", {}),
            }
        ]
        zones = asked.get("locations") or _zones(location)
        for label in (BOOT_LABEL, UNNEEDED_LABEL, DELAY_LABEL):
            _seconds(label, asked.get("resourceLabels", {}).get(label))
        for pool in pools:
            self._check_pool(pool, zones)
        with self._lock:
            if (project, location, name) in self._clusters:
                raise GoogleError(409, f"Already exists: {_path(project, location, 'clusters', name)}.")
            taken = {cluster.index for cluster in self._clusters.values()}
            index = next((i for i in range(MAX_CLUSTERS) if i not in taken), None)
            if index is None:
                raise GoogleError(
                    403, f"Insufficient quota: this sandbox holds {MAX_CLUSTERS} clusters at most.",
                    info="QUOTA_EXCEEDED",
                )  # fmt: skip
            link = _link(project, location, "clusters", name)
            answer = cluster_answer(
                asked, location=location, zones=zones, self_link=link, created=self._time()
            )
            cluster = Cluster(project, answer, index, self)
            for pool in pools:
                cluster.pools[pool["name"]] = Pool(
                    pool_answer(
                        pool, zones=zones, self_link=f"{link}/nodePools/{pool['name']}", status="PROVISIONING"
                    )
                )
            self._clusters[project, location, name] = cluster
        return self._begin(
            cluster, "CREATE_CLUSTER", link, lambda progress: self._bring_up(cluster, progress)
        )

    def delete_cluster(self, project: str, location: str, name: str) -> Json:
        cluster = self.cluster(project, location, name)
        self._refuse_if_busy(cluster)
        cluster.answer["status"] = "STOPPING"
        return self._begin(
            cluster, "DELETE_CLUSTER", cluster.answer["selfLink"], lambda _: self._take_down(cluster)
        )

    def set_resource_labels(self, project: str, location: str, name: str, body: Json) -> Json:
        cluster = self.cluster(project, location, name)
        self._refuse_if_busy(cluster)
        if body.get("labelFingerprint") != _fingerprint(cluster.answer.get("resourceLabels", {})):
            raise GoogleError(412, "Labels could not be set due to fingerprint mismatch.")
        labels = body.get("resourceLabels", {})
        for label in (BOOT_LABEL, UNNEEDED_LABEL, DELAY_LABEL):
            _seconds(label, labels.get(label))

        def work(_: Callable[[str], None]) -> None:
            cluster.answer["resourceLabels"] = labels

        return self._begin(cluster, "UPDATE_CLUSTER", cluster.answer["selfLink"], work)

    def create_pool(self, project: str, location: str, name: str, asked: Json) -> Json:
        cluster = self.cluster(project, location, name)
        self._refuse_if_busy(cluster)
        self._check_pool(asked, cluster.answer["locations"])
        if asked["name"] in cluster.pools:
            path = _path(project, location, "clusters", name)
            raise GoogleError(409, f"Already exists: {path}/nodePools/{asked['name']}.")
        link = f"{cluster.answer['selfLink']}/nodePools/{asked['name']}"
        pool = Pool(
            pool_answer(asked, zones=cluster.answer["locations"], self_link=link, status="PROVISIONING")
        )
        cluster.pools[asked["name"]] = pool

        def work(progress: Callable[[str], None]) -> None:
            progress("nodes")
            try:
                cluster.boot(pool, _first_nodes(pool))
            except BaseException:
                pool.answer["status"] = "ERROR"
                raise
            pool.answer["status"] = "RUNNING"

        return self._begin(cluster, "CREATE_NODE_POOL", link, work)

    def set_autoscaling(self, project: str, location: str, cluster_name: str, name: str, body: Json) -> Json:
        cluster, pool = self.pool(project, location, cluster_name, name)
        self._refuse_if_busy(cluster)
        wanted = body.get("autoscaling", {})
        self._check_pool({**pool.answer, "autoscaling": wanted}, pool.answer["locations"])

        def work(_: Callable[[str], None]) -> None:
            if wanted.get("enabled"):
                pool.answer["autoscaling"] = {"locationPolicy": "BALANCED"} | wanted
            else:
                pool.answer.pop("autoscaling", None)

        return self._begin(cluster, "UPDATE_CLUSTER", pool.answer["selfLink"], work)

    def delete_pool(self, project: str, location: str, cluster_name: str, name: str) -> Json:
        cluster, pool = self.pool(project, location, cluster_name, name)
        self._refuse_if_busy(cluster)
        pool.answer["status"] = "STOPPING"

        def work(progress: Callable[[str], None]) -> None:
            for node in list(pool.nodes):
                progress(f"draining {node}")
                if cluster.backend is not None:
                    cluster.backend.drain_node(node)
                cluster.remove(node)
            del cluster.pools[name]

        return self._begin(cluster, "DELETE_NODE_POOL", pool.answer["selfLink"], work)

    def stop(self) -> None:
        """Takes every cluster down, at the end of the daemon."""
        for cluster in self.clusters():
            self._take_down(cluster)

    # Inside

    def _bring_up(self, cluster: Cluster, progress: Callable[[str], None]) -> None:
        try:
            backend = self._make_backend(cluster)
            backend.start(progress)
            cluster.backend = backend
            cluster.answer["endpoint"] = backend.endpoint
            cluster.answer["masterAuth"]["clusterCaCertificate"] = base64.b64encode(
                backend.ca_certificate
            ).decode()
            cluster.answer["controlPlaneEndpointsConfig"] = {
                "ipEndpointsConfig": {
                    "enabled": True,
                    "enablePublicEndpoint": True,
                    "publicEndpoint": backend.endpoint,
                }
            }
            progress("nodes")
            for pool in list(cluster.pools.values()):
                cluster.boot(pool, _first_nodes(pool))
                pool.answer["status"] = "RUNNING"
            backend.start_controllers(cluster, cluster.autoscaler_settings())
            cluster.answer["status"] = "RUNNING"
        except BaseException as error:
            cluster.answer["status"] = "ERROR"
            cluster.answer["statusMessage"] = str(error)
            raise

    def _take_down(self, cluster: Cluster) -> None:
        cluster.gone.set()
        if cluster.backend is not None:
            cluster.backend.stop()
        with self._lock:
            self._clusters.pop((cluster.project, cluster.location, cluster.name), None)

    def _begin(
        self, cluster: Cluster, kind: str, target: str, work: Callable[[Callable[[str], None]], None]
    ) -> Json:
        name = f"operation-{int(self._now() * 1000)}-{uuid.uuid4()}"
        answer: Json = {
            "_project": cluster.project,
            "_cluster": cluster.name,
            "name": name,
            "location": cluster.location,
            "zone": cluster.location,
            "operationType": kind,
            "selfLink": _link(project_number(cluster.project), cluster.location, "operations", name),
            "targetLink": target.replace(f"/{cluster.project}/", f"/{project_number(cluster.project)}/"),
            "startTime": self._time(),
            "status": "RUNNING",
        }
        operation = Operation(answer)
        with self._lock:
            self._operations[name] = operation
        first = dict(answer)

        def run() -> None:
            try:
                work(lambda detail: answer.update(detail=detail))
            except Exception as error:
                log.exception("%s of %s failed", kind, cluster.name)
                answer["error"] = {"code": 13, "message": f"{kind} failed: {error}"}
                answer["statusMessage"] = answer["error"]["message"]
            answer["endTime"] = self._time()
            answer["status"] = "DONE"
            operation.finished.set()

        threading.Thread(target=run, daemon=True, name=name).start()
        return first

    def _refuse_if_busy(self, cluster: Cluster) -> None:
        for operation in list(self._operations.values()):
            answer = operation.answer
            if (answer["_project"], answer["location"], answer["_cluster"]) != (
                cluster.project, cluster.location, cluster.name,
            ) or answer["status"] == "DONE":  # fmt: skip
                continue
            raise GoogleError(
                400,
                f"Cluster is running incompatible operation {answer['name']}.",
                rpc_status="FAILED_PRECONDITION",
                reason="failedPrecondition",
                info="CLUSTER_ALREADY_HAS_OPERATION",
            )

    def _check_pool(self, asked: Json, zones: list[str]) -> None:
        name = str(asked.get("name", ""))
        if not _CLUSTER_NAME.fullmatch(name):
            raise GoogleError(400, f'Invalid value for field "node_pool.name": "{name}".')
        scaling = asked.get("autoscaling", {})
        low, high = scaling.get("minNodeCount", 0), scaling.get("maxNodeCount", 0)
        if scaling.get("enabled") and "totalMaxNodeCount" not in scaling and not 0 <= low <= high >= 1:
            raise GoogleError(
                400, f"Invalid autoscaling limits of node pool {name}: min {low}, max {high}: "
                "max must be at least 1 and not below min.",
            )  # fmt: skip
        machine = asked.get("config", {}).get("machineType", "e2-medium")
        shape = _known_shape(machine, zones)
        host = (os.cpu_count() or 1) * 1000
        nodes = max(asked.get("initialNodeCount", 0), low) * len(zones)
        needed = max(shape.cpu_milli, shape.allocatable_cpu_milli * nodes / _OVERCOMMIT)
        if needed > host:
            raise GoogleError(
                403,
                f'Insufficient regional quota to satisfy request: resource "CPUS": request requires '
                f"'{needed / 1000:.1f}' and is short '{(needed - host) / 1000:.1f}'. project has a quota of "
                f"'{host / 1000:.1f}' with '{host / 1000:.1f}' available (the CPUs of this machine).",
                info="QUOTA_EXCEEDED",
            )

    def _time(self) -> str:
        return (
            datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        )


def public(operation: Json) -> Json:
    """An operation as the API shows it."""
    return {key: value for key, value in operation.items() if not key.startswith("_")}


def _first_nodes(pool: Pool) -> int:
    scaling = pool.answer.get("autoscaling", {})
    low = scaling.get("minNodeCount", 0) if scaling.get("enabled") else 0
    return int(max(pool.answer["initialNodeCount"], low) * len(pool.answer["locations"]))


def _known_shape(machine: str, zones: list[str]) -> MachineShape:
    try:
        return machine_shape(machine)
    except UnknownMachineType:
        zone = zones[0]
        raise GoogleError(
            400, f'Machine type with name "{machine}" does not exist in zone "{zone}".'
        ) from None


def _taints(config: Json) -> tuple[Taint, ...]:
    return tuple(
        Taint(t["key"], t.get("value", ""), _EFFECTS.get(t["effect"], t["effect"]))
        for t in config.get("taints", [])
    )


def _zones(location: str) -> list[str]:
    return [location] if location.count("-") == 2 else [f"{location}-{letter}" for letter in "abc"]


def _seconds(label: str, value: str | None) -> None:
    if value is not None and not re.fullmatch(r"\d{1,5}", value):
        raise GoogleError(400, f'Resource label {label}: "{value}" is not a number of seconds.')


def _fingerprint(value: Any) -> str:
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest[:8]).decode()


def _path(project: str, location: str, kind: str, name: str) -> str:
    place = "zones" if location.count("-") == 2 else "locations"
    return f"projects/{project}/{place}/{location}/{kind}/{name}"


def _link(project: str, location: str, kind: str, name: str) -> str:
    return f"{API_URL}/v1/{_path(project, location, kind, name)}"
