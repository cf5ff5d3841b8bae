"""``world``: clusters against a Google in memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gke import client, converge

sys.path.insert(0, str(Path(__file__).parent))

from google_in_memory import FakeGoogle
from world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(FakeGoogle())
    monkeypatch.setattr(converge, "_connect", made.connect)
    return made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a served emulator time is real: look sooner than every second."""
    monkeypatch.setattr(client, "FIRST_POLL", 0.05)
    monkeypatch.setattr(client, "LAST_POLL", 0.1)
