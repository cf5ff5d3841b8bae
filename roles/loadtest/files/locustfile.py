"""The users of the load test. Everything that can be set is in config.json beside this file.

In the closed model a user asks, waits, asks again. In the open model requests are due at moments of their own,
whether earlier ones have been answered or not, and their time counts from the moment they were due.

How requests are sent is in clients.py, what workers count in counting.py, what the master shows in master.py.
"""

from __future__ import annotations

import collections
import functools
import time
from collections.abc import Iterator
from typing import Any

import curve as curves
import gevent
import gevent.event
import gevent.pool
import histogram
import locust.argument_parser
import locust.runners
import locust.stats
from clients import Lane
from counting import FLOW, STANDSTILLS
from locust import LoadTestShape, TaskSet, User, between, constant, events, task
from locust.user.task import LOCUST_STATE_STOPPING
from master import DRIVER, REPORTS, here, show
from settings import CONFIG, CURVE, OPEN, OWN, PATIENCE, PLAN, STOP_SECONDS

# Locust rounds times to two digits; with our buckets its tables and ours agree.
locust.stats.bucket_response_time = lambda milliseconds: histogram.rounded(
    histogram.value_of(histogram.bucket_of(milliseconds))
)
# Whenever a worker's number of users changes, Locust (2.47) builds its command line parser anew for each of its some
# fifty options, and does nothing else meanwhile: 0.1 to 0.3 s, and with little CPU so long that the master takes the
# worker for lost. The answer never changes.
locust.argument_parser.default_args_dict = functools.cache(locust.argument_parser.default_args_dict)

locust.runners.HEARTBEAT_LIVENESS = PATIENCE
# A worker hears nothing of its master while its users go, and takes it for dead after a minute.
locust.runners.MASTER_HEARTBEAT_TIMEOUT = 60 + 2 * STOP_SECONDS


# Locust (2.47) kills a user who pauses, one turn of its loop after it was told to: whose pause ends in that turn has sent a
# request by then, which nobody would count. So the pause of who is to go ends, and nobody is killed who may have asked.
kill = User.stop


def told_to_go(user: User) -> gevent.event.Event:
    told: gevent.event.Event = vars(user).setdefault("told_to_go", gevent.event.Event())
    return told


def stop(user: User, force: bool = False) -> bool:
    """Ends it after the request that is under way."""
    if force or user._state is None:
        return bool(kill(user, force))
    user._state = LOCUST_STATE_STOPPING
    told = told_to_go(user)
    if not told.is_set():
        told.set()
        user.told_at = time.perf_counter()
        FLOW["leaving"] += 1
        user._greenlet.link(lambda _: FLOW.update(leaving=FLOW["leaving"] - 1))
    return False


def pause(tasks: TaskSet, seconds: float) -> None:
    told_to_go(tasks.user).wait(max(0.0, seconds))


User.stop = stop
TaskSet._sleep = pause


@events.init.add_listener
def wire(environment: Any, **_: Any) -> None:
    environment.stop_timeout = STOP_SECONDS
    if environment.web_ui is None:
        gevent.spawn(STANDSTILLS.run)
    else:
        show(environment)


@events.test_stop.add_listener
def end(environment: Any, **_: Any) -> None:
    # When its users have gone, a worker of Locust (2.47) waits for as long again. The next start sets it anew.
    if environment.web_ui is None:
        environment.stop_timeout = 0.0


class _Client(User):
    """The closed model: a request, a pause, again."""

    abstract = True
    wait_time = between(CONFIG["wait_min"], CONFIG["wait_max"])

    def on_start(self) -> None:
        self.lane = Lane(self.environment)

    @task
    def predict(self) -> None:
        self.lane.send()


LONGEST_WAIT = 0.1
"""Seconds that the open model waits for a place without looking whether it is told to go."""


class _Arrivals(User):
    """The open model: one a worker, which starts every request of this worker when it is due."""

    abstract = True
    wait_time = constant(1)

    def on_start(self) -> None:
        self.free: list[Lane] = []
        self.pool = gevent.pool.Pool(CONFIG["max_in_flight"])

    @task
    def predict(self) -> None:
        begun = time.perf_counter()
        number = max(0, getattr(self.environment.runner, "worker_index", 0)) % CONFIG["workers"]
        if PLAN["moments"]:
            due_times = iter(PLAN["moments"][number :: CONFIG["workers"]])
        else:
            due_times = curves.due_times(
                CURVE, worker=number, workers=CONFIG["workers"],
                poisson=PLAN["arrivals"] == "poisson", seed=CONFIG["seed"],
            )  # fmt: skip
        waiting: collections.deque[float] = collections.deque()
        gevent.spawn(self._fill, begun, due_times, waiting)
        # The shape ends, once everything that was due has been answered; this only stops when it is told to.
        try:
            while self._state != LOCUST_STATE_STOPPING:
                if waiting and self.pool.wait_available(LONGEST_WAIT):
                    self.pool.spawn(self._send, waiting.popleft())
                    FLOW["waiting"] = len(waiting)
                elif not waiting:
                    gevent.sleep(0.002)
            self.pool.join()
        except gevent.GreenletExit:
            self.pool.kill()
            raise

    def _fill(self, begun: float, due_times: Iterator[float], waiting: collections.deque[float]) -> None:
        """Puts what is due into the queue, so that its length is the backlog."""
        FLOW["all_due"] = False
        for moment in due_times:
            ahead = begun + moment - time.perf_counter()
            if ahead > 0:
                gevent.sleep(ahead)
            if self._state == LOCUST_STATE_STOPPING:
                return
            waiting.append(begun + moment)
            FLOW["waiting"] = len(waiting)
            FLOW["backlog"] = max(FLOW["backlog"], len(waiting) - 1)
        FLOW["all_due"] = True

    def _send(self, due: float) -> None:
        FLOW["late_ms"] = round(max(FLOW["late_ms"], 1000 * (time.perf_counter() - due)), 1)
        FLOW["in_flight"] += 1
        FLOW["started"] += 1
        lane = self.free.pop() if self.free else Lane(self.environment)
        try:
            lane.send(due)
        finally:
            FLOW["in_flight"] -= 1
            self.free.append(lane)


# Locust starts the user classes that it finds here.
if OWN:
    import own_clients
    import own_locustfile

    own_clients.count_unanswered()
    globals().update(
        {
            name: thing
            for name, thing in vars(own_locustfile).items()
            if isinstance(thing, type) and issubclass(thing, User) and not getattr(thing, "abstract", True)
        }
    )
else:

    class Users(_Arrivals if OPEN else _Client):  # type: ignore[misc]
        """All ask the same."""


class Shape(LoadTestShape):
    """Follows the curve; in the open model waits at the end until everything has been answered."""

    def tick(self) -> tuple[int, float] | None:
        wanted = self._wanted(self.get_run_time())
        # Locust also ends by itself, when its last worker is gone.
        DRIVER.finished = wanted is None
        return wanted

    def _wanted(self, elapsed: float) -> tuple[int, float] | None:
        if not OPEN:
            users = curves.users_at(CURVE, elapsed, whole=PLAN["kind"] == "stages")
            return None if users is None else (users, PLAN["spawn_rate"])
        reports = [REPORTS.get(worker) for worker in here(self.runner)]
        answered = all(
            last and last["all_due"] and not last["in_flight"] and not last["waiting"] for last in reports
        )
        if (elapsed > CURVE.length and answered) or elapsed > CURVE.length + CONFIG["timeout"] + 10:
            return None
        return CONFIG["workers"], CONFIG["workers"]
