"""What looking at a site costs: status beside kubectl, and reading a pod's metrics. Measured with the site of ``on_sandbox``."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.quantities import quantity
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.runtime import TF_SERVING
from run import entry

from sandbox.build import build_kubectl
from tests.drills.drill import KUBECONFIG

Json = dict[str, Any]
RUNS = 5
SCRAPES, SECONDS = 60, 30
INTERVAL = 15
"""The role's monitoring_interval_seconds."""
KINDS = "nodes,pods,services,deployments.apps,horizontalpodautoscalers.v2.autoscaling"
"""What site_status_info lists: plugins/module_utils/status/look.py."""


def status_time(play: Callable[[str], float], bare: str, namespace: str = "tfserving") -> list[Json]:
    """In turns with a play without tasks (``bare``) and one ``kubectl get``. ``play``: runs a playbook; its seconds."""
    command = [
        str(build_kubectl(print)), "--kubeconfig", str(KUBECONFIG), "-n", namespace, "get", KINDS, "-o", "json"
    ]  # fmt: skip
    took: dict[str, list[float]] = {"status": [], "start": [], "get": []}
    for _ in range(RUNS):
        took["status"].append(play("playbooks/status.yml"))
        took["start"].append(play(bare))
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        took["get"].append(time.monotonic() - began)
    found = {name: statistics.median(seconds) for name, seconds in took.items()}
    both = found["start"] + found["get"]
    return [
        entry("playbooks/status.yml", found["status"], "s", 1.2 * both, "a play without tasks, and kubectl get", both),
        entry("playbooks/status.yml, against a play without tasks and kubectl get", found["status"] / both, "ratio", 1.2),
    ]  # fmt: skip


def scraping(namespace: str, name: str) -> Json:
    """CPU that a pod takes for being read every ``INTERVAL`` seconds, of what it requests: with many looks, and without."""
    api = KubeClient(str(KUBECONFIG))
    pod = api.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"app={name}")["items"][0]
    requests = [one["resources"]["requests"]["cpu"] for one in pod["spec"]["containers"]]
    requested = sum(float(quantity(one)) for one in requests)
    proxy = f"/api/v1/namespaces/{namespace}/pods/http:{pod['metadata']['name']}:8404/proxy"
    folder = cgroup(pod["metadata"]["uid"])
    each = []
    for _ in range(RUNS):
        used = []
        for looks in (0, SCRAPES):
            before, ends = cpu_seconds(folder), time.monotonic() + SECONDS
            for number in range(looks):
                for path in ("/metrics", TF_SERVING.metrics_path):
                    status, _, body = api.raw("GET", proxy + path)
                    if status != 200:
                        raise RuntimeError(f"{path}: {status} {body!r:.200}")
                time.sleep(max(0.0, ends - time.monotonic() - SECONDS * (1 - (number + 1) / looks)))
            time.sleep(max(0.0, ends - time.monotonic()))
            used.append(cpu_seconds(folder) - before)
        each.append((used[1] - used[0]) / SCRAPES)
    percent = 100 * statistics.median(each) / INTERVAL / requested
    return entry("monitoring: CPU for being read, of what a pod requests", percent, "%", 1)


def cgroup(uid: str) -> Path:
    """A pod's, of either version of cgroups."""
    return next(
        path
        for root in ("cpu,cpuacct", "cpuacct", ".")
        for path in (Path("/sys/fs/cgroup") / root).glob(f"**/pod{uid}")
        if (path / "cpuacct.usage").exists() or (path / "cpu.stat").exists()
    )


def cpu_seconds(cgroup: Path) -> float:
    if (cgroup / "cpuacct.usage").exists():
        return int((cgroup / "cpuacct.usage").read_text()) / 1e9
    return int((cgroup / "cpu.stat").read_text().split()[1]) / 1e6
