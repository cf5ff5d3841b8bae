"""What scaling_capacity answers: from the folders of ramps to the next ramp, or to capacity.json and its picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..loadtest.runs import replace
from ..loadtest.slo import Asked, asked_of_all
from ..loadtest.timeline import of_kind, read
from ..outcome import failure
from . import capacity
from .figure_capacity import MATPLOTLIB_IMPORT_ERROR, draw

Json = dict[str, Any]

PACKAGES = {"matplotlib": MATPLOTLIB_IMPORT_ERROR}
FILE = "capacity.json"
OF_A_REQUEST = ("model", "protocol", "signature", "payload", "locustfile")
"""Of a report's environment: what else a request's time depends on."""

_LIKE_A_TIMELINE = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)


class NotTold(Exception):
    """An option with which nothing can be measured; what would do."""


def answer(params: Json, *, check_mode: bool) -> Json:
    """The module's result."""
    try:
        asked, wanted = _asked(params["slo"]), _wanted(params)
        folders = [Path(run) for run in params["runs"]]
        read_runs = [_read(folder) for folder in folders]
        ramps = [
            capacity.ramp(folder.name, events, asked, _problems(report))
            for folder, (events, report) in zip(folders, read_runs, strict=True)
        ]
    except NotTold as error:
        return failure(str(error))
    except OSError as error:
        return failure(f"{error.filename}: {error.strerror}. Is it the folder of a load test that has ended?")
    except _LIKE_A_TIMELINE as error:
        return failure(
            f"a run's files are not those of a load test: {type(error).__name__} {error}. Measure again"
        )
    found, step = capacity.capacity(ramps), capacity.step(ramps, wanted, params["elapsed"])
    result: Json = {
        "changed": False, "enough": step.shape is None, "shape": step.shape or {}, "seed": step.seed,
        "lines": [capacity.told(one) for one in ramps[-1:]],
    }  # fmt: skip
    if step.shape is not None:
        return result
    if found is None:
        return failure("; ".join(map(capacity.told, ramps)) + f". {capacity.words(found)}")
    events, report = read_runs[-1]
    told = capacity.as_json(ramps, found, asked, site(events, report), wanted.arrivals, step.why)
    out = Path(params["reports_dir"]) / FILE
    picture = out.with_suffix(".png")
    try:
        result["changed"] = not out.exists() or out.read_text(encoding="utf-8", errors="replace") != _text(
            told
        )
        if not check_mode:
            replace(out, _text(told))
            picture.write_bytes(draw(ramps, found, asked))
    except OSError as error:
        return failure(f"{error.filename}: {error.strerror}. The capacity is written there.")
    started = told["start_seconds"]
    result["lines"] = [
        *map(capacity.told, ramps),
        f"It ended, as {step.why}.",
        capacity.words(found),
        *(
            [f"The replica took {started:.0f} s from its node until it was ready."]
            if started is not None
            else []
        ),
    ]
    return {**result, "capacity": told, "file": str(out), "picture": str(picture)}


def _asked(slo: list[str]) -> Asked:
    asked = asked_of_all(slo)
    if asked is None:
        raise NotTold(
            "no line of the limits (loadtest_slo) is a percentile of all requests, so no rate would be too much: name one, as "
            "`p95_ms <= 300`"
        )
    return asked


def _wanted(params: Json) -> capacity.Wanted:
    first, last = params["first"], params["last"]
    if not 0 < first < last:
        raise NotTold(
            f"{first:g} to {last:g} requests a second is no range: begin above 0, and end above that"
        )
    if params["repeats"] < 2:
        raise NotTold(f"repeats is {params['repeats']}, and there is no interval without 2 at least")
    if params["ramp_seconds"] < 30 or params["minutes"] * 60 < 2 * params["ramp_seconds"]:
        raise NotTold(
            f"ramps of {params['ramp_seconds']} s in {params['minutes']:g} minutes: a ramp takes 30 s at least, and two have to fit"
        )
    return capacity.Wanted(
        first,
        last,
        params["repeats"],
        params["within_percent"],
        params["ramp_seconds"],
        params["minutes"] * 60,
        params["arrivals"],
    )


def _read(folder: Path) -> tuple[list[Json], Json]:
    return read(folder / "timeline.jsonl"), dict(
        json.loads((folder / "report.json").read_text(encoding="utf-8"))
    )


def _problems(report: Json) -> list[str]:
    return list(report["generator"]["problems"])


def site(events: list[Json], report: Json) -> Json:
    """Where, and of what, a run measures."""
    run = of_kind(events, "run")[0]
    return {
        "deployment": run["deployment"], "namespace": run["namespace"], "cluster": run["cluster"] or "",
        "cpu": capacity.sizes(events, run["deployment"]),
        "request": {name: report.get("environment", {}).get(name) for name in OF_A_REQUEST},
    }  # fmt: skip


def known(folder: Path, milliseconds: float, share: float) -> tuple[Json | None, str]:
    """The capacity that was measured, as capacity.json beside a run's folder has it; and, where that is another replica's than the run's or
    of another limit, None and why. ``milliseconds``, ``share``: the run's limit."""
    path = folder.parent / FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        here = site(*_read(folder))
        differs = [name for name, value in here.items() if told[name] != value]
        limit = told["limit"]
        if (limit["milliseconds"], limit["share"]) != (milliseconds, share):
            differs.append("limit")
        capacity.Capacity(**told["capacity"])
    except (OSError, *_LIKE_A_TIMELINE):
        return None, ""
    return (
        (None, f"{path} is of another {' and another '.join(differs)} than this run")
        if differs
        else (told, "")
    )


def _text(told: Json) -> str:
    return json.dumps(told, indent=2) + "\n"
