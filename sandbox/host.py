"""Removes from this machine whatever an earlier sandbox left, however it ended."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from . import made
from .controllers import load_balancer
from .kube import cgroup, mounts
from .kube.network import end_processes, routes_through
from .kube.node import HOST_FOLDERS
from .kube.process import end_all, run
from .paths import BRIDGE, MARKER, state_dir

_NETNS = Path("/run/netns")
_LINKS = Path("/sys/class/net")


def clean_leftovers(progress: Callable[[str], None] = lambda _: None) -> list[str]:
    """Ends processes, unmounts, removes namespaces, links, routes, cgroups and clusters' files of this state folder.

    Returns what was found, one line each; an empty list when there was nothing. Buckets are kept. Raises
    ``RuntimeError`` while another state folder's sandbox is on this machine.
    """
    found = []
    ours = made.is_ours()
    namespaces = [name for name in made.names("namespace") if (_NETNS / name).exists()]
    groups = [name for name in made.names("cgroup") if cgroup.groups(name)]
    # First who would start containers anew, then the containers.
    pids = marked_processes()
    if pids:
        progress(f"ending {len(pids)} processes that were left")
        found.append(f"{len(pids)} processes")
        end_all(marked_processes, "the sandbox")
    for namespace in namespaces:
        end_processes(namespace)
    for group in groups:
        found.append(f"cgroup {group}")
        cgroup.remove(group)
    unmounted = mounts.unmount(state_dir())
    if unmounted:
        found.append(f"{unmounted} mounts")
    for namespace in namespaces:
        found.append(f"network namespace {namespace}")
        run("ip", "netns", "del", namespace, check=False)
    if ours:
        found += _remove_choices()
    links = [name for name in made.names("link") if (_LINKS / name).exists()]
    for destination in routes_through(BRIDGE, run("ip", "-j", "route")) if BRIDGE in links else ():
        found.append(f"route {destination}")
        run("ip", "route", "del", destination, check=False)
    for link in links:
        found.append(f"link {link}")
        run("ip", "link", "del", link, check=False)
    clusters = state_dir() / "clusters"
    if clusters.exists():
        shutil.rmtree(clusters, ignore_errors=True)
    for folder in HOST_FOLDERS:
        # Made only to be mounted upon; if anyone else uses it, it is not empty.
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
    made.end()
    return found


def _remove_choices() -> list[str]:
    """The load balancers' packet rules and routing rules."""
    found = []
    for rule in json.loads(run("ip", "-j", "rule", check=False) or "[]"):
        mark = int(str(rule.get("fwmark", "0")), 0)
        if mark & 0xFF000000 == load_balancer.MARK:
            found.append(f"routing rule {mark:#x}")
            run("ip", "rule", "del", "fwmark", hex(mark), check=False)
            run("ip", "route", "flush", "table", str(mark), check=False)
    listing = run("iptables-save", "-t", "mangle", check=False) if shutil.which("iptables-save") else ""
    jumps = [line for line in listing.splitlines() if f"-j {load_balancer.CHAIN}" in line]
    chains = [
        line[1:].split()[0] for line in listing.splitlines() if line.startswith(f":{load_balancer.CHAIN}")
    ]
    for jump in jumps:
        run("iptables", "-t", "mangle", "-D", *jump.split()[1:], check=False)
    for chain in chains:
        found.append(f"chain {chain}")
        run("iptables", "-t", "mangle", "-F", chain, check=False)
        run("iptables", "-t", "mangle", "-X", chain, check=False)
    return found


def marked_processes() -> list[int]:
    """Processes that carry the sandbox's marker for this state folder; never this one or its parents."""
    needle = f"{MARKER}={state_dir()}".encode()
    spared = _ancestors()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if needle in variables and int(process.name) not in spared:
            found.append(int(process.name))
    return found


def _ancestors() -> set[int]:
    spared, pid = set(), os.getpid()
    while pid > 1:
        spared.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            break
    return spared
