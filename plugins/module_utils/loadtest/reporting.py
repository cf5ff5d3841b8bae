"""From a run's folder to its report's files."""

from __future__ import annotations

import json
from pathlib import Path

from ..gcp.errors import BadInput
from ..outcome import failure
from ..preflight.bill import read_terms
from .baseline import is_report
from .baseline import words as baseline_words
from .figures import LABELS, MATPLOTLIB_IMPORT_ERROR, draw_all, draw_for_page, for_page
from .junit import junit
from .pages import JINJA2_IMPORT_ERROR, State, index, render
from .runs import all_runs, is_under_way, newest, point_latest, replace
from .schema import Json
from .slo import SloError
from .timeline import read
from .verdict import analyse

PACKAGES = {"matplotlib": MATPLOTLIB_IMPORT_ERROR, "Jinja2": JINJA2_IMPORT_ERROR}


class NoBaseline(Exception):
    """The run to compare with has no report."""


def read_baseline(given: str, folder: Path) -> tuple[str, Json]:
    """Name and report of an earlier run."""
    path = Path(given)
    if not path.exists():
        path = folder.parent / given
    path = path.parent if path.name == "report.json" else path
    if path.is_symlink() and (path.resolve() == folder or not (path / "report.json").exists()):
        # `latest` is this very run already, or one that goes on: the newest that has ended is meant.
        before = newest(folder.parent, without=folder)
        path = folder.parent / before[0] if before else path
    path = path / "report.json"
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
        if not is_report(earlier):
            raise ValueError("it is no report of a load test")
        return path.parent.resolve().name, earlier
    except (OSError, ValueError, RecursionError) as error:
        raise NoBaseline(
            f"the baseline {given} has no report that can be read ({path}: {error}); name a run of "
            f"{folder.parent}, its folder or its report.json"
        ) from error


def page(events: list[Json], told: Json, run: str, state: State) -> str:
    """The page of a run that has no report yet. ``told``: slo, workers, users, environment and terms, as for the report."""
    report = analyse(events, **told)
    return render(report, draw_for_page(events, report), run, state=state)


def write(folder: Path, events: list[Json], report: Json) -> None:
    replace(folder / "report.json", _text(report))
    replace(folder / "junit.xml", junit(report, folder.name))
    figures = draw_all(events, report)
    (folder / "figures").mkdir(exist_ok=True)
    for name, (png, svg) in figures.items():
        (folder / "figures" / f"{name}.png").write_bytes(png)
        replace(folder / "figures" / f"{name}.svg", svg)
    (folder / "timeline.png").write_bytes(figures["timeline"][0])
    files = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != "report.html"
    )
    inline = {name: for_page(svg, LABELS[name]) for name, (_unused, svg) in figures.items()}
    replace(folder / "report.html", render(report, inline, folder.name, files))
    point_latest(folder)
    replace(folder.parent / "index.html", index(all_runs(folder.parent)))


def _text(report: Json) -> str:
    return json.dumps(report, indent=2) + "\n"


def report_on(params: Json, *, check_mode: bool) -> Json:
    """What scaling_report answers."""
    folder = Path(params["run_dir"]).resolve()
    html = str(folder / "report.html")
    if is_under_way(folder):
        return failure(f"The run {folder.name} is still under way; its report is made when it has ended.")
    try:
        events = read(folder / "timeline.jsonl")
        if not events:
            return failure(f"{folder}/timeline.jsonl has no event: there is nothing to report.")
        report = analyse(
            events,
            slo=params["slo"],
            workers=params["workers"],
            users=params["users"],
            environment=params["environment"],
            terms=read_terms(params["billing"]),
            earlier=read_baseline(params["baseline"], folder) if params["baseline"] else None,
        )
        before = folder / "report.json"
        # As text: what is there may be anything.
        changed = not before.exists() or before.read_bytes() != _text(report).encode()
        if not check_mode:
            write(folder, events, report)
    except (SloError, NoBaseline, BadInput) as error:
        return failure(str(error))
    except OSError as error:
        return failure(f"{error.filename}: {error.strerror}. Is {folder} the folder of a run?")
    verdict, summary = report["verdict"], report["summary"]
    told = {"verdict": verdict, "exit_code": report["exit_code"], "summary": summary, "html": html}
    if "comparison" in report:
        told["comparison"] = baseline_words(report["comparison"])
    if verdict in params["fail_on"]:
        return failure(f"{verdict}: {summary} The report: {html}", **told)
    return {"changed": changed, "report": report, **told}
