"""A real API server and Google's emulated APIs, each at the end of a way that can be unlucky."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from way import Way

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]
MODELS = ROOT / "tests/unit/saved_model/models"


@dataclass
class Place:
    """Where playbooks are run: the two services, and the ways to them."""

    folder: Path
    kubernetes: Way
    google: Way
    client: KubeClient

    def play(self, site: str, playbook: str, variables: Json) -> tuple[int, list[list[str]], str]:
        """Exit code, what became of each task, and the output, of a playbook for one site."""
        record = self.folder / "record.jsonl"
        record.write_text("")
        given = {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable,
            "gcp_project": "sandbox-project", "gcp_auth_kind": "serviceaccount",
            "gcp_service_account_file": str(self.folder / "google/key.json"),
            "storage_api_endpoint": self.google.url, "cluster_api_endpoint": self.google.url,
            "preflight_api_endpoint": self.google.url,
            "storage_bucket": f"models-{site}", "storage_model_source": str(MODELS / "good"),
            "cluster_name": site, "cluster_location": "us-central1-f",
            "cluster_existing_kubeconfig": str(self.folder / "kubeconfig"),
            "serving_namespace": site, "serving_service_type": "ClusterIP", "autoscaling_wait_timeout": 0,
            "serving_gate_slowdown": 1000,  # how fast this machine answers at the moment is not what is tried

            "serving_golden": [{"name": "the version", "instances": [0], "expect": [1]}],
        }  # fmt: skip
        inventory = {"tfserving": {"hosts": {"transient": given}}}
        (self.folder / "variables.json").write_text(json.dumps(variables))
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.folder / "hosts.yml"), "-e", f"@{self.folder / 'variables.json'}", playbook],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=1500,
            env={
                **os.environ, "RECORDED": str(record), "ANSIBLE_CALLBACKS_ENABLED": "recorded",
                "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback_plugins"),
            },
        )  # fmt: skip
        tasks = [json.loads(line) for line in record.read_text().splitlines()]
        return done.returncode, tasks, done.stdout + done.stderr


@contextmanager
def opened(folder: Path) -> Iterator[Place]:
    started = [_started(folder / "kubernetes", "kubernetes_api"), _started(folder / "google", "google_apis")]
    try:
        _ready(started[0], folder / "kubernetes/kubernetes_api.json")
        url = _ready(started[1], folder / "google/google_apis.json")["url"]
        config = json.loads((folder / "kubernetes/kubeconfig").read_text())
        cluster = config["clusters"][0]["cluster"]
        ways = Way(cluster["server"], cluster["certificate-authority"]), Way(url)
        client = KubeClient(config)
        with ways[0].open(), ways[1].open():
            config["clusters"][0]["cluster"] = {"server": ways[0].url}
            (folder / "kubeconfig").write_text(json.dumps(config))
            yield Place(folder, *ways, client)
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)


def _started(folder: Path, program: str) -> subprocess.Popen[bytes]:
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, str(ROOT / f"molecule/resources/{program}.py"), str(folder)],
            stdout=log,
            stderr=log,
        )


def _ready(process: subprocess.Popen[bytes], file: Path) -> Json:
    deadline = time.monotonic() + 300
    while not file.exists():
        assert process.poll() is None and time.monotonic() < deadline, (file.parent / "log").read_text()
        time.sleep(0.2)
    return dict(json.loads(file.read_text()))
