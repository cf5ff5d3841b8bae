"""A real Kubernetes cluster on this machine: a control plane of host processes, nodes that come and go."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from ..paths import MAX_NODES, ClusterAddresses, state_dir
from . import network
from .addons import apply_addons, apply_gke_metrics
from .controlplane import ControlPlane
from .node import Node, NodeSpec, Taint
from .process import DidNotStart
from .rest import KubeRest

__all__ = ["KubeCluster", "NodeSpec", "Program", "Taint"]

# The ``kube`` program of a version, and who is told what it takes to get it.
Program = Callable[[str, Callable[[str], None]], Path]


class KubeCluster:
    """One cluster. Its methods block; different nodes may be added and removed from different threads.

    ``version``: of its control plane. ``kube``: gives the program of a version, which it may have to compile first, and
    tells then how that goes. ``binaries``: of what every version has, the metrics server. ``gke_adapter``: the program that
    brings GKE's custom metrics; without one the cluster has none.
    """

    def __init__(
        self,
        name: str,
        index: int,
        *,
        project: str,
        location: str,
        version: str,
        images: Path,
        kube: Program,
        binaries: Path,
        reviewer: str,
        gke_adapter: Path | None = None,
    ) -> None:
        self.name = name
        self.addresses = ClusterAddresses(index)
        # Clusters of different locations may have the same name.
        self.folder = state_dir() / "clusters" / f"{index}-{name}"
        self._project = project
        self._location = location
        self._version = version
        self._images = images
        self._kube = kube
        self._gke_adapter = gke_adapter
        self._lock = threading.Lock()
        self._stopping = False
        self._nodes: dict[str, Node] = {}
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._plane = ControlPlane(self.folder, self.addresses, binaries, reviewer)

    @property
    def endpoint(self) -> str:
        """The API server's address; it listens on port 443."""
        return str(self.addresses.api_server)

    @property
    def ca_certificate(self) -> bytes:
        """PEM."""
        return self._plane.authority.pem

    @property
    def admin_kubeconfig(self) -> Path:
        return self._plane.admin_kubeconfig

    @property
    def rest(self) -> KubeRest:
        """The API server as its administrator."""
        return self._plane.rest

    def start(self, progress: Callable[[str], None]) -> None:
        """Control plane ready, DNS and the metrics API applied. Nodes come by ``add_node``.

        Raises ``DidNotStart``, ``KubeError`` or ``OSError`` when it does not come, with nothing left.
        """
        try:
            kube = self._kube(self._version, progress)
            network.add_address(self.addresses.api_server)
            self._plane.start(kube, progress)
            apply_addons(self._plane.rest, self.addresses)
            self._plane.start_metrics_server()
            if self._gke_adapter:
                apply_gke_metrics(self._plane.rest, self.addresses)
                self._plane.start_gke_adapter(self._gke_adapter)
        except BaseException:
            self.stop()
            raise

    def upgrade(self, version: str, progress: Callable[[str], None]) -> None:
        """Another version of the control plane. Raises ``DidNotStart`` when it does not come."""
        kube = self._kube(version, progress)
        with self._lock:
            if self._stopping:
                raise DidNotStart(f"cluster {self.name} is being deleted")
            self._plane.upgrade(kube, progress)

    def add_node(self, spec: NodeSpec) -> None:
        """Returns when the node is Ready; raises ``DidNotStart`` when it does not come, with nothing left."""
        kube = self._kube(spec.version, lambda _: None)
        with self._lock:
            if self._stopping:
                raise DidNotStart(f"node {spec.name}: cluster {self.name} is being deleted")
            if spec.name in self._nodes:
                raise ValueError(f"cluster {self.name} has a node {spec.name} already")
            taken = {node.number for node in self._nodes.values()}
            number = next((n for n in range(MAX_NODES) if n not in taken), None)
            if number is None:
                raise ValueError(f"a cluster of the sandbox has {MAX_NODES} nodes at most")
            node = Node(
                spec,
                number,
                self._plane,
                kube=kube,
                images=self._images,
                project=self._project,
                location=self._location,
            )
            self._nodes[spec.name] = node
        try:
            node.start(lambda: self._others(node))
        except BaseException:
            self._forget(node)
            raise

    def remove_node(self, name: str) -> None:
        """Removes a drained node and all that it left on the host; nothing when there is none."""
        with self._lock:
            node = self._nodes.get(name)
        if node is not None:
            try:
                node.remove(lambda: self._others(node))
            finally:
                # Only now: its number must not be given anew before.
                self._forget(node)

    def _forget(self, node: Node) -> None:
        with self._lock:
            if self._nodes.get(node.spec.name) is node:
                del self._nodes[node.spec.name]

    def _others(self, node: Node) -> list[Node]:
        with self._lock:
            return [other for other in self._nodes.values() if other is not node]

    def node_names(self) -> list[str]:
        with self._lock:
            return list(self._nodes)

    def node_addresses(self) -> dict[str, str]:
        """The address on the bridge of each node that has joined, by name."""
        with self._lock:
            return {name: str(node.address) for name, node in self._nodes.items() if node.joined}

    def node_netns(self, name: str) -> Path:
        """The network namespace of a node."""
        return Path("/run/netns") / self._nodes[name].namespace

    def stop(self) -> None:
        """Removes nodes, control plane, addresses and files; every one, even if another can't be removed."""
        with self._lock:
            self._stopping = True
            names = list(self._nodes)
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            stack.callback(network.remove_address, self.addresses.api_server)
            stack.callback(self._plane.stop)
            for name in names:
                stack.callback(self.remove_node, name)
