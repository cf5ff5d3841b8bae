"""The report as one HTML page that needs nothing else, the list of all runs, and JUnit XML. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any
from xml.sax.saxutils import quoteattr

from .baseline import words as baseline_words
from .phases import PHASES
from .timeline import Json

SIGNS = {"pass": "✓", "fail": "✗", "invalid": "?"}
MEANING = {
    "pass": "every limit was kept",
    "fail": "the run is sound and a limit was broken",
    "invalid": "the run proves nothing about the server",
}
MOST_ROWS = 60
"""Rows of a table; report.json has all of them."""

_STYLE = """
:root { color-scheme: light dark; --back: #ffffff; --fore: #111827; --soft: #4b5563; --line: #e5e7eb;
  --card: #f6f7f9; --shade: #9ca3af; --blue: #0072b2; --orange: #e69f00; --green: #009e73; --vermilion: #d55e00;
  --purple: #a8458b; --pass: #007a5a; --fail: #b33c00; --invalid: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --back: #0f1419; --fore: #e6e9ee; --soft: #a3acb8; --line: #2d3640;
  --card: #171e26; --shade: #5b6673; --blue: #56b4e9; --orange: #f0b429; --green: #2fbf95; --vermilion: #ff8552;
  --purple: #d98bc0; --pass: #2fbf95; --fail: #ff8552; --invalid: #f0b429; } }
* { box-sizing: border-box; }
body { background: var(--back); color: var(--fore); font: 15px/1.55 system-ui, sans-serif; margin: 0 auto;
  max-width: 1120px; padding: 2rem 1.2rem 4rem; }
h1 { font-size: 1.05rem; font-weight: 600; margin: 0; } h2 { font-size: 1.15rem; margin: 2.6rem 0 .5rem; }
.soft { color: var(--soft); } p { margin: .3rem 0 .6rem; max-width: 78ch; }
.verdict { border: 1px solid var(--line); border-left: 10px solid var(--mark); background: var(--card);
  border-radius: 6px; padding: 1rem 1.3rem; margin: 1rem 0; }
.verdict strong { color: var(--mark); font-size: 1.5rem; letter-spacing: .03em; text-transform: uppercase; }
.pass { --mark: var(--pass); } .fail { --mark: var(--fail); } .invalid { --mark: var(--invalid); }
.tiles { display: grid; gap: .7rem; grid-template-columns: repeat(auto-fit, minmax(7.3rem, 1fr)); margin: 1rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .55rem .8rem; }
.tile b { display: block; white-space: nowrap; font-size: 1.12rem; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tile span { color: var(--soft); font-size: .85rem; }
ul.findings { margin: .4rem 0; padding-left: 1.2rem; } ul.findings li { margin: .45rem 0; max-width: 86ch; }
figure { margin: .6rem 0; overflow-x: auto; } figure svg { display: block; height: auto; min-width: 640px; width: 100%; }
figcaption { color: var(--soft); font-size: .87rem; max-width: 90ch; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .34rem .7rem .34rem 0; text-align: left; vertical-align: top; }
th { color: var(--soft); font-size: .85rem; font-weight: 600; } td.n, th.n { text-align: right; }
td.sign { color: var(--mark); font-weight: 600; white-space: nowrap; }
details summary { cursor: pointer; color: var(--soft); } a { color: var(--blue); }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; font-size: .8rem; overflow: auto;
  padding: .8rem; white-space: pre-wrap; }
@media print { :root { color-scheme: light; --back: #ffffff; --fore: #000000; --soft: #444444; --line: #cccccc;
    --card: #ffffff; --shade: #9ca3af; --blue: #0072b2; --orange: #e69f00; --green: #009e73; --vermilion: #d55e00;
    --purple: #a8458b; --pass: #007a5a; --fail: #b33c00; --invalid: #8a5a00; }
  body { font-size: 10.5pt; max-width: none; padding: 0; } h2 { break-after: avoid; } a { color: inherit; }
  figure, tr, .verdict, .tile { break-inside: avoid; } figure { overflow: visible; }
  figure svg { min-width: 0; max-height: 24cm; } svg, .tile { print-color-adjust: exact; }
  details > *:not(summary) { display: block; } }
"""


def render(report: Json, figures: Mapping[str, str], run: str, files: Sequence[str] = ()) -> str:
    """The page. ``figures``: SVGs made for a page, by name; ``files``: what else is in the run's folder."""
    verdict = report["verdict"]
    sections = [
        ("What happened", _figure(figures, "timeline", _TIMELINE)),
        ("Why, and what to change", _findings(report)),
        ("Checks", _checks(report["checks"])),
        ("Where the seconds went", _reactions(report, figures)),
        ("Who got the load", _pods(report, figures)),
        ("Compared with an earlier run", _comparison(report)),
        ("What failed", _errors(report)),
        ("The load generator", _generator(report)),
        ("Settings", f"<pre>{escape(json.dumps(report['environment'], indent=2, ensure_ascii=False))}</pre>"),
        ("Files", _files(files)),
    ]
    body = "\n".join(
        f"<section><h2>{title}</h2>\n{content}</section>" for title, content in sections if content
    )
    return _page(
        f"Load test {run}: {verdict}",
        f"""<h1>Load test {escape(run)}</h1>
<p class="soft">{_moment(report["started"])} to {_moment(report["ended"])}
 · {escape(str(report["environment"].get("model", "")))} at {escape(str(report["environment"].get("host", "")))}</p>
<div class="verdict {escape(verdict)}"><strong>{SIGNS[verdict]} {escape(verdict)}</strong>
 <span class="soft">{MEANING[verdict]}</span><br>{escape(report["summary"])}</div>
{_tiles(report)}
{body}""",
    )


def _page(title: str, body: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""


_TIMELINE = (
    "All on one clock. Dotted lines with numbers are the HPA's decisions (▲ out, ▼ in), numbered as below. Grey: fewer "
    "replicas were ready than wanted. A triangle under the nodes: the node autoscaler asked for one or gave it back."
)


def _figure(figures: Mapping[str, str], name: str, caption: str) -> str:
    if name not in figures:
        return ""
    return f"<figure>{figures[name]}<figcaption>{escape(caption)}</figcaption></figure>"


def _moment(t: float | None) -> str:
    return "?" if t is None else datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _number(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 or value.is_integer() else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _row(*cells: str, tag: str = "td", numbers: Sequence[int] = ()) -> str:
    return "<tr>" + "".join(
        f"<{tag}{' class=n' if index in numbers else ''}>{cell}</{tag}>" for index, cell in enumerate(cells)
    ) + "</tr>"  # fmt: skip


def _table(rows: Sequence[str]) -> str:
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def _tiles(report: Json) -> str:
    numbers, scaling = report["requests"], report["scaling"]
    tiles = [
        (_number(numbers["total"]), "requests"),
        (_number(numbers["failed"]), "failed"),
        (f"{_number(numbers['p50_ms'])} ms", "p50"),
        (f"{_number(numbers['p95_ms'])} ms", "p95"),
        (f"{_number(numbers['p99_ms'])} ms", "p99"),
        (f"{_number(numbers['rate_max'])}/s", "peak rate"),
        (f"{scaling['replicas_min']} → {scaling['replicas_max']} → {scaling['replicas_end']}", "replicas"),
        (f"{scaling['nodes_min']} → {scaling['nodes_max']} → {scaling['nodes_end']}", "nodes"),
    ]
    cells = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{name}</span></div>' for value, name in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _findings(report: Json) -> str:
    items = "".join(
        f"<li>{escape(finding['text'])}{' <b>' + escape(finding['advice']) + '</b>' if finding['advice'] else ''}</li>"
        for finding in report.get("findings", [])
    )
    return f'<ul class="findings">{items}</ul>' if items else ""


def _checks(checks: list[Json]) -> str:
    if not checks:
        return "<p>No limits were set.</p>"
    rows = [_row("", "check", "value", "limit", "evidence", tag="th", numbers=(2,))]
    for check in checks:
        kept = "pass" if check["ok"] else "fail"
        rows.append(
            f'<tr class="{kept}"><td class="sign">{"✓ kept" if check["ok"] else "✗ broken"}</td>'
            f"<td>{escape(check['name'])}</td><td class=n>{escape(_number(check['value']))}</td>"
            f"<td>{escape(check['relation'])} {escape(_number(check['limit']))}</td>"
            f'<td class="soft">{escape(check["evidence"])}</td></tr>'
        )
    return _table(rows)


def _reactions(report: Json, figures: Mapping[str, str]) -> str:
    found = report["scaling"]["reactions"]
    if not found:
        return "<p>The autoscaler decided nothing during this run.</p>"
    shown = [phase for phase in PHASES if any(phase in reaction["phases"] for reaction in found)]
    names = [name.replace("_", " ") for name in shown]
    rows = [
        _row(
            "",
            "replicas",
            *names,
            "of it: waiting for a node",
            "all",
            tag="th",
            numbers=range(2, len(shown) + 4),
        )
    ]
    for number, reaction in enumerate(found[:MOST_ROWS], 1):
        cells = [_number(reaction["phases"].get(phase)) for phase in shown]
        rows.append(
            _row(
                f"{'▲' if reaction['direction'] == 'out' else '▼'}{number}",
                f"{reaction['replicas_from']} → {reaction['replicas_to']}",
                *cells, _number(reaction.get("node_wait")), _number(reaction["total"]),
                numbers=range(2, len(shown) + 4),
            )
        )  # fmt: skip
    if len(found) > MOST_ROWS:
        rows.append(_row("…", f"{len(found) - MOST_ROWS} more in report.json"))
    meaning = _table(
        [_row(f"<b>{name}</b>", escape(PHASES[phase])) for name, phase in zip(names, shown, strict=True)]
    )
    picture = _figure(
        figures,
        "waterfall",
        "Each decision of the HPA from the change of load on, by the slowest pod it led to.",
    )
    return f"{picture}<details><summary>In numbers (seconds)</summary>{_table(rows)}{meaning}</details>"


def _pods(report: Json, figures: Mapping[str, str]) -> str:
    pods = report["scaling"].get("pods")
    if not pods:
        return "<p class=soft>The pods show no metrics, so it is not known which answered how much.</p>"
    picture = _figure(
        figures, "shares",
        "By the model servers' own counters. Users keep a connection, and so a pod, for some requests.",
    )  # fmt: skip
    more = (
        f"<p class=soft>{len(pods)} pods in all; report.json has them.</p>" if len(pods) > MOST_ROWS else ""
    )
    return picture + more


def _comparison(report: Json) -> str:
    comparison = report.get("comparison")
    if not comparison:
        return ""
    rows = [_row("", "before", "now", "change", "", tag="th", numbers=(1, 2, 3))]
    for row in comparison["numbers"]:
        change = "" if row["change_percent"] is None else f"{row['change_percent']:+.0f} %"
        mark = {"worse": "fail", "better": "pass"}.get(row["judgement"], "")
        rows.append(
            f'<tr class="{mark}"><td>{escape(row["name"])}</td><td class=n>{escape(_number(row["before"]))}</td>'
            f"<td class=n>{escape(_number(row['now']))}</td><td class=n>{change}</td>"
            f'<td class="sign">{escape(row["judgement"])}</td></tr>'
        )
    other = ", ".join(comparison["settings_differ"])
    note = f"<p class=soft>Settings that differ: {escape(other)}.</p>" if other else ""
    return f"<p>{escape(baseline_words(comparison))}</p>{_table(rows)}{note}"


def _errors(report: Json) -> str:
    errors = report["requests"].get("errors") or {}
    if not errors:
        return ""
    examples = report["requests"].get("examples") or {}
    rows = [_row("what", "requests", "one of them", tag="th", numbers=(1,))]
    for kind, count in sorted(errors.items(), key=lambda item: -item[1]):
        rows.append(_row(escape(kind), _number(count), escape(str(examples.get(kind, ""))), numbers=(1,)))
    return _table(rows)


def _generator(report: Json) -> str:
    made = report["generator"]
    told = [
        ("workers", f"{made['workers_seen']} of {made['workers_expected']}"),
        ("most CPU of a worker", f"{_number(made['cpu_max'])} % of a core"),
        ("latest wake-up of a worker", f"{_number(made.get('lag_ms_max'))} ms"),
        ("clocks of the workers differ by at most", f"{_number(made.get('clock_s_max'))} s"),
    ]
    if made["users_expected"]:
        told.insert(1, ("users", f"{made['users_reached']} of {made['users_expected']}"))
    if report.get("plan") and report["plan"]["model"] == "open":
        told.insert(1, ("most requests that waited to be sent", _number(report["requests"]["backlog_max"])))
    rows = [_row(name, escape(value)) for name, value in told]
    problems = "".join(f"<li>{escape(problem)}</li>" for problem in made["problems"])
    sound = (
        f'<ul class="findings">{problems}</ul>'
        if problems
        else "<p>Sound: nothing limited the load but the plan.</p>"
    )
    gaps = "".join(
        f"<p class=soft>{escape(gap['of'])} could not be seen for {gap['seconds']:.0f} s (hatched).</p>"
        for gap in made.get("gaps", [])
    )
    return sound + gaps + _table(rows)


def _files(files: Sequence[str]) -> str:
    links = ", ".join(f'<a href="{escape(name)}">{escape(name)}</a>' for name in files)
    return f"<p>{links}</p>" if links else ""


def index(runs: Sequence[tuple[str, Json]]) -> str:
    """All runs, newest first. ``runs``: name and report of each."""
    rows = [
        _row("run", "verdict", "load", "requests", "failed", "p50, ms", "p95, ms", "p99, ms", "replicas", "nodes",
             "slowest reaction, s", tag="th", numbers=(3, 4, 5, 6, 7, 10))
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
                    (_number(numbers["total"]), True),
                    (_number(numbers["failed"]), True),
                    (_number(numbers["p50_ms"]), True),
                    (_number(numbers["p95_ms"]), True),
                    (_number(numbers["p99_ms"]), True),
                    (
                        f"{scaling['replicas_min']} → {scaling['replicas_max']} → {scaling['replicas_end']}",
                        False,
                    ),
                    (f"{scaling['nodes_min']} → {scaling['nodes_max']} → {scaling['nodes_end']}", False),
                    (_number(scaling.get("ready_s_max")), True),
                )
            )
            + "</tr>"
        )
    count = f"{len(runs)} run{'' if len(runs) == 1 else 's'}, newest first"
    return _page("Load tests", f"<h1>Load tests</h1><p class=soft>{count}</p>{_table(rows)}")


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
