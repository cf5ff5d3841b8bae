"""The lab's HPA and better settings under the same loads on the sandbox, each run beside its bound and what a what-if said of it.

``record`` runs them, an hour or two (as root); ``table`` reads the runs again. TRACES names a folder with recorded requests:
conversation.csv and code.csv, moments in the first column.

Nodes stay as they are, so that what is compared is the HPA and the balancing. A what-if is made from another run than the one it
is held against: the lab's first, or, of balanced replicas, the first with balancing, since no simulation knows it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from run import ROOT  # isort: skip
import on_sandbox
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.schema import Best
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import plan, read_shape
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import read
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.judged import best
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.measured import Measured, measured
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.settings import setting
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.whatif import load_of_plan, what_if

from tests.drills.drill import KUBECONFIG, Cluster

Json = dict[str, Any]
REPORTS = ROOT / "reports/against-the-lab"
NAMESPACE, NAME = "tfserving", "image-classifier"
LIMIT_MS = 300
QUICKER = {"autoscaling_scale_down_stabilization_seconds": 60, "autoscaling_tolerance_up": 0}
LAB: Json = {
    "autoscaling_target_cpu_percent": 60,
    "autoscaling_scale_down_stabilization_seconds": 300,
    "autoscaling_tolerance_up": 0.1,
}
BY_REQUESTS: Json = {
    "autoscaling_metrics_source": "prometheus",
    "autoscaling_metrics": [{"type": "cpu"}, {"type": "requests", "target": 10}],
    "autoscaling_target_cpu_percent": 90,
    "autoscaling_prometheus_image": "sandbox.local/prometheus:2.53",
    "autoscaling_adapter_image": "sandbox.local/prometheus-adapter:0.12.0",
}
"""Three fifths of what a replica carries within the limit; its CPU only says no more than it may once that is reached."""
SETTINGS: dict[str, tuple[Json, str]] = {
    "lab": (LAB, "connection"),
    "settings": ({"autoscaling_target_cpu_percent": 65, **QUICKER}, "connection"),
    "balanced": ({"autoscaling_target_cpu_percent": 80, **QUICKER}, "least_requests"),
    "requests": ({**BY_REQUESTS, **QUICKER}, "least_requests"),
}
"""Of the autoscaling role, and by what requests are balanced."""
SITE: Json = {
    "cluster_node_pools": [{
        "name": "default-pool", "machine_type": "e2-medium", "initial_node_count": 3,
        "autoscaling": {"enabled": True, "min_node_count": 3, "max_node_count": 3},
    }],
    "autoscaling_max_replicas": 5,
    "serving_proxy_memory": "160Mi",
    "serving_client_requests": 0,
    "loadtest_worker_cpu": "150m",
    "loadtest_settle_timeout": 1,
    "loadtest_slo": [f"p95_ms <= {LIMIT_MS}"],
}  # fmt: skip
OPEN = {"model": "open", "arrivals": "poisson"}


def shapes(traces: Path) -> dict[str, Json]:
    """Up to what four replicas carry at 60 %; ``slow`` is a sine that the HPA can follow, the others change faster than a replica starts."""
    recorded = {"kind": "replay", "model": "open"}
    return {
        "slow": {"kind": "sine", **OPEN, "low": 4, "high": 40, "period": 400, "periods": 2},
        "sine": {"kind": "sine", **OPEN, "low": 4, "high": 40, "period": 150, "periods": 2},
        "conversation": {**recorded, "file": str(traces / "conversation.csv"), "speed": 5},
        "steps": {"kind": "steps", **OPEN, "max_steps": 6, "step_time": 45, "step_load": 6, "ramp_down": 60},
        "spike": {"kind": "spike", **OPEN, "base": 8, "peak": 36, "before": 80, "duration": 60, "after": 160},
        "code": {**recorded, "file": str(traces / "code.csv"), "speed": 4},
    }


def record(wanted: list[str], traces: Path, deadline: float) -> None:
    """Runs SHAPE/SETTINGS, as far as one more may be expected to end before ``deadline`` (seconds since 1970)."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    if not all(map(_by_cpu, wanted)):
        os.environ["MLOPS_TFSERVING_SANDBOX_METRICS"] = "1"
    subprocess.run([sys.executable, "-m", "sandbox", "up"], cwd=ROOT, check=True)
    play("site.yml", {"loadtest_enabled": False})
    cluster = Cluster(KUBECONFIG, NAMESPACE)
    balancing = None
    for each in wanted:
        shape, name = each.split("/")
        if time.time() + 480 > deadline:
            print(f"{each}: no time left")
            continue
        settings, balance = SETTINGS[name]
        one_replica(cluster)
        if balance != balancing:
            play("playbooks/serving.yml", {"serving_balancing": balance})
            balancing = balance
        play("playbooks/autoscaling.yml", settings)
        print(f"{each}: {loaded(shapes(traces)[shape], REPORTS / f'{shape}.{name}')}", flush=True)


def loaded(shape: Json, target: Path) -> str:
    """Runs a load test into an empty folder, so that no earlier run is taken for it; its verdict, or why there is none."""
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=REPORTS) as folder:
        failure = ""
        try:
            play("playbooks/loadtest.yml", {"loadtest_shape": shape, "loadtest_reports_dir": folder})
        except RuntimeError as error:  # So does one whose limits do not hold.
            failure = str(error)
        made = Path(folder) / "latest"
        if not (made / "report.json").exists():
            return f"no report: {failure[-2000:]}"
        shutil.copytree(made.resolve(), target)
    return verdict(target)


def one_replica(cluster: Cluster) -> None:
    """As a night leaves it; what the HPA remembers of the run before is older than its look at the next."""
    cluster.replicas_between(NAME, 1, 1)
    cluster.wait_for_replicas(NAME, 1)
    time.sleep(20)


def play(name: str, variables: Json) -> None:
    on_sandbox.play(name, "-e", json.dumps({**SITE, **variables}))


def report(folder: Path) -> Json:
    return dict(json.loads((folder / "report.json").read_text()))


def verdict(folder: Path) -> str:
    found = report(folder)
    ratio = found["scaling"]["best"]["ratio"]
    return f"{found['verdict']}: {found['requests']['total']} requests, {found['requests']['failed']} failed, best {ratio}"


def told(source: Measured, of: Measured, shape: Json, settings: Json) -> Json:
    """What a what-if, made of one run, says of settings under a load, over the seconds that another run took."""
    load = load_of_plan(plan(read_shape(shape)), source)
    seconds = len(of.actual.ready)
    found = what_if(
        source, setting({"name": "as it was"}, source), [setting(settings, source)], load, seconds=seconds
    )
    outcome, likely = found.rows[0].outcome, found.rows[0].likely
    return {
        "replicas": outcome.replica_seconds / seconds, "in_time": 100 * outcome.attained,
        "in_time_likely": [100 * likely.attained.low, 100 * likely.attained.high],
    }  # fmt: skip


def table(traces: Path) -> list[Json]:
    """A row a run: what it took, the bound, and what a what-if of another run says of it."""
    recorded = {
        folder.name: read(folder / "timeline.jsonl")
        for shape in shapes(traces)
        for name in SETTINGS
        if ((folder := REPORTS / f"{shape}.{name}") / "report.json").exists()
    }
    slo = SITE["loadtest_slo"]
    runs = {key: measured(events, slo) for key, events in recorded.items()}
    bests = {key: best(events, slo) for key, events in recorded.items()}
    rows = []
    for key, run in runs.items():
        shape, name = key.split(".")
        settings, balance = SETTINGS[name]
        alike = [
            other
            for other in runs
            if SETTINGS[other.split(".")[1]][1] == balance and other != key and _by_cpu(other)
        ]
        alike = alike if _by_cpu(key) else []
        own, lab = bests[key], bests.get(f"{shape}.lab")
        rows.append({
            "run": key, "replicas": run.actual.replica_seconds / len(run.actual.ready), "in_time": 100 * run.actual.attained,
            "best": own["ratio"], "of_lab": _of(own, lab),
            "gap": _gap(own, lab), "from": alike[0] if alike else "",
            **({f"told_{k}": v for k, v in told(runs[alike[0]], run, shapes(traces)[shape], settings).items()} if alike else {}),
        })  # fmt: skip
    return rows


def _of(own: Best, lab: Best | None) -> float | None:
    taken, mine = (lab and lab["replica_seconds"]), own["replica_seconds"]
    return mine / taken if taken and mine is not None else None


def _by_cpu(run: str) -> bool:
    """Whether its HPA goes by CPU alone: then it can be simulated, and needs no source of metrics. ``run``: SHAPE/SETTINGS, or its folder."""
    return "autoscaling_metrics" not in SETTINGS[run.replace("/", ".").split(".")[1]][0]


def _gap(own: Best, lab: Best | None) -> float | None:
    """The share of the way from the lab's replica-seconds to the bound that these settings went."""
    taken, mine, bound = (lab and lab["replica_seconds"]), own["replica_seconds"], (lab and lab["bound"])
    if taken is None or mine is None or bound is None or taken == bound:
        return None
    return (taken - mine) / (taken - bound)


def words(row: Json) -> str:
    said = (
        f"{row['told_replicas']:.2f} ({100 * (row['told_replicas'] / row['replicas'] - 1):+.1f} %), {row['told_in_time']:.1f} % ({row['told_in_time'] - row['in_time']:+.1f}; likely {row['told_in_time_likely'][0]:.1f} to {row['told_in_time_likely'][1]:.1f})"
        if "told_replicas" in row
        else "-"
    )
    lab = "-" if row["of_lab"] is None else f"{row['of_lab']:.2f}"
    return f"{row['run']:24} {row['replicas']:.2f} replicas, {row['in_time']:.1f} % in time, {row['best']} × bound, {lab} of the lab's; what-if from {row['from']}: {said}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["record", "table"])
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--deadline", type=float, default=float("inf"))
    parser.add_argument("--traces", type=Path, default=Path(os.environ.get("TRACES", ".")))
    given = parser.parse_args()
    traces = given.traces.resolve()
    if given.what == "record":
        every = [f"{shape}/{name}" for shape in shapes(traces) for name in SETTINGS]
        record(given.runs or every, traces, given.deadline)
    for row in table(traces):
        print(words(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
