"""A cluster of the emulated GKE on this machine's Kubernetes, with the controllers a cloud runs beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from .controllers.drain import cordon, drain
from .controllers.load_balancer import LoadBalancer
from .controllers.node_autoscaler import AutoscalerSettings
from .controllers.node_autoscaler_loop import NodeAutoscaler, Nodes
from .iam.metadata import MetadataServer, Workload, workload_of
from .kube.cluster import KubeCluster, NodeSpec, Program
from .kube.rest import Json

# For so long Google heeds disruption budgets when it replaces nodes.
_DRAIN_SECONDS = 3600


class RealCluster:
    """Implements ``gke.cluster.Backend``."""

    def __init__(
        self, name: str, index: int, *, project: str, location: str, version: str, images: Path, kube: Program, binaries: Path,
        metadata: MetadataServer, reviewer: str, workload_identity: bool = True, gke_adapter: Path | None = None,
    ) -> None:  # fmt: skip
        self.kube = KubeCluster(
            name,
            index,
            project=project,
            location=location,
            version=version,
            images=images,
            kube=kube,
            binaries=binaries,
            reviewer=reviewer,
            gke_adapter=gke_adapter,
        )
        self.endpoint = self.kube.endpoint
        self.ca_certificate = self.kube.ca_certificate
        self._metadata = metadata
        self._workload_identity = workload_identity
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, progress: Callable[[str], None]) -> None:
        self.kube.start(progress)

    def upgrade(self, version: str, progress: Callable[[str], None]) -> None:
        self.kube.upgrade(version, progress)

    def add_node(self, spec: NodeSpec) -> None:
        self.kube.add_node(spec)
        self._metadata.listen_in(spec.name, self.kube.node_netns(spec.name), self.workload_at)

    def remove_node(self, name: str) -> None:
        self._metadata.leave(name)
        self.kube.remove_node(name)

    def cordon_node(self, name: str) -> None:
        """No new pod comes to the node."""
        cordon(self.kube.rest, name)

    def drain_node(self, name: str) -> None:
        """Moves the node's pods elsewhere, with a deadline after which it goes all the same."""
        drain(self.kube.rest, name, seconds=_DRAIN_SECONDS, stopped=self._stop.wait)

    def start_controllers(self, pools: Nodes, settings: AutoscalerSettings) -> None:
        autoscaler = NodeAutoscaler(self.kube.rest, pools)
        balancer = LoadBalancer(self.kube.rest, self.kube.addresses.load_balancers, self.kube.node_addresses)
        for loop in (autoscaler.run, balancer.run):
            thread = threading.Thread(target=loop, args=(self._stop,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def cloud_objects(self) -> list[Json]:
        """Services and volumes, each with its kind, which lists leave out."""
        return [
            item | {"kind": kind}
            for kind, path in (
                ("Service", "/api/v1/services"),
                ("PersistentVolume", "/api/v1/persistentvolumes"),
            )
            for item in self.kube.rest.get(path)["items"]
        ]

    def workload_at(self, address: str) -> Workload | None:
        """Who asks the metadata server from this address: a running pod, or one in the node's own network."""
        query = {"fieldSelector": f"status.podIP={address}"}
        found: list[Json] = self.kube.rest.get("/api/v1/pods", **query)["items"]
        # The address of a pod that has ended may be another's by now; a pod's own comes before its node's.
        pods = [pod for pod in found if pod["status"].get("phase") not in ("Succeeded", "Failed")]
        pods.sort(key=lambda pod: bool(pod["spec"].get("hostNetwork")))
        if not pods:
            return None
        namespace, account = pods[0]["metadata"]["namespace"], pods[0]["spec"]["serviceAccountName"]
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}"
        return workload_of(pods[0], self.kube.rest.get(path), has_workload_identity=self._workload_identity)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15)
        for name in self.kube.node_names():
            self._metadata.leave(name)
        self.kube.stop()
