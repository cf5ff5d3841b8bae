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
from .likely import MOMENTS, Doubt, Likely, likely, mean
from .measured import Measured
from .service import Load, Outcome
from .settings import Setting
from .simulate import Case, simulate

Json = dict[str, Any]

BEYOND = 0.005
"""Share of the requests at more pressure than was met, from which on it is told."""

REQUESTS_MAX = 20_000_000
"""Of another load in the open model: a quarter of a minute of counting."""

TAIL = 60
"""Seconds that it is looked at after the load and the longest time that a scale-down is held back."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A setting, and what came of it. ``outcome``: on average over where looks and samples may fall; ``own``: where they fell in
    the run."""

    setting: Setting
    outcome: Outcome
    own: Outcome
    likely: Likely

    @property
    def most(self) -> int:
        """Replicas that were wanted at a time at most."""
        return math.ceil(max(self.outcome.wanted, default=0))


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
    seconds: int | None = None,
) -> WhatIf:
    """``load``: another than the run's; ``known``: what is known of the same run and load already; ``seconds``: how long it is
    looked at, otherwise as long as these settings need."""
    loaded = run.load if load is None else load
    if known is not None:
        seconds = known.seconds
    elif seconds is None:
        seconds = seconds_of(run, [as_it_was, *settings], load)
    error = (known.error if known is not None else {}) or _own_error(run, as_it_was)
    doubt = Doubt(
        run.overdispersion,
        error["attained_points"] / 100,
        (error["replicas_percent"] or 0.0) / 100,
        run.times.drain_spread,
    )
    rows = tuple(_row_of(run, one, loaded, seconds, doubt) for one in settings)
    if known is not None:
        return dataclasses.replace(known, rows=rows)
    first = _row_of(run, as_it_was, loaded, seconds, doubt)
    best = bounds.of_run(
        run.service,
        loaded,
        run.share,
        run.site.replicas,
        up=run.times.start,
        down=run.times.drain,
        seconds=seconds,
    )
    return WhatIf(run, loaded, seconds, first, rows, best, error if load is None else {})


def seconds_of(run: Measured, settings: Sequence[Setting], load: Load | None = None) -> int:
    """How long settings are looked at: until all that may be held back is gone."""
    windows = [one.spec.behavior.down.window for one in settings if one.spec.behavior]
    loaded = run.load if load is None else load
    return max(len(run.actual.ready) if load is None else 0, loaded.seconds + max([*windows, 0]) + TAIL)


def outcome_of(run: Measured, setting: Setting, load: Load, seconds: int) -> Outcome:
    """What a setting would have made of a load, with looks and samples where they fell in the run."""
    return simulate(_case(run, setting, load, seconds))


def outcomes_of(run: Measured, setting: Setting, load: Load, seconds: int) -> list[Outcome]:
    """Likewise, with looks and samples at several moments; the run's own first."""
    found = []
    for looks, samples in MOMENTS:
        times = dataclasses.replace(
            run.times,
            look_first=(run.times.look_first + looks * run.times.look) % run.times.look,
            scrape_first=(run.times.scrape_first + samples * run.times.scrape) % run.times.scrape,
        )
        found.append(outcome_of(dataclasses.replace(run, times=times), setting, load, seconds))
    return found


def _row_of(run: Measured, setting: Setting, load: Load, seconds: int, doubt: Doubt) -> Row:
    outcomes, within = outcomes_of(run, setting, load, seconds), run.service.within
    return Row(setting, mean(outcomes), outcomes[0], likely(outcomes, doubt, within.at(within.met)))


def _case(run: Measured, setting: Setting, load: Load, seconds: int) -> Case:
    times = dataclasses.replace(
        run.times,
        start=run.times.start if setting.start is None else setting.start,
        node_start=run.times.node_start if setting.node_start is None else setting.node_start,
    )
    return Case(
        load, run.service, times, run.site, setting.spec, seconds,
        nodes_min=setting.nodes_min if setting.nodes_min is not None else int(min(run.actual.nodes, default=1)),
        nodes_max=setting.nodes_max, stock=setting.stock,
    )  # fmt: skip


def _own_error(run: Measured, as_it_was: Setting) -> Json:
    """How far a simulation of the run is from the run, as far as that was looked at."""
    seconds = len(run.actual.ready)
    found = outcome_of(run, as_it_was, run.load, max(seconds, run.load.seconds)).until(seconds)
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
            "pressure_met": round(run.service.within.met, 2),
            "overdispersion": round(run.overdispersion, 1),
            "room": round(run.service.room, 1),
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
        "replicas_max": row.most,
        "replicas_likely": [round(value, 3) for value in dataclasses.astuple(row.likely.replicas)],
        "replica_seconds": out.replica_seconds,
        "node_seconds": out.node_seconds,
        "nodes_max": math.ceil(max(out.nodes, default=0)),
        "attained": round(out.attained, 5),
        "attained_likely": [round(value, 5) for value in dataclasses.astuple(row.likely.attained)],
        "beyond": round(row.likely.beyond, 5),
        "kept": out.attained >= run.share,
        "ratio": round(out.replica_seconds / bound, 3) if bound else None,
        "cost": spent,
    }


def table(told: Json) -> list[str]:
    """The rows as lines of text."""
    priced = any(row["cost"]["price"] is not None for row in told["rows"])
    head = ["setting", "replicas", "likely", "most", "× fewest", "node-h", "in time", "likely", "kept"]
    currency = told["rows"][0]["cost"]["currency"]
    lines = [[*head, *([f"{currency}", f"{currency}/1000"] if priced else [])]]
    for row in told["rows"]:
        price, each = row["cost"]["price"], row["cost"]["price_per_1000"]
        line = [
            row["name"], f"{row['replicas_mean']:.2f}", "{:.2f} to {:.2f}".format(*row["replicas_likely"]), str(row["replicas_max"]),
            "-" if row["ratio"] is None else f"{row['ratio']:.2f}", f"{row['cost']['node_hours']:.2f}",
            f"{100 * row['attained']:.1f} %", _percents(row["attained_likely"]), _kept(row, told["share"]),
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


def _percents(shares: Sequence[float]) -> str:
    return "{:.1f} to {:.1f}".format(*(100 * share for share in shares))


def _kept(row: Json, share: float) -> str:
    """With a question mark where what is likely leaves it open."""
    low, high = row["attained_likely"]
    return ("yes" if row["kept"] else "no") + ("?" if low < share <= high else "")


def warnings(told: Json) -> list[str]:
    """What else a row is unsure of than its range says at once; empty where the run has met it all."""
    unmet = [row for row in told["rows"] if row["beyond"] >= BEYOND]
    if not unmet:
        return []
    which = ", ".join(f"{100 * row['beyond']:.1f} % of {row['name']!r}" for row in unmet)
    return [
        f"Warning: the run met no more than {told['measured']['pressure_met']:.2f} times what a replica can do, that which waits included, and "
        f"here more is asked for: {which}. How much of that would be in time was never measured, and the ranges are as wide as none or all "
        "of what could be. Measure it: a load test with fewer replicas (autoscaling_max_replicas), or with more load."
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
