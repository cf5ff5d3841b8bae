"""What scaling_whatif answers: from a run's folder to a table, a picture and their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..gcp.errors import BadInput
from ..loadtest.runs import Unfinished, to_read
from ..loadtest.shapes import ShapeError, plan, read_shape
from ..loadtest.timeline import read
from ..outcome import failure
from ..preflight.bill import read_terms
from .capacity import Capacity
from .capacity import words as capacity_words
from .carrying import known
from .figure import MATPLOTLIB_IMPORT_ERROR, draw
from .measured import NotMeasured, measured
from .search import Proposal, as_written, carries, diff, propose
from .settings import SettingError, setting
from .whatif import WhatIf, as_json, error_words, load_of_plan, table, warnings, what_if

Json = dict[str, Any]

PACKAGES = {"matplotlib": MATPLOTLIB_IMPORT_ERROR}


def answer(params: Json, *, check_mode: bool) -> Json:
    """The module's result."""
    folder = Path(params["run_dir"])
    try:
        folder = to_read(folder)
        found, proposal = _found(params, folder)
        told = as_json(found, read_terms({"prices": params["prices"], "pools": params["pools"]}))
    except (NotMeasured, SettingError, ShapeError, BadInput, Unfinished) as error:
        return failure(f"{folder.name}: {error}")
    except OSError as error:
        return failure(f"{error.filename}: {error.strerror}. Is {folder} the folder of a load test's run?")
    site = {
        "namespace": found.run.namespace,
        "deployment": found.run.deployment,
        "cluster": found.run.cluster,
    }
    lines = [
        *table(told),
        f"The limit: {told['limit']}. Likely: 95 % of such runs, by what this one says of itself.",
        f"{error_words(told['error'])}.",
        *warnings(told),
    ]
    result: Json = {}
    ramped, other = known(folder, round(1000 * found.run.limit, 6), found.run.share)
    told["measured_capacity"] = ramped and ramped["capacity"]
    if proposal is not None:
        best, low, high = carries(found.run)
        lines += [
            f"One replica carries {best:.1f} requests/s within the limit ({low:.1f} to {high:.1f}, 95 %).",
            *_ramped(ramped, other, best), proposal.words, *proposal.reasons, *diff(proposal), *proposal.beside,
        ]  # fmt: skip
        told["proposal"] = result["proposal"] = {
            "variables": proposal.changed, "before": proposal.before, "kept": proposal.kept, "words": proposal.words,
            "reasons": list(proposal.reasons), "beside": list(proposal.beside), "diff": diff(proposal),
            "capacity": [round(value, 2) for value in (best, low, high)],
        }  # fmt: skip
    text = json.dumps(told, indent=2) + "\n"
    out = folder / "whatif.json"
    try:
        changed = not out.exists() or out.read_text(encoding="utf-8", errors="replace") != text
        if not check_mode:
            out.write_text(text, encoding="utf-8")
            (folder / "whatif.png").write_bytes(draw(found))
    except OSError as error:
        return failure(f"{error.filename}: {error.strerror}. The what-if is written beside its run.")
    return {
        "changed": changed,
        "whatif": told,
        "lines": lines,
        "picture": str(folder / "whatif.png"),
        "run_dir": str(folder),
        "site": site,
        **result,
    }


def _ramped(ramped: Json | None, other: str, estimate: float) -> list[str]:
    """What playbooks/capacity.yml has measured, beside the estimate from the run's moments."""
    if ramped is None:
        return [f"What was measured by playbooks/capacity.yml is no measure of it: {other}."] if other else []
    measured_one = Capacity(**ramped["capacity"])
    off = (
        f"; the run's own moments say {100 * (estimate / measured_one.rate - 1):+.1f} %"
        if measured_one.kind == "at"
        else ""
    )
    evenly = (
        " of requests that come evenly"
        if ramped["arrivals"] == "even"
        else " of requests that come at random"
    )
    return [f"Measured by playbooks/capacity.yml,{evenly}: {capacity_words(measured_one).rstrip('.')}{off}."]


def _found(params: Json, folder: Path) -> tuple[WhatIf, Proposal | None]:
    events = read(folder / "timeline.jsonl")
    try:
        run = measured(events, params["slo"] or _limits(folder))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise NotMeasured(
            f"its timeline.jsonl is not one of a load test's: {type(error).__name__} {error}. Take the folder of a run, as it was written"
        ) from error
    if params["propose"]:
        tried, proposal = propose(run)
        return tried, as_written(proposal, params["metrics"])
    load = load_of_plan(plan(read_shape(params["shape"])), run, params["seed"]) if params["shape"] else None
    settings = [setting(one, run) for one in params["settings"]]
    return what_if(run, setting({"name": "as it was"}, run), settings, load), None


def _limits(folder: Path) -> list[str]:
    """Those of the run's report, if it has one."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return [str(check["name"]) for check in report["checks"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
