"""Cgroups of the nodes, on hosts with version 1, version 2 or both."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from .. import made

_ROOT = Path("/sys/fs/cgroup")


def hierarchies(root: Path = _ROOT) -> list[Path]:
    """Every hierarchy a node needs its cgroup in: the one of version 2, or each controller's of version 1."""
    if (root / "cgroup.controllers").exists():
        return [root]
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.is_symlink())


def claim(name: str, root: Path = _ROOT) -> None:
    """Raises ``RuntimeError`` when somebody else has a cgroup of that name."""
    made.claim("cgroup", name, *(hierarchy / name for hierarchy in hierarchies(root)))


def create(name: str, root: Path = _ROOT) -> None:
    """The cgroup ``name`` in every hierarchy, usable for containers."""
    if (root / "cgroup.controllers").exists():
        _enable_controllers(root)
    for hierarchy in hierarchies(root):
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        if (root / "cgroup.controllers").exists():
            _enable_controllers(group)
        for value in ("cpuset.cpus", "cpuset.mems"):
            # Version 1 starts nothing in a cpuset whose processors or memory nodes are not set.
            if (hierarchy / value).exists():
                (group / value).write_text((hierarchy / value).read_text())


def _enable_controllers(group: Path) -> None:
    available = (group / "cgroup.controllers").read_text().split()
    for controller in available:
        try:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            continue  # Another manager of this host keeps that controller for itself.


def groups(name: str, root: Path = _ROOT) -> list[Path]:
    """Every cgroup at and below ``name``, the deepest first."""
    found: list[Path] = []
    for hierarchy in hierarchies(root):
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            found.append(Path(folder))
    return found


def processes(name: str, root: Path = _ROOT) -> set[int]:
    """Every process in or below the cgroup."""
    found: set[int] = set()
    for group in groups(name, root):
        try:
            found |= {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
        except OSError:
            continue
    return found


def remove(name: str, root: Path = _ROOT, seconds: float = 10) -> None:
    """Kills what runs in the cgroup and removes it from every hierarchy."""
    deadline = time.monotonic() + seconds
    while True:
        for pid in processes(name, root):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for group in groups(name, root):
            try:
                group.rmdir()
            except OSError:
                continue
        if not groups(name, root):
            return
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"cgroup {name} can't be removed: {sorted(processes(name, root))} still run in it"
            )
        time.sleep(0.05)
