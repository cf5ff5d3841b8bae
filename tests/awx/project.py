"""The project as AWX sees it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
_PLAY = re.compile(r"^\s*?(?:-?\s*)(?:hosts|(?:ansible\.builtin\.)?import_playbook):", re.MULTILINE)


def files() -> list[str]:
    """What a clone of the present state would have."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).exists() or (ROOT / name).is_symlink()]


def copy(folder: Path) -> Path:
    """A checkout, as AWX's project update makes one; without what jobs do not need."""
    for name in files():
        if not name.startswith(("tests/", "sandbox/", "docs/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def playbooks() -> list[str]:
    """By AWX's rule: YAML files with a play in them, outside the folders of roles and variables."""
    hidden = {"roles", "tasks", "group_vars", "host_vars"}
    return [
        name
        for name in files()
        if name.endswith((".yml", ".yaml"))
        and not hidden & set(Path(name).parts)
        and not name.startswith(".")
        and _PLAY.search((ROOT / name).read_text())
    ]


def job_templates() -> list[dict[str, Any]]:
    return list(yaml.safe_load((ROOT / "awx/job_templates.yml").read_text())["awx_job_templates"])
