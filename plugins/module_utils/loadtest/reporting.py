"""From a run's folder to its report's files."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from ..outcome import failure
from .baseline import is_report
from .baseline import words as baseline_words
from .figures import MATPLOTLIB_IMPORT_ERROR, draw_all, for_page
from .junit import junit
from .pages import JINJA2_IMPORT_ERROR, index, render
from .schema import Json
from .slo import SloError
from .timeline import read
from .verdict import analyse

PACKAGES = {"matplotlib": MATPLOTLIB_IMPORT_ERROR, "Jinja2": JINJA2_IMPORT_ERROR}

LABELS = {
    "timeline": "Load, response time, HPA metrics, replicas and nodes over time",
    "waterfall": "Phases of each reaction of the autoscalers",
    "shares": "Requests answered by each pod",
}


class NoBaseline(Exception):
    """The run to compare with has no report."""


def read_baseline(given: str, folder: Path) -> tuple[str, Json]:
    """Name and report of an earlier run."""
    path = Path(given)
    if not path.exists():
        path = folder.parent / given
    if path.is_dir():
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


def write(folder: Path, events: list[Json], report: Json) -> None:
    # Names and reasons come from elsewhere: what UTF-8 has no bytes for is shown as a question mark.
    (folder / "report.json").write_text(_text(report), encoding="utf-8", errors="replace")
    (folder / "junit.xml").write_text(junit(report, folder.name), encoding="utf-8", errors="replace")
    figures = draw_all(events, report)
    (folder / "figures").mkdir(exist_ok=True)
    for name, (png, svg) in figures.items():
        (folder / "figures" / f"{name}.png").write_bytes(png)
        (folder / "figures" / f"{name}.svg").write_text(svg, encoding="utf-8", errors="replace")
    (folder / "timeline.png").write_bytes(figures["timeline"][0])
    files = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != "report.html"
    )
    inline = {name: for_page(svg, LABELS[name]) for name, (_unused, svg) in figures.items()}
    (folder / "report.html").write_text(
        render(report, inline, folder.name, files), encoding="utf-8", errors="replace"
    )
    draft = folder.parent / f".latest-{os.getpid()}"
    draft.symlink_to(folder.name)
    draft.replace(folder.parent / "latest")
    draft = folder.parent / f".index-{os.getpid()}"
    draft.write_text(index(all_runs(folder.parent)), encoding="utf-8", errors="replace")
    draft.replace(folder.parent / "index.html")


def _text(report: Json) -> str:
    return json.dumps(report, indent=2) + "\n"


def all_runs(reports: Path) -> list[tuple[str, Json]]:
    """Name and report of each run that has one."""
    found = []
    for path in reports.glob("*/report.json"):
        if not path.parent.is_symlink():
            with contextlib.suppress(ValueError, OSError, RecursionError):
                report = json.loads(path.read_text(encoding="utf-8"))
                if is_report(report):
                    found.append((path.parent.name, report))
    return found


def report_on(params: Json, *, check_mode: bool) -> Json:
    """What scaling_report answers."""
    folder = Path(params["run_dir"]).resolve()
    html = str(folder / "report.html")
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
            earlier=read_baseline(params["baseline"], folder) if params["baseline"] else None,
        )
        before = folder / "report.json"
        # As text: what is there may be anything.
        changed = not before.exists() or before.read_bytes() != _text(report).encode()
        if not check_mode:
            write(folder, events, report)
    except (SloError, NoBaseline) as error:
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
