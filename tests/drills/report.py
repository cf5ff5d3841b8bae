"""What drills counted, in reports/drills.json: one entry for each run of each drill, of which a later one replaces it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

REPORT = Path(__file__).resolve().parents[2] / "reports/drills.json"


def as_often_as_told(metafunc: pytest.Metafunc) -> None:
    """Each drill as often as DRILL_RUNS says."""
    if "run" in metafunc.fixturenames:
        metafunc.parametrize("run", range(1, int(os.environ.get("DRILL_RUNS", "1")) + 1))


def enter(name: str, run: int, *, ok: bool, note: str, **counts: Any) -> None:
    REPORT.parent.mkdir(exist_ok=True)
    earlier = json.loads(REPORT.read_text()) if REPORT.exists() else []
    kept = [entry for entry in earlier if (entry["name"], entry["run"]) != (name, run)]
    REPORT.write_text(
        json.dumps([*kept, {"name": name, "run": run, **counts, "ok": ok, "note": note}], indent=1)
    )
