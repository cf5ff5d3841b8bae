"""The driver of a load test on a clock of its own: every way a run can go wrong, and none that it hides."""

from __future__ import annotations

import bisect
import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.curve import due_times, users_at
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.histogram import DELAYS, bucket_of
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.run import (
    LoadTest,
    RunFailed,
    Settings,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import Plan, plan
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.slo import Asked
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import Timeline, read
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.verdict import analyse
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock

PLAN = plan({"max_steps": 3, "step_time": 20, "step_load": 2, "spawn_rate": 2, "ramp_down": 10})

NOTHING_FAILED: dict[str, Any] = {"failed_buckets": {}, "going_buckets": {}, "going_failed_buckets": {}}


class World:
    """A master that does what the plan says, on a clock that only moves when somebody sleeps."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.now, self.wall_offset = 1000.0, 0.0
        self.started: float | None = None
        self.stops = 0
        self.cancel: str | None = None
        self.refusal = ""
        self.workers = [{"id": f"w{n}", "state": "running", "cpu": 5.0} for n in range(2)]
        self.change: Callable[[float, dict[str, Any]], dict[str, Any] | None] = lambda t, look: look
        self.path = folder / "timeline.jsonl"
        self.timeline = Timeline(self.path, lambda: self.now)
        self.said: list[str] = []
        clock = Clock(lambda: self.now, self.sleep, lambda: self.now + self.wall_offset, lambda: self.cancel)
        given = {"start_timeout": 60, "load_timeout": 200, "settle_timeout": 30, **settings}
        self.test = LoadTest(
            self,
            self.timeline,
            Settings("n", "m", 2, plan=PLAN, **given),
            clock,
            self.said.append,  # type: ignore[arg-type]
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def poll(self, *, observer: bool = False) -> dict[str, Any] | None:
        elapsed = None if self.started is None else self.now - self.started
        users = None if elapsed is None else users_at(PLAN.curve, elapsed)
        requests = 0 if elapsed is None else int(10 * min(elapsed, PLAN.curve.length))
        return self.change(
            elapsed or 0.0,
            {
                "id": "master", "time": self.now, "state": "ready" if elapsed is None else "running" if users else "stopped",
                "stopped_by": None, "elapsed": elapsed if users else None, "users": users or 0,
                "requests": requests, "failures": 0, "buckets": {"200": requests}, **NOTHING_FAILED, "workers": self.workers,
                "errors": {}, "examples": {}, "started": requests, "outstanding": 0, "stop_s": 5,
            },
        )  # fmt: skip

    def start(self) -> None:
        self.started = self.now

    def stop(self) -> bool:
        self.stops += 1
        return True

    def report(self) -> dict[str, Any]:
        return analyse(read(self.path), slo=[], workers=2, users=PLAN.users, environment={})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_run_that_goes_well_is_valid_and_tells_of_itself(world: World) -> None:
    world.test.run()
    report = world.report()
    assert (report["verdict"], report["generator"]["problems"]) == ("pass", [])
    assert report["requests"]["total"] == 700
    assert any("6 users" in line for line in world.said)
    # A line every few seconds, not one a sample.
    assert len(world.said) <= 75 / 6 + 2


def test_it_does_not_begin_without_the_workers_it_was_promised(world: World) -> None:
    world.workers = world.workers[:1]
    with pytest.raises(RunFailed, match="1 of 2 workers came"):
        world.test.run()
    assert world.started is None


def during(begin: float, end: float, what: Callable[[dict[str, Any]], Any]) -> Callable[..., Any]:
    return lambda t, look: what(look) if begin <= t < end else look


def other(**values: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda look: {**look, **values}


LOST = [{"id": "w0", "state": "running", "cpu": 5.0}, {"id": "w1", "state": "missing", "cpu": 0.0}]
BUSY = [{"id": f"w{n}", "state": "running", "cpu": 97.0} for n in range(2)]
SILENT = [{"id": f"w{n}", "state": "running", "cpu": 9.0, "silent_s": 9.0 * n} for n in range(2)]
SKEWED = [{"id": f"w{n}", "state": "running", "cpu": 9.0, "clock_s": -7.5} for n in range(2)]


def standing(milliseconds: float, begin: float, end: float) -> Callable[..., Any]:
    """One worker of two stands still half of that time, for so long each time."""

    def change(t: float, look: dict[str, Any]) -> dict[str, Any]:
        stood = max(0.0, min(t, end) - begin) / 2
        delayed = [stood * max(0.0, milliseconds - delay) / milliseconds for delay in DELAYS]
        still = [
            {"longest_ms": milliseconds, "delayed_s": delayed},
            {"longest_ms": 0.0, "delayed_s": [0.0] * len(DELAYS)},
        ]
        return {
            **look,
            "workers": [{**worker, "still": still[n]} for n, worker in enumerate(look["workers"])],
        }

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (during(20, 24, other(workers=LOST)), "a worker was lost: 1 of 2"),
        (during(20, 24, other(workers=SILENT)), "one said nothing for 9 s"),
        (during(20, 24, other(workers=BUSY)), "use 4 workers"),
        (standing(550, 20, 30), "one stood still for up to 550 ms, and in 7.0 % of the time"),
        (during(20, 40, other(workers=SKEWED)), "a worker's clock is +7.5 s off"),
        (during(20, 999, other(id="another")), "master was restarted"),
        (during(20, 24, other(stopped_by="the dead man's switch")), "stopped by the dead man's switch"),
        (during(20, 999, lambda look: None), "was not reachable for"),
        (during(20, 60, other(users=1)), "the schedule was not kept"),
        (during(0, 999, lambda look: {**look, "users": min(look["users"], 4)}), "only 4 of 6 users"),
        (during(60, 9999, other(state="running", users=1)), "did not end within 200 s"),
        (
            during(0, 999, lambda look: {**look, "failures": look["requests"], "errors": {"connect": look["requests"]}}),
            "no request was answered at all",
        ),
        (
            during(0, 999, lambda look: {**look, "failures": 1, "errors": {"dns": 1}, "examples": {"dns": "unknown"}}),
            "did not find the server's name (unknown)",
        ),
    ],
)  # fmt: skip
def test_every_lie_is_caught_and_named(world: World, change: Callable[..., Any], words: str) -> None:
    world.change = change
    world.test.run()
    report = world.report()
    assert report["verdict"] == "invalid"
    assert report["exit_code"] == 3
    assert words in report["summary"], report["summary"]


@pytest.mark.parametrize(
    ("milliseconds", "begin", "end", "percent"), [(8, 0, 70, (43.75, 0.0)), (550, 20, 23, (2.14, 2.1))]
)
def test_standing_still_that_no_percentile_shows_is_told_and_no_more(
    world: World, milliseconds: float, begin: float, end: float, percent: tuple[float, float]
) -> None:
    """p95 is 52 ms: 8 ms are nothing beside it, and in 1.5 of 70 s fewer answers wait than p95 leaves out."""
    world.change = standing(milliseconds, begin, end)
    world.test.run()
    report = world.report()
    assert report["verdict"] == "pass", report["summary"]
    worst, other_one = report["generator"]["standstills"]
    assert (worst["worker"], worst["longest_ms"], other_one["still_percent"]) == ("w0", milliseconds, 0.0)
    assert (worst["still_percent"], worst["delayed_percent"]) == pytest.approx(percent, rel=0.05)


def test_what_an_earlier_version_did_not_measure_is_said(world: World) -> None:
    world.test.run()
    (words,) = world.report()["generator"]["not_judged"]
    assert "stood still" in words


def test_a_short_silence_is_noted_and_no_more(world: World) -> None:
    world.change = during(20, 40, lambda look: None)
    world.test.run()
    report = world.report()
    assert report["verdict"] == "pass", report["summary"]
    (gap,) = report["generator"]["gaps"]
    assert 20 <= gap["seconds"] <= 24
    assert report["requests"]["total"] == 700


@pytest.mark.parametrize("interrupted", [False, True])
def test_the_last_counts_are_waited_for(world: World, interrupted: bool) -> None:
    """At 40 s or at the end everybody has stopped; what the workers counted comes 6 s later."""
    end, total = (40, 400) if interrupted else (70, 700)

    def late(t: float, look: dict[str, Any]) -> dict[str, Any]:
        if interrupted and t >= end:
            world.cancel = "the run was interrupted"
        if t < end + 6:
            return {**look, "requests": min(look["requests"], 10 * end - 30), "outstanding": 1}
        return {**look, "requests": total}

    world.change = late
    world.test.run()
    assert world.report()["requests"]["total"] == total


def test_counts_that_never_come_are_not_waited_for_without_end(world: World) -> None:
    world.change = lambda t, look: {**look, "outstanding": 1}
    world.test.run()
    assert world.now - (world.started or 0) < 70 + 20
    report = world.report()
    assert report["verdict"] == "invalid"
    assert "the last counts of 1 workers never came" in report["summary"]


def test_who_waits_for_a_last_answer_is_waited_for_when_the_run_is_interrupted(world: World) -> None:
    """A server that hangs, and a master that says how long its users may take."""

    def hang(t: float, look: dict[str, Any]) -> dict[str, Any]:
        if t >= 30:
            world.cancel = "the run was interrupted"
        if 30 <= t < 65:
            return {**look, "state": "stopping", "requests": 300, "outstanding": 2, "stop_s": 35}
        return {**look, "requests": min(look["requests"], 306), "failures": 6 if t >= 65 else 0, "stop_s": 35}

    world.change = hang
    world.test.run()
    requests = world.report()["requests"]
    assert (requests["total"], requests["failed"]) == (306, 6)


def test_users_who_wait_for_their_last_answer_are_not_off_the_plan(world: World) -> None:
    many = during(6, 20, other(users=6))
    world.change = lambda t, look: {
        **many(t, look), "workers": [{**w, "leaving": 2 if t < 20 else 0} for w in look["workers"]],
    }  # fmt: skip
    world.test.run()
    assert world.report()["verdict"] == "pass", world.report()["summary"]


def test_a_clock_that_jumps_is_caught(world: World) -> None:
    def jump(t: float, look: dict[str, Any]) -> dict[str, Any]:
        if t > 30:
            world.wall_offset = -3600.0
        return look

    world.change = jump
    world.test.run()
    assert "clock jumped by -3600.0 s" in world.report()["summary"]
    assert world.stops


def test_a_masters_clock_that_is_off_is_caught(world: World) -> None:
    world.change = lambda t, look: {**look, "time": look["time"] + 8}
    world.test.run()
    assert "the clock of Locust's master is +8.0 s off" in world.report()["summary"]


@pytest.mark.parametrize("seed", range(20))
def test_an_interruption_at_any_moment_stops_the_load_and_keeps_what_was_seen(
    tmp_path: Path, seed: int
) -> None:
    world = World(tmp_path)
    moment = random.Random(seed).uniform(0, 70)

    def interrupt(t: float, look: dict[str, Any]) -> dict[str, Any]:
        if world.started is not None and t >= moment:
            world.cancel = "the run was interrupted"
        return look

    world.change = interrupt
    world.test.run()
    stopped = world.now
    world.timeline.add("hpa", name="keda-hpa-m", min=1, max=4, desired=4)
    world.timeline.add("deployment", name="m", wanted=4, ready=1)
    assert not world.test.settle()
    assert world.now - stopped <= 2, "nothing is waited for any more"
    assert world.stops
    assert stopped - (world.started or 0) <= moment + 2 + 5, "within seconds"
    report = world.report()
    assert report["verdict"] == "invalid"
    assert "the run was interrupted" in report["summary"]
    assert abs(report["requests"]["total"] - 10 * min(moment, 70)) <= 10 * 10


def test_an_interruption_before_the_load_starts_nothing(world: World) -> None:
    world.cancel, world.workers = "the run was interrupted", []
    with pytest.raises(RunFailed, match="before the load began"):
        world.test.run()
    assert world.started is None


def test_a_full_disk_stops_the_load(world: World) -> None:
    def full(kind: str, **_: Any) -> None:
        raise OSError(28, "No space left on device")

    def fill(t: float, look: dict[str, Any]) -> dict[str, Any]:
        if t > 10:
            world.timeline.add = full  # type: ignore[method-assign]
        return look

    world.change = fill
    with pytest.raises(OSError, match="No space left"):
        world.test.run()
    assert world.stops


def test_a_timeline_can_be_written_from_many_threads(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "t")

    def write(number: int) -> None:
        for count in range(50):
            timeline.add("pod", name=f"{number}-{count}", ready=None)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([json.loads(line) for line in (tmp_path / "t").read_text().splitlines()]) == 400


def slow(*seconds: tuple[float, float]) -> Callable[[float, dict[str, Any]], dict[str, Any]]:
    """Ten requests a second are answered, in these seconds after 1 s each, otherwise after 52 ms."""

    def change(_t: float, look: dict[str, Any]) -> dict[str, Any]:
        late = sum(max(0, min(look["requests"], int(10 * end)) - int(10 * begin)) for begin, end in seconds)
        return {**look, "buckets": {"200": look["requests"] - late, str(bucket_of(1000)): late}}

    return change


def ends(
    folder: Path, change: Callable[[float, dict[str, Any]], dict[str, Any]], until: Asked | None
) -> tuple[World, float | None]:
    """The world after the run, and when it was enough."""
    world = World(folder, until=until)
    world.change = change
    world.test.run()
    return world, next((event["elapsed"] for event in read(world.path) if event["kind"] == "enough"), None)


P95 = Asked("p95_ms <= 300", 300, 0.95)


def test_a_load_ends_when_its_limit_is_broken_and_is_none_the_worse_for_it(tmp_path: Path) -> None:
    world, elapsed = ends(tmp_path, slow((20, 99)), P95)
    # Twelve seconds after it was seen.
    assert elapsed is not None
    assert 32 <= elapsed <= 38
    assert world.stops > 0
    report = world.report()
    assert (report["verdict"], report["generator"]["problems"]) == ("pass", [])
    assert report["requests"]["total"] < 400
    assert any("p95_ms <= 300 has not been kept for 12 s: the load ends" in line for line in world.said)


@pytest.mark.parametrize(
    ("change", "until"), [(slow((20, 99)), None), (slow((20, 25), (40, 45)), P95), (slow(), P95)]
)
def test_it_goes_on_otherwise_and_after_a_hiccup(
    tmp_path: Path, change: Callable[[float, dict[str, Any]], dict[str, Any]], until: Asked | None
) -> None:
    world, elapsed = ends(tmp_path, change, until)
    assert elapsed is None
    assert world.report()["requests"]["total"] == 700


@pytest.mark.parametrize(("sent", "words"), [(0.7, "requests that were due were sent"), (1.0, "")])
def test_what_was_due_until_it_was_enough_was_sent(tmp_path: Path, sent: float, words: str) -> None:
    made = plan({"kind": "ramp", "model": "open", "first": 1, "last": 99, "duration": 98})
    world, elapsed = ends(tmp_path, slow((20, 99)), P95)
    assert elapsed is not None
    events = read(world.path)
    for event in events:
        if event["kind"] == "run":
            event["plan"] = {**made.as_json()}
        if event["kind"] == "load":
            event["started"] = int(sent * made.curve.area((event["elapsed"] or elapsed) - 3))
    problems = analyse(events, slo=[], workers=2, users=0, environment={})["generator"]["problems"]
    assert [problem for problem in problems if not words or words not in problem] == []
    assert bool(problems) == bool(words)


@pytest.mark.parametrize("seed", [1, 5, 6])
def test_requests_at_random_moments_are_as_many_as_they_are(tmp_path: Path, seed: int) -> None:
    """Not as many as they are on average: that would call one run of four invalid."""
    shape = {"kind": "ramp", "model": "open", "arrivals": "poisson", "first": 10, "last": 30, "duration": 60}
    made = plan(shape)
    sent = sum(
        len(list(due_times(made.curve, worker=worker, workers=2, poisson=True, seed=seed)))
        for worker in range(2)
    )
    assert problems_of(tmp_path, made, lambda _elapsed: sent) == []
    assert "requests that were due were sent" in " ".join(
        problems_of(tmp_path, made, lambda _elapsed: sent // 2)
    )


@pytest.mark.parametrize(("share", "words"), [(1.0, ""), (0.7, "requests that were due were sent")])
def test_of_recorded_requests_those_were_due_that_came_until_it_was_enough(
    tmp_path: Path, share: float, words: str
) -> None:
    moments = "".join(f"{moment / 10}\n" for moment in range(700))
    made = plan({"kind": "replay", "model": "open", "csv": f"time\n{moments}"})
    found = problems_of(
        tmp_path,
        made,
        lambda elapsed: int(share * bisect.bisect(made.moments, elapsed - 3)),
        slow((20, 99)),
        P95,
    )
    assert words in " ".join(found)
    assert bool(found) == bool(words)


def problems_of(
    folder: Path,
    made: Plan,
    started: Callable[[float], int],
    change: Callable[[float, dict[str, Any]], dict[str, Any]] = lambda _t, look: look,
    until: Asked | None = None,
) -> list[str]:
    """What is wrong with the generator, had it followed this plan; ``started``: how many requests, by the time that has gone."""
    world, elapsed = ends(folder, change, until)
    assert (elapsed is None) is (until is None)
    events = read(world.path)
    for event in events:
        if event["kind"] == "run":
            event["plan"] = {**made.as_json()}
        if event["kind"] == "load":
            event["started"] = started(event["elapsed"] or elapsed or made.curve.length)
    found = analyse(events, slo=[], workers=2, users=0, environment={})["generator"]["problems"]
    return [str(problem) for problem in found]
