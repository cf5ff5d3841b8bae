"""How long the cluster role takes to find that nothing has to be done, next to gcloud reading the same.

Both ask the emulated GKE API on this machine, whose cluster has no nodes: what is measured is the client.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from emulator import PROJECT, ZONE, Emulator
from run import ROOT, entry

LIMIT_SECONDS = 2.5
"""Wall time on two cores, the start of Ansible included."""

RUNS = 5

PLAY = """
- hosts: all
  gather_facts: false
  roles:
    - mlops.tfserving.cluster
  vars:
    cluster_name: c
    cluster_location: {zone}
    cluster_api_endpoint: {url}
    cluster_kubeconfig_path: {folder}/kubeconfig
    cluster_node_pools:
      - name: default-pool
        machine_type: e2-small
        initial_node_count: 1
        autoscaling: {{min_node_count: 1, max_node_count: 3}}
"""


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """Wall seconds and output of a command that must succeed."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} exited {done.returncode}:\n{done.stdout}")
    return time.monotonic() - started, done.stdout


def measure() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(Path(folder) / "gcs")
        with emulator.served() as url:
            ours = median_of_role(emulator, url, Path(folder))
            peer = median_of_gcloud(emulator, url, Path(folder))
    name = "cluster role, nothing to do"
    return [entry(name, ours, "s", LIMIT_SECONDS, "gcloud clusters describe + node-pools list", peer)]


def median_of_role(emulator: Emulator, url: str, folder: Path) -> float:
    play = folder / "play.yml"
    play.write_text(PLAY.format(zone=ZONE, url=url, folder=folder))
    environment = {
        **os.environ, "GCP_PROJECT": PROJECT, "GCP_AUTH_KIND": "accesstoken", "GCP_ACCESS_TOKEN": emulator.token,
    }  # fmt: skip
    command = [".venv/bin/ansible-playbook", "-i", "localhost,", "-c", "local", str(play)]
    command += ["-e", f"ansible_python_interpreter={ROOT}/.venv/bin/python"]
    timed(command, environment)  # Creates the cluster, and warms caches.
    seconds = []
    for _ in range(RUNS):
        took, output = timed(command, environment)
        if "changed=0" not in output:
            raise RuntimeError(f"There was something to do:\n{output}")
        seconds.append(took)
    return statistics.median(seconds)


def median_of_gcloud(emulator: Emulator, url: str, folder: Path) -> float | None:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        return None
    token = folder / "token"
    token.write_text(emulator.token)
    environment = {
        **os.environ, "CLOUDSDK_CONFIG": str(folder / "gcloud"), "CLOUDSDK_CORE_PROJECT": PROJECT,
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token), "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER": f"{url}/",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
    }  # fmt: skip
    describe = [gcloud, "container", "clusters", "describe", "c", "--zone", ZONE, "--format", "json"]
    pools = [gcloud, "container", "node-pools", "list", "--cluster", "c", "--zone", ZONE, "--format", "json"]
    try:
        timed(describe, environment)
    except RuntimeError as error:
        print(f"gcloud is not measured: {str(error).splitlines()[-1]}")
        return None
    seconds = []
    for _ in range(RUNS):
        first, shown = timed(describe, environment)
        second, listed = timed(pools, environment)
        if json.loads(shown)["name"] != "c" or len(json.loads(listed)) != 1:
            raise RuntimeError("gcloud read something else")
        seconds.append(first + second)
    return statistics.median(seconds)
