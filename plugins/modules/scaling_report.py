#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Makes the report of a load test from its timeline."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scaling_report
short_description: From a load test's timeline to a verdict, a page and a picture
version_added: 0.1.0
description:
  - Reads C(timeline.jsonl) of a run and writes C(report.json), C(report.html), C(timeline.png), C(junit.xml) and, in
    C(figures/), each figure as PNG and SVG beside it; lets the link C(latest) point to the run, and lists all runs
    in C(index.html) of the folder above.
  - The verdict is V(pass), V(fail) when a check fails, or V(invalid) when the run proves nothing.
  - Nothing but files is read, so a report can be made again at any time.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.scaling_report
attributes:
  check_mode:
    support: full
    description: The verdict is made and nothing is written.
  diff_mode:
    support: none
    description: Files of a report are not shown.
  idempotent:
    support: full
    description: The same timeline gives the same report.
  action_group:
    support: full
    description: The groups whose C(module_defaults) reach it.
    membership: [mlops.tfserving.all]
requirements:
  - matplotlib (Python package)
  - Jinja2 (Python package)
"""

OPTIONS = r"""
run_dir: The run's folder.
slo: What must hold, in lines as V(p95_ms <= 300 while users <= 10), V(failed == 0 while steady), V(reaction.ready_s <=
  60), V(replicas.max >= 3) or V(replicas back to min within 360 s).
workers: How many workers were planned.
users: How many users were planned at the top.
baseline: An earlier run to compare with; its name, its folder or its C(report.json).
billing:
  - By what the run is billed. C(prices) are merged into the price table, as C(preflight_prices); C(pools) are the role cluster's
    C(cluster_node_pools), for the boot disks, which no node tells in full; C(load_balancer) says whether one is
    paid, too.
environment: Whatever is to be written down about the run.
fail_on: With which verdicts the task fails, after everything is written.
"""

EXAMPLES = r"""
- name: Write the report
  mlops.tfserving.scaling_report:
    run_dir: reports/20260101-120000
    workers: 2
    users: 22
    slo:
      - failed == 0 while steady
      - p95_ms <= 300 while users <= 10
      - replicas back to min within 360 s
    baseline: 20251231-120000
"""

RETURN = r"""
verdict:
  description: V(pass), V(fail) or V(invalid).
  type: str
  returned: always
exit_code:
  description: 0 for V(pass), 2 for V(fail), 3 for V(invalid), for a pipeline to use.
  type: int
  returned: always
comparison:
  description: What got worse since the baseline, in a sentence.
  type: str
  returned: with a baseline
summary:
  description: The verdict in a sentence.
  type: str
  returned: always
report:
  description: >-
    What C(report.json) holds; docs/report-format.md has every field, docs/schema/report.json says the same to machines.
  type: dict
  returned: success
  contains:
    verdict: {type: str, description: As beside it; also C(exit_code) and C(summary).}
    checks: {type: list, elements: dict, description: "The limits, with C(value), C(limit) and whether each is C(ok)."}
    requests: {type: dict, description: "What the clients met: counts, rates, percentiles, failures by kind."}
    scaling: {type: dict, description: "Replicas, nodes, the HPA's C(metrics), each of its C(reactions) and the C(pods)."}
    generator: {type: dict, description: "Whether the load was what it should be, and the C(problems) if not."}
    plan: {type: dict, description: The load that was planned.}
    cost: {type: dict, description: "What it cost, by node pool, an hour, and for 1,000 predictions; null without load."}
    environment: {type: dict, description: What O(environment) said.}
    started: {type: float, description: First line of the timeline; seconds since 1970. Also C(ended).}
    findings: {type: list, elements: dict, description: "What was seen (C(text)) and what would help (C(hint))."}
    comparison: {type: dict, description: "What got better or worse, with O(baseline)."}
html:
  description: Path of the page.
  type: str
  returned: always
"""

from ..module_utils import outcome
from ..module_utils.loadtest.reporting import PACKAGES, report_on
from ..module_utils.loadtest.schema import Json

SPEC: Json = {
    "argument_spec": {
        "run_dir": {"type": "path", "required": True},
        "slo": {"type": "list", "elements": "str", "default": []},
        "workers": {"type": "int", "required": True},
        "users": {"type": "int", "required": True},
        "baseline": {"type": "path"},
        "environment": {"type": "dict", "default": {}},
        "billing": {"type": "dict", "default": {}},
        "fail_on": {
            "type": "list",
            "elements": "str",
            "choices": ["fail", "invalid"],
            "default": ["fail", "invalid"],
        },
    },
    "supports_check_mode": True,
}


def answer(params: Json, *, check_mode: bool) -> Json:
    return report_on(params, check_mode=check_mode)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
