"""Locust for real, a master and workers as processes: each way in which a run could lie."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import LONG, Driven
from loopback import ModelServer, passed


def test_a_killed_worker_makes_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load = driven(LONG, patience=3)
    load.at(50, load.cluster.workers[0].kill)
    load.enough = lambda loads: loads[-1]["workers"] < 2
    report = load.run()
    assert report["verdict"] == "invalid"
    assert "a worker was lost: 1 of 2" in report["summary"]


def test_all_workers_killed_make_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load = driven(LONG, patience=3)
    load.at(50, lambda: [worker.kill() for worker in load.cluster.workers])
    report = load.run()
    assert report["verdict"] == "invalid", [e for e in load.timeline.events if e["kind"] == "load"]
    assert "when the last worker is gone, Locust stops" in report["summary"]


def test_a_starved_worker_makes_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load, over = driven(LONG), threading.Event()
    load.enough = lambda loads: len(loads) > 8 and loads[-1]["lag_ms"] > 150

    def starve() -> None:
        victim = load.cluster.workers[0].pid
        while not over.is_set():
            os.kill(victim, signal.SIGSTOP)
            over.wait(0.25)
            os.kill(victim, signal.SIGCONT)
            over.wait(0.05)

    thread = threading.Thread(target=starve)
    load.at(20, thread.start)
    try:
        report = load.run()
    finally:
        over.set()
    thread.join()
    lags = [event["lag_ms"] for event in load.timeline.events if event["kind"] == "load"]
    assert "starved of CPU" in report["summary"], (lags, report["generator"])
    assert "loadtest_worker_cpu" in report["summary"]


def test_a_restarted_master_makes_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load = driven(LONG)

    def restart() -> None:
        load.cluster.master.kill()
        load.cluster.master.wait()
        load.cluster.master = load.cluster.start_master()

    load.at(50, restart)
    report = load.run()
    assert report["verdict"] == "invalid"
    assert "master was restarted" in report["summary"]
    assert report["requests"]["total"] >= 50, "what was measured is kept"


def test_a_server_that_refuses_connections_proves_nothing(
    driven: Callable[..., Driven], server: ModelServer
) -> None:
    server.close()
    report = driven({"kind": "constant", "level": 2, "duration": 6}).run()
    assert report["verdict"] == "invalid"
    assert "no request was answered at all (connect" in report["summary"]
    assert set(report["requests"]["errors"]) == {"connect"}


def test_a_name_that_is_not_found_proves_nothing(driven: Callable[..., Driven]) -> None:
    report = driven({"kind": "constant", "level": 2, "duration": 6}, host="http://nobody.invalid:8501").run()
    assert report["verdict"] == "invalid"
    assert "did not find the server's name" in report["summary"]


def test_without_its_driver_the_load_stops(driven: Callable[..., Driven], server: ModelServer) -> None:
    load = driven(LONG, dead_man_seconds=3)
    load.at(30, lambda: setattr(load.cluster.proxy, "cut", True))
    thread = threading.Thread(target=load.test.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 120
    while not load.cluster.proxy.cut:
        assert time.monotonic() < deadline, "no load came"
        time.sleep(0.1)
    time.sleep(3)
    before, deadline = -1, time.monotonic() + 30
    while server.count != before:
        assert time.monotonic() < deadline, (
            "requests still come although nobody has asked the master for long"
        )
        before = server.count
        time.sleep(3)
    load.cluster.proxy.cut = False
    thread.join(60)
    report = load.report()
    assert report["verdict"] == "invalid"
    assert "the dead man's switch" in report["summary"]
    assert report["requests"]["total"] == server.count, "what was measured is kept"


def test_an_api_server_that_is_away_for_a_while_does_no_harm(
    driven: Callable[..., Driven], server: ModelServer
) -> None:
    load = driven({"kind": "constant", "level": 4, "duration": 30})

    def away() -> None:
        load.cluster.proxy.cut = True
        threading.Timer(20, lambda: setattr(load.cluster.proxy, "cut", False)).start()

    load.at(50, away)
    report = load.run()
    assert passed(report), report["generator"]
    assert report["requests"]["total"] == server.count
    assert report["generator"]["gaps"], "that nothing was seen for a while is said"


@pytest.mark.parametrize("part", range(4))
def test_runs_that_are_interrupted_at_any_moment_keep_what_they_have_and_leave_no_load(
    driven: Callable[..., Driven], server: ModelServer, tmp_path: Path, part: int
) -> None:
    """Twenty moments in all; the runs of a part follow each other on one cluster."""
    first, dice = driven(LONG), random.Random(part)
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        load = Driven(first.cluster, folder, LONG, 2)
        before, moment = server.count, dice.uniform(0, 7)
        load.interrupt_after = moment
        report = load.run()
        assert report["verdict"] == "invalid"
        assert "the run was interrupted" in report["summary"]
        seen = server.count
        assert report["requests"]["total"] == seen - before, moment
        time.sleep(0.5)
        assert server.count == seen, "the load has stopped"
