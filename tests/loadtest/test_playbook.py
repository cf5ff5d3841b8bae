"""locust_run and scaling_report in a playbook, against Locust for real: to the end, interrupted, killed."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import plan
from fake_kube import FakeKube
from loopback import ROOT, Cluster, ModelServer, cluster, config

from tests.loadtest import published

SHORT = {"max_steps": 2, "step_time": 4, "step_load": 2, "spawn_rate": 4, "ramp_down": 2}
LONG = {"kind": "constant", "level": 4, "duration": 90}


class Play:
    """A playbook that loads the server and reports."""

    def __init__(self, folder: Path, shape: dict[str, Any], made: Cluster, kube: FakeKube) -> None:
        self.folder, self.cluster = folder, made
        run = {
            "namespace": "n", "service": "locust", "run": "r", "workers": 2, "deployment": "m", "kubeconfig": kube.kubeconfig,
            "reports_dir": str(folder / "reports"), "load_timeout": 150, "plan": plan(shape).as_json(),
            "settle_timeout": 30,
        }  # fmt: skip
        report = {
            "run_dir": "{{ run.run_dir }}", "workers": 2, "users": plan(shape).users,
            "slo": ["requests >= 10", "failed == 0"],
        }  # fmt: skip
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": [
                {"name": "Run", "mlops.tfserving.locust_run": run, "register": "run"},
                {"name": "Report", "mlops.tfserving.scaling_report": report},
            ],
        }
        (folder / "play.yml").write_text(yaml.safe_dump([play]))

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local",
             "-e", f"ansible_python_interpreter={sys.executable}", str(self.folder / "play.yml")],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "0"},
        )  # fmt: skip


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def prepare(stack: ExitStack, folder: Path, shape: dict[str, Any]) -> tuple[Play, ModelServer]:
    server = ModelServer()
    stack.callback(server.close)
    made = stack.enter_context(cluster(folder, config(shape, dead_man_seconds=60), server.url))
    kube = FakeKube(made.web)
    stack.callback(kube.close)
    return Play(folder, shape, made, kube), server


def test_a_playbook_loads_shows_progress_and_reports(stack: ExitStack, tmp_path: Path) -> None:
    # As long as a busy machine needs to draw a page or two.
    play, server = prepare(stack, tmp_path, {**SHORT, "step_time": 12})
    # Beside answers as slow as a model's, a machine that wakes up late is not what was measured.
    server.delay = lambda number: 0.6
    process = play.start()
    page, seen = tmp_path / "reports/latest/report.html", []
    while process.poll() is None:
        if page.exists():
            seen.append(page.read_text())
            assert seen[-1].endswith("</html>"), "half a page"
        time.sleep(0.2)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    titles = [one.partition("<title>")[2].partition("</title>")[0] for one in seen]
    states = [title for title, _same in itertools.groupby(titles)]
    # The report itself may be there only after the last look.
    assert states[:2] == ["Load test r: running", "Load test r: ended"]
    assert any("Now: " in one and "failed</span>" in one for one in seen), "the page did not fill"
    assert "<title>Load test r: pass</title>" in page.read_text()
    assert 'http-equiv="refresh"' not in page.read_text()
    assert "requests/s p95" in output, "progress is on the terminal"
    folder = tmp_path / "reports/r"
    report = json.loads((folder / "report.json").read_text())
    assert (report["verdict"], report["requests"]["total"]) == ("pass", server.count)
    for name in (
        "report.html", "junit.xml", "timeline.png", "locust.html", "stats.csv", "figures/timeline.svg",
        "figures/timeline.png", "../index.html",
    ):  # fmt: skip
        assert (folder / name).stat().st_size > 0, name
    assert (tmp_path / "reports/latest").resolve() == folder
    assert published.of_run(folder) == []


@pytest.mark.parametrize("killed", [False, True])
def test_a_playbook_that_is_interrupted_or_killed_leaves_no_load(
    stack: ExitStack, tmp_path: Path, killed: bool
) -> None:
    play, server = prepare(stack, tmp_path, LONG)
    process = play.start()
    deadline = time.monotonic() + 120
    while server.count < 100:
        assert time.monotonic() < deadline, "no load came"
        time.sleep(0.2)
    if killed:
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGINT)
    process.wait(90)
    stopped = time.monotonic()
    before = -1
    while server.count != before:
        assert time.monotonic() < stopped + 40, "the load goes on although the playbook is gone"
        before = server.count
        time.sleep(2)
    timeline = tmp_path / "reports/r/timeline.jsonl"
    while "is gone" not in timeline.read_text() and "interrupted" not in timeline.read_text():
        assert time.monotonic() < stopped + 90, "why the load was stopped is not written down"
        time.sleep(0.5)
    deadline = time.monotonic() + 90
    while not (tmp_path / "reports/r/locust.html").exists():
        assert time.monotonic() < deadline, "results were not brought home"
        time.sleep(0.5)
    page = tmp_path / "reports/latest/report.html"
    while not page.exists() or "<title>Load test r: ended</title>" not in page.read_text():
        assert time.monotonic() < deadline, "the page says that the run goes on"
        time.sleep(0.5)
    assert not (page.parent / "report.json").exists()
    last = [json.loads(line) for line in timeline.read_text().splitlines()]
    assert max(event["requests"] for event in last if event["kind"] == "load") == server.count
