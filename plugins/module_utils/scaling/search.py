"""Settings proposed for a site, from a run of it: the fewest replica-seconds in a simulation that keep the limit. Pure.

All of a grid is tried, but no lower minimum of replicas: a simulation knows no failures, against which some are kept. What is
proposed has to keep the limit by as much as the simulation was too hopeful on the run itself, and to save more than its error in
replicas; otherwise nothing is proposed, and why is said. A variable that makes no difference stays as it was, and of each that
is changed the proposal says what would be without it. What is cheaper and too often late is told with how much it lacks.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..hpa.sources import amount
from ..hpa.spec import read_spec
from .likely import mean
from .measured import Measured
from .service import Observation, Outcome, in_time
from .settings import METRICS, TARGET, Setting, asked, setting, words, written
from .simulate import REQUESTS
from .whatif import Row, WhatIf, outcome_of, outcomes_of, seconds_of, what_if

Json = dict[str, Any]

TARGETS = tuple(range(35, 95, 5))
WINDOWS = (30, 60, 120, 300)
MINIMA = (1, 2, 3)
TOLERANCES = (0.1, 0.0)

UNLIKE_POINTS, UNLIKE_PERCENT = 5.0, 15.0
"""A run that the simulation misses by more (points in time, per cent of replicas) is not described by it."""

WORTH = 2.0
"""Per cent of replica-seconds: less is not worth a change."""

SAME = 0.005
"""Share of replica-seconds that counts as no difference."""

STOCKS = (1, 2)
"""Replicas in stock that are tried."""

LOADS = (0.5, 0.6, 0.7, 0.8)
"""Shares of what a replica can do at most that are tried as the target of requests a second."""

NOT_BY_CPU = 90
"""Per cent of CPU beside a target of requests, at which it only speaks where requests cost more than they did."""

NOTED = 0.001
"""Share of the requests in time that more room in stock has to make to be told."""

RESAMPLES = 200
BLOCK = 5
"""Observations that are drawn together: those near each other are alike (moving-blocks bootstrap, Künsch 1989)."""


@dataclasses.dataclass(frozen=True)
class Proposal:
    """``changed``: variables with the values proposed, empty for none; ``row``: what comes of them."""

    changed: Json
    before: Json
    row: Row
    kept: bool
    """whether the limit would be kept, the simulation's own error taken off"""
    words: str
    reasons: tuple[str, ...]
    """for each variable that is changed, what would be without it; then why nothing cheaper was taken"""
    beside: tuple[str, ...] = ()
    """what else there is to change, that is not proposed: what it would do, or why that is not known and how to measure it"""


def propose(run: Measured) -> tuple[WhatIf, Proposal]:
    """The run as it was and the best settings found for its load."""
    first = setting({"name": "as it was"}, run)
    tried = _tried(run, first)
    slack = max(0.0, tried.error["attained_points"] / 100)
    least = min(1.0, run.share + slack)
    keeping = [row for row in tried.rows if row.outcome.attained >= least]
    if keeping:
        best = min(keeping, key=lambda row: (row.outcome.replica_seconds, row.outcome.node_seconds))
    else:
        best = max(tried.rows, key=lambda row: (row.outcome.attained, -row.outcome.replica_seconds))
    changed = _needed(tried, best, least if keeping else best.outcome.attained)
    cheaper = _cheaper(tried, best)
    beside = {"dearer, more in time": _dearer(tried, best), "cheaper, less in time": cheaper}
    named = {"best found" if keeping else "most in time": changed, **beside}
    rows = [_named(name, given, run) for name, given in named.items() if given or given is changed]
    found = what_if(run, first, rows, known=tried)
    why = () if cheaper is None or not keeping else (_lacking(found, cheaper, least),)
    judged = _judged(run, found, changed, least, why)
    now = (found.rows[0] if judged.changed else found.first).outcome
    beside_it = (
        *_more_at_most(found, judged.changed, now),
        *_in_stock(found, judged.changed, now),
        *_by_requests(found, judged.changed, now, least),
        *_not_searched(run),
    )
    return found, dataclasses.replace(judged, beside=beside_it)


def _tried(run: Measured, first: Setting) -> WhatIf:
    """All of the grid with looks and samples where they fell in the run; what-ifs are made of those than which none has fewer
    replicas and as much in time."""
    settings = [setting(given, run) for given in _grid(run)]
    seconds = seconds_of(run, [first, *settings])
    tried = [(outcome_of(run, one, run.load, seconds), one) for one in settings]
    tried.sort(key=lambda pair: (pair[0].replica_seconds, -pair[0].attained, pair[0].node_seconds))
    front: list[Setting] = []
    most = -1.0
    for outcome, one in tried:
        if outcome.attained > most:
            most = outcome.attained
            front.append(one)
    return what_if(run, first, front, seconds=seconds)


def _grid(run: Measured) -> Iterator[Json]:
    before = asked(run.hpa)
    most = before["autoscaling_max_replicas"]
    windows = sorted({*WINDOWS, before["autoscaling_scale_down_stabilization_seconds"]})
    present = before["autoscaling_min_replicas"]
    minima = sorted({n for n in (*MINIMA, present) if present <= n <= most})
    tolerances = TOLERANCES if run.site.controller.spec_tolerance else (None,)
    targets = sorted({*TARGETS, before["autoscaling_target_cpu_percent"]})
    for target, window, least, tolerance in itertools.product(targets, windows, minima, tolerances):
        given = {
            "autoscaling_target_cpu_percent": target,
            "autoscaling_scale_down_stabilization_seconds": window,
            "autoscaling_min_replicas": least,
        }
        if tolerance is not None:
            given["autoscaling_tolerance_up"] = tolerance
        yield {name: value for name, value in given.items() if value != before[name]}


def _with(found: WhatIf, given: Json) -> Outcome:
    return mean(outcomes_of(found.run, setting(given, found.run), found.load, found.seconds))


def _named(name: str, given: Json, run: Measured) -> Setting:
    return setting({**given, "name": f"{name}: {words(given) or 'as it was'}"}, run)


def _needed(tried: WhatIf, row: Row, least: float) -> Json:
    """What is given in a row, without the variables that make no difference."""
    given = dict(row.setting.given)
    for name in list(given):
        fewer = {key: value for key, value in given.items() if key != name}
        with_it, without = _with(tried, given), _with(tried, fewer)
        same = without.replica_seconds <= with_it.replica_seconds * (1 + SAME)
        if same and without.attained >= least:
            given = fewer
    return given


def _dearer(tried: WhatIf, best: Row) -> Json | None:
    """The cheapest with a fifth of the late requests that the limit allows, if that is better than the best."""
    share = 1 - (1 - tried.run.share) / 5
    rows = [
        row
        for row in tried.rows
        if row.outcome.attained >= share > best.outcome.attained
        and row.outcome.replica_seconds > best.outcome.replica_seconds
    ]
    row = min(rows, key=lambda one: one.outcome.replica_seconds, default=None)
    return None if row is None else _needed(tried, row, share)


def _cheaper(tried: WhatIf, best: Row) -> Json | None:
    """Of those that save something, what comes nearest to the limit."""
    worth = best.outcome.replica_seconds * (1 - WORTH / 100)
    rows = [row for row in tried.rows if row.outcome.replica_seconds <= worth]
    row = max(rows, key=lambda one: (one.outcome.attained, -one.outcome.replica_seconds), default=None)
    return None if row is None else _needed(tried, row, row.outcome.attained)


def _lacking(found: WhatIf, cheaper: Json, least: float) -> str:
    now, then = found.rows[0].outcome, _with(found, cheaper)
    hopeful = 100 * (least - found.run.share)
    of_which = (
        f" ({100 * found.run.share:.1f} % is the limit's, the rest is what the simulation was too hopeful by on this run)"
        if hopeful >= 0.05
        else ""
    )
    return (
        f"Cheaper, but not proposed: {words(cheaper) or 'the settings as they are'}, with {then.replica_seconds / found.seconds:.2f} replicas for "
        f"{now.replica_seconds / found.seconds:.2f}. Of its requests {100 * then.attained:.1f} % would be in time, and "
        f"{100 * least:.1f} % have to be{of_which}."
    )


def _judged(run: Measured, found: WhatIf, changed: Json, least: float, why: tuple[str, ...]) -> Proposal:
    before, was, row = asked(run.hpa), found.first.outcome, found.rows[0]
    now = row.outcome
    keeps = now.attained >= least
    saved = 100 * (1 - now.replica_seconds / was.replica_seconds) if was.replica_seconds else 0.0
    wrong = abs(found.error["replicas_percent"] or 0.0)
    reasons = (*_reasons(run, found, changed), *why)
    low, high = dataclasses.astuple(row.likely.attained)
    told = f"{found.run.limit_words}: {100 * now.attained:.1f} % in time, likely {100 * low:.1f} to {100 * high:.1f} %, with {now.replica_seconds / found.seconds:.2f} replicas"
    points = found.error["attained_points"]
    if abs(points) > UNLIKE_POINTS or wrong > UNLIKE_PERCENT:
        return Proposal(
            {}, {}, row, keeps,
            f"Nothing is proposed: of this run the simulation says {points:+.1f} points in time and "
            f"{found.error['replicas_percent']:+.1f} % replicas too much or too little, so something else than what it knows decided. "
            "Was the machine busy with other work, or is it not CPU that limits the model server? Run the load test again.", (),
        )  # fmt: skip
    if not keeps:
        return Proposal(
            changed, {name: before[name] for name in changed}, row, False,
            f"No setting keeps the limit in the simulation; the most in time is {100 * now.attained:.1f} %. "
            + _what_limits(found), reasons,
        )  # fmt: skip
    if not changed:
        return Proposal(
            {}, {}, row, True,
            f"Nothing is proposed: of all that was tried, the settings as they are keep the limit with the fewest replicas ({told}).",
            why,
        )  # fmt: skip
    if (was.attained >= least or run.actual.attained >= run.share) and saved < max(WORTH, wrong):
        gain = (
            f"{saved:.1f} % fewer replica-seconds would be all"
            if saved > 0
            else "the run kept its limit, and nothing that keeps it is cheaper"
        )
        return Proposal(
            {}, {}, row, True,
            f"Nothing is proposed: {gain}, and the simulation itself is {wrong:.1f} % off on this run.", why,
        )  # fmt: skip
    return Proposal(
        changed, {name: before[name] for name in changed}, row, True,
        f"Proposed ({told}; as it was: {100 * was.attained:.1f} % with {was.replica_seconds / found.seconds:.2f}).", reasons,
    )  # fmt: skip


def _in_stock(found: WhatIf, changed: Json, now: Outcome) -> Iterator[str]:
    """Of room for one replica and two beside what is proposed. It is told and not proposed: ``tune_apply`` changes the HPA alone."""
    run, name = found.run, "autoscaling_buffer_replicas"
    assumed = ", which is assumed, as the run met none" if "node_start" in run.times.assumed else ""
    told = False
    for stock in STOCKS:
        then = _with(found, {**changed, name: stock})
        if then.attained < now.attained + NOTED:
            continue
        told = True
        yield (
            f"Beside it, {name}: {stock} would make {100 * then.attained:.1f} % in time for {100 * now.attained:.1f} %, with "
            f"{then.node_seconds / found.seconds:.2f} nodes for {now.node_seconds / found.seconds:.2f}: replicas need not wait for a node "
            f"({run.times.node_start:.0f} s{assumed}). Write it into the inventory; tune_apply neither sets nor proves it."
        )
        now = then
    if not told:
        yield f"{name} was tried ({' and '.join(map(str, STOCKS))}): room in stock changes next to nothing here, since hardly a replica waits for a node."


def _by_requests(found: WhatIf, changed: Json, now: Outcome, least: float) -> Iterator[str]:
    """Of an HPA that goes by requests a second. It is told and not proposed: it needs a source of the metric."""
    rest = {name: value for name, value in changed.items() if name != TARGET}
    targets = sorted({round(share * found.run.service.capacity, 1) for share in LOADS} - {0.0})
    tried = []
    for target in targets:
        metrics = [{"type": "cpu", "target": NOT_BY_CPU}, {"type": REQUESTS, "target": target}]
        tried.append((_with(found, {**rest, METRICS: metrics}), target))
    keeping = [one for one in tried if one[0].attained >= least]
    if keeping:
        then, target = min(keeping, key=lambda one: one[0].replica_seconds)
    else:
        then, target = max(tried, key=lambda one: one[0].attained)
    cheaper = bool(keeping) and then.replica_seconds < now.replica_seconds * (1 - WORTH / 100)
    if cheaper or (now.attained < least and then.attained >= now.attained + NOTED):
        yield (
            f"By requests a second, {METRICS}: [{{type: cpu, target: {NOT_BY_CPU}}}, {{type: {REQUESTS}, target: {amount(target)}}}], "
            f"{100 * then.attained:.1f} % would be in time for {100 * now.attained:.1f} %, with {then.replica_seconds / found.seconds:.2f} replicas "
            f"for {now.replica_seconds / found.seconds:.2f}. It needs a source (autoscaling_metrics_source), so tune_apply neither sets nor proves it; "
            "and a limit on how much requests may differ: by this metric all cost the same."
        )
        return
    yield f"{METRICS} was tried with requests a second: it does no better on this load than what is told above."


def _more_at_most(found: WhatIf, changed: Json, now: Outcome) -> Iterator[str]:
    """Of a higher maximum, where what is proposed reaches it: how far a site may grow is not a simulation's to propose."""
    name, run = "autoscaling_max_replicas", found.run
    most = int(run.hpa["maxReplicas"])
    if max(now.wanted) < most:
        return
    then = _with(found, {**changed, name: 2 * most})
    yield (
        f"It comes to {name} ({most}). With {2 * most}, and nodes for them, {100 * then.attained:.1f} % would be in time for "
        f"{100 * now.attained:.1f} %, with {then.replica_seconds / found.seconds:.2f} replicas for {now.replica_seconds / found.seconds:.2f}."
    )


def _not_searched(run: Measured) -> Iterator[str]:
    service = run.service
    target = read_spec(run.hpa).metrics[0].target
    yield (
        f"Not searched: serving_cpu (a replica's request and limit). By the run a replica does {service.capacity:.1f} requests/s on its "
        f"{service.limit:.0f} mCPU, and what one of another size does, and how long an answer takes there, is not in it: measure each size by "
        "playbooks/capacity.yml or a load test, and tune on that run. Where only the request changes, the HPA looks the same at a target that "
        f"changes with it ({target} % of {service.request} m is {target * service.request // 100} m), and what a node has room for and how replicas there "
        "disturb each other is what changes: for a load test, too."
    )


def _reasons(run: Measured, found: WhatIf, changed: Json) -> Iterator[str]:
    before, now = asked(run.hpa), found.rows[0].outcome
    for name, value in changed.items():
        rest = {key: kept for key, kept in changed.items() if key != name}
        without = _with(found, rest)
        yield (
            f"{name} {before[name]} → {value}: with {before[name]} it would be {100 * without.attained:.1f} % in time for "
            f"{100 * now.attained:.1f} %, and {without.replica_seconds / found.seconds:.2f} replicas for "
            f"{now.replica_seconds / found.seconds:.2f}"
        )


def _what_limits(found: WhatIf) -> str:
    if not found.bound.schedule:
        return "Not even the best schedule does: an answer takes too long for it with little to do. Give a replica more CPU, or the limit more time."
    times = found.run.times
    return (
        f"Somebody who knew the load would keep it with {found.bound.seconds / found.seconds:.2f} replicas, so what limits is the "
        f"reaction: samples every {times.scrape:.0f} s, looks every {times.look:.0f} s, a start of {times.start:.0f} s, a node in "
        f"{times.node_start:.0f} s. A shorter start, nodes in stock (nodes_min) or more replicas at the maximum help."
    )


def as_written(proposal: Proposal, metrics: Sequence[Mapping[str, Any]]) -> Proposal:
    """By the variables that count where autoscaling_metrics is this."""
    changed, before = (written(values, metrics) for values in (proposal.changed, proposal.before))
    if METRICS not in changed:
        return proposal
    reasons = tuple(
        one.replace(TARGET, f"the target of cpu in {METRICS}", 1) if one.startswith(TARGET) else one
        for one in proposal.reasons
    )
    return dataclasses.replace(proposal, changed=changed, before=before, reasons=reasons)


def diff(proposal: Proposal) -> list[str]:
    """What to change in the inventory, as lines of a diff."""
    return [
        line
        for name, value in proposal.changed.items()
        for line in (f"-{name}: {_yaml(proposal.before[name])}", f"+{name}: {_yaml(value)}")
    ]


def _yaml(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list) else str(value)


def carries(run: Measured, seed: int = 1) -> tuple[float, float, float]:
    """(requests a second that a replica carries within the limit, the 95 % interval's ends), by the run's own moments."""

    def most(observed: list[Observation]) -> float:
        curve = in_time(observed, run.limit, run.fastest, run.service.cpu_ms / run.service.limit)
        return min(1.0, curve.most(run.share)) * run.service.capacity

    dice = random.Random(seed)  # noqa: S311 - a resample, not a secret
    observed = list(run.observed)
    blocks = [observed[n : n + BLOCK] for n in range(max(1, len(observed) - BLOCK + 1))]
    number = max(1, len(observed) // BLOCK)
    drawn = sorted(
        most([one for block in dice.choices(blocks, k=number) for one in block])
        for _unused in range(RESAMPLES)
    )
    low, high = (drawn[int(share * (len(drawn) - 1))] for share in (0.025, 0.975))
    return most(observed), low, high
