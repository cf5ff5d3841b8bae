"""The process behind the sandbox: Google's APIs on 198.18.0.1, and the clusters that they create."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from .app import make_app
from .backend import RealCluster
from .build import build_binaries
from .gcs.store import Store
from .gke.clusters import Cluster, Orchestrator
from .google.https_proxy import HttpsProxy, make_certificates
from .google.tokens import PROJECT, Tokens, load_or_make_key
from .iam.metadata import DELAY_VARIABLE, EDITOR_VARIABLE, MetadataServer, node_account
from .kube.network import make_bridge
from .paths import API_PORT, GATEWAY, GOOGLE_PORT, HTTPS_PROXY_PORT, authority_dir, private, state_dir
from .releases import release_of


def serve(images: Path, binaries: Path, gke_adapter: Path | None = None) -> None:
    """Serves until it is told to end; then takes every cluster down. ``gke_adapter``: of GKE's metrics, for every cluster."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    make_bridge()
    tokens = Tokens(load_or_make_key())
    metadata = MetadataServer(tokens, float(os.environ.get(DELAY_VARIABLE) or 0))

    def backend(cluster: Cluster) -> RealCluster:
        return RealCluster(
            cluster.name, cluster.index, project=cluster.project, location=cluster.location,
            version=str(cluster.answer["currentMasterVersion"]), images=images, kube=_kube, binaries=binaries,
            gke_adapter=gke_adapter, metadata=metadata, reviewer=tokens.reviewer,
            workload_identity=bool(cluster.answer.get("workloadIdentityConfig", {}).get("workloadPool")),
        )  # fmt: skip

    orchestrator = Orchestrator(backend)
    editors = (node_account(PROJECT),) if os.environ.get(EDITOR_VARIABLE) else ()
    app = make_app(orchestrator, Store(private(state_dir() / "gcs")), tokens, editors=editors)
    # uvicorn stops on these signals and then raises them anew: without handlers of ours that would be the end
    # of the process, before its clusters are taken down.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        asyncio.run(_serve(app))
    finally:
        orchestrator.stop()


def _kube(version: str, progress: Callable[[str], None]) -> Path:
    """The program of a version of GKE's; compiled when it is first wanted."""
    return build_binaries(progress, release_of(version)) / "kube"


async def _serve(app: ASGIApp) -> None:
    """The application on its own address, behind the HTTPS proxy and as Google's own host, in one event loop."""
    config = uvicorn.Config(
        app, host=str(GATEWAY), port=API_PORT, log_level="warning", timeout_graceful_shutdown=2
    )
    context, _ = make_certificates(authority_dir())
    proxy = HttpsProxy(config, context)
    await proxy.start(str(GATEWAY), HTTPS_PROXY_PORT)
    await proxy.start_direct(str(GATEWAY), GOOGLE_PORT)
    try:
        await uvicorn.Server(config).serve()
    finally:
        await proxy.stop()


if __name__ == "__main__":
    serve(*map(Path, sys.argv[1:]))
