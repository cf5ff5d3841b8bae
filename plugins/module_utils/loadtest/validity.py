"""Whether a run proves anything: every way in which its generator could have lied, held against the timeline. Pure."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from .answers import Answers, each
from .curve import Curve
from .histogram import DELAYS
from .schema import Gap, Generator, Json, StoodStill
from .timeline import of_kind

CPU_LIMIT = 90.0
"""Percent of a core: above it Locust itself warns that its numbers can't be trusted."""

CPU_GOAL = 60.0
"""Percent of a core that a worker should use, when it is said how many workers are needed."""

DELAY_PART = 0.2
DELAYED_PERCENT = 2.5
"""The slowest 5 % of all answers make p95: at most half of these may owe a fifth of it to a worker that stood still."""

SHARE = 0.1
"""The part of a run's samples that may be off: a hiccup of seconds says nothing about minutes."""

SILENT_SECONDS = 8.0
"""Workers report every 3 s; Locust itself takes longer to notice that one is gone."""

REPORT_SECONDS = 6.0
"""Users as the master knows them are up to two reports of the workers old."""

CHANCE = 4.0
"""By how many standard deviations fewer requests than the mean may be due at random moments: one run of 30,000 has less."""

END_SECONDS = 3.0
"""By how much a run may seem shorter than its plan: it is looked at every 2 s."""

CLOCK_SECONDS = 1.0
"""By how much clocks of workers and controller may differ; phases are told to the second."""

STALE_SECONDS = 10.0
"""What a kubelet says of its pods is seen within a second or two, and after GAP_SECONDS of a watch's silence at the latest."""


_UNMEASURED = "whether the workers stood still: it was not measured, and p95 of changing users may be the generator's own"
_OWN = (
    "what the users of {} ask and take for a good answer, which times they tell, whether they follow redirects (a request more "
    "for the server), and whether they ever connect anew, without which new replicas get nothing to do"
)
_UNANSWERED = ("dns", "connect", "timeout", "reset", "unanswered")


def generator(events: list[Json], workers: int, users: int) -> Generator:
    """The generator's part of report.json. ``problems``: why the run proves nothing, each with the way out."""
    loads = of_kind(events, "load")
    running = _running(events)
    plan: Mapping[str, Any] = next((run["plan"] for run in of_kind(events, "run") if run["plan"]), {})
    reached = max((event["users"] or 0 for event in loads), default=0)
    enough: float | None = next((event["elapsed"] for event in of_kind(events, "enough")), None)
    planned = 0 if plan.get("model") == "open" else users
    stood = _standstills(events)
    problems = [
        *(event["reason"] for event in of_kind(events, "trouble")),
        *_workers(running, workers),
        # Who was told to end before has its users held against the plan at each moment.
        *_users(running, reached, planned if enough is None else 0, plan),
        *_schedule(running, plan),
        *_to_the_end(loads, running, plan, enough),
        *_started(loads, plan, enough),
        *_cpu(loads, workers),
        *_still(stood),
        *_answers(loads),
        *_clocks(events),
        *_node_clocks(events),
    ]
    return {
        "workers_expected": workers,
        "workers_seen": max((event["workers"] for event in running), default=0),
        "users_expected": planned,
        "users_reached": reached,
        "cpu_max": max((event["worker_cpu"] for event in loads), default=0.0),
        "standstills": stood,
        "clock_s_max": max((abs(event["clock_s"]) for event in running), default=0.0),
        "gaps": [Gap(of=g["of"], since=g["since"], seconds=g["seconds"]) for g in of_kind(events, "gap")],
        "valid": not problems,
        "problems": problems,
        "not_judged": [
            *([] if stood or not loads else [_UNMEASURED]),
            *(_OWN.format(run["locustfile"]) for run in of_kind(events, "run") if run["locustfile"]),
        ],
    }


def _running(events: list[Json]) -> list[Json]:
    return [event for event in of_kind(events, "load") if event["state"] in ("running", "spawning")]


def _workers(running: list[Json], workers: int) -> Iterator[str]:
    if not running:
        yield "there was no load at all: look at Locust's pods and at locust.html"
        return
    seen = max(event["workers"] for event in running)
    silent = max(event["silent_s"] for event in running)
    # Once the load has ended Locust's master lets go of its workers for a moment. Whose last counts never come is a trouble of the run.
    minimum = min(event["workers"] for event in running)
    if seen < workers:
        yield f"only {seen} of {workers} workers took part: look at the pods of Locust's worker Job"
    elif minimum < workers:
        yield (
            f"a worker was lost: {minimum} of {workers} were left, with less load than planned; look at the pods "
            "of Locust's worker Job (out of memory, evicted, starved of CPU?)"
        )
    elif silent > SILENT_SECONDS:
        yield f"a worker was lost: one said nothing for {silent:.0f} s; look at the pods of Locust's worker Job"


def _users(running: list[Json], reached: int, users: int, plan: Mapping[str, Any]) -> Iterator[str]:
    if running and reached < users:
        yield (
            f"only {reached} of {users} users were reached: add workers or raise spawn_rate "
            f"({plan.get('spawn_rate', 'as set')})"
        )


def _schedule(running: list[Json], plan: Mapping[str, Any]) -> Iterator[str]:
    """Users at each moment against the plan, with the delay of reports and of spawning."""
    if plan.get("model") != "closed":
        return
    curve = Curve(plan["pieces"])
    delay = REPORT_SECONDS + curve.peak / plan["spawn_rate"]
    timed = [event for event in running if event["elapsed"] is not None]
    off = 0
    for event in timed:
        low, high = curve.range(event["elapsed"] - delay, event["elapsed"] + 1)
        if event["elapsed"] < delay:
            low = 0.0
        slack = max(1.0, 0.05 * curve.peak)
        # Who was told to go waits for the server, not for the generator.
        off += not low - slack <= event["users"] <= high + slack + event["leaving"]
    if off > max(2, SHARE * len(timed)):
        yield (
            f"the schedule was not kept: users were off the plan in {off} of {len(timed)} samples; add workers, "
            "or let users come slower (spawn_rate)"
        )


def _to_the_end(
    loads: list[Json], running: list[Json], plan: Mapping[str, Any], enough: float | None
) -> Iterator[str]:
    """Locust ends a run by itself when its last worker is gone, and calls that a success. ``enough``: when it was told to end."""
    timed = [event for event in running if event["elapsed"] is not None]
    if not plan or not timed or enough is not None:
        return
    last = timed[-1]
    after = next((event["t"] for event in loads if event["t"] > last["t"]), last["t"])
    lasted = last["elapsed"] + after - last["t"]
    stopped = loads[-1]["state"] in ("stopped", "ready") and loads[-1]["finished"] is False
    if stopped or lasted < plan["seconds"] - END_SECONDS:
        yield (
            f"the load ended about {lasted:.0f} s into a plan of {plan['seconds']:.0f} s: look at the pods of Locust's "
            "worker Job; when the last worker is gone, Locust stops"
        )


def _started(loads: list[Json], plan: Mapping[str, Any], enough: float | None) -> Iterator[str]:
    """The open model: everything that was due must have been sent, however late; until it was told to end, as far as that was
    reported by then."""
    if plan.get("model") != "open" or not loads:
        return
    due, started = plan["requests"], max(event["started"] for event in loads)
    if enough is not None:
        moments, reported = plan["moments"], enough - REPORT_SECONDS
        due = bisect.bisect(moments, reported) if moments else Curve(plan["pieces"]).area(reported)
    by_chance = CHANCE * math.sqrt(due) if plan.get("arrivals") == "poisson" else 0.0
    if started < 0.99 * due - 1 - by_chance:
        yield (
            f"only {started} of {due:.0f} requests that were due were sent: raise loadtest_max_in_flight or add "
            "workers"
        )


def _cpu(loads: list[Json], workers: int) -> Iterator[str]:
    cpu = max((event["worker_cpu"] for event in loads), default=0.0)
    if cpu >= CPU_LIMIT:
        needed = max(workers + 1, math.ceil(workers * cpu / CPU_GOAL))
        yield f"a worker used {cpu:.0f} % of its core: the load was limited by Locust; use {needed} workers"


def _standstills(events: list[Json]) -> list[StoodStill]:
    """Each worker's, held against the p95 of the same moments; the worst first."""
    loads = of_kind(events, "load")
    time = next((run["t"] for run in of_kind(events, "run")), loads[0]["t"] if loads else 0.0)
    nothing = [0.0] * len(DELAYS)
    before: dict[str, list[float]] = {}
    longest: dict[str, float] = {}
    seconds, still, delayed = 0.0, Counter[str](), Counter[str]()
    for event, answers in each(loads):
        seconds, time = seconds + event["t"] - time, event["t"]
        # Where so many failed that there is none: of those that were answered.
        p95 = event["p95_ms"] or Answers(answers.answered).percentile(0.95) or 0.0
        rung = max(0, bisect.bisect_right(DELAYS, DELAY_PART * p95) - 1)
        for stood in event["standstills"]:
            worker, now = stood["worker"], stood["delayed_s"]
            then = before.get(worker, nothing)
            before[worker], longest[worker] = now, stood["longest_ms"]
            still[worker] += now[0] - then[0]
            delayed[worker] += now[rung] - then[rung]
    found = [
        StoodStill(
            worker=worker, longest_ms=longest[worker], still_percent=_percent(still[worker], seconds),
            delayed_percent=_percent(delayed[worker], seconds),
        )
        for worker in longest
    ]  # fmt: skip
    return sorted(found, key=lambda stood: -stood["delayed_percent"])


def _percent(part: float, whole: float) -> float:
    return round(min(100.0, 100 * part / whole), 2) if whole else 0.0


def _still(stood: list[StoodStill]) -> Iterator[str]:
    if stood and stood[0]["delayed_percent"] > DELAYED_PERCENT:
        worst = stood[0]
        yield (
            f"the workers were starved of CPU: one stood still for up to {worst['longest_ms']:.0f} ms, and in "
            f"{worst['delayed_percent']:.1f} % of the time an answer waited in it for more than a fifth of p95, so that "
            "times are partly its own; raise loadtest_worker_cpu, or keep Locust on nodes of its own "
            "(loadtest_node_selector)"
        )


def _answers(loads: list[Json]) -> Iterator[str]:
    """A server that can't be found, or never answers, is no measurement of it."""
    if not loads:
        return
    last = loads[-1]
    errors: Mapping[str, int] = last["errors"]
    example = last["examples"]
    if errors.get("dns"):
        yield (
            f"{errors['dns']} requests did not find the server's name ({example.get('dns', '')}): is loadtest_host "
            "right, and the cluster's DNS well?"
        )
    unanswered = sum(errors.get(kind, 0) for kind in _UNANSWERED)
    if last["requests"] and unanswered == last["requests"] and not errors.get("dns"):
        kind = max(errors, key=lambda name: errors[name])
        yield (
            f"no request was answered at all ({kind}: {example.get(kind, '')}): is loadtest_host right, and "
            "does a network policy let Locust in?"
        )
    if not last["requests"]:
        yield "no request was made: look at locust.html for what stopped the users"


def _clocks(events: list[Json]) -> Iterator[str]:
    for clock in of_kind(events, "clock"):
        if abs(clock["ahead_s"]) > CLOCK_SECONDS + clock["within_s"]:
            yield (
                f"the clock of {clock['of']} is {clock['ahead_s']:+.1f} s off the controller's: phases mix both; "
                "let both be set by NTP"
            )
    skew = max((event["clock_s"] for event in of_kind(events, "load")), default=0.0, key=abs)
    if abs(skew) > CLOCK_SECONDS:
        yield f"a worker's clock is {-skew:+.1f} s off the master's: let the nodes' clocks be set by NTP"


def _node_clocks(events: list[Json]) -> Iterator[str]:
    """Nodes say with their own clocks when a pod started and was ready; the controller knows when it saw that."""
    begun = next((run["t"] for run in of_kind(events, "run")), math.inf)
    silences = [(gap["since"], gap["t"]) for gap in of_kind(events, "gap") if gap["of"] == "pod"]
    said: dict[tuple[str, str], float] = {}
    lags: dict[str, list[float]] = {}
    for event in of_kind(events, "pod"):
        for what in ("initialized", "started", "ready"):
            stamp, known = event.get(what), said.get((event["name"], what))
            if stamp is None or stamp == known:
                continue
            said[event["name"], what] = stamp
            if event["t"] > begun and not any(since <= event["t"] <= until for since, until in silences):
                lags.setdefault(event["node"], []).append(event["t"] - stamp)
    for node, found in lags.items():
        ahead, behind = -min(found), min(found)
        if ahead > CLOCK_SECONDS or behind > STALE_SECONDS:
            yield (
                f"the clock of node {node} is {ahead:+.0f} s off the controller's: how long its pods took to be ready is not known; let "
                "both be set by NTP"
            )
