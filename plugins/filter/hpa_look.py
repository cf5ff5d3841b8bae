"""What an HPA would decide now, in a sentence."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]

DOCUMENTATION = r"""
name: hpa_look
short_description: What a HorizontalPodAutoscaler would decide now, and by which rule
version_added: 0.2.0
description:
  - Computes as the HPA's controller of Kubernetes 1.34 to 1.37 does, of what the API shows of its pods and their samples,
    and says in a sentence what it wants, what it has, and why.
  - The controller sees the same a few seconds earlier or later. What it recommended at earlier looks it keeps to
    itself, so how long a scale-down is held back is not known.
author: The mlops.tfserving developers (!UNKNOWN)
positional: deployments, pods, samples, version
options:
  _input:
    description: A HorizontalPodAutoscaler, as autoscaling/v2 has it.
    type: dict
    required: true
  deployments:
    description: Deployments of its namespace, the one that it scales among them.
    type: list
    elements: dict
    required: true
  pods:
    description: Pods of its namespace; those that the Deployment's selector matches count, whosever they are.
    type: list
    elements: dict
    required: true
  samples:
    description: Their C(PodMetrics), as metrics.k8s.io/v1beta1 has them.
    type: list
    elements: dict
    required: true
  version:
    description: Kubernetes' version, as V(v1.35.4-gke.100).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Why there are not more replicas
  ansible.builtin.debug:
    msg: "{{ hpa | mlops.tfserving.hpa_look(deployments.resources, pods.resources, samples.resources, 'v1.35.4') }}"
"""

RETURN = r"""
_value:
  description: As V(wants 3, has 3 - 49 % of 3 pods, the one not ready at nothing, is no reason for more).
  type: str
"""


def hpa_look(
    hpa: Json, deployments: Iterable[Json], pods: Iterable[Json], samples: Iterable[Json], version: str
) -> str:
    from ..module_utils.hpa.objects import next_look, under  # noqa: PLC0415 - Ansible reads all filters to find one
    from ..module_utils.hpa.seen import Controller  # noqa: PLC0415

    return next_look(hpa, under(hpa, deployments, pods), samples, time.time(), Controller.of(version))


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hpa_look": hpa_look}
