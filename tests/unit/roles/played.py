"""Plays of roles on this machine, as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
HEAD = {
    "hosts": "localhost", "gather_facts": False, "connection": "local",
    "vars": {"ansible_python_interpreter": sys.executable},
}  # fmt: skip


def run(
    folder: Path, plays: list[dict[str, Any]], environment: dict[str, str], *arguments: str
) -> tuple[int, str, dict[str, int]]:
    """Runs them; exit code, output, and how many tasks were ok, changed and failed."""
    playbook = folder / "play.yml"
    playbook.write_text(yaml.safe_dump(plays))
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", str(playbook), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        env={
            **os.environ, **environment, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "False", "XDG_CACHE_HOME": str(folder / "cache"),
        },
    )  # fmt: skip
    recap = done.stdout.rstrip().splitlines()[-1].split(":", 1)[1]
    counts = {key: int(value) for key, value in (pair.split("=") for pair in recap.split())}
    return done.returncode, done.stdout + done.stderr, counts


def play(folder: Path, plays: list[dict[str, Any]], environment: dict[str, str]) -> dict[str, int]:
    """Runs what is to succeed; how many tasks were ok, changed and failed."""
    code, output, counts = run(folder, plays, environment)
    assert code == 0, output
    return counts
