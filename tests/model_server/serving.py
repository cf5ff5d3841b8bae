"""The stand-in as a process, and what a client needs to talk to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import requests
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

COMMAND = Path(__file__).parents[2] / "sandbox/images/tensorflow-serving/tensorflow_model_server"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(*flags: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """A start that comes to an end by itself."""
    return subprocess.run(
        [sys.executable, str(COMMAND), *flags], capture_output=True, text=True, timeout=timeout, check=False
    )


class Server:
    """A running server and ways to talk to it."""

    def __init__(self, log: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        self.port, self.rest = free_port(), free_port()
        self.log = log
        ports = (f"--port={self.port}", f"--rest_api_port={self.rest}")
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(COMMAND), *ports, *flags],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
            )
        options = [("grpc.max_receive_message_length", -1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}", options)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)
        self.http = requests.Session()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.rest}{path}"

    def get(self, path: str) -> requests.Response:
        return self.http.get(self.url(path), timeout=30)

    def post(self, path: str, body: Any) -> requests.Response:
        kind = "data" if isinstance(body, (str, bytes)) else "json"
        return self.http.post(self.url(path), timeout=30, **{kind: body})

    def predict(self, body: Any, where: str = "m") -> requests.Response:
        return self.post(f"/v1/models/{where}:predict", body)

    def state(self, where: str = "m") -> dict[str, str]:
        """The state of each version."""
        answer = self.get(f"/v1/models/{where}").json()
        return {entry["version"]: entry["state"] for entry in answer.get("model_version_status", ())}

    def is_up(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.rest)) == 0

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def close(self) -> None:
        self.http.close()
        self.channel.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)


Start = Callable[..., Server]
