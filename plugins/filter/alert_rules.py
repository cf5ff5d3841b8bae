"""Prometheus' rules for a site from its objectives."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: alert_rules
short_description: Recording rules and alerts of a site for Prometheus
version_added: 0.2.0
description:
  - Makes the content of a file of rules from what is promised of a site. Alerts are burn rates of availability, latency, full
    queues, replicas that are missing, an HPA at its maximum, one that does not know its metrics, a version that the gate
    refused, and certificates that end.
  - It takes metrics of the pods' proxies and of TF Serving, with the labels C(namespace) and C(pod), and of kube-state-metrics.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description:
      - C(app) and C(namespace) of the site; C(availability) (0.999), C(latency_ms) (500) of the share C(quantile) (0.95),
        C(start_seconds) (300) that a replica takes to come, C(labels) of every alert, and C(hosts) whose certificates a
        blackbox exporter sees.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the rules
  ansible.builtin.copy:
    content: "{{ {'app': 'image-classifier', 'namespace': 'tfserving'} | mlops.tfserving.alert_rules | to_nice_yaml(width=1000) }}"
    dest: rules.yml
    mode: "0644"
"""

RETURN = r"""
_value:
  description: As Prometheus' file of rules, with C(groups).
  type: dict
"""


def alert_rules(objectives: Mapping[str, Any]) -> dict[str, Any]:
    from ..module_utils.monitoring.rules import Objectives, rules  # noqa: PLC0415 - Ansible reads all filters to find one

    try:
        return rules(Objectives.of(objectives))
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(f"alert_rules: {error}") from None


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"alert_rules": alert_rules}
