"""What a recorded run says about the site: its load, its replicas' service, and how long everything takes. Pure."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..hpa.seen import Controller, Metric
from ..hpa.spec import read_spec
from ..loadtest import histogram
from ..loadtest.answers import each, together
from ..loadtest.retrace import looks
from ..loadtest.slo import asked_of_all
from ..loadtest.timeline import counts_over_time, of_kind, since, value_at
from ..model_server.runtime import TF_SERVING
from .likely import overdispersion, spread
from .service import MOST, ROOM, Curve, Load, Observation, Outcome, Server, Service, in_time, on_average

Json = dict[str, Any]

IDLE = 0.05
"""Requests a second below which a replica does next to nothing."""

LATE = tuple(step / 2 for step in range(21))
"""Seconds by which samples may end later than they say: kubelets keep what they measured for a while. The one by which CPU
follows requests best is taken."""

NEAR_REFUSED = 5.0
"""Seconds about a look at the proxy's counts in which what they count may have happened."""

SAMPLES_LEAST = 4
"""Samples of CPU under load without which a request's CPU is a guess."""


SECONDS_MAX = 7 * 86400
"""A load takes a day at most; what is above is a mistake in a time, and would be expanded second by second."""


class NotMeasured(Exception):
    """What a run does not say, why, and the way out."""


@dataclasses.dataclass(frozen=True)
class Times:
    """How long things take, in seconds; the median of what the run met, or, where it met none, what is assumed."""

    start: float
    """from a pod's node until it is ready"""
    drain: float
    """from the order to go until it is gone"""
    node_start: float
    """from the request for a node until it is ready"""
    node_end: float
    """from when a node's last pod is gone until the node is"""
    scrape: float = 15.0
    """from one sample of CPU to the next"""
    window: float = 15.0
    """that a sample is an average over"""
    lag: float = 2.0
    """from a sample's end until the HPA can see it"""
    look: float = 15.0
    """from one look of the HPA to the next"""
    look_first: float = 5.0
    """from the begin of the load to the first look"""
    scrape_first: float = 0.0
    """from the begin of the load to the end of the first sample"""
    late: float = 0.0
    """by which samples end later than they say"""
    drain_spread: float = 0.0
    """standard deviation of drains"""
    assumed: tuple[str, ...] = ()
    """names of those that the run did not meet"""


@dataclasses.dataclass(frozen=True)
class Site:
    """Where the run began, and what it may grow to."""

    replicas: int
    nodes: int
    per_node: int
    """replicas that a node has room for, as far as the run has shown"""
    nodes_max: int
    controller: Controller = dataclasses.field(default_factory=Controller)


@dataclasses.dataclass(frozen=True)
class Measured:
    """A run, as a simulation takes it. ``limit``: seconds within which an answer is in time."""

    load: Load
    service: Service
    times: Times
    site: Site
    actual: Outcome
    hpa: Json
    limit: float
    share: float
    """of the requests that should be in time"""
    limit_words: str
    began: float
    observed: tuple[Observation, ...] = ()
    """moments of the run: pressure, requests, and the share of them in time"""
    overdispersion: float = 1.0
    """how many times as much the parts of the run vary about the others as independent requests would"""
    fastest: float = 0.0
    """seconds of an answer when there is little to do: the run's fifth percentile"""
    nodes: tuple[Json, ...] = ()
    """what the timeline says of them, for their bill"""
    namespace: str = ""
    deployment: str = ""
    cluster: str = ""
    """empty where the run does not say"""


_ASSUMED = {"start": 20.0, "drain": 20.0, "node_start": 100.0, "node_end": 600.0}
"""Where a run met none: a small model, serving_propagation_seconds, GKE's nodes.
https://cloud.google.com/kubernetes-engine/docs/how-to/capacity-provisioning"""


def measured(events: list[Json], slo: Sequence[str]) -> Measured:
    """Raises NotMeasured. ``slo``: the run's limits; the first of a percentile without a condition counts."""
    run = next(iter(of_kind(events, "run")), None)
    loads = of_kind(events, "load")
    if run is None or len(loads) < 5:
        raise NotMeasured("the timeline has no load: take a run that went on for a while")
    specs = of_kind(events, "hpa_spec")
    if not specs or not of_kind(events, "samples"):
        raise NotMeasured(
            "the timeline is of an earlier version, which wrote down neither the HPA's spec nor the pods' samples of CPU: "
            "run the load test again"
        )
    app, begin = run["deployment"], run["t"]
    seconds = int(loads[-1]["t"] - begin) + 1
    ends = int(events[-1]["t"] - begin) + 1
    if ends > SECONDS_MAX:
        raise NotMeasured(
            f"its timeline takes {ends / 86400:.0f} days, from its run to its last event: one of the times in it is none"
        )
    ready_steps = since(serving(events, app), begin, run["replicas"])
    ready = by_second(ready_steps, begin, ends)
    container = _container(specs[-1]["spec"])
    request, most = _sizes(events, app, container)
    cpu_ms, idle, late = _cost(events, app, container, ready_steps)
    limit, share, words = _limit(slo, loads)
    load = _load(run, loads, begin, seconds)
    service, observed, fastest = _service(
        loads, load, ready, begin, limit, (cpu_ms, idle, request, most), _room(events, load, ready_steps)
    )
    return Measured(
        load=load, service=service, times=_times(events, app, late), site=_site(events, run, app),
        actual=_actual(events, app, run, ready, limit, ends), hpa=specs[-1]["spec"], limit=limit, share=share,
        limit_words=words, began=begin, observed=tuple(observed), fastest=fastest,
        overdispersion=overdispersion(
            observed, lambda seen: in_time(seen, limit, fastest, service.cpu_ms / service.limit)
        ),
        nodes=tuple(of_kind(events, "node")),
        namespace=run["namespace"], deployment=app, cluster=run.get("cluster") or "",
    )  # fmt: skip


def _container(spec: Json) -> str:
    """Whose CPU requests are held against: that by which the HPA goes, empty for the whole pod; or the model server's."""
    by_cpu = [metric for metric in read_spec(spec).metrics if is_of_cpu(metric)]
    return by_cpu[0].container if by_cpu else TF_SERVING.container


def is_of_cpu(metric: Metric) -> bool:
    return metric.type in ("Resource", "ContainerResource") and metric.name == "cpu"


def _limit(slo: Sequence[str], loads: list[Json]) -> tuple[float, float, str]:
    asked = asked_of_all(slo)
    if asked:
        return asked.milliseconds / 1000, asked.share, asked.words
    met = together(answers for _event, answers in each(loads))
    own = met.percentile(0.95)
    if own is None:
        raise NotMeasured(
            f"{met.failed} of {met.total} requests failed: there is no p95 to go by; give a limit, as `p95_ms <= 300`"
            if met.answered
            else "no request was answered"
        )
    return own / 1000, 0.95, f"p95_ms <= {histogram.words(own)} (the run's own: no percentile has a limit)"


def serving(events: list[Json], app: str) -> list[tuple[float, int]]:
    """(t, replicas that are ready and not told to go)"""
    kept = [
        {**event, "ready": None} if event["kind"] == "pod" and event["leaving"] else event for event in events
    ]
    return counts_over_time(kept, "pod", app=app)


def by_second(steps: Sequence[tuple[float, float]], begin: float, seconds: int) -> tuple[int, ...]:
    """The number in force in each second."""
    return tuple(int(value_at(steps, begin + t + 0.5)) for t in range(seconds))


def _sizes(events: list[Json], app: str, container: str) -> tuple[int, float]:
    """(request, limit) of the container's CPU, in thousandths."""
    for event in reversed(of_kind(events, "pod_spec")):
        if event["labels"].get("app") != app:
            continue
        names = [container] if container else list(event["requests"])
        requests = [event["requests"].get(name, {}).get("cpu", 0) for name in names]
        limits = [event["limits"].get(name, {}).get("cpu") for name in names]
        if not sum(requests):
            raise NotMeasured("the model server's pods request no CPU")
        return sum(requests), float(sum(limit for limit in limits if limit)) if all(limits) else 0.0
    raise NotMeasured("no pod of the model server was seen")


def _cost(
    events: list[Json], app: str, container: str, ready: Sequence[tuple[float, float]]
) -> tuple[float, float, float]:
    """(CPU of a request in ms of a core, CPU of an idle replica in thousandths, seconds by which samples end later than they
    say): what replicas used in samples' windows in which
    next to nothing was asked, and what they used more in all others, by what they answered in these."""
    mine = {event["name"] for event in of_kind(events, "pod") if event["app"] == app}
    begun = {event["name"]: event["ready"] for event in of_kind(events, "pod") if event["ready"] is not None}
    loads = of_kind(events, "load")
    times, counts = [event["t"] for event in loads], [event["requests"] for event in loads]
    by_time: dict[float, list[tuple[str, float, float]]] = {}
    for event in of_kind(events, "samples"):
        for sample in event["pods"]:
            if sample["pod"] in mine:
                used = [
                    usage["cpu"]
                    for name, usage in sample["usage"].items()
                    if container in ("", name) and "cpu" in usage
                ]
                by_time.setdefault(round(event["t"]), []).append((sample["pod"], sum(used), sample["at"]))
    windows = [sample["window"] for event in of_kind(events, "samples") for sample in event["pods"]]
    window = statistics.median(windows) if windows else 15.0
    best: tuple[float, float, float, float] | None = None
    most = 0
    for late in LATE:
        points: list[tuple[float, float]] = []
        for samples in by_time.values():
            at = statistics.median(end for _pod, _used, end in samples) + late
            began = at - window
            if any(begun.get(pod, at) > began for pod, _used, _end in samples):
                continue  # the CPU of a start is no request's
            if not times or began < times[0] or len(samples) != value_at(ready, at - window / 2):
                continue
            asked = (_at(times, counts, at) - _at(times, counts, began)) / window / len(samples)
            points.append((asked, sum(used for _pod, used, _end in samples) / len(samples)))
        busy = [point for point in points if point[0] >= IDLE]
        most = max(most, len(busy))
        if len(busy) < SAMPLES_LEAST:
            continue
        idle = statistics.median([used for asked, used in points if asked < IDLE] or [0.0])
        slope = sum(used - idle for _asked, used in busy) / sum(asked for asked, _used in busy)
        off = statistics.fmean((used - idle - slope * asked) ** 2 for asked, used in busy)
        if slope > 0 and (best is None or off < best[0]):
            best = (off, slope, idle, late)
    if most < SAMPLES_LEAST:
        raise NotMeasured(
            f"there are {most} samples of CPU under load with replicas that were all ready, and {SAMPLES_LEAST} are needed "
            "to say what a request costs: run a longer load test"
        )
    if best is None:
        raise NotMeasured("the model server's CPU did not follow its requests: it is not what limits it")
    return best[1], best[2], best[3]


def _at(times: Sequence[float], values: Sequence[float], t: float) -> float:
    """A count at a moment, straight between two that were seen."""
    index = bisect.bisect_right(times, t)
    if index == 0:
        return values[0]
    if index == len(times):
        return values[-1]
    share = (t - times[index - 1]) / (times[index] - times[index - 1])
    return values[index - 1] + share * (values[index] - values[index - 1])


def _load(run: Json, loads: list[Json], begin: float, seconds: int) -> Load:
    if loads[0]["users"] is None:
        times = [begin, *(event["t"] for event in loads)]
        counts = [0, *(event["started"] for event in loads)]
        levels = [
            max(0.0, _at(times, counts, begin + t + 1) - _at(times, counts, begin + t))
            for t in range(seconds)
        ]
        return Load(tuple(levels))
    steps = [(event["t"], float(event["users"])) for event in loads]
    users = tuple(value_at(steps, begin + t + 0.5) for t in range(seconds))
    thinks = []
    for event in loads:
        buckets = histogram.parse(event["histogram"])
        answered = sum(buckets.values())
        if event["rate"] > 0 and answered and event["state"] == "running" and event["users"]:
            mean = sum(histogram.value_of(bucket) * n for bucket, n in buckets.items()) / answered / 1000
            thinks.append(event["users"] / event["rate"] - mean)
    return Load(users, think=max(0.0, statistics.median(thinks)) if thinks else 0.0)


def _service(
    loads: list[Json],
    load: Load,
    ready: Sequence[int],
    begin: float,
    limit: float,
    sizes: tuple[float, float, int, float],
    room: float,
) -> tuple[Service, list[Observation], float]:
    """(the service, what it was made of, seconds of an answer when there is little to do)"""
    cpu_ms, idle, request, most = sizes
    fastest = histogram.percentile(together(answers for _event, answers in each(loads)).answered, 0.05)
    if not most:
        # Without a limit a replica can use what its node has left, which the run has not shown.
        raise NotMeasured(
            "the model server's container has no CPU limit: how much a replica can do at most is not known"
        )
    flat = Curve([(0.0, 1.0)])
    work = cpu_ms / most
    bare = Service(cpu_ms, idle, request, most, flat, flat)
    quick = (fastest or 0.0) / 1000
    answered, average = [], []
    for event, count, good in _answered(loads, limit):
        buckets = histogram.parse(event["histogram"])
        mean = sum(histogram.value_of(bucket) * n for bucket, n in buckets.items()) / count / 1000
        answered.append((event, count, mean, good / count))
        second = max(0, min(len(ready) - 1, int(event["t"] - begin) - 1))
        if ready[second]:
            average.append(
                Observation(min(1.0, event["rate"] / (bare.capacity * ready[second])), count, mean)
            )
    averaged = dataclasses.replace(bare, average=on_average(average, quick, work), room=room)
    pressures = (
        _pressures(load, averaged, ready)
        if load.think is not None
        else _met(loads, load, averaged, ready, begin, quick)
    )
    seen = []
    for event, count, mean, share in answered:
        # What is answered now came an answer's time ago.
        came = event["t"] - begin - (mean if load.think is None else 0.0)
        second = max(0, min(load.seconds - 1, int(came) - 1))
        near = pressures[max(0, second - 1) : second + 1]
        seen.append(Observation(statistics.fmean(near), count, share))
    return dataclasses.replace(averaged, within=in_time(seen, limit, quick, work)), seen, quick


def _answered(loads: list[Json], limit: float) -> Iterator[tuple[Json, int, float]]:
    """(look at the load, requests since the one before, those of them that were answered in time)"""
    for event, answers in each(loads):
        if answers.total:
            yield event, answers.total, float(answers.within(limit * 1000))


def _pressures(load: Load, service: Service, ready: Sequence[int]) -> list[float]:
    """The pressure in each second of the run."""
    server, found = Server(service, load), []
    for t in range(load.seconds):
        server.second(t, ready[t])
        found.append(server.pressure)
    return found


def _met(
    loads: list[Json], load: Load, service: Service, ready: Sequence[int], begin: float, quick: float
) -> list[float]:
    """The pressure in each second of an open run, by the requests that were under way: no simulation of the queue is in it."""
    times = [event["t"] - begin for event in loads]
    waiting = [max(0.0, event["started"] - event["requests"] - event["rate"] * quick) for event in loads]
    found = []
    for t in range(load.seconds):
        can = service.capacity * ready[t]
        found.append((load.levels[t] + _at(times, waiting, float(t))) / can if can else MOST)
    return found


def _room(events: list[Json], load: Load, ready: Sequence[tuple[float, float]]) -> float:
    """Requests that a replica had while some were refused since it had no room; what is usual where none were."""
    if load.think is not None:
        return ROOM
    moments: list[float] = []
    before: dict[str, int] = {}
    for event in of_kind(events, "refused"):
        full = event["counts"].get("full", 0)
        if full > before.get(event["name"], 0):
            moments.append(event["t"])
        before[event["name"]] = full
    under_way = [
        (event["started"] - event["requests"]) / max(1.0, value_at(ready, event["t"]))
        for event in of_kind(events, "load")
        if any(abs(event["t"] - moment) <= NEAR_REFUSED for moment in moments)
    ]
    return statistics.median(under_way) if under_way else ROOM


def _times(events: list[Json], app: str, late: float) -> Times:
    pods: dict[str, Json] = {}
    left: dict[str, float] = {}
    drains = []
    for event in of_kind(events, "pod"):
        if event["app"] != app:
            continue
        pods[event["name"]] = {
            **pods.get(event["name"], {}),
            **{k: v for k, v in event.items() if v is not None},
        }
        if event["leaving"]:
            left.setdefault(event["name"], event["t"])
        if event["gone"] and event["name"] in left:
            drains.append(event["t"] - left[event["name"]])
    run = next(iter(of_kind(events, "run")))
    fresh = [pod for pod in pods.values() if pod.get("created", 0) >= run["t"] - 1]
    starts = [pod["ready"] - pod["scheduled"] for pod in fresh if "ready" in pod and "scheduled" in pod]
    asked = [e["at"] for e in of_kind(events, "event") if e["reason"] == "TriggeredScaleUp" and e["at"]]
    came = {e["name"]: e["ready"] for e in of_kind(events, "node") if e["ready"] is not None}
    nodes = []
    for moment in came.values():
        before = [at for at in asked if run["t"] - 1 <= at <= moment]
        if before and moment >= run["t"]:
            nodes.append(moment - before[-1])
    gone = [e["t"] for e in of_kind(events, "node") if e["gone"]]
    emptied = [e["t"] for e in of_kind(events, "pod") if e["gone"] and e["app"] == app]
    ends = [t - max(e for e in emptied if e <= t) for t in gone if any(e <= t for e in emptied)]
    samples: dict[str, list[float]] = {}
    windows, lags = [], []
    for event in of_kind(events, "samples"):
        for sample in event["pods"]:
            samples.setdefault(sample["pod"], []).append(sample["at"])
            windows.append(sample["window"])
            lags.append((event["before"] + event["t"]) / 2 - sample["at"])
    scrapes = [b - a for ats in samples.values() for a, b in itertools.pairwise(ats) if b > a]
    found_looks = looks(events)
    looked = found_looks["period"] or 15.0
    first_look = found_looks["all"][0].t - run["t"] if found_looks["all"] else 5.0
    ends_at = [at for ats in samples.values() for at in ats]
    scrape = _median(scrapes, 15.0)
    found = {"start": starts, "drain": drains, "node_start": nodes, "node_end": ends}
    known = {name: statistics.median(values) for name, values in found.items() if values}
    return Times(
        **{**_ASSUMED, **known},
        scrape=scrape, window=_median(windows, 15.0), lag=max(0.0, _median(lags[len(samples):], 2.0)),
        look=looked, look_first=first_look % looked, late=late,
        drain_spread=spread(drains, known.get("drain", _ASSUMED["drain"])), scrape_first=(min(ends_at, default=run["t"]) - run["t"]) % scrape,
        assumed=tuple(name for name in found if name not in known),
    )  # fmt: skip


def _median(values: Iterable[float], otherwise: float) -> float:
    known = list(values)
    return statistics.median(known) if known else otherwise


def _site(events: list[Json], run: Json, app: str) -> Site:
    """Rooms of a node: the most replicas that any had at a time."""
    where: dict[str, str] = {}
    most = 1
    for event in of_kind(events, "pod"):
        if event["app"] != app:
            continue
        if event["gone"] or not event["node"]:
            where.pop(event["name"], None)
        else:
            where[event["name"]] = event["node"]
            most = max(most, sum(node == event["node"] for node in where.values()))
    counts = [value for _t, value in counts_over_time(events, "node")]
    return Site(
        replicas=run["replicas"], nodes=max(1, run["nodes"]), per_node=most,
        nodes_max=max([run["nodes"], 1, *counts]), controller=Controller.of(run.get("kubernetes") or ""),
    )  # fmt: skip


def _actual(
    events: list[Json], app: str, run: Json, ready: tuple[int, ...], limit: float, seconds: int
) -> Outcome:
    begin = run["t"]
    there = existing(events, app, begin, run["replicas"], seconds)
    nodes = by_second(since(counts_over_time(events, "node"), begin, run["nodes"]), begin, seconds)
    wanted = by_second(
        since([(e["t"], e["wanted"]) for e in of_kind(events, "deployment")], begin, run["replicas"]),
        begin,
        seconds,
    )
    total, good = 0, 0.0
    for _event, count, in_time_now in _answered(of_kind(events, "load"), limit):
        total += count
        good += in_time_now
    return Outcome(total, good, ready, wanted, there, nodes)


def existing(events: list[Json], app: str, begin: float, first: int, seconds: int) -> tuple[int, ...]:
    """Pods of the model server in each second, those that start or drain included."""
    marked = [{**event, "ready": None if event["gone"] else event["t"]} for event in of_kind(events, "pod")]
    return by_second(since(counts_over_time(marked, "pod", app=app), begin, first), begin, seconds)
