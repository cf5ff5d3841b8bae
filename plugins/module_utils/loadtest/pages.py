"""The report of a run as one HTML page that needs nothing else, and the list of all runs. Pure. Needs Jinja2."""

from __future__ import annotations

import dataclasses
import json
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from . import templates
from .baseline import words as baseline_words
from .phases import PHASES
from .retrace import grouped
from .schema import Json

JINJA2_IMPORT_ERROR: str | None = None
try:
    from jinja2 import DictLoader, Environment
except ImportError:
    JINJA2_IMPORT_ERROR = traceback.format_exc()

SIGNS = {"pass": "✓", "fail": "✗", "invalid": "?", "running": "▶", "ended": "■"}
"""A sign for each verdict, and for what comes before one, for those who see no colour."""

REFRESH_SECONDS = 5
"""After which a page without a verdict asks for itself again."""

LATE_SECONDS = 30
"""By how much a page may be late before it says that nobody writes it any more."""

MEANING = {
    "pass": "every limit was kept",
    "fail": "the run is sound and a limit was broken",
    "invalid": "the run proves nothing about the server",
}


@dataclasses.dataclass(frozen=True)
class State:
    """Of a run that has no report yet, in place of its verdict. Times in seconds since 1970, or seconds.

    ``again``: until the page is written again; None for never, unless somebody makes the report.
    """

    name: Literal["running", "ended"]
    words: str
    written: float
    again: float | None = None


MAX_ROWS = 60
"""Rows of a table; report.json has all of them."""


def render(
    report: Json, figures: Mapping[str, str], run: str, files: Sequence[str] = (), state: State | None = None
) -> str:
    """The page. ``figures``: SVGs made for a page, by name; ``files``: what else is in the run's folder.

    With ``state`` the page says that there is no verdict yet, and asks for itself again until it is another.
    """
    reactions = report["scaling"]["reactions"]
    return _page(
        "report", report=report, run=run, state=state, refresh=REFRESH_SECONDS, late=LATE_SECONDS, files=files, meaning=MEANING, most=MAX_ROWS,
        figures=figures, looks=grouped(report["scaling"]["looks"]["all"]),
        phases={p: text for p, text in PHASES.items() if any(p in one["phases"] for one in reactions)},
        settings=json.dumps(report["environment"], indent=2, ensure_ascii=False),
        compared=baseline_words(report["comparison"]) if "comparison" in report else "",
    )  # fmt: skip


def index(runs: Sequence[tuple[str, Json]]) -> str:
    """All runs, newest first. ``runs``: name and report of each, of whatever version."""
    return _page("index", runs=sorted(runs, key=lambda item: -(item[1].get("started") or 0)))


def _page(name: str, **values: Any) -> str:
    sources = {"layout": templates.LAYOUT, "report": templates.REPORT, "index": templates.INDEX}
    environment = Environment(
        loader=DictLoader(sources), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=number, moment=_moment, second=_second)
    return environment.get_template(name).render(style=templates.STYLE, signs=SIGNS, **values)


def _moment(t: float | None) -> str:
    """Seconds since 1970 for people."""
    return "?" if t is None else datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _second(look: Mapping[str, Any], report: Json) -> str:
    """When a look was, in seconds since the load began."""
    words = f"{look['t'] - report['began']:.0f}"
    return words if look["seen"] else f"({words})"


def number(value: Any) -> str:
    """A number with as many digits as say something; - for none."""
    if isinstance(value, float):
        if abs(value) >= 100 or value.is_integer():
            return f"{value:,.0f}"
        return f"{value:,.1f}" if abs(value) >= 1 else f"{value:.2g}"
    return f"{value:,}" if isinstance(value, int) else "-"
