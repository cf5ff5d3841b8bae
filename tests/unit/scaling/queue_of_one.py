"""A replica that is a queue, loaded and looked at as the load test does it: timelines whose capacity is known."""

from __future__ import annotations

import bisect
import itertools
import math
import random
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import histogram
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.answers import Answers
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.curve import due_times
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import plan
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.slo import Asked

Json = dict[str, Any]
BEGAN = 1_000_000.0


def timeline(
    shape: Json,
    seed: int,
    rate: float,
    asked: Asked,
    *,
    spread: float = 0.0,
    refuses: float = math.inf,
    waits: float = 10.0,
    replicas: int = 1,
) -> list[Json]:
    """Of one server that does ``rate`` requests a second, each in the same time, or one that varies by so much (squared coefficient).

    Requests that would wait for more than ``waits`` seconds are refused (503), and those above ``refuses`` a second (429).
    Two workers report every 3 s, the driver looks every 2 s and ends the load as locust_run does.
    """
    planned, dice, free = plan(shape), random.Random(seed), 0.0
    dues = sorted(
        (due, worker)
        for worker in range(2)
        for due in due_times(
            planned.curve, worker=worker, workers=2, poisson=planned.arrivals == "poisson", seed=seed
        )
    )
    done: list[list[tuple[float, str, float]]] = [[], []]
    lately: list[float] = []
    for due, worker in dues:
        lately = [one for one in lately if one > due - 1]
        if len(lately) >= refuses:
            done[worker].append((due, "http 429", 0.001))
        elif free - due > waits:
            done[worker].append((due, "http 503", 0.001))
        else:
            lately.append(due)
            work = 1 / rate if not spread else dice.gammavariate(1 / spread, spread / rate)
            free = max(free, due) + work
            done[worker].append((free, "", free - due))
    for one in done:
        one.sort()
    return [*_before(planned.as_json(), replicas), *_looks(planned, done, dice, asked)]


def _before(planned: Any, replicas: int) -> list[Json]:
    pod = {
        "kind": "pod", "app": "m", "phase": "Running", "node": "n", "leaving": False, "gone": False,
    }  # fmt: skip
    times = {"created": BEGAN - 100, "scheduled": BEGAN - 99, "ready": BEGAN - 85}
    spec = {
        "kind": "pod_spec",
        "labels": {"app": "m"},
        "requests": {"tfserving": {"cpu": 300}},
        "limits": {"tfserving": {"cpu": 300}},
    }
    return [
        *({"t": BEGAN - 1, **pod, "name": f"p{n}", **times} for n in range(replicas)),
        {"t": BEGAN - 1, **spec, "name": "p0", "pod_requests": {}},
        {
            "t": BEGAN, "kind": "run", "namespace": "n", "deployment": "m", "replicas": replicas, "nodes": 1, "workers": 2, "plan": planned,
            "locustfile": None, "kubernetes": "v1.36.0", "cluster": "here",
        },
    ]  # fmt: skip


def _looks(
    planned: Any, done: list[list[tuple[float, str, float]]], dice: random.Random, asked: Asked
) -> list[Json]:
    phases = [dice.uniform(0, 3) for _worker in done]
    times = [[one[0] for one in worker] for worker in done]
    events: list[Json] = []
    before, counts, errors, broken = [0, 0], 0, {"http 429": 0, "http 503": 0}, 0.0
    window: list[Answers] = []
    for look in itertools.count(1):
        t = 2.0 * look
        if t > planned.curve.length + 2 or broken >= 12:
            return events
        answered: dict[int, int] = {}
        failed = 0
        for worker, phase in enumerate(phases):
            reported = phase + 3 * math.floor((t - phase) / 3)
            until = bisect.bisect_right(times[worker], reported)
            for _end, error, took in done[worker][before[worker] : until]:
                counts += 1
                if error:
                    errors[error] += 1
                    failed += 1
                else:
                    bucket = histogram.bucket_of(1000 * took)
                    answered[bucket] = answered.get(bucket, 0) + 1
            before[worker] = until
        bad = {str(histogram.bucket_of(1)): failed} if failed else {}
        whole = {str(bucket): number for bucket, number in answered.items()}
        for bucket, number in bad.items():
            whole[bucket] = whole.get(bucket, 0) + number
        window = [*window, Answers(answered, failed)][-3:]
        met = Answers(histogram.total(one.answered for one in window), sum(one.failed for one in window))
        broken = 0.0 if not met.total or asked.kept(met) else broken + 2
        events.append(
            {
                "t": BEGAN + t, "kind": "load", "state": "running", "elapsed": t, "requests": counts, "errors": dict(errors),
                "histogram": whole, "failed_histogram": bad,
            }
        )  # fmt: skip
    raise AssertionError


def in_time_at_random(load: float, rate: float, wait: float) -> float:
    """The share that waits for no more than so long in M/D/1 (Erlang 1909), of ``load`` and ``rate`` requests a second."""
    work = 1 / rate
    terms = (
        (load * (k * work - wait)) ** k / math.factorial(k) * math.exp(-load * (k * work - wait))
        for k in range(int(wait / work) + 1)
    )
    return (1 - load / rate) * math.fsum(terms)
