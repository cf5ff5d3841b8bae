"""A small real model, and a bucket to publish it to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from emulator import Emulator
from objects import Objects

MODELS = Path(__file__).parents[1] / "saved_model/models"


@pytest.fixture(autouse=True)
def uploads_reach_the_emulator(emulator: Emulator, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions of resumable uploads are at the address that the emulator believes to have."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where sessions are remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/mlops-tfserving/uploads"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A SavedModel with a file that is large enough for a resumable upload."""
    folder = Path(shutil.copytree(MODELS / "good", tmp_path / "model"))
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra/notes").write_bytes(bytes(range(256)) * 24_000)
    return folder


@pytest.fixture
def bucket(objects: Objects) -> str:
    objects.make_bucket("models")
    return "models"
