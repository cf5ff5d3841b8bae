"""When a run is killed, what it was doing in Ansible's own process ends, too."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from unlucky import Unlucky

ROOT = Path(__file__).resolve().parents[3]
QUIET_SECONDS = 4
KINDS = {"kind": "APIResourceList", "resources": [{"name": "pods", "kind": "Pod", "namespaced": True}]}
NEVER_READY = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}


def answer(method: str, path: str, query: Any, body: bytes) -> tuple[int, Any]:
    return 200, KINDS if path == "/api/v1" else NEVER_READY


def test_a_module_ends_when_its_run_is_killed(tmp_path: Path) -> None:
    """It asks each second, for ten minutes if nobody ends it."""
    with Unlucky(answer, "reset", 0).served() as server:
        (tmp_path / "config").write_text(yaml.safe_dump(server.kubeconfig))
        wait = {
            "kind": "Pod",
            "namespace": "n",
            "name": "p",
            "condition": "Ready",
            "timeout": 600,
            "kubeconfig": "config",
        }
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": [{"mlops.tfserving.k8s_objects_info": wait}],
        }
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        run = subprocess.Popen(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", "play.yml"],
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")},
        )  # fmt: skip

        def asked() -> int:
            return sum(server.asked.values())

        deadline = time.monotonic() + 300
        while asked() < 4:
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        run.kill()
        run.wait()
        deadline = time.monotonic() + 60
        while True:
            before = asked()
            time.sleep(QUIET_SECONDS)
            if asked() == before:
                break
            assert time.monotonic() < deadline, "it goes on"
