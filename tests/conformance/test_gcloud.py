"""gcloud, as it is, against the emulated GKE. Where gcloud is not installed, there is no such test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "unit"))

from emulator import PROJECT, ZONE, Emulator

WHERE = ("--zone", ZONE)


class Gcloud:
    """Runs commands that have to succeed, and gives back what they print as JSON."""

    def __init__(self, emulator: Emulator, url: str, folder: Path) -> None:
        token = folder / "token"
        token.write_text(emulator.token)
        self.kubeconfig = folder / "kubeconfig"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "KUBECONFIG": str(self.kubeconfig),
            "CLOUDSDK_CONFIG": str(folder / "gcloud"),
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER": f"{url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE": f"{url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{url}/compute/v1/",
        }

    def __call__(self, *words: str) -> Any:
        command = ["gcloud", "container", *words, "--format=json"]
        done = subprocess.run(
            command, check=False, env=self._environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None


def a_life(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path / "gcs")
    with emulator.served() as url:
        gcloud = Gcloud(emulator, url, tmp_path)
        scaled = ("--enable-autoscaling", "--min-nodes", "1", "--max-nodes", "3")
        (made,) = gcloud(
            "clusters", "create", "c", *WHERE, "--num-nodes", "1", "--machine-type", "e2-small", *scaled
        )
        assert (made["status"], made["currentNodeCount"]) == ("RUNNING", 1)
        update = (
            "--node-pool",
            "default-pool",
            "--enable-autoscaling",
            "--min-nodes",
            "1",
            "--max-nodes",
            "4",
        )
        gcloud("clusters", "update", "c", *WHERE, *update)
        gcloud("clusters", "update", "c", *WHERE, "--update-labels", "team=ml")
        gcloud("clusters", "update", "c", *WHERE, "--workload-pool", f"{PROJECT}.svc.id.goog")
        gcloud("clusters", "update", "c", *WHERE, "--maintenance-window", "03:00")
        taints = ("--node-taints", "a=b:NoSchedule", "--spot", "--num-nodes", "2")
        gcloud(
            "node-pools", "create", "more", "--cluster", "c", *WHERE, "--machine-type", "e2-small", *taints
        )
        gcloud("node-pools", "update", "more", "--cluster", "c", *WHERE, "--node-labels", "x=y")
        gcloud("clusters", "resize", "c", "--node-pool", "more", *WHERE, "--num-nodes", "1")
        cluster = gcloud("clusters", "describe", "c", *WHERE)
        pools = {pool["name"]: pool for pool in cluster["nodePools"]}
        assert pools["default-pool"]["autoscaling"]["maxNodeCount"] == 4
        assert pools["more"]["config"]["labels"] == {"x": "y"}
        assert (cluster["resourceLabels"], cluster["currentNodeCount"]) == ({"team": "ml"}, 2)
        gcloud("node-pools", "delete", "more", "--cluster", "c", *WHERE)
        gcloud("clusters", "get-credentials", "c", *WHERE)
        assert "https://198.18.0.2" in gcloud.kubeconfig.read_text()
        gcloud("clusters", "delete", "c", *WHERE)
        assert gcloud("clusters", "list") == []
    assert not emulator.app.broken, "\n".join(emulator.app.broken)


if shutil.which("gcloud"):

    def test_gcloud_runs_a_life(tmp_path: Path) -> None:
        a_life(tmp_path)

    def test_gcloud_makes_an_autopilot_cluster(tmp_path: Path) -> None:
        emulator = Emulator(tmp_path / "gcs")
        with emulator.served() as url:
            gcloud = Gcloud(emulator, url, tmp_path)
            (made,) = gcloud("clusters", "create-auto", "auto", "--region", "us-central1")
            assert made["autopilot"]["enabled"] is True
        assert not emulator.app.broken, "\n".join(emulator.app.broken)
