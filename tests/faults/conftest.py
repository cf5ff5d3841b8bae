"""The emulated Cloud Storage behind a proxy that breaks connections."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

from emulator import Emulator
from objects import Objects
from proxy import Proxy

MODELS = Path(__file__).resolve().parents[1] / "unit/saved_model/models"


@pytest.fixture
def emulator(tmp_path: Path) -> Emulator:
    return Emulator(tmp_path / "gcs")


@pytest.fixture
def objects(emulator: Emulator) -> Objects:
    found = Objects(emulator)
    found.make_bucket("models")
    return found


@pytest.fixture
def service(emulator: Emulator) -> Iterator[str]:
    """Address of the emulated Cloud Storage itself."""
    with emulator.served() as address:
        yield address


@pytest.fixture
def proxy(service: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    made = Proxy(service)
    # Sessions of resumable uploads are at the address that the emulator believes to have.
    yield made
    made.close()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A SavedModel of some 14 MB, two of its files large enough for resumable uploads."""
    return make_model(tmp_path / "model", 0)


def make_model(folder: Path, seed: int) -> Path:
    """``seed``: two models with different ones share signatures and names, not content."""
    shutil.copytree(MODELS / "good", folder)
    (folder / "assets.extra").mkdir()
    for name, blocks in (("large", 8), ("medium", 5), ("small", 1)):
        block = bytes((seed + number) % 256 for number in range(2**20 // 4)) * 4
        (folder / "assets.extra" / name).write_bytes(block * blocks)
    return folder
