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
  - Reads C(timeline.jsonl) of a run and writes C(report.json), C(report.html), C(timeline.png) and C(junit.xml)
    beside it, and lets the link C(latest) point to the run.
  - The verdict is V(pass), V(fail) when a check fails, or V(invalid) when the run proves nothing.
  - Nothing but files is read, so a report can be made again at any time.
author: The mlops.tfserving developers
options:
  run_dir:
    description: The run's folder.
    type: path
    required: true
  slo:
    description: What must hold. A key that is left out is not checked.
    type: dict
    default: {}
    suboptions:
      requests_min:
        description: Requests at least.
        type: int
      failed_max:
        description: Failed requests at most, until the users begin to go.
        type: int
      p95_ms_max:
        description: The 95th percentile at most, in milliseconds, until the users begin to go.
        type: float
      replicas_max_at_least:
        description: Replicas that were ready at once, at least.
        type: int
      replicas_back_to:
        description: Replicas at the end, at most.
        type: int
      nodes_max_at_least:
        description: Nodes that were ready at once, at least.
        type: int
      nodes_back_to:
        description: Nodes at the end, at most.
        type: int
  workers:
    description: How many workers were planned.
    type: int
    required: true
  users:
    description: How many users were planned at the top.
    type: int
    required: true
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
    support: none
    description: Asks no service.
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
      failed_max: 0
      p95_ms_max: 300
"""

RETURN = r"""
verdict:
  description: V(pass), V(fail) or V(invalid).
  type: str
  returned: always
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

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils.loadtest.page import junit, render
from ..module_utils.loadtest.plot import MATPLOTLIB_IMPORT_ERROR, draw
from ..module_utils.loadtest.verdict import SLO_KEYS, analyse


def read(path: Path) -> list:
    """A timeline's events; the last line of an interrupted run may be half."""
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):
            events.append(json.loads(line))
    return events


def write(folder: Path, events: list, report: dict) -> None:
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (folder / "junit.xml").write_text(junit(report, folder.name), encoding="utf-8")
    picture = folder / "timeline.png"
    draw(events, report, str(picture))
    page = render(report, picture.read_bytes(), folder.name)
    (folder / "report.html").write_text(page, encoding="utf-8")
    draft = folder.parent / f".latest-{os.getpid()}"
    draft.symlink_to(folder.name)
    draft.replace(folder.parent / "latest")


def main() -> None:
    kinds = {key: {"type": "float" if key == "p95_ms_max" else "int"} for key in SLO_KEYS}
    module = AnsibleModule(
        argument_spec={
            "run_dir": {"type": "path", "required": True},
            "slo": {"type": "dict", "default": {}, "options": kinds},
            "workers": {"type": "int", "required": True},
            "users": {"type": "int", "required": True},
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
    folder = Path(params["run_dir"]).expanduser()
    html = str(folder / "report.html")
    try:
        events = read(folder / "timeline.jsonl")
        if not events:
            module.fail_json(msg=f"{folder}/timeline.jsonl has no event: there is nothing to report.")
        report = analyse(
            events,
            slo=params["slo"] or {},
            workers=params["workers"],
            users=params["users"],
            environment=params["environment"],
        )
        before = folder / "report.json"
        changed = not before.exists() or json.loads(before.read_text(encoding="utf-8")) != report
        if not module.check_mode:
            write(folder, events, report)
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}. Is {folder} the folder of a run?")
    verdict, summary = report["verdict"], report["summary"]
    if verdict in params["fail_on"]:
        module.fail_json(
            msg=f"{verdict}: {summary} The report: {html}", verdict=verdict, summary=summary, html=html
        )
    module.exit_json(changed=changed, verdict=verdict, summary=summary, html=html, report=report)


if __name__ == "__main__":
    main()
