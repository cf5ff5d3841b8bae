"""A run that was not: the same load through the same service, with an HPA that was told something else. Pure.

Second by second: requests come and are answered as service.py says; samples of CPU are taken and seen as late as they were
in the run; the HPA looks by Kubernetes' own rules (hpa/); pods are made, wait for a node, start, drain; nodes come when
pods have no room, and go when all replicas fit on fewer for long enough. Pods that are alike are one crowd.

Not in it: that some replicas get more load than others (the run's own measure has it, as it was), requests that take more
CPU than others, failures, several node pools, where a node's other pods are.
"""

from __future__ import annotations

import dataclasses
import math

from ..hpa.limits import Memory
from ..hpa.look import look
from ..hpa.seen import Pod, Reading, Sample, Seen, Spec
from ..hpa.sources import RATE_SECONDS, SCRAPE_SECONDS
from .measured import Site, Times
from .service import Load, Outcome, Server, Service

NODE_LOOK = 10
"""Seconds from one look of the node autoscaler to the next (cluster-autoscaler's --scan-interval)."""

REQUESTS = "requests"
"""The metric of all requests a second."""
_REQUESTS_LATE = SCRAPE_SECONDS / 2
"""Seconds that a scrape is old on average."""

_OLD = 400.0
"""Seconds after which a replica is as any other for the HPA."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What is simulated."""

    load: Load
    service: Service
    times: Times
    site: Site
    spec: Spec
    seconds: int
    """from the begin of the load until it is looked at no more"""
    nodes_min: int = 1
    nodes_max: int | None = None
    stock: int = 0
    """replicas for which nodes have room all the time, as far as there may be so many"""


@dataclasses.dataclass
class _Crowd:
    """Replicas that were made, and were ready, together."""

    name: str
    count: int
    placed: float | None
    """when they got a node"""
    ready: float = math.inf


def simulate(case: Case) -> Outcome:
    """What would have been."""
    return _Simulation(case).run()


class _Simulation:
    def __init__(self, case: Case) -> None:
        self._case = case
        self._server = Server(case.service, case.load)
        self._crowds = [_Crowd("first", case.site.replicas, -_OLD, -_OLD)] if case.site.replicas else []
        self._draining: list[tuple[float, int]] = []
        self._replicas = case.site.replicas
        self._memory = Memory()
        self._nodes = max(
            case.site.nodes, case.nodes_min, self._needed(case.site.replicas) if case.stock else 0
        )
        self._coming: list[float] = []
        self._spare_since: float | None = None
        self._used = [0.0]
        """CPU that a replica has used until each second, in thousandths of a core times seconds"""
        self._asked = [0.0]
        """requests until each second"""
        self._made = 0
        metric = next(one for one in case.spec.metrics if one.name != REQUESTS)
        self._requests = {metric.container or "all": {metric.name: case.service.request}}

    def run(self) -> Outcome:
        case = self._case
        next_look, next_node = case.times.look_first, float(NODE_LOOK)
        ready_line, wanted_line, existing_line, nodes_line = [], [], [], []
        for t in range(case.seconds):
            if t >= next_look:
                self._look(float(t))
                next_look += case.times.look
            if t >= next_node:
                self._node_look(float(t))
                next_node += NODE_LOOK
            self._arrive(float(t))
            ready = sum([crowd.count for crowd in self._crowds if crowd.ready <= t])
            cpu = self._server.second(t, ready)
            self._used.append(self._used[-1] + cpu)
            self._asked.append(self._server.requests)
            ready_line.append(ready)
            wanted_line.append(self._replicas)
            existing_line.append(self._existing())
            nodes_line.append(self._nodes)
        server = self._server
        return Outcome(
            server.requests, server.in_time, tuple(ready_line), tuple(wanted_line), tuple(existing_line),
            tuple(nodes_line), server.spread, server.beyond, server.beyond_in_time,
        )  # fmt: skip

    def _existing(self) -> int:
        there = sum([crowd.count for crowd in self._crowds])
        return there + sum([count for _t, count in self._draining]) if self._draining else there

    def _look(self, t: float) -> None:
        case, times = self._case, self._case.times
        # The newest sample that can be seen ends here.
        behind = (t - times.lag - times.scrape_first) % times.scrape
        taken = t - times.lag - behind
        pods, samples = [], {}
        for crowd in self._crowds:
            begun = crowd.placed is not None
            ready = crowd.ready <= t
            pods.append(
                Pod(
                    crowd.name, phase="Running" if ready else "Pending", ready="True" if ready else "False",
                    ready_since=crowd.ready if ready else crowd.placed or t, started=crowd.placed if begun else None,
                    requests=self._requests, count=crowd.count,
                )
            )  # fmt: skip
            if begun and crowd.placed <= taken:  # type: ignore[operator]
                samples[crowd.name] = Sample(self._usage(crowd, taken + times.late), taken, times.window)
        readings: tuple[Reading, ...] = tuple(
            (self._rate(t),) if metric.name == REQUESTS else samples for metric in case.spec.metrics
        )
        seen = Seen(t, self._replicas, self._existing(), tuple(pods), readings)
        decision = look(case.spec, seen, self._memory, case.site.controller)
        self._memory = decision.memory
        if decision.replicas > self._replicas:
            self._made += 1
            self._crowds.append(_Crowd(f"c{self._made}", decision.replicas - self._replicas, None))
        elif decision.replicas < self._replicas:
            self._remove(t, self._replicas - decision.replicas)
        self._replicas = decision.replicas
        self._merge(t)

    def _usage(self, crowd: _Crowd, taken: float) -> int:
        """CPU over a sample's window, of the seconds in which these replicas answered."""
        end = min(len(self._used) - 1, max(0, round(taken)))
        begin = max(0, round(taken - self._case.times.window), math.ceil(min(crowd.ready, 1e12)))
        if begin >= end:
            # Before the run, or while they start: a sample that does not count.
            return round(self._case.service.idle)
        return round((self._used[end] - self._used[begin]) / (end - begin))

    def _rate(self, t: float) -> int:
        """Requests a second, in thousandths, as the HPA reads them now."""
        end = min(len(self._asked) - 1, max(0, round(t - _REQUESTS_LATE)))
        begin = max(0, end - RATE_SECONDS)
        return round(1000 * (self._asked[end] - self._asked[begin]) / RATE_SECONDS)

    def _remove(self, t: float, count: int) -> None:
        """Those without a node first, then those that are not ready, then the youngest."""
        self._crowds.sort(key=lambda crowd: (crowd.placed is not None, -crowd.ready))
        left = count
        for crowd in self._crowds:
            taken = min(left, crowd.count)
            crowd.count -= taken
            left -= taken
            if taken and crowd.placed is not None:
                self._draining.append((t + self._case.times.drain, taken))
        self._crowds = [crowd for crowd in self._crowds if crowd.count]

    def _merge(self, t: float) -> None:
        old = [crowd for crowd in self._crowds if crowd.ready <= t - _OLD]
        if len(old) > 1:
            young = [crowd for crowd in self._crowds if crowd.ready > t - _OLD]
            whole = _Crowd("old", sum(crowd.count for crowd in old), -_OLD, max(crowd.ready for crowd in old))
            self._crowds = [whole, *young]

    def _arrive(self, t: float) -> None:
        """Nodes that come, drained pods that go, pods that get a node."""
        if self._coming and self._coming[0] <= t:
            came = sum(moment <= t for moment in self._coming)
            self._coming = self._coming[came:]
            self._nodes += came
        if self._draining and self._draining[0][0] <= t:
            self._draining = [(end, count) for end, count in self._draining if end > t]
        waiting = [crowd for crowd in self._crowds if crowd.placed is None]
        if not waiting:
            return
        placed = self._existing() - sum(crowd.count for crowd in waiting)
        room = self._nodes * self._case.site.per_node - placed
        for crowd in waiting:
            if room <= 0:
                return
            if crowd.count > room:
                self._made += 1
                self._crowds.append(_Crowd(f"c{self._made}", crowd.count - room, None))
                crowd.count = room
            room -= crowd.count
            crowd.placed, crowd.ready = t, t + self._case.times.start

    def _needed(self, replicas: int) -> int:
        """Nodes for so many replicas and those in stock, of which a full site has as many as there may be nodes."""
        case = self._case
        for_all = math.ceil((replicas + case.stock) / case.site.per_node)
        most = for_all if case.nodes_max is None else case.nodes_max
        return max(math.ceil(replicas / case.site.per_node), min(for_all, most))

    def _node_look(self, t: float) -> None:
        case = self._case
        needed = self._needed(self._existing())
        waiting = any(crowd.placed is None for crowd in self._crowds)
        there = self._nodes + len(self._coming)
        if (waiting or case.stock) and needed > there:
            most = needed if case.nodes_max is None else min(needed, case.nodes_max)
            self._coming += [t + case.times.node_start] * max(0, most - there)
        if self._nodes > max(needed, case.nodes_min) and not self._coming:
            self._spare_since = t if self._spare_since is None else self._spare_since
            if t - self._spare_since >= case.times.node_end:
                self._nodes = max(needed, case.nodes_min)
                self._spare_since = None
        else:
            self._spare_since = None
