"""Locust for real on loopback: a master and workers as processes, a model server, and the API server's proxy."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import plan

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "roles/loadtest/files"
UTILS = ROOT / "plugins/module_utils"
STARVED = ("starved of CPU", "one said nothing for", "users were reached", "the schedule was not kept")
"""What is said of workers that get no CPU. That a sound run passes for good is seen with a slow server, in
test_playbook.py."""

GOOD = b'{"predictions": [1]}'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that are killed in the middle of a request."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class ModelServer:
    """Answers every POST; counts what it answered, on its own clock."""

    def __init__(self) -> None:
        self.answer: Callable[[int], tuple[int, bytes]] = lambda number: (200, GOOD)
        self.delay: Callable[[int], float] = lambda number: 0.0
        self.drip: Callable[[int], float] = lambda number: 0.0
        """Seconds from each byte of an answer to the next."""
        self.count = 0
        self.connections = self.open = 0
        self.took: list[float] = []
        self.bodies: dict[bytes, int] = {}
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                with owner._lock:
                    owner.connections += 1
                    owner.open += 1

            def finish(self) -> None:
                super().finish()
                with owner._lock:
                    owner.open -= 1

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                begun = time.perf_counter()
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with owner._lock:
                    number, owner.count = owner.count, owner.count + 1
                    owner.bodies[body] = owner.bodies.get(body, 0) + 1
                time.sleep(owner.delay(number))
                status, content = owner.answer(number)
                if not status:  # it goes away instead
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                pause = owner.drip(number)
                for part in [content[n : n + 1] for n in range(len(content))] if pause else [content]:
                    self.wfile.write(part)
                    time.sleep(pause)
                owner.took.append(1000 * (time.perf_counter() - begun))

            def log_message(self, *_: Any) -> None:
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Proxy:
    """What `Locust` needs of a `KubeApi`: the path behind ``/proxy``, on loopback."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cut = False

    def raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        if self.cut:
            raise KubeError(0, "NoAnswer", "the API server is not reachable")
        url = f"http://127.0.0.1:{self.port}{path.partition('/proxy')[2]}"
        try:
            answer = requests.request(
                method, url, params=dict(query or {}), data=body, headers=dict(headers or {}), timeout=timeout
            )
        except requests.RequestException as error:
            return 503, {}, str(error).encode()
        return answer.status_code, {}, answer.content


class Cluster:
    """A Locust master and its workers."""

    def __init__(self, folder: Path, config: dict[str, Any], host: str, more_code: str) -> None:
        self.folder, self._host = folder, host
        self.web, self.port = free_port(), free_port()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.proxy = Proxy(self.web)
        self.copy_sources(folder, config)
        with (folder / "locustfile.py").open("a") as file:
            file.write(more_code)
        self.master = self.start_master()

    @staticmethod
    def copy_sources(folder: Path, config: dict[str, Any]) -> None:
        """The files of the ConfigMap."""
        (folder / "config.json").write_text(json.dumps(config))
        for path in FILES.glob("*.py"):
            shutil.copy(path, folder)
        for name in ("loadtest/curve.py", "loadtest/histogram.py", "protos.py"):
            shutil.copy(UTILS / name, folder)

    def start_master(self) -> subprocess.Popen[bytes]:
        return self._run(
            "master", "--master", f"--web-port={self.web}", "--web-host=127.0.0.1",
            "--master-bind-host=127.0.0.1", f"--master-bind-port={self.port}",
        )  # fmt: skip

    def add_workers(self, count: int) -> None:
        for _ in range(count):
            self.workers.append(
                self._run("worker", "--worker", "--master-host=127.0.0.1", f"--master-port={self.port}")
            )

    def _run(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "locust", "-f", str(self.folder / "locustfile.py"),
                 f"--host={self._host}", *arguments],
                cwd=self.folder.parent, stdout=log, stderr=log,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        for process in [*self.workers, self.master]:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


def config(
    shape: dict[str, Any], *, workers: int = 2, bodies: Mapping[str, float] | None = None, **more: Any
) -> dict[str, Any]:
    """config.json as the role makes it. ``bodies``: name and weight of each."""
    files = [
        {"file": f"body-{number}", "name": name, "weight": weight}
        for number, (name, weight) in enumerate((bodies or {"picture": 1}).items())
    ]
    return {
        "path": "/v1/models/m:predict", "protocol": "rest", "grpc_host": "", "grpc_method": "/tensorflow.serving.PredictionService/Predict", "bodies": files,
        "wait_min": 0.02, "wait_max": 0.04, "timeout": 3.0, "requests_per_connection": 10,
        "max_in_flight": 50, "dead_man_seconds": 30, "workers": workers, "seed": 1, "patience": 60, "own": False,
        "plan": plan(shape).as_json(), **more,
    }  # fmt: skip


def passed(report: dict[str, Any]) -> bool:
    """Nothing is wrong with the run, unless this machine itself starved the workers, as a report rightly says."""
    problems = report["generator"]["problems"]
    return all(check["ok"] for check in report["checks"]) and all(
        any(words in problem for words in STARVED) for problem in problems
    )


@contextmanager
def cluster(
    folder: Path, settings: dict[str, Any], host: str, workers: int = 2, more_code: str = ""
) -> Iterator[Cluster]:
    """``more_code``: what the locustfile does besides."""
    for number, body in enumerate(settings["bodies"]):
        path = folder / body["file"]
        if not path.exists():
            path.write_bytes(json.dumps({"signature_name": "s", "instances": [number]}).encode())
    made = Cluster(folder, settings, host, more_code)
    try:
        made.add_workers(workers)
        yield made
    finally:
        made.close()
