"""The emulated Google for every unit test that wants it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from emulated import call, emulator, http, objects, url

__all__ = ["call", "emulator", "http", "objects", "url"]
