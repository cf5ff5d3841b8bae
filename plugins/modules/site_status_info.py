#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Tells whether a site is healthy, degraded or down."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_status_info
short_description: Tell whether a site is healthy, degraded or down, once or for a while
version_added: 0.2.0
description:
  - Reads nodes, and of a namespace pods, Services, Deployments and HPAs, and judges whether the site is healthy.
  - It is C(down) where nobody is answered, without a ready replica, a Service or the load balancer's address. It is C(degraded)
    where a node is not ready, a rollout does not go on, pods can't be made, one can't start or is late, fewer are ready than
    wanted, the HPA does not know its metrics or wants more replicas than it may have. Else it is C(healthy).
  - As long as it watches it shows a line for each change.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.site_status_info
  - mlops.tfserving.kubernetes
  - mlops.tfserving.info
"""

OPTIONS = r"""
namespace: The site's namespace.
app: Name of the model server's Deployment and Service.
start_seconds: How long a replica may take to come; later it counts as degraded, or down where requests are held for the first.
watch_seconds: For how long to look again; 0 looks once. The last look counts, and fails where it can't be read.
refresh_seconds: Seconds between two looks.
billing:
  - By what the site is billed. C(prices) are merged into the price table, as C(preflight_prices); C(pools) are the role cluster's
    C(cluster_node_pools), for the boot disks, which no node tells in full.
summary: What this module returned before. Then nothing is read.
fail_on:
  - With what health the task does not end well, so that ansible-playbook's exit code tells it.
  - V(degraded) fails (2); V(down) is as a host that can't be reached (4).
"""

EXAMPLES = r"""
- name: See how the site is
  mlops.tfserving.site_status_info:
    namespace: tfserving
    app: image-classifier
  register: status
  failed_when: status.summary.health != 'healthy'
"""

RETURN = r"""
summary:
  description: What there is, for machines.
  type: dict
  returned: success
  contains:
    health: {type: str, description: "V(healthy), V(degraded) or V(down)."}
    reasons: {type: list, elements: str, description: Why it is not healthy.}
    replicas: {type: dict, description: "C(ready) and C(wanted) ones; C(min) and C(max) of the HPA, null without one."}
    nodes: {type: dict, description: "How many are C(ready), of C(all)."}
    gateways:
      type: list
      elements: dict
      description: >-
        Those that lead here, each one's C(namespace), C(name), C(addresses) and whether it is C(programmed). One that the account may
        not read is not among them.
    cost: {type: dict, description: "What the nodes that there are, and the cluster, cost in an hour, by node pool; with date, region and C(source) of the prices."}
    pods: {type: list, elements: dict, description: "Each one's C(name), C(version), C(node), and whether it is C(ready) or a C(canary)."}
line:
  description: The same in a line.
  type: str
  returned: success
  sample: "healthy: 3 of 3 replicas, 2 of 2 nodes ready"
objects:
  description: What was read, by kind.
  type: dict
  returned: success
cost:
  description: What it costs in an hour, in a line.
  type: str
  returned: success
gateway:
  description: The same of the Gateways, in lines, and why one could not be read.
  type: list
  elements: str
  returned: success
endpoint:
  description: Where clients ask by a Gateway, empty as long as it has no address, and which one; null without one.
  type: list
  elements: str
  returned: success
samples:
  description: C(PodMetrics) of the namespace; null where they can't be read.
  type: list
  elements: dict
  returned: success
refused:
  description: How many requests the pods' proxies refused, in words.
  type: str
  returned: success
reason:
  description: Kubernetes' word for why.
  type: str
  returned: failure
"""

from ..module_utils import outcome
from ..module_utils.k8s import options
from ..module_utils.k8s.options import Json, answered, client_from_params, module_spec
from ..module_utils.status.look import status

SPEC = module_spec(
    namespace={"type": "str", "required": True},
    app={"type": "str", "required": True},
    start_seconds={"type": "int", "default": 300},
    watch_seconds={"type": "int", "default": 0},
    refresh_seconds={"type": "int", "default": 5},
    billing={"type": "dict", "default": {}},
    summary={"type": "dict"},
    fail_on={"type": "list", "elements": "str", "choices": ["degraded", "down"], "default": []},
)


def PACKAGES(params: Json) -> outcome.Needed:
    """None where nothing is read."""
    return {} if params.get("summary") else options.PACKAGES(params)


def answer(params: Json, *, check_mode: bool) -> Json:
    return answered(lambda: status(params, lambda: client_from_params(params)))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
