"""A recorded run with other settings, or under another load: what it would have used, and how well it would have served. Pure.

What is said of a setting is only as good as the simulation is on what is known: the run itself. So it is simulated as
it was first, and how far off that is stands beside everything else.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..loadtest.curve import due_times, users_at
from ..loadtest.shapes import Plan, ShapeError
from ..preflight.bill import Terms, bill
from ..variables.settings import Pool
from . import bound as bounds
from .cost import HOUR, cost, node_hours
from .measured import Measured
from .service import Load, Outcome
from .settings import Setting
from .simulate import Case, simulate

Json = dict[str, Any]

REQUESTS_MAX = 20_000_000
"""Of another load in the open model: a quarter of a minute of counting."""

TAIL = 60
"""Seconds that it is looked at after the load and the longest time that a scale-down is held back."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A setting, and what came of it."""

    setting: Setting
    outcome: Outcome


@dataclasses.dataclass(frozen=True)
class WhatIf:
    """``first``: the run's own settings, simulated; ``error``: of that against the run, empty under another load."""

    run: Measured
    load: Load
    seconds: int
    first: Row
    rows: tuple[Row, ...]
    bound: bounds.Bound
    error: Json


def what_if(
    run: Measured,
    as_it_was: Setting,
    settings: Sequence[Setting],
    load: Load | None = None,
    known: WhatIf | None = None,
) -> WhatIf:
    """``load``: another than the run's; ``known``: what is known of the same run and load already."""
    loaded = run.load if load is None else load
    windows = [one.spec.behavior.down.window for one in (as_it_was, *settings) if one.spec.behavior]
    seconds = max(len(run.actual.ready) if load is None else 0, loaded.seconds + max([*windows, 0]) + TAIL)
    if known is not None:
        seconds = known.seconds
    rows = tuple(Row(one, outcome_of(run, one, loaded, seconds)) for one in settings)
    if known is not None:
        return dataclasses.replace(known, rows=rows)
    first = Row(as_it_was, outcome_of(run, as_it_was, loaded, seconds))
    best = bounds.of_run(
        run.service,
        loaded,
        run.share,
        run.site.replicas,
        up=run.times.start,
        down=run.times.drain,
        seconds=seconds,
    )
    error = {} if load is not None else _error(run, first.outcome)
    return WhatIf(run, loaded, seconds, first, rows, best, error)


def outcome_of(run: Measured, setting: Setting, load: Load, seconds: int) -> Outcome:
    """What a setting would have made of a load."""
    return simulate(_case(run, setting, load, seconds))


def _case(run: Measured, setting: Setting, load: Load, seconds: int) -> Case:
    times = dataclasses.replace(
        run.times,
        start=run.times.start if setting.start is None else setting.start,
        node_start=run.times.node_start if setting.node_start is None else setting.node_start,
    )
    return Case(
        load, run.service, times, run.site, setting.spec, seconds,
        nodes_min=setting.nodes_min if setting.nodes_min is not None else min(run.actual.nodes, default=1),
        nodes_max=setting.nodes_max,
    )  # fmt: skip


def _error(run: Measured, simulated: Outcome) -> Json:
    """How far a simulation of the run is from the run, as far as that was looked at."""
    seconds = len(run.actual.ready)
    found = simulated.until(seconds)
    theirs, ours = run.actual.replica_seconds, found.replica_seconds
    nodes = run.actual.node_seconds
    return {
        "replicas_percent": round(100 * (ours / theirs - 1), 1) if theirs else None,
        "nodes_percent": round(100 * (found.node_seconds / nodes - 1), 1) if nodes else None,
        "attained_points": round(100 * (found.attained - run.actual.attained), 2),
        "replicas_run": round(theirs / seconds, 3),
        "replicas_simulated": round(ours / seconds, 3),
        "attained_run": round(run.actual.attained, 5),
        "attained_simulated": round(found.attained, 5),
    }


def load_of_plan(plan: Plan, run: Measured, seed: int = 1) -> Load:
    """A planned load, second by second. Users think as those of the run did; of an open run, a second.

    Raises ShapeError.
    """
    seconds = math.ceil(max([plan.curve.length, *plan.moments]))
    if plan.model == "closed":
        think = 1.0 if run.load.think is None else run.load.think
        users = tuple(float(users_at(plan.curve, t + 0.5, whole=plan.whole) or 0) for t in range(seconds))
        return Load(users, think)
    if (plan.requests or 0) > REQUESTS_MAX:
        raise ShapeError(
            f"the shape has {plan.requests:.0f} requests, more than {REQUESTS_MAX} that are counted one by one: give a shorter or smaller one"
        )
    due = plan.moments or due_times(
        plan.curve, worker=0, workers=1, poisson=plan.arrivals == "poisson", seed=seed
    )
    levels = [0.0] * max(1, seconds)
    for moment in due:
        levels[min(len(levels) - 1, int(moment))] += 1
    return Load(tuple(levels))


def as_json(found: WhatIf, terms: Terms) -> Json:
    """What whatif.json holds."""
    run = found.run
    paid = node_hours(run.nodes, terms, run.began, len(run.actual.ready))
    return {
        "limit": run.limit_words,
        "share": run.share,
        "seconds": found.seconds,
        "error": found.error,
        "bound_replica_seconds": round(found.bound.seconds, 1),
        "rows": [_row(found, row, paid, terms.table) for row in (found.first, *found.rows)],
        "measured": {
            "cpu_ms": round(run.service.cpu_ms, 2),
            "capacity": round(run.service.capacity, 2),
            **{
                key: round(value, 2) if isinstance(value, float) else list(value)
                for key, value in dataclasses.asdict(run.times).items()
            },
            "replicas_per_node": run.site.per_node,
        },
    }


def _row(found: WhatIf, row: Row, paid: Mapping[Pool, float], prices: Mapping[str, Any]) -> Json:
    """``paid``: the run's own node-hours; those of other settings are of the same kinds in the same shares."""
    out, run = row.outcome, found.run
    whole = sum(paid.values())
    hours = out.node_seconds / HOUR
    nodes = [(pool, hours * own / whole) for pool, own in paid.items() if own] or [(Pool("", ""), hours)]
    billed = bill(nodes, 0.0, prices, cluster=False, balanced=False)
    spent = cost(out.replica_seconds, found.seconds, out.requests, billed)
    bound = found.bound.seconds
    return {
        "name": row.setting.name,
        "changed": {key: value for key, value in row.setting.given.items() if key != "name"},
        "replicas_mean": round(out.replica_seconds / found.seconds, 3),
        "replicas_max": max(out.wanted, default=0),
        "replica_seconds": out.replica_seconds,
        "node_seconds": out.node_seconds,
        "nodes_max": max(out.nodes, default=0),
        "attained": round(out.attained, 5),
        "kept": out.attained >= run.share,
        "ratio": round(out.replica_seconds / bound, 3) if bound else None,
        "cost": spent,
    }


def table(told: Json) -> list[str]:
    """The rows as lines of text."""
    priced = any(row["cost"]["price"] is not None for row in told["rows"])
    head = ["setting", "replicas", "most", "× fewest", "node-h", "in time", "kept"]
    currency = told["rows"][0]["cost"]["currency"]
    lines = [[*head, *([f"{currency}", f"{currency}/1000"] if priced else [])]]
    for row in told["rows"]:
        price, each = row["cost"]["price"], row["cost"]["price_per_1000"]
        line = [
            row["name"], f"{row['replicas_mean']:.2f}", str(row["replicas_max"]),
            "-" if row["ratio"] is None else f"{row['ratio']:.2f}", f"{row['cost']['node_hours']:.2f}",
            f"{100 * row['attained']:.1f} %", "yes" if row["kept"] else "no",
        ]  # fmt: skip
        if priced:
            line += ["-" if price is None else f"{price:.4f}", "-" if each is None else f"{each:.5f}"]
        lines.append(line)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def error_words(error: Json) -> str:
    """The simulation's own error, in a sentence."""
    if not error:
        return "Under another load than the run's nothing tells how far the simulation is off: run the load test and see"
    nodes = "" if error["nodes_percent"] is None else f", node-seconds {error['nodes_percent']:+.1f} %"
    return (
        f"Its own error, on the run as it was: replicas {error['replicas_simulated']:.2f} for {error['replicas_run']:.2f} "
        f"({error['replicas_percent']:+.1f} %){nodes}, in time {100 * error['attained_simulated']:.1f} % for "
        f"{100 * error['attained_run']:.1f} % ({error['attained_points']:+.2f} points)"
    )
