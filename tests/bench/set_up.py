"""What the parts of set-up took on this machine when they were last made: printed only, since most runs find them made."""

from __future__ import annotations

import json
from typing import Any

from sandbox.build import STEPS
from sandbox.paths import cache_dir


def measure() -> list[dict[str, Any]]:
    noted = cache_dir() / STEPS
    steps: dict[str, dict[str, Any]] = {}
    for line in noted.read_text().splitlines() if noted.exists() else ():
        step = json.loads(line)
        steps[step["step"]] = step
    for name, step in steps.items():
        print(f"set-up, {name}: {step['seconds']:.0f} s, {step['cpu_seconds']:.0f} s of CPU")
    return []
