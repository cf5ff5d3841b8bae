"""A copy of the project, as AWX's project update makes one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "unit")]

from project import ROOT, files  # noqa: E402 it is beside this file


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("awx") / "project"
    for name in files():
        if not name.startswith(("tests/", "sandbox/", "docs/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    # Until playbooks/preflight.yml is merged.
    if not (folder / "playbooks/preflight.yml").exists():
        shutil.copy2(folder / "playbooks/status.yml", folder / "playbooks/preflight.yml")
    return folder
