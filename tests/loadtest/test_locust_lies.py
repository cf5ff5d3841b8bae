"""Locust for real, a master and workers as processes: each way in which a run could lie."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import LONG, Driven
from loopback import ModelServer, passed


def test_a_killed_worker_makes_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load = driven(LONG, patience=10)
    load.at(50, load.cluster.workers[0].kill)
    load.enough = lambda loads: loads[-1]["workers"] < 2
    report = load.run()
    assert report["verdict"] == "invalid"
    assert "a worker was lost: 1 of 2" in report["summary"]


def test_all_workers_killed_make_the_run_invalid(driven: Callable[..., Driven]) -> None:
    load = driven(LONG, patience=10)
    load.at(50, lambda: [worker.kill() for worker in load.cluster.workers])
    report = load.run()
    assert report["verdict"] == "invalid", [e for e in load.timeline.events if e["kind"] == "load"]
    assert "when the last worker is gone, Locust stops" in report["summary"]


def test_a_starved_worker_makes_the_run_invalid(driven: Callable[..., Driven]) -> None:
    """Stopped and let go by this test's own clock, which the report has to come near."""
    load, over = driven(LONG), threading.Event()
    load.enough = lambda loads: len(loads) > 12
    stopped: list[float] = []

    def starve() -> None:
        victim = load.cluster.workers[0].pid
        while not over.is_set():
            os.kill(victim, signal.SIGSTOP)
            begun = time.monotonic()
            over.wait(0.55)
            os.kill(victim, signal.SIGCONT)
            stopped.append(time.monotonic() - begun)
            over.wait(0.45)

    thread = threading.Thread(target=starve)
    load.at(20, thread.start)
    try:
        report = load.run()
    finally:
        over.set()
    thread.join()
    assert "starved of CPU" in report["summary"], report["generator"]
    assert "loadtest_worker_cpu" in report["summary"]
    worst, other = report["generator"]["standstills"]
    assert worst["longest_ms"] >= 0.9 * 1000 * max(stopped[:-3])
    loads = [event for event in load.timeline.events if event["kind"] == "load"]
    share = 100 * sum(stopped) / (loads[-1]["t"] - loads[0]["t"])
    # What the machine itself takes away, it takes from both.
    difference = worst["still_percent"] - other["still_percent"]
    assert 0.5 * share < difference <= 1.1 * share, (share, report["generator"])


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


def test_workers_that_pause_in_a_ramp_have_the_users_that_were_asked_for(
    driven: Callable[..., Driven], server: ModelServer
) -> None:
    """With Locust's own patience of 3 s the others would get the users of one that still has them."""
    load = driven(
        {"kind": "ramp", "last": 20, "duration": 20, "hold": 10}, patience=10, requests_per_connection=10**6
    )

    def pause() -> None:
        victim = load.cluster.workers[0]
        victim.send_signal(signal.SIGSTOP)
        threading.Timer(5, victim.send_signal, (signal.SIGCONT,)).start()

    load.at(40, pause)
    most = 0

    def look(loads: list[dict[str, Any]]) -> bool:
        nonlocal most
        most = max(most, server.open)
        return False

    load.enough = look
    report = load.run()
    assert most == 20 == report["generator"]["users_reached"], "each user has one connection"
    assert not any("was lost" in problem for problem in report["generator"]["problems"])
    assert report["generator"]["standstills"][0]["longest_ms"] > 4000
    assert report["requests"]["total"] == server.count


def test_a_run_whose_workers_all_paused_is_not_taken_for_one_that_ended(
    driven: Callable[..., Driven],
) -> None:
    """Locust stops then, and ends with 0: no request failed."""
    load = driven(LONG, patience=10)

    def pause() -> None:
        for worker in load.cluster.workers:
            worker.send_signal(signal.SIGSTOP)
            threading.Timer(14, worker.send_signal, (signal.SIGCONT,)).start()

    load.at(50, pause)
    report = load.run()
    assert report["verdict"] == "invalid"
    assert "when the last worker is gone, Locust stops" in report["summary"]
    assert report["requests"]["failed"] == 0
