"""The HPAs of a Deployment, and what they look at."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

DOCUMENTATION = r"""
name: hpas_of
short_description: The HorizontalPodAutoscalers that scale a Deployment, in short
version_added: 0.2.0
description:
  - An HPA belongs to the Deployment that its C(scaleTargetRef) names, whatever its own name is.
  - A value that is none, as that of an average over no replica, is null.
author: The mlops.tfserving developers (!UNKNOWN)
positional: deployment
options:
  _input:
    description: HorizontalPodAutoscalers of a namespace, as autoscaling/v2 has them.
    type: list
    elements: dict
    required: true
  deployment:
    description: Name of the Deployment.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the HPA looks at
  ansible.builtin.debug:
    msg: "{{ hpas.resources | mlops.tfserving.hpas_of('image-classifier') | map(attribute='metrics') }}"
"""

RETURN = r"""
_value:
  description: >-
    Of each C(name), C(min), C(max), C(current) and C(desired) replicas, and C(metrics), with C(name), C(type),
    C(of), C(current), C(target) and C(unit) of each.
  type: list
  elements: dict
"""


def hpas_of(hpas: Iterable[dict[str, Any]], deployment: str) -> list[Mapping[str, Any] | None]:
    from ..module_utils.k8s.autoscalers import scales  # noqa: PLC0415 - Ansible reads all filters to find one
    from ..module_utils.loadtest.objects import summary  # noqa: PLC0415

    return [summary("hpa", hpa) for hpa in hpas if scales(hpa, deployment)]


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hpas_of": hpas_of}
