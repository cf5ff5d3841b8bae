"""A cluster of the emulated GKE and its node pools: what they are, and their nodes."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from plugins.module_utils.gke.machine import MachineShape, UnknownMachineType, machine_shape

from ..controllers.node_autoscaler import AutoscalerSettings, PoolState
from ..kube.node import NodeSpec, Taint
from ..paths import MAX_CLUSTERS
from ..releases import CHANNELS, Channel
from .defaults import API, Json, Place, fingerprint, labels_fingerprint, merged, version_key

log = logging.getLogger(__name__)

_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}
BOOT_LABEL = "sandbox-node-boot-seconds"
UNNEEDED_LABEL = "sandbox-scale-down-unneeded-seconds"
DELAY_LABEL = "sandbox-scale-down-delay-after-add-seconds"
# What changes by itself, and so is no part of an etag.
_MOVING = (
    "currentNodeCount",
    "status",
    "statusMessage",
    "conditions",
    "nodePools",
    "instanceGroupUrls",
    "etag",
)


class Backend(Protocol):
    """A cluster that runs. The real one is ``sandbox.backend.RealCluster``."""

    endpoint: str
    ca_certificate: bytes

    def start(self, progress: Callable[[str], None]) -> None: ...
    def upgrade(self, version: str, progress: Callable[[str], None]) -> None: ...
    def add_node(self, spec: NodeSpec) -> None: ...
    def remove_node(self, name: str) -> None: ...
    def cordon_node(self, name: str) -> None: ...
    def drain_node(self, name: str) -> None: ...
    def start_controllers(self, pools: Any, settings: AutoscalerSettings) -> None: ...
    def cloud_objects(self) -> list[Json]: ...
    def stop(self) -> None: ...


@dataclass(frozen=True)
class Limits:
    """What the place where clusters run can give. ``cpu_milli``: of all nodes of a pool, as they begin.

    ``any_machine``: machine types whose size is not known are taken, too; only where no node is real.
    ``channels``: which versions of Kubernetes each release channel has.
    """

    cpu_milli: int = field(default_factory=lambda: (os.cpu_count() or 1) * 1000)
    clusters: int = MAX_CLUSTERS
    gpus: bool = False
    any_machine: bool = False
    autopilot: bool = False
    channels: Mapping[str, Channel] = field(default_factory=lambda: CHANNELS)

    def channel(self, name: str) -> Channel:
        """A release channel's versions; without one, all that any channel has."""
        return self.channels.get(name) or Channel(self.channels["REGULAR"].default, self.versions)

    @property
    def versions(self) -> tuple[str, ...]:
        """All that can be had, newest first."""
        found = {version for channel in self.channels.values() for version in channel.valid}
        return tuple(sorted(found, key=version_key, reverse=True))


@dataclass
class Pool:
    """A node pool: its answer, and the nodes that it has or is getting (value: whether it has joined).

    ``zones`` has each node's zone; ``before``: the answer that a rollback returns to.
    """

    answer: Json
    nodes: dict[str, bool] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    before: Json | None = None

    @property
    def name(self) -> str:
        return str(self.answer["name"])

    @property
    def zonal_counts(self) -> Counter[str]:
        """How many nodes each of the pool's zones has."""
        counts = Counter(dict.fromkeys(self.answer["locations"], 0))
        counts.update(self.zones[node] for node in self.nodes)
        return counts

    def first_nodes(self) -> int:
        """How many nodes a zone begins with: as asked for, whatever an autoscaled pool's minimum is."""
        return int(self.answer.get("initialNodeCount", 0))


class Cluster:
    """A cluster of the emulated GKE; also what its node autoscaler asks for nodes."""

    def __init__(self, place: Place, answer: Json, index: int) -> None:
        self.place = place
        self.answer = answer
        self.index = index
        self.pools: dict[str, Pool] = {}
        self.backend: Backend | None = None
        self.gone = threading.Event()
        self.lock = threading.RLock()

    @property
    def project(self) -> str:
        return self.place.project

    @property
    def name(self) -> str:
        return str(self.answer["name"])

    @property
    def location(self) -> str:
        return self.place.location

    def objects(self) -> list[Json]:
        """Its Services and volumes, for which the cloud has resources of its own; none where it can't be asked."""
        backend = self.backend
        if backend is None:
            return []
        try:
            return backend.cloud_objects()
        except (OSError, RuntimeError) as error:
            log.warning("cluster %s does not say what it has in the cloud: %s", self.name, error)
            return []

    @property
    def channel(self) -> str:
        """Its release channel; UNSPECIFIED without one."""
        return str(self.answer["releaseChannel"].get("channel", "UNSPECIFIED"))

    def view(self) -> Json:
        """The cluster as GET answers it."""
        with self.lock:
            pools = [self.pool_view(pool) for pool in self.pools.values()]
            answer: Json = merged(self.answer, self._addresses())
            if not answer["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["enabled"]:
                answer["controlPlaneEndpointsConfig"]["ipEndpointsConfig"] = {"enabled": False}
            answer["nodePools"] = pools
            answer["currentNodeCount"] = sum(len(pool.nodes) for pool in self.pools.values())
            answer["instanceGroupUrls"] = [url for pool in pools for url in pool["instanceGroupUrls"]]
            pool = answer.get("workloadIdentityConfig", {}).get("workloadPool")
            if pool:
                # The older names of both, which only v1beta1 still has (gkebackuprestore-minimal@2025-04-08-9dd6e7).
                link = f"{API}/{self.place.path('clusters', self.name)}".replace("/zones/", "/locations/")
                answer["workloadIdentityConfig"] |= {"identityNamespace": pool, "identityProvider": link}
            answer["labelFingerprint"] = labels_fingerprint(self.answer.get("resourceLabels", {}))
            if pools:
                answer["nodeConfig"] = pools[0]["config"]
                answer["ipAllocationPolicy"]["defaultPodIpv4RangeUtilization"] = pools[0]["networkConfig"][
                    "podIpv4RangeUtilization"
                ]
            answer["etag"] = self.etag
            return answer

    @property
    def etag(self) -> str:
        """Changes when what is wanted of the cluster changes."""
        return fingerprint({k: v for k, v in self.answer.items() if k not in _MOVING})

    def _addresses(self) -> Json:
        """Where the control plane is reached. One address here is the private and the public one."""
        endpoints = self.answer["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]
        private_nodes = self.answer["networkConfig"].get("defaultEnablePrivateNodes")
        found: Json = {"enablePrivateNodes": True} if private_nodes else {}
        shown: Json = {"privateCluster": True}
        address = self.backend.endpoint if self.backend is not None else ""
        if address:
            found["publicEndpoint"] = address
        if not endpoints["enabled"]:
            dns = self.answer["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]["endpoint"]
            return shown | {"endpoint": dns, "privateClusterConfig": found}
        shown["masterAuthorizedNetworksConfig"] = endpoints["authorizedNetworksConfig"]
        if address:
            public = {"publicEndpoint": address} if endpoints["enablePublicEndpoint"] else {}
            found["privateEndpoint"] = address
            shown["endpoint"] = address
            shown["controlPlaneEndpointsConfig"] = {
                "ipEndpointsConfig": {"privateEndpoint": address, **public}
            }
        if not endpoints["enablePublicEndpoint"]:
            found["enablePrivateEndpoint"] = True
        if endpoints.get("globalAccess"):
            found["masterGlobalAccessConfig"] = {"enabled": True}
        # A subnetwork that the control plane's range got is shown as that range.
        if "privateEndpointSubnetwork" in endpoints and "privateClusterConfig" not in self.answer:
            found["privateEndpointSubnetwork"] = endpoints["privateEndpointSubnetwork"]
        return shown | {"privateClusterConfig": found}

    def pool_view(self, pool: Pool) -> Json:
        links = "https://www.googleapis.com/compute/v1/projects/{}/zones/{}/instanceGroupManagers/{}"
        # Pools whose pods have their addresses from the same range use it up together.
        pod_range = pool.answer["networkConfig"]["podRange"]
        sharing = [p for p in self.pools.values() if p.answer["networkConfig"]["podRange"] == pod_range]
        used = sum(len(other.nodes) * 2 ** (32 - other.answer["podIpv4CidrSize"]) for other in sharing)
        room = 2 ** (32 - int(self.place.pods.rpartition("/")[2]))
        with self.lock:
            answer = {
                **pool.answer,
                "instanceGroupUrls": [
                    links.format(self.project, zone, self.group(pool.name, zone))
                    for zone in pool.answer["locations"]
                ],
                "networkConfig": pool.answer["networkConfig"]
                | {"podIpv4RangeUtilization": round(used / room, 3)},
            }
        answer["etag"] = self.pool_etag(pool)
        return answer

    def pool_etag(self, pool: Pool) -> str:
        return fingerprint({k: v for k, v in pool.answer.items() if k not in _MOVING})

    def group(self, pool: str, zone: str) -> str:
        """The name of the pool's managed instance group in a zone."""
        return f"{self._stem(pool, zone)}-grp"

    def group_size(self, zone: str, group: str) -> int | None:
        """How many nodes a managed instance group wants to have; None: the cluster has none of this name."""
        with self.lock:
            for pool in self.pools.values():
                if zone in pool.answer["locations"] and self.group(pool.name, zone) == group:
                    return pool.zonal_counts[zone]
        return None

    def _stem(self, pool: str, zone: str) -> str:
        group = hashlib.sha256(f"{self.name}/{pool}/{zone}".encode()).hexdigest()[:8]
        return f"gke-{self.name[:18]}-{pool[:18]}-{group}"

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
        # A pool that an operation works on is left alone.
        settled = pool.answer["status"] in ("RUNNING", "RUNNING_WITH_ERROR")
        return PoolState(
            name=pool.name,
            autoscaled=bool(scaling.get("enabled")) and settled,
            min_nodes=scaling.get("totalMinNodeCount") or scaling.get("minNodeCount", 0) * zones,
            max_nodes=scaling.get("totalMaxNodeCount") or scaling.get("maxNodeCount", 0) * zones,
            shape=_shape(config["machineType"]),
            labels=self.node_labels(pool),
            taints=_taints(config),
            nodes=tuple(pool.nodes),
            group=self.pool_view(pool)["instanceGroupUrls"][0],
        )

    def node_labels(self, pool: Pool) -> dict[str, str]:
        return {
            **pool.answer["config"].get("labels", {}),
            "cloud.google.com/gke-nodepool": pool.name,
            "node.kubernetes.io/instance-type": pool.answer["config"]["machineType"],
            "topology.kubernetes.io/zone": pool.answer["locations"][0],
        }

    def scale_up(self, pool_name: str) -> str:
        """Begins a new node of the pool; it joins after its boot time. The node's name."""
        pool = self.pools[pool_name]
        with self.lock:
            name = self._new_node(pool)
        threading.Thread(target=self._boot, args=(pool, name), daemon=True).start()
        return name

    def remove(self, node: str) -> None:
        """Removes a node that is drained."""
        with self.lock:
            for pool in self.pools.values():
                pool.nodes.pop(node, None)
        if self.backend is not None:
            self.backend.remove_node(node)

    def cordon(self, node: str) -> None:
        if self.backend is not None:
            self.backend.cordon_node(node)

    def drain(self, node: str) -> None:
        """Moves a node's pods elsewhere, then removes it."""
        if self.backend is not None:
            self.backend.drain_node(node)
        self.remove(node)

    def boot(self, pool: Pool, zones: list[str]) -> list[str]:
        """Starts a node in each of these zones side by side and waits for them; raises the first failure."""
        with self.lock:
            names = [self._new_node(pool, zone) for zone in zones]
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
        return names

    def _new_node(self, pool: Pool, zone: str | None = None) -> str:
        """A name for a node that comes; without a zone, in the one with the fewest nodes."""
        counts = pool.zonal_counts
        zone = zone or min(pool.answer["locations"], key=lambda z: counts[z])
        name = f"{self._stem(pool.name, zone)}-{secrets.token_hex(2)}"
        pool.nodes[name] = False
        pool.zones[name] = zone
        return name

    def _boot(self, pool: Pool, name: str, failures: list[BaseException] | None = None) -> None:
        try:
            if self.gone.wait(self.setting(BOOT_LABEL, 0)):
                return
            with self.lock:
                backend = self.backend
                if backend is None or name not in pool.nodes:
                    return
            config = pool.answer["config"]
            shape = _shape(config["machineType"])
            labels = config.get("labels", {})
            version = pool.answer["version"]
            backend.add_node(
                NodeSpec(name, pool.name, shape, version, labels, _taints(config), pool.zones[name])
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


def _shape(machine: str) -> MachineShape:
    """A machine type's size; nothing for one that is not known, which only a place without real nodes takes."""
    try:
        return machine_shape(machine)
    except UnknownMachineType:
        return MachineShape(machine, 0, 0, 0, 0)


def _taints(config: Json) -> tuple[Taint, ...]:
    return tuple(
        Taint(t["key"], t.get("value", ""), _EFFECTS.get(t["effect"], t["effect"]))
        for t in config.get("taints", [])
    )
