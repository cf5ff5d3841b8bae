"""The report of a run as one HTML page that needs nothing else. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape

from .baseline import words as baseline_words
from .markup import SIGNS, figure, moment, number, page, row, table
from .phases import PHASES
from .schema import Json

MEANING = {
    "pass": "every limit was kept",
    "fail": "the run is sound and a limit was broken",
    "invalid": "the run proves nothing about the server",
}
ROWS_MAX = 60
"""Rows of a table; report.json has all of them."""


def render(report: Json, figures: Mapping[str, str], run: str, files: Sequence[str] = ()) -> str:
    """The page. ``figures``: SVGs made for a page, by name; ``files``: what else is in the run's folder."""
    verdict = report["verdict"]
    sections = [
        ("What happened", figure(figures, "timeline", _TIMELINE)),
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
    return page(
        f"Load test {run}: {verdict}",
        f"""<h1>Load test {escape(run)}</h1>
<p class="soft">{moment(report["started"])} to {moment(report["ended"])}
 · {escape(str(report["environment"].get("model", "")))} at {escape(str(report["environment"].get("host", "")))}</p>
<div class="verdict {escape(verdict)}"><strong>{SIGNS[verdict]} {escape(verdict)}</strong>
 <span class="soft">{MEANING[verdict]}</span><br>{escape(report["summary"])}</div>
{_tiles(report)}
{body}""",
    )


_TIMELINE = (
    "All on one clock. Dotted lines with numbers are the HPA's decisions (▲ out, ▼ in), numbered as below. Grey: fewer "
    "replicas were ready than wanted. A triangle under the nodes: the node autoscaler asked for one or gave it back."
)


def _tiles(report: Json) -> str:
    numbers, scaling = report["requests"], report["scaling"]
    tiles = [
        (number(numbers["total"]), "requests"),
        (number(numbers["failed"]), "failed"),
        (f"{number(numbers['p50_ms'])} ms", "p50"),
        (f"{number(numbers['p95_ms'])} ms", "p95"),
        (f"{number(numbers['p99_ms'])} ms", "p99"),
        (f"{number(numbers['rate_max'])}/s", "peak rate"),
        (f"{scaling['replicas_min']} → {scaling['replicas_max']} → {scaling['replicas_end']}", "replicas"),
        (f"{scaling['nodes_min']} → {scaling['nodes_max']} → {scaling['nodes_end']}", "nodes"),
    ]
    cells = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{name}</span></div>' for value, name in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _findings(report: Json) -> str:
    items = "".join(
        f"<li>{escape(finding['text'])}{' <b>' + escape(finding['hint']) + '</b>' if finding['hint'] else ''}</li>"
        for finding in report.get("findings", [])
    )
    return f'<ul class="findings">{items}</ul>' if items else ""


def _checks(checks: list[Json]) -> str:
    if not checks:
        return "<p>No limits were set.</p>"
    rows = [row("", "check", "value", "limit", "evidence", tag="th", numbers=(2,))]
    for check in checks:
        kept = "pass" if check["ok"] else "fail"
        rows.append(
            f'<tr class="{kept}"><td class="sign">{"✓ kept" if check["ok"] else "✗ broken"}</td>'
            f"<td>{escape(check['name'])}</td><td class=n>{escape(number(check['value']))}</td>"
            f"<td>{escape(check['relation'])} {escape(number(check['limit']))}</td>"
            f'<td class="soft">{escape(check["evidence"])}</td></tr>'
        )
    return table(rows)


def _reactions(report: Json, figures: Mapping[str, str]) -> str:
    found = report["scaling"]["reactions"]
    if not found:
        return "<p>The autoscaler decided nothing during this run.</p>"
    shown = [phase for phase in PHASES if any(phase in reaction["phases"] for reaction in found)]
    names = [name.replace("_", " ") for name in shown]
    rows = [
        row(
            "",
            "replicas",
            *names,
            "of it: waiting for a node",
            "all",
            tag="th",
            numbers=range(2, len(shown) + 4),
        )
    ]
    for place, reaction in enumerate(found[:ROWS_MAX], 1):
        cells = [number(reaction["phases"].get(phase)) for phase in shown]
        rows.append(
            row(
                f"{'▲' if reaction['direction'] == 'out' else '▼'}{place}",
                f"{reaction['replicas_from']} → {reaction['replicas_to']}",
                *cells, number(reaction.get("node_wait")), number(reaction["total"]),
                numbers=range(2, len(shown) + 4),
            )
        )  # fmt: skip
    if len(found) > ROWS_MAX:
        rows.append(row("…", f"{len(found) - ROWS_MAX} more in report.json"))
    meaning = table(
        [row(f"<b>{name}</b>", escape(PHASES[phase])) for name, phase in zip(names, shown, strict=True)]
    )
    picture = figure(
        figures,
        "waterfall",
        "Each decision of the HPA from the change of load on, by the slowest pod it led to.",
    )
    return f"{picture}<details><summary>In numbers (seconds)</summary>{table(rows)}{meaning}</details>"


def _pods(report: Json, figures: Mapping[str, str]) -> str:
    pods = report["scaling"].get("pods")
    if not pods:
        return "<p class=soft>The pods show no metrics, so it is not known which answered how much.</p>"
    picture = figure(
        figures, "shares",
        "By the model servers' own counters. Users keep a connection, and so a pod, for some requests.",
    )  # fmt: skip
    more = f"<p class=soft>{len(pods)} pods in all; report.json has them.</p>" if len(pods) > ROWS_MAX else ""
    return picture + more


def _comparison(report: Json) -> str:
    comparison = report.get("comparison")
    if not comparison:
        return ""
    rows = [row("", "before", "now", "change", "", tag="th", numbers=(1, 2, 3))]
    for line in comparison["numbers"]:
        change = "" if line["change_percent"] is None else f"{line['change_percent']:+.0f} %"
        mark = {"worse": "fail", "better": "pass"}.get(line["judgement"], "")
        rows.append(
            f'<tr class="{mark}"><td>{escape(line["name"])}</td><td class=n>{escape(number(line["before"]))}</td>'
            f"<td class=n>{escape(number(line['now']))}</td><td class=n>{change}</td>"
            f'<td class="sign">{escape(line["judgement"])}</td></tr>'
        )
    other = ", ".join(comparison["settings_differ"])
    note = f"<p class=soft>Settings that differ: {escape(other)}.</p>" if other else ""
    return f"<p>{escape(baseline_words(comparison))}</p>{table(rows)}{note}"


def _errors(report: Json) -> str:
    errors = report["requests"].get("errors") or {}
    if not errors:
        return ""
    examples = report["requests"].get("examples") or {}
    rows = [row("what", "requests", "one of them", tag="th", numbers=(1,))]
    for kind, count in sorted(errors.items(), key=lambda item: -item[1]):
        rows.append(row(escape(kind), number(count), escape(str(examples.get(kind, ""))), numbers=(1,)))
    return table(rows)


def _generator(report: Json) -> str:
    made = report["generator"]
    told = [
        ("workers", f"{made['workers_seen']} of {made['workers_expected']}"),
        ("most CPU of a worker", f"{number(made['cpu_max'])} % of a core"),
        ("latest wake-up of a worker", f"{number(made.get('lag_ms_max'))} ms"),
        ("clocks of the workers differ by at most", f"{number(made.get('clock_s_max'))} s"),
    ]
    if made["users_expected"]:
        told.insert(1, ("users", f"{made['users_reached']} of {made['users_expected']}"))
    if report.get("plan") and report["plan"]["model"] == "open":
        told.insert(1, ("most requests that waited to be sent", number(report["requests"]["backlog_max"])))
    rows = [row(name, escape(value)) for name, value in told]
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
    return sound + gaps + table(rows)


def _files(files: Sequence[str]) -> str:
    links = ", ".join(f'<a href="{escape(name)}">{escape(name)}</a>' for name in files)
    return f"<p>{links}</p>" if links else ""
