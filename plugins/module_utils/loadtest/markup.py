"""The pieces of HTML that the report's pages are made of. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

SIGNS = {"pass": "✓", "fail": "✗", "invalid": "?"}
"""A sign for each verdict, for those who see no colour."""

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


def page(title: str, body: str) -> str:
    """A whole page around its body."""
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


def figure(figures: Mapping[str, str], name: str, caption: str) -> str:
    """A picture with its caption; nothing when there is no such picture."""
    if name not in figures:
        return ""
    return f"<figure>{figures[name]}<figcaption>{escape(caption)}</figcaption></figure>"


def moment(t: float | None) -> str:
    """Seconds since 1970 for people."""
    return "?" if t is None else datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def number(value: Any) -> str:
    """A number with as many digits as say something; - for None."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 or value.is_integer() else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def row(*cells: str, tag: str = "td", numbers: Sequence[int] = ()) -> str:
    """A row of a table; ``numbers``: which cells are aligned as such."""
    return "<tr>" + "".join(
        f"<{tag}{' class=n' if index in numbers else ''}>{cell}</{tag}>" for index, cell in enumerate(cells)
    ) + "</tr>"  # fmt: skip


def table(rows: Sequence[str]) -> str:
    """A table that scrolls where the screen is narrow."""
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'
