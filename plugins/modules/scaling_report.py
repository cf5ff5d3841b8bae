#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

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
options:
  run_dir:
    description: The run's folder.
    type: path
    required: true
  slo:
    description: >-
      What must hold, in lines as V(p95_ms <= 300 while users <= 10), V(failed == 0 while steady),
      V(reaction.ready_s <= 60), V(replicas.max >= 3) or V(replicas back to min within 360 s).
    type: list
    elements: str
    default: []
  workers:
    description: How many workers were planned.
    type: int
    required: true
  users:
    description: How many users were planned at the top.
    type: int
    required: true
  baseline:
    description: An earlier run to compare with; its name, its folder or its C(report.json).
    type: path
  environment:
    description: Whatever is to be written down about the run.
    type: dict
    default: {}
  fail_on:
    description: With which verdicts the task fails, after everything is written.
    type: list
    elements: str
    choices: [fail, invalid]
    default: [fail, invalid]
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
  description: What report.json holds.
  type: dict
  returned: success
html:
  description: Path of the page.
  type: str
  returned: always
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils.loadtest.baseline import words as baseline_words
from ..module_utils.loadtest.figures import MATPLOTLIB_IMPORT_ERROR, draw_all, for_page
from ..module_utils.loadtest.junit import junit
from ..module_utils.loadtest.page import render
from ..module_utils.loadtest.runs import index
from ..module_utils.loadtest.slo import SloError
from ..module_utils.loadtest.timeline import read
from ..module_utils.loadtest.verdict import analyse

LABELS = {
    "timeline": "Load, response time, HPA metrics, replicas and nodes over time",
    "waterfall": "Phases of each reaction of the autoscalers",
    "shares": "Requests answered by each pod",
}


class NoBaseline(Exception):
    """The run to compare with has no report."""


def read_baseline(given: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """Name and report of an earlier run."""
    path = Path(given)
    if not path.exists():
        path = folder.parent / given
    if path.is_dir():
        path = path / "report.json"
    try:
        return path.parent.resolve().name, json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NoBaseline(
            f"the baseline {given} has no report that can be read ({path}: {error}); name a run of "
            f"{folder.parent}, its folder or its report.json"
        ) from error


def write(folder: Path, events: list[Any], report: dict[str, Any]) -> None:
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (folder / "junit.xml").write_text(junit(report, folder.name), encoding="utf-8")
    figures = draw_all(events, report)
    (folder / "figures").mkdir(exist_ok=True)
    for name, (png, svg) in figures.items():
        (folder / "figures" / f"{name}.png").write_bytes(png)
        (folder / "figures" / f"{name}.svg").write_text(svg, encoding="utf-8")
    (folder / "timeline.png").write_bytes(figures["timeline"][0])
    files = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != "report.html"
    )
    inline = {name: for_page(svg, LABELS[name]) for name, (_unused, svg) in figures.items()}
    (folder / "report.html").write_text(render(report, inline, folder.name, files), encoding="utf-8")
    draft = folder.parent / f".latest-{os.getpid()}"
    draft.symlink_to(folder.name)
    draft.replace(folder.parent / "latest")
    draft = folder.parent / f".index-{os.getpid()}"
    draft.write_text(index(all_runs(folder.parent)), encoding="utf-8")
    draft.replace(folder.parent / "index.html")


def all_runs(reports: Path) -> list[Any]:
    """Name and report of each run that has one."""
    found = []
    for path in reports.glob("*/report.json"):
        if not path.parent.is_symlink():
            with contextlib.suppress(ValueError, OSError):
                found.append((path.parent.name, json.loads(path.read_text(encoding="utf-8"))))
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "run_dir": {"type": "path", "required": True},
            "slo": {"type": "list", "elements": "str", "default": []},
            "workers": {"type": "int", "required": True},
            "users": {"type": "int", "required": True},
            "baseline": {"type": "path"},
            "environment": {"type": "dict", "default": {}},
            "fail_on": {
                "type": "list",
                "elements": "str",
                "choices": ["fail", "invalid"],
                "default": ["fail", "invalid"],
            },
        },
        supports_check_mode=True,
    )
    if MATPLOTLIB_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("matplotlib"), exception=MATPLOTLIB_IMPORT_ERROR)
    params = module.params
    folder = Path(params["run_dir"]).resolve()
    html = str(folder / "report.html")
    try:
        events = read(folder / "timeline.jsonl")
        if not events:
            module.fail_json(msg=f"{folder}/timeline.jsonl has no event: there is nothing to report.")
        report = analyse(
            events,
            slo=params["slo"],
            workers=params["workers"],
            users=params["users"],
            environment=params["environment"],
            earlier=read_baseline(params["baseline"], folder) if params["baseline"] else None,
        )
        before = folder / "report.json"
        changed = not before.exists() or json.loads(before.read_text(encoding="utf-8")) != report
        if not module.check_mode:
            write(folder, events, report)
    except (SloError, NoBaseline) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}. Is {folder} the folder of a run?")
    verdict, summary = report["verdict"], report["summary"]
    told = {"verdict": verdict, "exit_code": report["exit_code"], "summary": summary, "html": html}
    if "comparison" in report:
        told["comparison"] = baseline_words(report["comparison"])
    if verdict in params["fail_on"]:
        module.fail_json(msg=f"{verdict}: {summary} The report: {html}", **told)
    module.exit_json(changed=changed, report=report, **told)


if __name__ == "__main__":
    main()
