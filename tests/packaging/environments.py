"""Python environments with one version of ansible-core and what requirements.txt names, and nothing else.

They are what somebody has who installs the collection. Each is kept by content beside the project's own.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements.txt"


@dataclass(frozen=True)
class Core:
    """A release of ansible-core, and a Python (3.11) that it supports."""

    version: str
    python: str

    def __str__(self) -> str:
        return f"{self.version}-python{self.python}"


CORES = (
    Core("2.17.14", "3.11"),
    Core("2.18.19", "3.11"),
    Core("2.19.14", "3.11"),
    Core("2.20.10", "3.12"),
    Core("2.21.5", "3.12"),
    Core("2.21.5", "3.13"),
)
"""The newest fix of every release since the oldest that meta/runtime.yml allows; the oldest first."""


def interpreter(version: str) -> str | None:
    """A Python of this version on the machine: on PATH, or one that pyenv has built."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))]
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == version:
        found.insert(0, getattr(sys, "_base_executable", sys.executable))
    return next((python for python in found if python and _works(python)), None)


def _works(python: str) -> bool:
    """Whether it starts (pyenv's shims are there for versions that are not active) and can make environments."""
    done = subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, check=False)
    return done.returncode == 0


def available() -> list[Core]:
    """Those whose Python the machine has; the oldest first."""
    return [core for core in CORES if interpreter(core.python)]


def environment(core: Core) -> Path:
    """The folder of the environment's commands. Made when it is not there yet, which takes half a minute."""
    python = interpreter(core.python)
    assert python, f"no Python {core.python} on this machine"
    build = subprocess.run([python, "-VV"], capture_output=True, check=True).stdout
    content = REQUIREMENTS.read_bytes() + build + python.encode() + str(core).encode()
    folder = _cache() / f"venv-core-{core}-{hashlib.sha256(content).hexdigest()[:16]}"
    complete = folder / ".complete"
    with (_cache() / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Two test processes may want it at the same time.
        _make(folder, python, core)
    os.utime(complete)  # Those that nobody uses any more are removed by tools/setup.
    return folder / "bin"


def _make(folder: Path, python: str, core: Core) -> None:
    complete = folder / ".complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"ansible-core=={core.version}", "-r", REQUIREMENTS], check=True)
        complete.touch()


def _cache() -> Path:
    given = os.environ.get("MLOPS_TFSERVING_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops-tfserving"
    folder = Path(given) if given else base
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    for each in available():
        print(each, environment(each))
