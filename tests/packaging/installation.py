"""An installed collection, the Google it talks to, and what belongs to the repository."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from emulator import Emulator
from environments import ROOT, Core

INVENTORY = """
tfserving:
  hosts:
    here:
      ansible_connection: local
      ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""


@dataclass
class Installed:
    """An environment with the collection, and an empty folder of somebody who uses it."""

    core: Core
    bin: Path
    collections: Path
    home: Path

    def run(self, *command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command of the environment, with nothing of this process's surroundings."""
        surroundings = {
            "HOME": str(self.home), "PATH": f"{self.bin}:/usr/bin:/bin", "PWD": str(self.home), "LANG": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections), "ANSIBLE_NOCOLOR": "1", **(env or {}),
        }  # fmt: skip
        return subprocess.run(
            [self.bin / command[0], *command[1:]], cwd=self.home, env=surroundings,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300,
        )  # fmt: skip

    def ok(self, *command: str, env: dict[str, str] | None = None) -> str:
        done = self.run(*command, env=env)
        assert done.returncode == 0, (
            f"{self.core}: {' '.join(command)} exited {done.returncode}:\n{done.stdout}"
        )
        return done.stdout


@dataclass
class Google:
    """An emulated Google, and what a user sets to reach it."""

    emulator: Emulator
    url: str
    env: dict[str, str]


def tracked() -> set[str]:
    """Files that are, or are about to be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.splitlines() if os.path.lexists(ROOT / name)}
