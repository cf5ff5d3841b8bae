"""Servers and models for every test that wants one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fixture_models as models
from serving import Server, Start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers, waits until they answer, and ends them with the test."""
    servers: list[Server] = []

    def starter(*flags: str, wait: bool = True, env: dict[str, str] | None = None) -> Server:
        servers.append(Server(tmp_path / f"server{len(servers)}.log", *flags, env=env))
        if wait:
            servers[-1].until(servers[-1].is_up)
        return servers[-1]

    yield starter
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models by name, to be copied or served as they are."""
    folder = tmp_path_factory.mktemp("models")
    models.half_plus(folder / "half" / "1", 2.0)
    models.half_plus(folder / "half" / "2", 3.0)
    models.every_type(folder / "types" / "7")
    models.gate(folder / "gate" / "1")
    return folder


@pytest.fixture(scope="session")
def server(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with all models, for tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "models.config").write_text(
        f"""
        model_config_list {{
          config {{
            name: "m" base_path: "{library}/half" model_platform: "tensorflow"
            model_version_policy {{ all {{}} }}
            version_labels {{ key: "stable" value: 1 }}
            version_labels {{ key: "canary" value: 2 }}
          }}
          config {{ name: "types" base_path: "{library}/types" model_platform: "tensorflow" }}
          config {{ name: "gate" base_path: "{library}/gate" model_platform: "tensorflow" }}
        }}
        """
    )
    (folder / "monitoring.config").write_text('prometheus_config { enable: true path: "/metrics" }')
    running = Server(
        folder / "log",
        f"--model_config_file={folder}/models.config",
        f"--monitoring_config_file={folder}/monitoring.config",
        "--allow_version_labels_for_unavailable_models",
        "--file_system_poll_wait_seconds=0",
        "--rest_api_timeout_in_ms=1000",
        "--rest_api_num_threads=32",
        "--grpc_max_threads=4",
        "--enable_grpc_healthcheck_service",
        "--tensorflow_session_parallelism=1",
    )
    running.until(lambda: running.is_up() and len(running.state()) == 2)
    yield running
    running.close()
