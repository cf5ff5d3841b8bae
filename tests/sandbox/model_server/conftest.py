"""A stand-in over folders, for every test that wants one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from stub_server import Server


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """Serves version 1 of the model m."""
    made = Server(tmp_path)
    made.versions(1)
    made.manager.start([made.model()])
    return made
