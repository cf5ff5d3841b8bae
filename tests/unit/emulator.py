"""Google's APIs of the sandbox in this process: the real application, with clusters that are not real."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from contract import Contract
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.app import make_app
from sandbox.gcs.store import Store
from sandbox.gke.clusters import Cluster, Limits, Orchestrator
from sandbox.google.https_proxy import HttpsProxy, make_certificates
from sandbox.google.tokens import ACCOUNT, Tokens
from sandbox.iam.metadata import answer
from sandbox.kube.node import NodeSpec
from tests.served import served

PROJECT, ZONE = "sandbox-project", "us-central1-f"
# A place without hardware: roomy, and with everything that a real one can't give.
LIMITS = Limits(cpu_milli=64_000, clusters=64, gpus=True, autopilot=True)


class FakeCluster:
    """Keeps the names of nodes, and of all that ever were their specifications and how many there were at a time.

    ``objects``: Services and volumes, as Kubernetes has them.
    ``fails``: what the next node dies of; ``room``: how many nodes there may be; ``hold`` and ``hold_drain``
    keep its start and the draining of nodes waiting while they are clear.
    """

    endpoint = "198.18.0.2"
    ca_certificate = b"PEM"

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.specs: list[NodeSpec] = []
        self.counts: list[int] = []
        self.upgrades: list[str] = []
        self.objects: list[dict[str, Any]] = []
        self.cordoned: list[str] = []
        self.fails: str | None = None
        self.room = 1000
        self.hold = threading.Event()
        self.hold.set()
        self.hold_drain = threading.Event()
        self.hold_drain.set()
        self._lock = threading.Lock()

    def start(self, progress: Callable[[str], None]) -> None:
        progress("starting")
        self.hold.wait(10)

    def add_node(self, spec: NodeSpec) -> None:
        if self.fails:
            raise RuntimeError(self.fails)
        with self._lock:
            if len(self.nodes) >= self.room:
                raise RuntimeError(f"GCE_STOCKOUT: zone {spec.zone} does not have enough resources")
            self.nodes.append(spec.name)
            self.specs.append(spec)
            self.counts.append(len(self.nodes))

    def upgrade(self, version: str, progress: Callable[[str], None]) -> None:
        progress(f"starting {version}")
        if self.fails:
            raise RuntimeError(self.fails)
        self.upgrades.append(version)

    def cordon_node(self, name: str) -> None:
        self.cordoned.append(name)

    def remove_node(self, name: str) -> None:
        self.nodes.remove(name)
        self.counts.append(len(self.nodes))

    def drain_node(self, name: str) -> None:
        self.hold_drain.wait(10)

    def start_controllers(self, pools: Any, settings: Any) -> None:
        return

    def cloud_objects(self) -> list[dict[str, Any]]:
        return self.objects

    def stop(self) -> None:
        self.nodes.clear()


class Emulator:
    """The application, and what stands behind it."""

    def __init__(self, folder: Path, limits: Limits = LIMITS) -> None:
        self.tokens = Tokens(rsa.generate_private_key(public_exponent=65537, key_size=2048))
        self.token = self.tokens.issue(ACCOUNT)["access_token"]
        self.clusters: list[FakeCluster] = []
        self.next = FakeCluster()
        self.orchestrator = Orchestrator(self._backend, limits=limits)
        self.store = Store(folder)
        self.app = Contract(make_app(self.orchestrator, self.store, self.tokens))

    def metadata(self, path: str) -> str | None:
        """What the metadata server answers a pod whose account may read every bucket."""
        if path.partition("?")[0].endswith("/token"):
            return json.dumps(self.tokens.issue(ACCOUNT))
        return answer(path, f"reader@{PROJECT}.iam.gserviceaccount.com", self.tokens)

    def release(self) -> None:
        """Lets every cluster that is held go on."""
        for cluster in (*self.clusters, self.next):
            cluster.hold.set()

    def _backend(self, _: Cluster) -> FakeCluster:
        self.clusters.append(self.next)
        self.next = FakeCluster()
        return self.clusters[-1]

    @contextmanager
    def behind_proxy(self, folder: Path) -> Iterator[tuple[str, Path]]:
        """The application behind an HTTPS proxy on a loopback port: the proxy's URL, and whom to trust."""
        context, authority = make_certificates(folder)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        proxy = HttpsProxy(uvicorn.Config(self.app, log_level="error"), context)
        try:
            port = asyncio.run_coroutine_threadsafe(proxy.start("127.0.0.1", 0), loop).result(10)
            yield f"http://127.0.0.1:{port}", authority
        finally:
            asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)
            loop.close()

    @contextmanager
    def served(self) -> Iterator[str]:
        """The application on a loopback port; its URL."""
        with served(self.app) as url:
            yield url
