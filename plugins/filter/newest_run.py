"""The newest load test of a folder of reports, and the one that is under way."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCUMENTATION = r"""
name: newest_run
short_description: The newest load test that has a report, and the one that is under way
version_added: 0.2.0
description:
  - The link C(latest) leads to a run from its start; this tells a run that goes on, or was killed, from one that has ended.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: The folder of the runs' folders.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Show the newest verdict
  ansible.builtin.debug:
    msg: "{{ ('reports' | mlops.tfserving.newest_run).report.verdict | default('none yet') }}"
"""

RETURN = r"""
_value:
  description: >-
    C(name), C(html) and C(report) of the newest run with a report, and the path C(under_way) of the page of the run that goes on;
    what there is not is empty.
  type: dict
"""


def newest_run(reports: str) -> dict[str, Any]:
    from ..module_utils.loadtest.runs import as_seen  # noqa: PLC0415 - Ansible reads all filters to find one

    return as_seen(Path(reports))


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"newest_run": newest_run}
