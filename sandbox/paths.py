"""Where the sandbox keeps things, and the addresses it uses (all within 198.18.0.0/15, RFC 2544)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from .host_check import (
    API_PORT,
    API_SERVER_PORT,
    GKE_METRICS_PORT,
    HTTPS_PROXY_PORT,
    METRICS_PORT,
    cache_dir,
)

__all__ = [
    "API_PORT", "API_URL", "BRIDGE", "GATEWAY", "GKE_METRICS_PORT", "GOOGLE_PORT", "HTTPS_PROXY_PORT", "HTTPS_PROXY_URL", "LOCK", "MARKER", "METRICS_PORT",
    "RECORD", "ClusterAddresses", "authority_dir", "cache_dir", "private", "state_dir",
]  # fmt: skip

BRIDGE = "sbx0"
GATEWAY = IPv4Address("198.18.0.1")
NODE_NETWORK = IPv4Network("198.18.0.0/18")
API_URL = f"http://{GATEWAY}:{API_PORT}"
# Where pods find storage.googleapis.com; on another address it is the API servers'.
GOOGLE_PORT = API_SERVER_PORT
HTTPS_PROXY_URL = f"http://{GATEWAY}:{HTTPS_PROXY_PORT}"
# Environment variable of every long-lived process of the sandbox, so that it is found after a crash.
MARKER = "MLOPS_TFSERVING_SANDBOX"
# Held by who starts or stops the sandbox: there is one on a machine, whatever its state folder.
LOCK = Path("/run/mlops-tfserving-sandbox.lock")
RECORD = Path("/run/mlops-tfserving-sandbox")  # what made.py keeps
MAX_CLUSTERS = 4
MAX_NODES = 16
DEFAULT_STATE = "/var/lib/mlops-tfserving-sandbox"


def state_dir() -> Path:
    """The one folder of everything that runs: logs, buckets, clusters."""
    # Without links, as the kernel's tables name it.
    return Path(os.environ.get("MLOPS_TFSERVING_SANDBOX_STATE") or DEFAULT_STATE).resolve()


def private(folder: Path) -> Path:
    """The folder, made if it is missing; nobody but its owner looks into it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def authority_dir() -> Path:
    """Where the certificate authority is that the HTTPS proxy's clients have to trust: ``ca.crt``."""
    return state_dir() / "authority"


@dataclass(frozen=True)
class ClusterAddresses:
    """The addresses of the cluster with this index, 0 up to ``MAX_CLUSTERS`` - 1."""

    index: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < MAX_CLUSTERS:
            raise ValueError(f"a sandbox holds {MAX_CLUSTERS} clusters at most")

    @property
    def api_server(self) -> IPv4Address:
        return IPv4Address(f"198.18.{self.index}.2")

    def node(self, number: int) -> IPv4Address:
        if not 0 <= number < MAX_NODES:
            raise ValueError(f"a cluster of the sandbox has {MAX_NODES} nodes at most")
        return IPv4Address(f"198.18.{self.index}.{10 + number}")

    @property
    def pods(self) -> IPv4Network:
        return IPv4Network(f"198.18.{64 + 16 * self.index}.0/20")

    @property
    def services(self) -> IPv4Network:
        return IPv4Network(f"198.19.{16 * self.index}.0/20")

    @property
    def dns(self) -> IPv4Address:
        return self.services[10]

    @property
    def load_balancers(self) -> IPv4Network:
        return IPv4Network(f"198.19.{240 + self.index}.0/24")

    @property
    def etcd_port(self) -> int:
        return 23790 + 10 * self.index
