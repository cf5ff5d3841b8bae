"""Where the sandbox listens, as the kernel has it, and what those get there who show no credentials."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ETCD, GOOGLE = "etcd", "storage.googleapis.com"
# By port: what is asked, and the HTTP statuses that are an answer to nobody; 000 is none at all. docs/security.md has
# the same ports.
ASKED = {
    "8600": ("http", "/v1/projects/sandbox-project/locations/-/clusters", {"401"}),
    "8643": ("http", "/", {"405"}),
    "443": ("https", "/api/v1/secrets", {"403"}),
    GOOGLE: ("https", "/storage/v1/b?project=sandbox-project", {"401"}),
    "10257": ("https", "/metrics", {"403"}),
    "10259": ("https", "/metrics", {"403"}),
    "10300": ("https", "/metrics", {"403"}),
    ETCD: ("https", "/version", {"000"}),
    "80": ("http", "/computeMetadata/v1/instance/service-accounts/default/token", {"403"}),
    "10250": ("https", "/pods", {"401"}),
}
# What tells everybody in the node's network whether it lives, and nothing else of worth.
OPEN = {"10248", "10249", "10256"}


@dataclass(frozen=True)
class Listener:
    """``network``: a node's namespace, or empty for the machine's own."""

    network: str
    address: str
    port: str
    program: str

    @property
    def kind(self) -> str:
        """The port, or what stands for ports that are counted or free."""
        if (self.address, self.port) == ("198.18.0.1", "443"):
            return GOOGLE
        if not self.network and self.address == "127.0.0.1":
            return ETCD if 23790 <= int(self.port) < 23840 else self.port
        if self.network and (self.program == "containerd" or 30000 <= int(self.port) < 32768):
            return "free"
        return self.port

    def status(self) -> str:
        """Of what is asked there without credentials, as a page of another origin would."""
        scheme, path, _ = ASKED[self.kind]
        host = "127.0.0.1" if self.address in ("*", "0.0.0.0") else self.address
        url = f"{scheme}://{host}:{self.port}{path}"
        curl = [
            "curl",
            "-sk",
            "-m",
            "10",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-H",
            "Origin: https://example.com",
        ]
        inside = ["nsenter", f"--net=/run/netns/{self.network}"] if self.network else []
        return subprocess.run([*inside, *curl, url], capture_output=True, text=True, check=False).stdout


def listeners(processes: list[int]) -> list[Listener]:
    """Of these processes on the machine, and of everybody in the nodes' networks. TCP and UDP."""
    found = []
    for network in ("", *(entry.name for entry in Path("/run/netns").glob("sbx-*"))):
        inside = ["nsenter", f"--net=/run/netns/{network}"] if network else []
        table = subprocess.run([*inside, "ss", "-Hltunp"], capture_output=True, text=True, check=True).stdout
        for line in table.splitlines():
            address, _, port = line.split()[4].rpartition(":")
            who = re.search(r'\("([^"]+)",pid=(\d+)', line)
            if who and (network or int(who[2]) in processes):
                found.append(Listener(network, address, port, who[1]))
    return found
