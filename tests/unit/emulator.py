"""Google's APIs of the sandbox in this process: the real application, with clusters that are not real."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.api.app import make_app
from sandbox.api.gcs_store import Store
from sandbox.api.tokens import ACCOUNT, Tokens
from sandbox.orchestrator import Cluster, Orchestrator

PROJECT, ZONE = "sandbox-project", "us-central1-f"


class FakeCluster:
    """Keeps the names of nodes; ``fails``: what the next node dies of."""

    endpoint = "198.18.0.2"
    ca_certificate = b"PEM"

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.fails: str | None = None
        self.hold = threading.Event()
        self.hold.set()

    def start(self, progress: Callable[[str], None]) -> None:
        progress("starting")
        self.hold.wait(10)

    def add_node(self, spec: Any) -> None:
        if self.fails:
            raise RuntimeError(self.fails)
        self.nodes.append(spec.name)

    def remove_node(self, name: str) -> None:
        self.nodes.remove(name)

    def drain_node(self, name: str) -> None:
        return

    def start_controllers(self, pools: Any, settings: Any) -> None:
        return

    def stop(self) -> None:
        self.nodes.clear()


class Emulator:
    """The application, and what stands behind it."""

    def __init__(self, folder: Path) -> None:
        self.tokens = Tokens(rsa.generate_private_key(public_exponent=65537, key_size=2048))
        self.token = self.tokens.issue(ACCOUNT)["access_token"]
        self.clusters: list[FakeCluster] = []
        self.next = FakeCluster()
        self.orchestrator = Orchestrator(self._backend)
        self.store = Store(folder)
        self.app = make_app(self.orchestrator, self.store, self.tokens)

    def _backend(self, _: Cluster) -> FakeCluster:
        self.clusters.append(self.next)
        self.next = FakeCluster()
        return self.clusters[-1]

    @contextmanager
    def served(self) -> Iterator[str]:
        """The application on a loopback port; its URL."""
        server = uvicorn.Server(uvicorn.Config(self.app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            threading.Event().wait(0.01)
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(5)
