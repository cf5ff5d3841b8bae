"""Says, before anything is changed, what would stop the sandbox on this machine, and the way out.

Only the standard library is used: this runs with the system's Python before anything is installed.
``problems()`` decides and is pure; ``gather()`` looks at the machine.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Ports of the sandbox; ``paths`` has them from here, since this file stands alone.
API_PORT = 8600
API_SERVER_PORT = 443
HTTPS_PROXY_PORT = 8643
METRICS_PORT = 10300
GKE_METRICS_PORT = 10301
ETCD_PORTS = (23790, 23791)
NEEDED_PYTHON = (3, 11)
NEEDED_GO = (1, 26)
NEEDED_MEMORY_MIB = 6_000
# What each step of the first run leaves on the disk, measured on an empty Debian 12.
DISK_PACKAGES_MIB = 3_000  # Debian packages 1,500, Python environment 1,300
DISK_KUBERNETES_MIB = 6_500  # Go's caches 6,000, binaries 250
DISK_IMAGES_MIB = 4_500  # archives 1,700, the nodes' template 2,700
DISK_RUNNING_MIB = 2_000  # clusters and buckets; before, for a while, what images are made of
# Linux capability numbers (linux/capability.h) without which no namespace or route can be made.
CAPABILITIES = {12: "CAP_NET_ADMIN", 21: "CAP_SYS_ADMIN"}
ELSEWHERE = (
    "or use a cluster that you have: `ansible-playbook -i inventories/existing site.yml` with its kubeconfig"
)


@dataclass(frozen=True)
class Machine:
    """What ``problems()`` needs to know of a machine. Sizes in MiB."""

    system: str
    uid: int
    capabilities: int
    python: tuple[int, int]
    go: tuple[int, int] | None
    has_apt: bool
    missing_commands: tuple[str, ...]
    busy_ports: tuple[str, ...]
    foreign_addresses: tuple[str, ...]
    memory_mib: int
    disk_free_mib: int
    cache: str
    compiled: bool
    built: bool
    overlayfs: bool


def problems(machine: Machine) -> list[str]:
    """One line for each thing that would stop the sandbox, each with its way out; empty if there is none."""
    if machine.system != "Linux":
        return [f"the sandbox needs Linux, this is {machine.system}: use a Linux machine, {ELSEWHERE}"]
    if machine.uid != 0:
        return [f"the sandbox needs root for network namespaces and containers: run it as root, {ELSEWHERE}"]
    found = []
    lacking = [name for bit, name in CAPABILITIES.items() if not machine.capabilities >> bit & 1]
    if lacking:
        found.append(
            f"root lacks {' and '.join(lacking)} here (an unprivileged container?): "
            f"run on a machine or in a virtual machine, {ELSEWHERE}"
        )
    if not machine.overlayfs:
        found.append("the kernel has no overlay file system: `modprobe overlay`")
    if machine.python < NEEDED_PYTHON:
        found.append(
            f"Python {'.'.join(map(str, NEEDED_PYTHON))} or newer is needed, python3 is "
            f"{'.'.join(map(str, machine.python))}: install a newer python3 and put it first on PATH"
        )
    if machine.go is None and not machine.built:
        found.append(
            f"no Go on PATH, and Kubernetes is not built yet: install Go {'.'.join(map(str, NEEDED_GO))} "
            "or newer (https://go.dev/dl) and put it on PATH"
        )
    elif machine.go is not None and machine.go < NEEDED_GO and not machine.built:
        found.append(
            f"Go {'.'.join(map(str, machine.go))} is too old to build Kubernetes: "
            f"install {'.'.join(map(str, NEEDED_GO))} or newer and put it first on PATH"
        )
    if machine.missing_commands and not machine.has_apt:
        found.append(
            f"missing: {', '.join(machine.missing_commands)}; there is no apt-get here to install them: "
            "install them with your distribution's packages"
        )
    if machine.busy_ports:
        found.append(
            f"in use by another program: port {', '.join(machine.busy_ports)}: "
            "stop that program (`ss -ltnp` names it) or run the sandbox on another machine"
        )
    if machine.foreign_addresses:
        found.append(
            f"{', '.join(machine.foreign_addresses)} lies in 198.18.0.0/15, which the sandbox uses: "
            "remove that address or run the sandbox on another machine"
        )
    if machine.memory_mib < NEEDED_MEMORY_MIB:
        found.append(
            f"{machine.memory_mib} MiB of memory are too little: {NEEDED_MEMORY_MIB} MiB are needed "
            "for the control plane, two or three nodes and four model servers"
        )
    needed = _needed_disk(machine)
    if machine.disk_free_mib < needed:
        found.append(
            f"{machine.disk_free_mib} MiB free in {machine.cache} are too little, {needed} MiB are needed: "
            "free some space or set MLOPS_TFSERVING_CACHE to a folder on a larger disk"
        )
    return found


def _needed_disk(machine: Machine) -> int:
    """MiB for the steps that are still to be done, so that a first run can be interrupted and repeated."""
    needed = DISK_RUNNING_MIB
    if machine.missing_commands:
        needed += DISK_PACKAGES_MIB
    if not machine.compiled:
        needed += DISK_KUBERNETES_MIB
    if not machine.built:
        needed += DISK_IMAGES_MIB
    return needed


def cache_dir() -> Path:
    """Where everything built is kept."""
    if "MLOPS_TFSERVING_CACHE" in os.environ:
        return Path(os.environ["MLOPS_TFSERVING_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops-tfserving"


def gather() -> Machine:
    """Looks at this machine; changes nothing."""
    cache = cache_dir()
    return Machine(
        system=platform.system(),
        uid=os.geteuid() if hasattr(os, "geteuid") else -1,
        capabilities=_capabilities(),
        python=sys.version_info[:2],
        go=_go_version(),
        has_apt=shutil.which("apt-get") is not None,
        missing_commands=tuple(
            c for c in ("containerd", "runc", "buildah", "iptables") if not shutil.which(c)
        ),
        busy_ports=() if _sandbox_runs() else _busy_ports(),
        foreign_addresses=_foreign_addresses(),
        memory_mib=_memory_mib(),
        disk_free_mib=shutil.disk_usage(_existing(cache)).free // 2**20,
        cache=str(cache),
        compiled=_is_kept(cache, "binaries-"),
        built=_is_kept(cache, "binaries-") and _is_kept(cache, "template-"),
        overlayfs=_has_overlayfs(),
    )


def _is_kept(cache: Path, kind: str) -> bool:
    """Whether something of that kind lies in the cache, perhaps of an older checkout."""
    try:
        return any(entry.name.startswith(kind) for entry in cache.iterdir())
    except OSError:
        return False


def _capabilities() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)


def _go_version() -> tuple[int, int] | None:
    go = shutil.which("go")
    if go is None:
        return None
    words = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout.split()
    version = next((word[2:] for word in words if word.startswith("go1")), "")
    parts = version.split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) >= 2 and parts[1].isdigit() else None


def _sandbox_runs() -> bool:
    """Whether the listener on the API's port is the sandbox itself, which may well be up already."""
    try:
        with socket.create_connection(("198.18.0.1", API_PORT), timeout=1) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\nHost: sandbox\r\n\r\n")
            return connection.recv(64).split(b"\r\n")[0].endswith(b"200 OK")
    except OSError:
        return False


def _busy_ports() -> tuple[str, ...]:
    """Ports somebody else listens on; a dead sandbox's leftovers are cleaned, so they don't count."""
    busy = []
    wanted = [("0.0.0.0", port) for port in (API_PORT, API_SERVER_PORT, HTTPS_PROXY_PORT, METRICS_PORT)]
    for address, port in wanted + [("127.0.0.1", port) for port in ETCD_PORTS]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and not _ours(port):
                    busy.append(str(port))
    return tuple(busy)


def _ours(port: int) -> bool:
    """Whether every listener on the port is a leftover of the sandbox, known by its environment."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    ours = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"MLOPS_TFSERVING_SANDBOX=" not in (process / "environ").read_bytes():
                continue
            ours |= {str(descriptor.readlink()) for descriptor in (process / "fd").iterdir()} & inodes
        except OSError:
            continue
    return inodes == ours


def _foreign_addresses() -> tuple[str, ...]:
    ip = shutil.which("ip")
    if ip is None:
        return ()
    listing = subprocess.run([ip, "-o", "-4", "addr"], capture_output=True, text=True, check=False).stdout
    found = []
    for line in listing.splitlines():
        fields = line.split()
        device, address = fields[1], fields[3]
        if address.startswith(("198.18.", "198.19.")) and not device.startswith("sbx"):
            found.append(f"{address} on {device}")
    return tuple(found)


def _memory_mib() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("MemTotal:")), 0)


def _has_overlayfs() -> bool:
    try:
        if "overlay" in Path("/proc/filesystems").read_text():
            return True
    except OSError:
        return False
    modules = Path("/lib/modules") / platform.release() / "kernel/fs/overlayfs"
    return modules.is_dir()


def _existing(path: Path) -> Path:
    """The folder itself or the nearest parent that this user can look at."""
    while not os.access(path, os.X_OK):
        path = path.parent
    return path


def main() -> int:
    """Prints a line for each problem; 0 when there is none, 2 otherwise."""
    found = problems(gather())
    for line in found:
        print(f"error: {line}", file=sys.stderr)
    return 2 if found else 0


if __name__ == "__main__":
    sys.exit(main())
