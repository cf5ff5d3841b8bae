"""The folders of runs: which has a report, which is under way, and where `latest` leads."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .baseline import is_report

Json = dict[str, Any]

TIMELINE = "timeline.jsonl"


class Unfinished(Exception):
    """There is no report yet; in words, with the way out."""


def replace(path: Path, text: str) -> None:
    """Writes a file whole: who reads it meanwhile gets the one before.

    Names and reasons come from elsewhere: what UTF-8 has no bytes for is shown as a question mark.
    """
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    draft.write_text(text, encoding="utf-8", errors="replace")
    draft.replace(path)


def point_latest(folder: Path) -> None:
    """Lets `latest` lead to the run."""
    draft = folder.parent / f".latest-{os.getpid()}"
    draft.symlink_to(folder.name)
    draft.replace(folder.parent / "latest")


@contextlib.contextmanager
def under_way(folder: Path) -> Iterator[None]:
    """Marks the run as under way for as long as this process, or one that it forks meanwhile, lives: a lock, which no crash
    leaves behind.
    """
    with (folder / TIMELINE).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            pass  # a file system without locks
        yield


def is_under_way(folder: Path) -> bool:
    """Whether somebody drives it, as far as this machine knows."""
    try:
        with (folder / TIMELINE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such run, or a file system without locks
        return False
    return False


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


def newest(reports: Path, without: Path | None = None) -> tuple[str, Json] | None:
    """Name and report of the run that began last; ``without``: of all others than this."""
    others = [run for run in all_runs(reports) if without is None or reports / run[0] != without]
    return max(others, key=lambda run: run[1].get("started") or 0, default=None)


def as_seen(reports: Path) -> Json:
    """``name``, ``html`` and ``report`` of the newest run that has one, and the page of the run that is ``under_way``; else empty."""
    folder = reports.resolve()
    found, latest = newest(folder), (folder / "latest").resolve()
    return {
        "name": found[0] if found else "",
        "html": str(folder / found[0] / "report.html") if found else "",
        "report": found[1] if found else {},
        "under_way": str(latest / "report.html") if is_under_way(latest) else "",
    }


def to_read(given: Path) -> Path:
    """The folder that is meant: of `latest`, while the newest run has no report yet, the newest that has one.

    Raises ``Unfinished`` where nothing can be read that would hold when the run has ended.
    """
    folder = given.resolve()
    if given.is_symlink() and not (folder / "report.json").exists():
        found = newest(folder.parent)
        if found is None:
            raise Unfinished(
                f"{given} leads to a run that has no report yet, and there is none before it: wait until it has ended; where it "
                "was killed, name the run itself"
            )
        return folder.parent / found[0]
    if is_under_way(folder):
        raise Unfinished(f"the run {folder.name} is still under way: wait until it has ended")
    return folder
