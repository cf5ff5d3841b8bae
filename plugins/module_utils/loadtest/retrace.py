"""Each look of the HPA during a run: found in the timeline, decided again by Kubernetes' rules, and held against what
the HPA saw and set. Pure.

When it looked: the controller takes an HPA up again a fixed period after it was done with it, and writes its status only
where that changes (``updateStatusIfNeeded`` in ``pkg/controller/podautoscaler/horizontal.go``). So a change of the status
is a look, and between two changes the looks that changed nothing stand a period apart: what they saw and set is what the
status said all the time.

What it saw: the timeline knows pods as the API server told them, and samples within two seconds. Where a look fell between
two states that are this near, both are tried, and the look is explained if one of them gives what it saw *and* set. What
no state gives is unexplained, and the rules go on from what the HPA set.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from ..hpa.limits import Memory, Recommendation, scaled
from ..hpa.look import Decision, decider, look
from ..hpa.replicas import Proposal
from ..hpa.seen import Controller, Metric, Pod, Reading, Sample, Seen, Spec
from ..hpa.spec import read_spec
from ..hpa.words import sentence
from .schema import Json, Look, Looks
from .timeline import of_kind

PERIOD = 15.0
"""--horizontal-pod-autoscaler-sync-period, unless the looks say otherwise."""

DRIFT = 2.0
"""How far looks may be from their places when there are several between two that were seen."""

_APART = (0.3, 0.0, 1.0)
"""Seconds before a look's result was seen as of which the pods are taken: between look and result the Deployment's
controller may have made pods already, and our own watch may have been ahead of the controller's."""

_CLOCKS = (0.0, 0.3, -0.3)
"""Seconds by which a look may have been elsewhere: windows and policies count from looks that were as uncertain."""


@dataclasses.dataclass(frozen=True)
class _When:
    """A look: when, whether it was seen, and the HPA's status after it."""

    t: float
    seen: bool
    status: Json


def looks(events: list[Json]) -> Looks:
    """Every look of a run, in order of time. ``events``: the timeline's, in order of time."""
    statuses = [event for event in of_kind(events, "hpa") if not event["gone"]]
    if not statuses:
        return _none("the run had no HPA")
    if not of_kind(events, "hpa_spec") or not of_kind(events, "samples"):
        return _none(
            "the timeline is of an earlier version, which wrote down neither the HPA's spec nor the pods' samples"
        )
    period, when, hidden = _times(events, statuses)
    found = list(_explained(events, when, statuses[0]))
    run = next(iter(of_kind(events, "run")), {})
    return {
        "period": period,
        "all": found,
        "unexplained": sum(not one.explained for one in found),
        "hidden": hidden,
        "problem": ""
        if run.get("kubernetes")
        else "Kubernetes' version is not known: the rules are those of 1.37",
    }


def _none(problem: str) -> Looks:
    return {"period": None, "all": [], "unexplained": 0, "hidden": 0, "problem": problem}


def _times(events: list[Json], statuses: list[Json]) -> tuple[float | None, list[_When], int]:
    """(period, looks, how many more there must have been while the HPA could not be seen)"""
    changed = [
        later for earlier, later in itertools.pairwise(statuses) if _of_status(later) != _of_status(earlier)
    ]
    if not changed:
        return None, [], 0
    gaps = [later["t"] - earlier["t"] for earlier, later in itertools.pairwise(changed)]
    period = _period(gaps)
    found: list[_When] = []
    before = statuses[0]
    back = changed[0]["t"] - period
    while back > statuses[0]["t"]:
        found.insert(0, _When(back, False, before))
        back -= period
    for index, event in enumerate(changed):
        found.append(_When(event["t"], True, event))
        end = changed[index + 1]["t"] if index + 1 < len(changed) else None
        if end is None:
            last = events[-1]["t"]
            found += [
                _When(event["t"] + n * period, False, event)
                for n in range(1, int((last - event["t"]) / period) + 1)
            ]
            continue
        number = round((end - event["t"]) / period)
        step = (end - event["t"]) / max(1, number)
        if abs(step - period) * number <= DRIFT + 0.02 * number * period:
            found += [_When(event["t"] + n * step, False, event) for n in range(1, number)]
        else:
            # The rhythm began anew: a controller that was started again, or another one that took over.
            found += [
                _When(event["t"] + n * period, False, event)
                for n in range(1, int((end - event["t"] - 1.0) / period) + 1)
            ]
    blind = [
        (gap["since"], gap["since"] + gap["seconds"]) for gap in of_kind(events, "gap") if gap["of"] == "hpa"
    ]
    visible = [one for one in found if one.seen or not any(begin <= one.t <= end for begin, end in blind)]
    return round(period, 2), visible, len(found) - len(visible)


def _of_status(event: Json) -> list[Any]:
    return [event[key] for key in ("current", "desired", "metrics", "averages", "conditions", "rescaled")]


def _period(gaps: list[float]) -> float:
    """The controller's period: 15 s where the times between changes are multiples of that, else what they are made of."""
    counted = [gap for gap in gaps if gap > 1.0]
    if not counted:
        return PERIOD
    fit = [
        abs(gap / PERIOD - round(gap / PERIOD)) * PERIOD <= DRIFT and round(gap / PERIOD) > 0
        for gap in counted
    ]
    if sum(fit) >= len(fit) / 2:
        near = [gap for gap in counted if abs(gap - PERIOD) <= DRIFT]
        return sum(near) / len(near) if near else PERIOD
    short = sorted(counted)
    return short[len(short) // 10]


class _World:
    """What the timeline knows as of a moment."""

    def __init__(self, events: list[Json]) -> None:
        self._specs = _Steps([(e["t"], e["spec"]) for e in of_kind(events, "hpa_spec")])
        self._deployments = _Steps([(e["t"], e) for e in of_kind(events, "deployment")])
        self._read: dict[int, Spec] = {}
        self._pods: dict[str, _Steps] = {}
        self._made: dict[tuple[int, int], Pod] = {}
        for event in of_kind(events, "pod"):
            self._pods.setdefault(event["name"], _Steps([])).add(event["t"], event)
        self._pod_specs: dict[str, _Steps] = {}
        for event in of_kind(events, "pod_spec"):
            self._pod_specs.setdefault(event["name"], _Steps([])).add(event["t"], event)
        self._samples: dict[str, _Steps] = {}
        self._polls: list[tuple[float, float]] = []
        self._problems = _Steps([])
        for event in of_kind(events, "samples"):
            self._polls.append((event["before"], event["t"]))
            self._problems.add(event["t"], event["problem"])
            for sample in event["pods"]:
                self._samples.setdefault(sample["pod"], _Steps([])).add(event["t"], sample)
            for name in event["gone"]:
                self._samples.setdefault(name, _Steps([])).add(event["t"], None)

    def spec(self, t: float, controller: Controller) -> Spec:
        found = self._specs.at(t) or self._specs.first()
        if id(found) not in self._read:
            self._read[id(found)] = read_spec(found, controller.downscale_window)
        return self._read[id(found)]

    def pods(self, t: float) -> tuple[Pod, ...]:
        """Those under the Deployment's selector."""
        deployment = self._deployments.at(t) or self._deployments.first()
        labels = deployment["selector"] if deployment else {}
        found = []
        for name, steps in self._pods.items():
            event = steps.at(t)
            if event is None or event["gone"] or name not in self._pod_specs:
                continue
            spec = self._pod_specs[name].at(t) or self._pod_specs[name].first()
            if not labels or any(spec["labels"].get(key) != value for key, value in labels.items()):
                continue
            key = (id(event), id(spec))
            if key not in self._made:
                self._made[key] = _pod(event, spec)
            found.append(self._made[key])
        return tuple(found)

    def sample_times(self, t: float) -> list[float]:
        """Moments as of which the samples may have been taken by a look whose result was seen then."""
        index = bisect.bisect_right(self._polls, t, key=lambda poll: poll[1])
        later = [seen for before, seen in self._polls[index : index + 1] if before <= t]
        # What we had just before the look the controller may have asked for just before that, too.
        earlier = [
            before - 0.001 for before, seen in self._polls[max(0, index - 1) : index] if t - seen < 1.0
        ]
        return [t, *later, *earlier]

    def readings(self, t: float, spec: Spec, status: Json, pods: tuple[Pod, ...]) -> tuple[Reading, ...]:
        problem = self._problems.at(t)
        found: list[Reading] = []
        for index, metric in enumerate(spec.metrics):
            if metric.type not in ("Resource", "ContainerResource"):
                found.append(_from_status(metric, index, status, pods))
            elif problem:
                found.append(problem)
            else:
                found.append(self._of_pods(metric, t))
        return tuple(found)

    def _of_pods(self, metric: Metric, t: float) -> dict[str, Sample]:
        found = {}
        for name, steps in self._samples.items():
            sample = steps.at(t)
            if sample is None:
                continue
            used = [
                usage.get(metric.name)
                for container, usage in sample["usage"].items()
                if metric.container in ("", container)
            ]
            if used and None not in used:
                found[name] = Sample(sum(used), sample["at"], sample["window"])
        return found


class _Steps:
    """A value that changes at moments."""

    def __init__(self, steps: list[tuple[float, Any]]) -> None:
        self._t = [t for t, _unused in steps]
        self._values = [value for _unused, value in steps]

    def add(self, t: float, value: Any) -> None:
        self._t.append(t)
        self._values.append(value)

    def at(self, t: float) -> Any:
        index = bisect.bisect_right(self._t, t)
        return self._values[index - 1] if index else None

    def first(self) -> Any:
        return self._values[0] if self._values else None


def _pod(event: Json, spec: Json) -> Pod:
    return Pod(
        name=event["name"],
        phase=event["phase"] or "Pending",
        deleting=event["leaving"],
        ready=event["readiness"],
        ready_since=event["readiness_since"] or 0.0,
        started=event["accepted"],
        requests=spec["requests"],
        pod_requests=spec["pod_requests"],
    )


def _from_status(metric: Metric, index: int, status: Json, pods: tuple[Pod, ...]) -> Reading:
    """Of a metric that is nobody's to read but the HPA's: what its status says that it was."""
    value = status["metrics"][index]["current"] if index < len(status["metrics"]) else None
    if value is None:
        return "it had no value"
    amount = round(value * 1000)
    if metric.type == "Pods":
        return {
            pod.name: Sample(amount, 0.0, 0.0) for pod in pods if pod.ready == "True" and not pod.deleting
        }
    return (amount * status["current"] if metric.target_type == "AverageValue" else amount,)


def _explained(events: list[Json], when: list[_When], first: Json) -> Iterator[Look]:
    world = _World(events)
    run = next(iter(of_kind(events, "run")), {})
    controller = Controller.of(run.get("kubernetes") or "")
    memory, begin = Memory(), when[0].t if when else 0.0
    for one in when:
        tried = None
        for decision, seen, spec in _tries(world, one, memory, begin, controller):
            tried = tried or (decision, seen, spec)
            if _agrees(decision, one.status, spec):
                memory = decision.memory
                yield _look(one, decision, seen, spec, explained=True)
                break
        else:
            assert tried is not None  # noqa: S101 - there is always one state to try
            decision, seen, spec = tried
            memory = _corrected(memory, decision, seen, spec, one)
            yield _look(one, decision, seen, spec, explained=False)


def _tries(
    world: _World, one: _When, memory: Memory, begin: float, controller: Controller
) -> Iterator[tuple[Decision, Seen, Spec]]:
    """The look as of each state of the cluster that it may have met, the likeliest first."""
    done = set()
    for clock, apart in itertools.product(_CLOCKS, _APART):
        pods, spec = world.pods(one.t - apart), world.spec(one.t - apart, controller)
        for taken in world.sample_times(one.t):
            key = (tuple(map(id, pods)), taken, clock, id(spec))
            if key in done:
                continue
            done.add(key)
            readings = world.readings(taken, spec, one.status, pods)
            replicas = one.status["current"]
            seen = Seen(one.t - 0.05 + clock, replicas, replicas, pods, readings)
            yield look(spec, seen, memory, controller), seen, spec
            window = spec.behavior.down.window if spec.behavior else controller.downscale_window
            if (
                one.t - begin < window
                and one.status["conditions"].get("AbleToScale") == "ScaleDownStabilized"
            ):
                # Held back by what it recommended before anybody watched: the status says so, and no more.
                before = Recommendation(one.status["desired"], seen.t)
                recalled = dataclasses.replace(memory, recommendations=(*memory.recommendations, before))
                decision = look(spec, seen, recalled, controller)
                known = tuple(rec for rec in decision.memory.recommendations if rec is not before)
                own = dataclasses.replace(decision.memory, recommendations=known)
                yield dataclasses.replace(decision, memory=own), seen, spec


def _agrees(decision: Decision, status: Json, spec: Spec) -> bool:
    """Whether the status says what the rules say."""
    if decision.by in ("metric", "above-max", "below-min") and decision.replicas != status["desired"]:
        return False
    if decision.by not in ("metric", "unreadable"):
        return True
    shown = [metric["current"] for metric in status["metrics"]]
    return shown == [
        _value(proposal, metric) for proposal, metric in zip(decision.proposals, spec.metrics, strict=True)
    ]


def _corrected(memory: Memory, decision: Decision, seen: Seen, spec: Spec, one: _When) -> Memory:
    """What the controller remembers after a look that the rules don't give: it set what it set."""
    desired = one.status["desired"]
    if decision.replicas == desired:
        return decision.memory
    recommendations = (*memory.recommendations, Recommendation(desired, one.t))
    known = dataclasses.replace(memory, recommendations=recommendations)
    return known if desired == seen.replicas else scaled(known, spec, seen.replicas, desired, one.t)


def _value(proposal: Proposal, metric: Metric) -> float | None:
    """As the timeline has it: per cent, or the metric's own unit; None for what could not be read."""
    if proposal.replicas is None or proposal.value is None:
        return None
    return proposal.value if metric.target_type == "Utilization" else round(proposal.value / 1000, 3)


def _look(one: _When, decision: Decision, seen: Seen, spec: Spec, *, explained: bool) -> Look:
    lead = decision.proposals[decision.leading or 0] if decision.proposals else None
    values: list[float | None] = [metric["current"] for metric in one.status["metrics"]]
    words = sentence(decision, seen, spec)
    if not explained:
        words = f"set {one.status['desired']}, which is not explained: by what was recorded it {words}"
    return Look(
        t=round(one.t, 3),
        seen=one.seen,
        replicas=seen.replicas,
        pods=len(seen.pods),
        counted=lead.counted if lead else 0,
        values=values,
        rule=decider(decision),
        words=words,
        wanted=decision.recommendation,
        desired=one.status["desired"],
        explained=explained,
    )


def grouped(found: list[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(first, last) of looks one after another that decided the same by the same rule."""
    groups: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    for one in found:
        same = ("replicas", "pods", "counted", "values", "rule", "desired", "explained")
        if groups and all(groups[-1][1][key] == one[key] for key in same):
            groups[-1] = (groups[-1][0], one)
        else:
            groups.append((one, one))
    return groups
