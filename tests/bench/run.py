"""Runs every measurement beside this file and writes ``reports/bench.json``: ours and a peer on the same work.

Each module that has ``measure``, which returns entries, is asked. Times of one machine say little on another: look at the ratios.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT), str(ROOT / "tests/unit")]
importlib.import_module("tests.conftest")  # makes the collection importable


def entry(
    name: str, value: float, unit: str, limit: float, peer: str = "", peer_value: float | None = None
) -> dict[str, Any]:
    """One line of the report; without the peer on this machine there is no ratio."""
    ratio = round(value / peer_value, 3) if peer_value else None
    return {
        "name": name, "value": round(value, 3), "unit": unit, "peer": peer or None,
        "peer_value": peer_value if peer_value is None else round(peer_value, 3),
        "ratio": ratio, "limit": limit, "ok": value <= limit,
    }  # fmt: skip


def main() -> int:
    # Makes the collection importable as Ansible imports it.
    importlib.import_module("tests.conftest")
    entries: list[dict[str, Any]] = []
    for file in sorted(HERE.glob("*.py")):
        if file.stem != "run":
            module = importlib.import_module(file.stem)
            entries += module.measure() if hasattr(module, "measure") else []
    report = ROOT / "reports/bench.json"
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps(entries, indent=2) + "\n")
    for one in entries:
        peer = (
            f", {one['peer']}: {one['peer_value']} {one['unit']} (ratio {one['ratio']})"
            if one["ratio"]
            else ""
        )
        verdict = "ok" if one["ok"] else "TOO MUCH"
        print(f"{verdict:8} {one['name']}: {one['value']} {one['unit']}, limit {one['limit']}{peer}")
    print(f"The report: {report}")
    return 0 if all(one["ok"] for one in entries) else 1


if __name__ == "__main__":
    sys.exit(main())
