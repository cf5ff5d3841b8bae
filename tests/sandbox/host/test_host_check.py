"""What a person reads when a machine can't run the sandbox: one line a problem, each with a way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sandbox.host_check import Machine, problems

GOOD = Machine(
    system="Linux",
    uid=0,
    capabilities=(1 << 41) - 1,
    python=(3, 11),
    go=(1, 26),
    has_apt=True,
    missing_commands=(),
    busy_ports=(),
    foreign_addresses=(),
    memory_mib=24_000,
    disk_free_mib=50_000,
    cache="/var/cache/x",
    compiled=False,
    built=False,
    overlayfs=True,
)


def test_a_good_machine_has_no_problem() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("change", "words", "way_out"),
    [
        ({"system": "Darwin"}, "needs Linux, this is Darwin", "inventories/existing"),
        ({"uid": 1000}, "needs root", "run it as root"),
        ({"capabilities": 0}, "lacks CAP_NET_ADMIN and CAP_SYS_ADMIN", "virtual machine"),
        ({"go": None}, "no Go on PATH", "install Go"),
        ({"go": (1, 19)}, "Go 1.19 is too old", "install 1.26 or newer"),
        ({"python": (3, 9)}, "python3 is 3.9", "install a newer python3"),
        ({"busy_ports": ("8600",)}, "port 8600", "stop that program"),
        ({"foreign_addresses": ("198.18.3.4/24 on eth1",)}, "198.18.3.4/24 on eth1", "remove that address"),
        ({"disk_free_mib": 300}, "300 MiB free in /var/cache/x", "MLOPS_TFSERVING_CACHE"),
        ({"memory_mib": 2000}, "2000 MiB of memory", "6000 MiB are needed"),
        ({"missing_commands": ("runc",), "has_apt": False}, "missing: runc", "distribution's packages"),
        ({"overlayfs": False}, "overlay file system", "modprobe overlay"),
    ],
)
def test_each_problem_is_one_line_with_a_way_out(change: dict[str, object], words: str, way_out: str) -> None:
    found = problems(replace(GOOD, **change))  # type: ignore[arg-type]
    assert len(found) == 1
    assert words in found[0]
    assert way_out in found[0]
    assert "\n" not in found[0]


def test_what_is_built_needs_neither_go_nor_much_disk() -> None:
    assert problems(replace(GOOD, compiled=True, built=True, go=None, disk_free_mib=3_000)) == []


@pytest.mark.parametrize(
    ("done", "free"),
    [
        ({"missing_commands": ("buildah",)}, 16_000),
        ({}, 13_000),
        ({"compiled": True}, 6_500),
        ({"compiled": True, "built": True}, 2_000),
    ],
    ids=["nothing", "packages", "Kubernetes", "images"],
)
def test_disk_that_was_enough_is_enough_after_each_step(done: dict[str, Any], free: int) -> None:
    assert problems(replace(GOOD, disk_free_mib=free, **done)) == []
    assert f"{free} MiB are needed" in problems(replace(GOOD, disk_free_mib=free - 1, **done))[0]


def test_missing_packages_are_installed_where_there_is_apt() -> None:
    assert problems(replace(GOOD, missing_commands=("buildah",))) == []


def test_several_problems_are_told_at_once() -> None:
    assert len(problems(replace(GOOD, go=None, busy_ports=("443", "8600"), memory_mib=100))) == 3
