"""The emulated Google for every test of the sandbox: the same as for the unit tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from emulated import call, emulator, http, objects, url

__all__ = ["call", "emulator", "http", "objects", "url"]
