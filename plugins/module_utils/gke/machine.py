"""Machine types and what GKE leaves of them for pods.

Reservations: https://cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes. Pure, and imports nothing of
the collection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# GiB of memory for each vCPU of a machine family's shapes.
_MEMORY_PER_CPU = {
    ("e2", "standard"): 4.0, ("e2", "highmem"): 8.0, ("e2", "highcpu"): 1.0,
    ("n1", "standard"): 3.75, ("n1", "highmem"): 6.5, ("n1", "highcpu"): 0.9,
    ("n2", "standard"): 4.0, ("n2", "highmem"): 8.0, ("n2", "highcpu"): 1.0,
    ("n2d", "standard"): 4.0, ("n2d", "highmem"): 8.0, ("n2d", "highcpu"): 1.0,
    ("n4", "standard"): 4.0, ("n4", "highmem"): 8.0, ("n4", "highcpu"): 2.0,
    ("c2", "standard"): 4.0, ("t2d", "standard"): 4.0, ("g2", "standard"): 4.0,
    ("c3", "standard"): 4.0, ("c3", "highmem"): 8.0, ("c3", "highcpu"): 2.0,
}  # fmt: skip
# Shared-core types: vCPUs and GiB; and the mCPU that GKE reserves on them.
_SHARED_CORE = {"e2-micro": (2, 1.0), "e2-small": (2, 2.0), "e2-medium": (2, 4.0)}
_SHARED_RESERVED = 1060
# GKE reserves the first share of each tier: (upper bound in GiB, share).
_MEMORY_TIERS = ((4, 0.25), (8, 0.20), (16, 0.10), (128, 0.06), (float("inf"), 0.02))
_EVICTION_MIB = 100
_CUSTOM = re.compile(r"(?:([a-z][a-z0-9]*)-)?custom-(\d+)-(\d+)(?:-ext)?")
_SHARED_CUSTOM = re.compile(r"e2-custom-(?:micro|small|medium)-(\d+)")


class UnknownMachineType(ValueError):
    """No machine type of that name is known."""


@dataclass(frozen=True)
class MachineShape:
    """A machine type: its size, and what is allocatable to pods. CPU in mCPU, memory in MiB."""

    name: str
    cpu_milli: int
    memory_mib: int
    allocatable_cpu_milli: int
    allocatable_memory_mib: int


def reserved_cpu_milli(cores: int) -> int:
    """6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest; in mCPU."""
    reserved = 60.0 + (10.0 if cores > 1 else 0.0)
    reserved += 5.0 * max(0, min(cores, 4) - 2) + 2.5 * max(0, cores - 4)
    return round(reserved)


def reserved_memory_mib(memory_mib: int) -> int:
    """GKE's tiered share of memory plus the eviction threshold; 255 MiB on machines below 1 GiB."""
    if memory_mib < 1024:
        return 255 + _EVICTION_MIB
    reserved, below = 0.0, 0.0
    for bound, share in _MEMORY_TIERS:
        upper = bound * 1024
        reserved += share * max(0.0, min(memory_mib, upper) - below)
        below = upper
    return round(reserved) + _EVICTION_MIB


def machine_shape(machine_type: str) -> MachineShape:
    """The shape of a machine type by its name, such as ``e2-medium``, ``n2-standard-4`` or ``e2-custom-4-8192``."""
    custom, shared = _CUSTOM.fullmatch(machine_type), _SHARED_CUSTOM.fullmatch(machine_type)
    if shared:
        return shape_of(machine_type, 2, int(shared[1]))
    if custom:
        return shape_of(machine_type, int(custom[2]), int(custom[3]))
    if machine_type in _SHARED_CORE:
        cores, gib = _SHARED_CORE[machine_type]
    else:
        match = re.fullmatch(r"([a-z][a-z0-9]*)-(standard|highmem|highcpu)-(\d+)", machine_type)
        per_cpu = _MEMORY_PER_CPU.get((match[1], match[2])) if match else None
        if match is None or per_cpu is None:
            raise UnknownMachineType(machine_type)
        cores = int(match[3])
        gib = cores * per_cpu
    return shape_of(machine_type, cores, round(gib * 1024))


def shape_of(machine_type: str, cores: int, memory_mib: int) -> MachineShape:
    """The shape of a machine type of a size that is known. Raises ``UnknownMachineType`` for a size of nothing."""
    if cores < 1 or memory_mib < 1:
        raise UnknownMachineType(machine_type)
    if machine_type in _SHARED_CORE or _SHARED_CUSTOM.fullmatch(machine_type):
        reserved_cpu = _SHARED_RESERVED
    else:
        reserved_cpu = reserved_cpu_milli(cores)
    return MachineShape(
        machine_type,
        cores * 1000,
        memory_mib,
        cores * 1000 - reserved_cpu,
        max(0, memory_mib - reserved_memory_mib(memory_mib)),
    )
