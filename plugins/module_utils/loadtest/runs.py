"""The list of all runs as an HTML page. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .markup import SIGNS, number, page, row, table
from .schema import Json


def index(runs: Sequence[tuple[str, Json]]) -> str:
    """All runs, newest first. ``runs``: name and report of each."""
    rows = [
        row(
            "run", "verdict", "load", "requests", "failed", "p50, ms", "p95, ms", "p99, ms", "replicas", "nodes",
            "slowest reaction, s", tag="th", numbers=(3, 4, 5, 6, 7, 10),
        )
    ]  # fmt: skip
    for name, report in sorted(runs, key=lambda item: -(item[1].get("started") or 0)):
        numbers, scaling, verdict = report["requests"], report["scaling"], report["verdict"]
        rows.append(
            f'<tr class="{escape(verdict)}"><td><a href="{escape(name)}/report.html">{escape(name)}</a></td>'
            f'<td class="sign" title="{escape(report["summary"])}">{SIGNS.get(verdict, "")} {escape(verdict)}</td>'
            + "".join(
                f"<td{' class=n' if right else ''}>{escape(value)}</td>"
                for value, right in (
                    (str(report["environment"].get("load", "")), False),
                    (number(numbers["total"]), True),
                    (number(numbers["failed"]), True),
                    (number(numbers["p50_ms"]), True),
                    (number(numbers["p95_ms"]), True),
                    (number(numbers["p99_ms"]), True),
                    (
                        f"{scaling['replicas_min']} → {scaling['replicas_max']} → {scaling['replicas_end']}",
                        False,
                    ),
                    (f"{scaling['nodes_min']} → {scaling['nodes_max']} → {scaling['nodes_end']}", False),
                    (number(scaling.get("ready_s_max")), True),
                )
            )
            + "</tr>"
        )
    count = f"{len(runs)} run{'' if len(runs) == 1 else 's'}, newest first"
    return page("Load tests", f"<h1>Load tests</h1><p class=soft>{count}</p>{table(rows)}")
