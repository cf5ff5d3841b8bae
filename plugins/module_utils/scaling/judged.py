"""A run against the best that was possible, and its cost, as the report has them. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ..loadtest.schema import Best, Cost, Json
from ..loadtest.timeline import of_kind
from ..preflight.bill import Terms, bill
from . import cost as costs
from .bound import Bound, of_run
from .measured import NotMeasured, existing, measured


def best(events: list[Json], slo: Sequence[str]) -> Best:
    """The bound of a run. ``slo``: its limits."""
    try:
        run = measured(events, slo)
    except NotMeasured as why:
        return _nothing(str(why))
    times, site, actual = run.times, run.site, run.actual
    seconds = len(actual.ready)
    found = of_run(
        run.service, run.load, run.share, site.replicas, up=times.start, down=times.drain, seconds=seconds
    )
    if not found.schedule:
        return _nothing(
            f"no number of replicas keeps {run.limit_words}: even with little to do too many answers were later in this run"
        )
    nodes = of_run(
        run.service, run.load, run.share, site.nodes, up=times.node_start, down=times.node_end,
        each=site.per_node, seconds=seconds,
    )  # fmt: skip
    return {
        "problem": "",
        "limit": run.limit_words,
        "share": run.share,
        "attained": round(actual.attained, 5),
        "replica_seconds": actual.replica_seconds,
        "bound": round(found.seconds, 1),
        "ratio": round(actual.replica_seconds / found.seconds, 3) if found.seconds else None,
        "schedule": steps(found),
        "schedule_cost": round(found.cost, 1),
        "node_seconds": actual.node_seconds,
        "node_bound": round(nodes.seconds, 1),
        "cpu_ms": round(run.service.cpu_ms, 2),
        "capacity": round(run.service.capacity, 2),
        "start": round(times.start, 1),
        "drain": round(times.drain, 1),
        "node_start": round(times.node_start, 1),
        "node_end": round(times.node_end, 1),
        "assumed": list(times.assumed),
    }


def steps(bound: Bound) -> list[list[float]]:
    """(seconds, replicas) after each change of a schedule."""
    known: list[list[float]] = []
    for index, (before, now) in enumerate(itertools.pairwise((None, *bound.schedule))):
        if now is not None and now != before:
            known.append([float(index * bound.slot), float(now)])
    return known


def _nothing(problem: str) -> Best:
    return {
        "problem": problem, "limit": "", "share": None, "attained": None, "replica_seconds": None, "bound": None,
        "ratio": None, "schedule": [], "schedule_cost": None, "node_seconds": None, "node_bound": None, "cpu_ms": None,
        "capacity": None, "start": None, "drain": None, "node_start": None, "node_end": None, "assumed": [],
    }  # fmt: skip


def cost_of_run(events: list[Json], terms: Terms) -> Cost | None:
    """None where there was no load."""
    run = next(iter(of_kind(events, "run")), None)
    loads = of_kind(events, "load")
    if run is None or not loads:
        return None
    begin, seconds = run["t"], int(events[-1]["t"] - run["t"]) + 1
    hours = costs.node_hours(of_kind(events, "node"), terms, begin, seconds)
    google = any(pool.name for pool in hours)
    billed = bill(
        [(pool, paid) for pool, paid in hours.items() if paid], seconds / costs.HOUR, terms.table, cluster=google, balanced=google and terms.balanced,
    )  # fmt: skip
    return costs.cost(
        float(sum(existing(events, run["deployment"], begin, run["replicas"], seconds))), float(seconds),
        loads[-1]["requests"] - loads[-1]["failures"], billed,
    )  # fmt: skip
