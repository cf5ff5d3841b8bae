"""The liveness probe's own script, run by bash against servers that answer, compute, or do neither."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serving_role import container, evaluate, pod_of


@contextmanager
def listening(*, answers: bool) -> Iterator[int]:
    """A port that takes connections, as the kernel does for a server that is busy or hung."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 503 Not Ready\r\n\r\n")
            connection.close()

        if answers:
            threading.Thread(target=serve, daemon=True).start()
        yield int(server.getsockname()[1])


def probe(port: int, usage: Path) -> int:
    script = evaluate("serving_liveness_probe").replace("/18501", f"/{port}").replace("-t 20", "-t 1")
    return subprocess.run(["bash", "-c", script, "probe", str(usage)], check=False, timeout=60).returncode


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    """The container's processor time, as cgroup v2 tells it; nothing changes it."""
    file = tmp_path / "cpu.stat"
    file.write_text("usage_usec 1000000\nuser_usec 900000\n")
    return file


def test_what_answers_is_alive_whatever_it_says(usage: Path) -> None:
    with listening(answers=True) as port:
        assert probe(port, usage) == 0


def test_what_neither_answers_nor_computes_is_hung(usage: Path) -> None:
    with listening(answers=False) as port:
        assert probe(port, usage) == 1
    assert probe(port, usage) == 1, "nothing listens any more"


def test_what_is_too_busy_to_answer_is_left_alone(usage: Path) -> None:
    done = threading.Event()

    def work() -> None:
        for spent in range(1_000_000, 100_000_000, 100_000):
            usage.with_suffix(".new").write_text(f"usage_usec {spent}\n")
            usage.with_suffix(".new").replace(usage)
            if done.wait(0.05):
                return

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with listening(answers=False) as port:
            assert probe(port, usage) == 0
    finally:
        done.set()
        worker.join()


def test_where_the_work_can_not_be_seen_nothing_is_ended(tmp_path: Path) -> None:
    with listening(answers=False) as port:
        assert probe(port, tmp_path / "none") == 0


def test_the_probe_is_over_before_kubernetes_ends_it() -> None:
    """An end by Kubernetes' own deadline counts as a failure, also of a server that is only slow."""
    found = container(pod_of(), "tfserving")["livenessProbe"]
    assert found["timeoutSeconds"] > 20 + 1
    assert found["timeoutSeconds"] * found["failureThreshold"] >= 300
    started = time.monotonic()
    assert subprocess.run(["bash", "-n", "-c", found["exec"]["command"][2]], check=False).returncode == 0
    assert time.monotonic() - started < found["timeoutSeconds"]
