"""From a step of load to the HPA's decision: by the CPU, and by averaged requests in flight, in one run on the sandbox.

One replica may be there, so that the HPA only wants more and nothing starts: its status holds what it saw of both metrics at each
look. A decision is the first look after a step at which a metric is above its target by more than the tolerance.

    python tests/bench/decision.py [REPORT]      as root, a quarter of an hour and a site's making; or a report that there is

A cycle of two halves is no multiple of the 15 s between looks, so that steps fall anywhere between two.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from run import ROOT  # isort: skip
from on_sandbox import play

Json = dict[str, Any]
REPORTS = ROOT / "reports/decision"
STEPS, HALF = 10, 49
LOW, HIGH = 3, 18
"""Requests a second: a sixth of what one replica carries, and all of it."""
TARGETS = {"cpu": 60.0, "in-flight": 1.5}
TOLERANCE = 0.1
SITE: Json = {
    "autoscaling_metrics_source": "prometheus",
    "autoscaling_metrics": [{"type": "cpu"}, {"type": "in_flight", "target": TARGETS["in-flight"]}],
    "autoscaling_target_cpu_percent": int(TARGETS["cpu"]),
    "autoscaling_average_seconds": 15,
    "autoscaling_max_replicas": 1,
    "autoscaling_prometheus_image": "sandbox.local/prometheus:2.53",
    "autoscaling_adapter_image": "sandbox.local/prometheus-adapter:0.12.0",
    "loadtest_reports_dir": str(REPORTS),
    "loadtest_worker_cpu": "150m",
    "loadtest_settle_timeout": 1,
    "loadtest_slo": ["requests >= 1000"],
    "loadtest_shape": {
        "kind": "stages", "model": "open", "arrivals": "poisson", "start": LOW,
        "stages": [
            stage
            for _ in range(STEPS)
            for stage in ({"duration": f"{HALF}s", "target": LOW}, {"duration": "0s", "target": HIGH},
                          {"duration": f"{HALF}s", "target": HIGH}, {"duration": "0s", "target": LOW})
        ],
    },
}  # fmt: skip


def decisions(looks: list[Json], metrics: list[str], began: float) -> dict[str, list[float]]:
    """Seconds from each step to the first look that asks for more, by each metric; steps without one are left out."""
    found: dict[str, list[float]] = {name: [] for name in TARGETS}
    for step in range(STEPS):
        due = began + HALF * (2 * step + 1)
        for name, target in TARGETS.items():
            column = next(index for index, metric in enumerate(metrics) if name in metric)
            above = (
                look["t"] - due
                for look in looks
                if due <= look["t"] < due + HALF and (look["values"][column] or 0) > target * (1 + TOLERANCE)
            )
            found[name] += [seconds for seconds in [next(above, None)] if seconds is not None]
    return found


def main() -> int:
    """With a report's file, what it says; otherwise a run."""
    if len(sys.argv) > 1:
        return show(Path(sys.argv[1]))
    os.environ["MLOPS_TFSERVING_SANDBOX_METRICS"] = "1"
    subprocess.run([sys.executable, "-m", "sandbox", "up"], cwd=ROOT, check=True)
    for name in ("site.yml", "playbooks/loadtest.yml"):
        play(name, "-e", json.dumps(SITE))  # One that fails ends here, and no earlier run is taken for it.
    return show(REPORTS / "latest/report.json")


def show(file: Path) -> int:
    report = json.loads(file.read_text())
    scaling = report["scaling"]
    found = decisions(scaling["looks"]["all"], [one["name"] for one in scaling["metrics"]], report["began"])
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    for name, seconds in found.items():
        told = " ".join(f"{one:.1f}" for one in seconds)
        print(f"{name}: {medians[name]:.1f} s (median of {len(seconds)}): {told}")
    print(f"ratio {medians['in-flight'] / medians['cpu']:.2f} (asked: 0.6)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
