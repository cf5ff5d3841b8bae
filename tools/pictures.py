"""Draws the pictures of the run that docs/autoscaling.md tells, from its timeline, as a report has them; and the dashboard of the
run that docs/monitoring.md tells.

python tools/pictures.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from plugins.module_utils.loadtest import figures, timeline, verdict  # noqa: E402
from tools import dashboard_picture  # noqa: E402

RUN = ROOT / "tests/unit/loadtest/data/demo.jsonl"
WATCHED = ROOT / "tests/unit/monitoring/data/watched.json"


def files() -> dict[Path, bytes]:
    """PNG by path in the project."""
    events = timeline.read(RUN)
    report = verdict.analyse(events, slo=["p95_ms <= 300"], workers=2, users=36, environment={})
    drawn = figures.draw_all(events, report)
    run = {Path(f"docs/images/autoscaling-{name}.png"): drawn[name][0] for name in ("timeline", "waterfall")}
    return {**run, Path("docs/images/dashboard.png"): dashboard_picture.picture(WATCHED)}


if __name__ == "__main__":
    for path, png in files().items():
        (ROOT / path).write_bytes(png)
