"""The report as one HTML page that needs nothing else, and as JUnit XML. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from html import escape
from xml.sax.saxutils import quoteattr

from .phases import PHASES
from .timeline import Json

_STYLE = """
:root { --back: #ffffff; --fore: #111827; --soft: #6b7280; --line: #e5e7eb; --card: #f9fafb; --bar: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --back: #0f1419; --fore: #e5e7eb; --soft: #9ca3af; --line: #374151; --card: #1a2027; --bar: #56b4e9; }
  img { background: #ffffff; border-radius: 6px; }
}
body { background: var(--back); color: var(--fore); font: 15px/1.5 system-ui, sans-serif; margin: 0 auto;
       max-width: 1080px; padding: 2rem 1.2rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
.verdict { border-left: 8px solid var(--soft); background: var(--card); padding: .9rem 1.2rem; border-radius: 4px; }
.pass { border-color: #009e73; } .fail { border-color: #d55e00; } .invalid { border-color: #e69f00; }
.verdict strong { text-transform: uppercase; letter-spacing: .04em; }
p.soft, td.soft { color: var(--soft); }
img { max-width: 100%; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: .85rem; }
.bar { display: flex; height: 1.35rem; min-width: 22rem; border-radius: 3px; overflow: hidden; }
.bar span { color: #fff; font-size: .72rem; text-align: center; overflow: hidden; white-space: nowrap;
            border-right: 1px solid #fff; line-height: 1.35rem; }
.p0 { background: #6b7280; } .p1 { background: #0072b2; } .p2 { background: #b45309; } .p3 { background: #007a5a; }
.p4 { background: #a8458b; } pre { background: var(--card); padding: .8rem; overflow: auto; font-size: .8rem; }
@media print { body { max-width: none; padding: 0; } .bar { print-color-adjust: exact; } h2 { break-after: avoid; } }
"""


def render(report: Json, picture: bytes, run: str) -> str:
    """The page. ``picture``: a PNG."""
    image = base64.b64encode(picture).decode()
    verdict = report["verdict"]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load test {escape(run)}: {escape(verdict)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Load test {escape(run)}</h1>
<p class="soft">{_moment(report["started"])} to {_moment(report["ended"])}, {escape(str(report["environment"].get("host", "")))}</p>
<p class="verdict {escape(verdict)}"><strong>{escape(verdict)}</strong><br>{escape(report["summary"])}</p>
<h2>What happened</h2>
<img alt="Users, request rate, latency, replicas and nodes over time" src="data:image/png;base64,{image}">
<h2>Where the seconds went</h2>
{_reactions(report["scaling"]["reactions"])}
<h2>Checks</h2>
{_checks(report["checks"])}
<h2>Numbers</h2>
{_numbers(report)}
<h2>Settings</h2>
<pre>{escape(json.dumps(report["environment"], indent=2))}</pre>
</body>
</html>
"""


def _moment(t: float | None) -> str:
    if t is None:
        return "?"
    return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _row(*cells: str, tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def _reactions(reactions: list[Json]) -> str:
    if not reactions:
        return "<p>The autoscaler decided nothing during this run.</p>"
    longest = max(reaction["total"] for reaction in reactions) or 1.0
    rows = [_row("", "replicas", "seconds", "", tag="th")]
    for reaction in reactions:
        arrow = "out" if reaction["direction"] == "out" else "in"
        parts = "".join(
            f'<span class="p{index % 5}" style="width:{100 * value / longest:.2f}%" '
            f'title="{escape(PHASES[name])}: {value:.0f} s">{escape(name.replace("_", " "))} {value:.0f}</span>'
            for index, (name, value) in enumerate(reaction["phases"].items())
            if value > 0
        )
        words = ", ".join(
            f"{name.replace('_', ' ')} {value:.0f} s" for name, value in reaction["phases"].items()
        )
        if reaction.get("node_wait") is not None:
            words += f"; of this, waiting for a new node {reaction['node_wait']:.0f} s"
        rows.append(
            _row(
                arrow,
                f"{reaction['replicas_from']} to {reaction['replicas_to']}",
                f"{reaction['total']:.0f}",
                f'<div class="bar">{parts}</div><span class="soft">{escape(words)}</span>',
            )
        )
    meaning = "".join(_row(escape(name.replace("_", " ")), escape(text)) for name, text in PHASES.items())
    return f"<table>{''.join(rows)}</table><h2>The phases</h2><table>{meaning}</table>"


def _checks(checks: list[Json]) -> str:
    if not checks:
        return "<p>No limits were set.</p>"
    rows = [_row("", "check", "value", "limit", "evidence", tag="th")]
    rows += [
        _row(
            "✓ holds" if check["ok"] else "✗ fails",
            escape(check["name"]),
            escape(str(check["value"])),
            escape(f"{check['relation']} {check['limit']}"),
            escape(check["evidence"]),
        )
        for check in checks
    ]
    return f"<table>{''.join(rows)}</table>"


def _numbers(report: Json) -> str:
    flat = {**report["requests"], **{k: v for k, v in report["scaling"].items() if k != "reactions"}}
    flat |= {f"generator {k}": v for k, v in report["generator"].items() if k != "problems"}
    return f"<table>{''.join(_row(escape(k.replace('_', ' ')), escape(str(v))) for k, v in flat.items())}</table>"


def junit(report: Json, run: str) -> str:
    """A test suite with a case for each check, and one for the run's validity."""
    cases = [_case("the run is valid", "; ".join(report["generator"]["problems"]))]
    for check in report["checks"]:
        wrong = "" if check["ok"] else f"{check['value']} is not {check['relation']} {check['limit']}"
        cases.append(_case(check["name"], wrong))
    failures = sum("<failure" in case for case in cases)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name={quoteattr("load test " + run)} tests="{len(cases)}" failures="{failures}">\n'
        + "".join(cases)
        + "</testsuite>\n"
    )


def _case(name: str, wrong: str) -> str:
    inner = f"<failure message={quoteattr(wrong)}/>" if wrong else ""
    return f'  <testcase classname="loadtest" name={quoteattr(name)}>{inner}</testcase>\n'
