"""What a load test costs the controller: watching a hundred pods, and the report of a very large run.

The API server is played by a process of its own, at the pace of a busy cluster: every pod's status changes every
ten seconds, events come with it, the HPA's status every 15 s as in Kubernetes; and each pod shows TF Serving's metrics.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.counters import Counters
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.figures import draw_all, for_page
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.pages import render
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import Timeline
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.watch import (
    follow,
    followers,
)
from run import ROOT, entry

sys.path.insert(0, str(ROOT / "tests/unit/loadtest"))

from story import big

PODS, SECONDS = 100, 30
CORE_PERCENT, REPORT_SECONDS = 2.0, 10.0
"""Of one core; and of CPU, from the timeline to page and figures."""


def measure() -> list[dict[str, Any]]:
    return [watching(), reporting()]


def watching() -> dict[str, Any]:
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "servers/busy_cluster.py"), str(PODS)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        kubeconfig = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "c", "user": {}}],
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            percent = percent_of_a_core(KubeClient(kubeconfig), Path(folder) / "timeline.jsonl")
    finally:
        server.kill()
        server.wait()
    return entry(f"watching {PODS} pods", percent, "% of a core", CORE_PERCENT)


def percent_of_a_core(client: KubeClient, path: Path) -> float:
    timeline, stop = Timeline(path), threading.Event()
    threads = follow(followers(client, timeline, "n", "m"), stop, 30)
    counters = Counters(client, timeline, "n", "m")
    threads.append(threading.Thread(target=counters.run, args=(stop,), daemon=True))
    threads[-1].start()
    time.sleep(2)
    spent, begun, lines = time.process_time(), time.monotonic(), len(timeline.events)
    time.sleep(SECONDS)
    percent = 100 * (time.process_time() - spent) / (time.monotonic() - begun)
    stop.set()
    assert len(timeline.events) - lines > PODS, "what happened was not seen"
    return percent


def reporting() -> dict[str, Any]:
    events = json.loads(json.dumps(big(1000, 300).events))
    begun = time.process_time()
    report = analyse(events, slo=["p95_ms <= 300", "failed == 0"], workers=2, users=60, environment={})
    figures = {name: for_page(svg, name) for name, (_, svg) in draw_all(events, report).items()}
    render(report, figures, "run", ["junit.xml"])
    return entry("report of 1,000 pods and 300 nodes", time.process_time() - begun, "s", REPORT_SECONDS)
