"""Nodes of AWX's workflows."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

_EDGES = {"on_success": "success_nodes", "on_failure": "failure_nodes", "always": "always_nodes"}


def workflow_nodes(nodes: Sequence[Mapping[str, Any]], environment: str) -> list[dict[str, Any]]:
    """The option C(workflow_nodes) of awx.awx's workflow_job_template.

    ``nodes``: each has the C(name) of a job template without its environment, and the names of those that follow it
    C(on_success), C(on_failure) or C(always). Raises ``AnsibleFilterError`` for a name that no node has.
    """
    names = [str(node["name"]) for node in nodes]
    made = []
    for node in nodes:
        strange = sorted(set(node) - {"name", *_EDGES})
        if strange:
            raise AnsibleFilterError(f"workflow node {node['name']}: {', '.join(strange)} is not known.")
        followers = {theirs: list(node.get(ours, [])) for ours, theirs in _EDGES.items() if node.get(ours)}
        unknown = sorted({name for group in followers.values() for name in group} - set(names))
        if unknown:
            raise AnsibleFilterError(
                f"workflow node {node['name']} leads to {', '.join(unknown)}, which is no node."
            )
        made.append(
            {
                "identifier": node["name"],
                "unified_job_template": {"name": f"{node['name']}: {environment}", "type": "job_template"},
                "related": {
                    group: [{"identifier": name} for name in following]
                    for group, following in followers.items()
                },
            }
        )
    return made


class FilterModule:
    """Filters of awx/configure.yml."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"workflow_nodes": workflow_nodes}
