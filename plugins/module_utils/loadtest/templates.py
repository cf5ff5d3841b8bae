"""The report's pages as Jinja2 templates.

Text in a Python file: a module's process is given Python files alone. pages.py fills them in, with autoescape.
"""

from __future__ import annotations

STYLE = """
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
.running { --mark: var(--blue); } .ended { --mark: var(--invalid); }
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

LAYOUT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{% block head %}{% endblock %}
<title>{% block title %}{% endblock %}</title>
<style>{{ style | safe }}</style>
</head>
<body>
{% block body %}{% endblock %}
</body>
</html>
"""

INDEX = """{% extends "layout" %}
{% block title %}Load tests{% endblock %}
{% block body %}<h1>Load tests</h1>
<p class=soft>{{ runs | length }} run{{ "" if runs | length == 1 else "s" }}, newest first</p>
<div class="wide"><table>
<tr><th>run</th><th>verdict</th><th>load</th><th class=n>requests</th><th class=n>failed</th><th class=n>p50, ms</th>
<th class=n>p95, ms</th><th class=n>p99, ms</th><th>replicas</th><th>nodes</th><th class=n>slowest reaction, s</th></tr>
{% for name, report in runs %}
{% set scaling = report.scaling %}
<tr class="{{ report.verdict }}"><td><a href="{{ name }}/report.html">{{ name }}</a></td>
<td class="sign" title="{{ report.summary }}">{{ signs[report.verdict] }} {{ report.verdict }}</td>
<td>{{ report.environment.load | default("") }}</td>
{% for key in ["total", "failed", "p50_ms", "p95_ms", "p99_ms"] %}
<td class=n>{{ report.requests[key] | number }}</td>
{% endfor %}
<td>{{ scaling.replicas_min }} → {{ scaling.replicas_max }} → {{ scaling.replicas_end }}</td>
<td>{{ scaling.nodes_min }} → {{ scaling.nodes_max }} → {{ scaling.nodes_end }}</td>
<td class=n>{{ scaling.ready_s_max | number }}</td></tr>
{% endfor %}
</table></div>{% endblock %}
"""

REPORT = """{% extends "layout" %}
{% macro figure(name, caption) %}
{% if name in figures %}<figure>{{ figures[name] | safe }}<figcaption>{{ caption }}</figcaption></figure>{% endif %}
{% endmacro %}
{% set numbers, scaling, made = report.requests, report.scaling, report.generator %}
{% block head %}
{% if state %}
<meta http-equiv="refresh" content="{{ refresh }}">
{% endif %}
{% endblock %}
{% block title %}Load test {{ run }}: {{ state.name if state else report.verdict }}{% endblock %}
{% block body %}<h1>Load test {{ run }}</h1>
<p class="soft">{{ report.started | moment }} to {{ report.ended | moment }}
 · {{ report.environment.model }} at {{ report.environment.host }}</p>
{% if state %}
<div class="verdict {{ state.name }}"><strong>{{ signs[state.name] }} {{ state.name }}</strong>
 <span class="soft">{{ "no verdict yet" if state.again else "without a report" }}; last written at {{ state.written | moment }}</span><br>{{ state.words }}
{% if state.again %}
<span id="late" data-due="{{ (state.written + state.again + late) | int }}">This page is written again about every {{ "%.0f" | format(state.again) }} s.
 Where it is much older, the run was killed, or its machine is gone.</span>
<script>
const late = document.getElementById("late");
if (Date.now() / 1000 > late.dataset.due) {
  late.textContent = "Nobody has written this page since then: the run was killed, or its machine is gone.";
  document.title = document.title.replace("running", "no longer written");
  document.querySelector(".verdict strong").textContent = "{{ signs.ended }} no longer written";
}
</script>
{% endif %}
</div>
{% else %}
<div class="verdict {{ report.verdict }}"><strong>{{ signs[report.verdict] }} {{ report.verdict }}</strong>
 <span class="soft">{{ meaning[report.verdict] }}</span><br>{{ report.summary }}</div>
{% endif %}
<div class="tiles">
{% for value, name in [
  (numbers.total | number, "requests"), (numbers.failed | number, "failed"), (numbers.p50_ms | number ~ " ms", "p50"),
  (numbers.p95_ms | number ~ " ms", "p95"), (numbers.p99_ms | number ~ " ms", "p99"),
  (numbers.rate_max | number ~ "/s", "peak rate"),
  (scaling.replicas_min ~ " → " ~ scaling.replicas_max ~ " → " ~ scaling.replicas_end, "replicas"),
  (scaling.nodes_min ~ " → " ~ scaling.nodes_max ~ " → " ~ scaling.nodes_end, "nodes")] %}
<div class="tile"><b>{{ value }}</b><span>{{ name }}</span></div>
{% endfor %}
</div>
{% if "timeline" in figures %}
<section><h2>What happened</h2>
{{ figure("timeline", "All on one clock. Dotted lines with numbers are the HPA's decisions (▲ out, ▼ in), numbered as "
  "below. Grey: fewer replicas were ready than wanted. Dotted under the replicas: the fewest that would have done. A triangle under the nodes: the node autoscaler asked for one or "
  "gave it back.") }}</section>
{% endif %}
{% if report.findings %}
<section><h2>Why, and what to change</h2>
<ul class="findings">
{% for finding in report.findings %}
<li>{{ finding.text }}{% if finding.hint %} <b>{{ finding.hint }}</b>{% endif %}</li>
{% endfor %}
</ul></section>
{% endif %}
<section><h2>Checks</h2>
{% if state %}
<p class=soft>As they would be if the run were over now.</p>
{% endif %}
{% if report.checks %}
<div class="wide"><table><tr><th></th><th>check</th><th class=n>value</th><th>limit</th><th>evidence</th></tr>
{% for check in report.checks %}
<tr class="{{ "pass" if check.ok else "fail" }}"><td class="sign">{{ "✓ kept" if check.ok else "✗ broken" }}</td>
<td>{{ check.name }}</td><td class=n>{{ check.value | number }}</td>
<td>{{ check.relation }} {{ check.limit | number }}</td><td class="soft">{{ check.evidence }}</td></tr>
{% endfor %}
</table></div>
{% else %}
<p>No limits were set.</p>
{% endif %}
</section>
<section><h2>Where the seconds went</h2>
{% if scaling.reactions %}
{{ figure("waterfall", "Each decision of the HPA from the change of load on, by the slowest pod it led to.") }}
<details><summary>In numbers (seconds)</summary>
<div class="wide"><table><tr><th></th><th>replicas</th>
{% for phase in phases %}
<th class=n>{{ phase | replace("_", " ") }}</th>
{% endfor %}
<th class=n>of it: waiting for a node</th><th class=n>all</th></tr>
{% for reaction in scaling.reactions[:most] %}
<tr><td>{{ "▲" if reaction.direction == "out" else "▼" }}{{ loop.index }}</td>
<td>{{ reaction.replicas_from }} → {{ reaction.replicas_to }}</td>
{% for phase in phases %}
<td class=n>{{ reaction.phases[phase] | number }}</td>
{% endfor %}
<td class=n>{{ reaction.node_wait | number }}</td><td class=n>{{ reaction.total | number }}</td></tr>
{% endfor %}
{% if scaling.reactions | length > most %}
<tr><td>…</td><td>{{ scaling.reactions | length - most }} more in report.json</td></tr>
{% endif %}
</table></div>
<div class="wide"><table>
{% for phase, words in phases.items() %}
<tr><td><b>{{ phase | replace("_", " ") }}</b></td><td>{{ words }}</td></tr>
{% endfor %}
</table></div></details>
{% else %}
<p>The autoscaler decided nothing during this run.</p>
{% endif %}
</section>
<section><h2>Against the best that was possible</h2>
{% set best, cost = scaling.best, report.cost %}
{% if best.problem %}
<p class=soft>Not known: {{ best.problem }}.</p>
{% else %}
<p>{{ best.replica_seconds | number }} replica-seconds, <b>{{ "%.2f" | format(best.ratio or 0) }} times the fewest</b>
 ({{ best.bound | number }}) with which {{ "%g" | format(best.share * 100) }} % of the requests would have been in time, had the
 load been known in advance; in this run {{ "%.1f" | format(best.attained * 100) }} % were. The limit: {{ best.limit }}. Nodes:
 {{ best.node_seconds | number }} node-seconds of {{ best.node_bound | number }} at least.</p>
<p class=soft>Reckoned with {{ best.cpu_ms | number }} ms of CPU a request, so {{ best.capacity | number }} requests a second that
 keep a replica busy; a replica starts in {{ best.start | number }} s and drains in {{ best.drain | number }} s, a node comes in
 {{ best.node_start | number }} s and goes after {{ best.node_end | number }} s
 {%- if best.assumed %} (not met in this run, and assumed: {{ best.assumed | join(", ") | replace("_", " ") }}){% endif %}. The
 schedule drawn in the picture costs {{ best.schedule_cost | number }}; nothing that keeps the limit costs less than the bound.</p>
{% endif %}
</section>
{% if cost %}
<section><h2>What it cost</h2>
<p>{{ "%.3f" | format(cost.replica_hours) }} replica-hours and {{ "%.3f" | format(cost.node_hours) }} node-hours
 {%- if cost.price is not none %}: <b>{{ "%.4f" | format(cost.price) }} {{ cost.currency }}</b> in {{ "%.2f" | format(cost.hours) }} h,
 {{ "%.4f" | format(cost.price_per_hour or 0) }} an hour, {{ "%.4f" | format(cost.price_per_1000 or 0) }} for 1,000 predictions
 {%- else %}; what they cost is not known: the price table has no {{ cost.unpriced | join(", ") }}{% endif %}.</p>
<div class="wide"><table><tr><th>node pool</th><th>a node</th><th class=n>node-hours</th><th class=n>{{ cost.currency }} an hour</th><th class=n>{{ cost.currency }}</th></tr>
{% for row in cost.pools %}
<tr><td>{{ row.pool or "-" }}</td><td>{{ row.machine or "no machine type" }}{{ " (spot)" if row.spot }}
{%- for kind, count in row.accelerators.items() %}, {{ count }} × {{ kind }}{% endfor %}, {{ row.disk }}</td>
<td class=n>{{ row.node_hours | number }}</td><td class=n>{{ row.node_hour_price | number }}</td><td class=n>{{ row.price | number }}</td></tr>
{% endfor %}
{% for name, price in [("cluster", cost.fee), ("load balancer", cost.load_balancer)] if price %}
<tr><td>{{ name }}</td><td></td><td></td><td class=n>{{ (price / cost.hours) | number if cost.hours }}</td><td class=n>{{ price | number }}</td></tr>
{% endfor %}
</table></div>
<p class=soft>Prices: {{ cost.source }}; of {{ cost.date }}. Not in it: {{ cost.not_in_it }}.</p></section>
{% endif %}
<section><h2>What the HPA saw, and what it made of it</h2>
{% set retraced = scaling.looks %}
{% if retraced.all %}
<p>{{ retraced.all | length }} looks, every {{ retraced.period | number }} s; {{ "all are explained" if not retraced.unexplained
  else retraced.unexplained ~ " of them not explained" }} by Kubernetes' rules and what was recorded
{%- if retraced.hidden %}; {{ retraced.hidden }} more could not be seen{% endif %}.
 A time in parentheses is that of a look that changed nothing, and so left no trace but its place in the rhythm.
{%- if retraced.problem %} {{ retraced.problem }}.{% endif %}</p>
<details{{ " open" if looks | length <= 20 else "" }}><summary>Look by look (those that were alike in one line)</summary>
<div class="wide"><table><tr><th></th><th class=n>s</th><th class=n>replicas</th><th class=n>counted</th>
<th class=n>saw</th><th>rule</th><th>what it made of it</th><th class=n>set</th></tr>
{% for first, last in looks[:most] %}
<tr class="{{ "pass" if last.explained else "fail" }}"><td class="sign">{{ "" if last.explained else "✗ not explained" }}</td>
<td class=n>{{ first | second(report) }}{% if last.t != first.t %} to {{ last | second(report) }}{% endif %}</td>
<td class=n>{{ last.replicas }}</td><td class=n>{{ last.counted }} of {{ last.pods }}</td>
<td class=n>{% for value in last["values"] %}{{ value | number }}{{ ", " if not loop.last }}{% endfor %}</td>
<td>{{ last.rule }}</td><td>{{ last.words }}</td><td class=n>{{ last.desired }}</td></tr>
{% endfor %}
{% if looks | length > most %}
<tr><td></td><td class=n>…</td><td colspan=6>{{ looks | length - most }} more lines; report.json has every look.</td></tr>
{% endif %}
</table></div></details>
{% else %}
<p class=soft>Not known: {{ retraced.problem or "the HPA's status never changed" }}.</p>
{% endif %}
</section>
<section><h2>Who got the load</h2>
{% if scaling.pods %}
{{ figure("shares", "By the model servers' own counters. Users keep a connection, and so a pod, for some requests.") }}
{% if scaling.pods | length > most %}
<p class=soft>{{ scaling.pods | length }} pods in all; report.json has them.</p>
{% endif %}
{% else %}
<p class=soft>The pods show no metrics, so it is not known which answered how much.</p>
{% endif %}
</section>
{% if report.comparison %}
<section><h2>Compared with an earlier run</h2>
<p>{{ compared }}</p>
<div class="wide"><table>
<tr><th></th><th class=n>before</th><th class=n>now</th><th class=n>change</th><th></th></tr>
{% for line in report.comparison.numbers %}
<tr class="{{ {"worse": "fail", "better": "pass"}[line.judgement] }}"><td>{{ line.name }}</td>
<td class=n>{{ line.before | number }}</td><td class=n>{{ line.now | number }}</td>
<td class=n>{% if line.change_percent is not none %}{{ "%+.0f %%" | format(line.change_percent) }}{% endif %}</td>
<td class="sign">{{ line.judgement }}</td></tr>
{% endfor %}
</table></div>
{% if report.comparison.settings_differ %}
<p class=soft>Settings that differ: {{ report.comparison.settings_differ | join(", ") }}.</p>
{% endif %}
</section>
{% endif %}
{% if numbers.errors %}
<section><h2>What failed</h2>
<p>In percentiles a failed request is slower than any that was answered, and where more failed than one leaves out there is none.
 p95 of those that were answered: {{ numbers.p95_answered_ms | number }} ms.</p>
<div class="wide"><table><tr><th>what</th><th class=n>requests</th><th>one of them</th></tr>
{% for kind, count in numbers.errors | dictsort(by="value", reverse=true) %}
<tr><td>{{ kind }}</td><td class=n>{{ count | number }}</td><td>{{ numbers.examples[kind] }}</td></tr>
{% endfor %}
</table></div></section>
{% endif %}
<section><h2>The load generator</h2>
{% if state %}
<p class=soft>As it would be judged if the run were over now.</p>
{% endif %}
{% if made.problems %}
<ul class="findings">{% for problem in made.problems %}<li>{{ problem }}</li>{% endfor %}</ul>
{% else %}
<p>Sound: nothing limited the load but the plan.</p>
{% endif %}
{% for gap in made.gaps %}
<p class=soft>{{ gap.of }} could not be seen for {{ "%.0f" | format(gap.seconds) }} s (hatched).</p>
{% endfor %}
<div class="wide"><table>
<tr><td>workers</td><td>{{ made.workers_seen }} of {{ made.workers_expected }}</td></tr>
{% if report.plan and report.plan.model == "open" %}
<tr><td>most requests that waited to be sent</td><td>{{ numbers.backlog_max | number }}</td></tr>
{% endif %}
{% if made.users_expected %}
<tr><td>users</td><td>{{ made.users_reached }} of {{ made.users_expected }}</td></tr>
{% endif %}
<tr><td>most CPU of a worker</td><td>{{ made.cpu_max | number }} % of a core</td></tr>
{% for stood in made.standstills[:5] %}
<tr><td>{{ stood.worker }} stood still</td><td>{{ stood.still_percent | number }} % of the time, {{ stood.longest_ms | number }} ms at most</td></tr>
{% endfor %}
{% for words in made.not_judged %}
<tr><td>not judged</td><td>{{ words }}</td></tr>
{% endfor %}
<tr><td>clocks of the workers differ by at most</td><td>{{ made.clock_s_max | number }} s</td></tr>
</table></div></section>
<section><h2>Settings</h2>
<pre>{{ settings }}</pre></section>
{% if files %}
<section><h2>Files</h2>
<p>{% for name in files %}<a href="{{ name }}">{{ name }}</a>{{ ", " if not loop.last }}{% endfor %}</p></section>
{% endif %}
{% endblock %}
"""
