"""A dashboard of a site for Grafana or Cloud Monitoring, from its objectives."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: dashboard
short_description: A dashboard of a site for Grafana or Cloud Monitoring
version_added: 0.2.0
description:
  - Load, latency, replicas desired and ready, nodes, the HPA's metrics against their targets, each pod's share, a canary beside the
    version that runs, and what the nodes cost an hour.
  - Its queries take the metrics that P(mlops.tfserving.alert_rules#filter) takes, what its recording rules record, and of pods'
    metrics the label C(node).
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: What P(mlops.tfserving.alert_rules#filter) takes.
    type: dict
    required: true
  form:
    description: Whose dashboard it is.
    type: str
    choices: [grafana, cloud_monitoring]
    default: grafana
  node_hour:
    description: What a node costs an hour; V(0) leaves the cost out.
    type: float
    default: 0
  currency:
    description: Of O(node_hour), by the three letters of ISO 4217.
    type: str
    default: USD
"""

EXAMPLES = r"""
- name: Write a dashboard for Cloud Monitoring
  ansible.builtin.copy:
    content: "{{ site | mlops.tfserving.dashboard('cloud_monitoring', node_hour=0.134) | to_nice_json }}"
    dest: dashboard.json
    mode: "0644"
  vars:
    site: {app: image-classifier, namespace: tfserving, latency_ms: 300}
"""

RETURN = r"""
_value:
  description: As Grafana imports it, or as C(gcloud monitoring dashboards create --config-from-file) takes it.
  type: dict
"""


def dashboard(
    objectives: Mapping[str, Any], form: str = "grafana", node_hour: Any = 0, currency: str = "USD"
) -> dict[str, Any]:
    from ..module_utils.monitoring.cloud_monitoring import cloud_monitoring  # noqa: PLC0415 - Ansible reads all filters to find one
    from ..module_utils.monitoring.dashboard import Price  # noqa: PLC0415
    from ..module_utils.monitoring.dashboard import dashboard as described  # noqa: PLC0415
    from ..module_utils.monitoring.grafana import grafana  # noqa: PLC0415
    from ..module_utils.monitoring.rules import Objectives  # noqa: PLC0415

    forms = {"grafana": grafana, "cloud_monitoring": cloud_monitoring}
    if form not in forms:
        raise AnsibleFilterError(f"dashboard: there is no form {form!r}: there is {', '.join(forms)}")
    try:
        price = Price(float(node_hour), str(currency))
        return forms[form](described(Objectives.of(objectives), price))
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(f"dashboard: {error}") from None


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"dashboard": dashboard}
