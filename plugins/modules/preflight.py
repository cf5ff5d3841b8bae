#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Finds contradictions in the settings before anything is made; the work is done by the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Find contradictions before anything is made, and estimate costs
version_added: 0.1.0
description:
  - Holds the variables of the collection's roles against each other, and against what can be read of the project, and
    tells everything that can't work at once, each with a way out. Fails if there is an error.
  - The roles' variables are those that the play has, over the roles' defaults. Their types are checked, too.
  - What can't be read of the project, since this account has no right to or Google is not reached, is told as not
    checked, and fails nothing.
  - Estimates what the settings cost in an hour, and how long a reaction of the autoscalers takes that needs a node.
  - C(docs/preflight.md) has the rules.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.preflight
  - mlops.tfserving.gcp
  - mlops.tfserving.info
"""

OPTIONS = r"""
ignore:
  - Names of rules whose findings are not wanted, or of a rule and a variable, C(rule:variable).
  - A name that no rule has is refused, and so are rules that can't be ignored.
prices:
  - Prices that are better known than those of C(plugins/module_utils/preflight/prices.py), in its form.
  - A key replaces the table's; of a table within it only the given keys are replaced.
system_requests: What pods that are not this collection's request.
system_requests.node: On each node together, as C(cpu) and C(memory); GKE's own DaemonSets, mostly.
system_requests.pods: Pods that are there once in the cluster, each with C(cpu) and C(memory).
metrics_window_seconds: Seconds after which a change of load shows in the metrics that the HPA reads.
node_boot_seconds: Seconds that a new node takes to come, at least and at most.
api_endpoint:
  - Where all of Google's APIs are, if they are not at Google's. Falls back to E(GCP_API_ENDPOINT).
  - For GKE and Cloud Storage the variables C(cluster_api_endpoint) and C(storage_api_endpoint) come first.
"""

EXAMPLES = r"""
- name: Look for contradictions
  mlops.tfserving.preflight:
    project: my-project
    ignore: [spot-replicas]
  register: looked
"""

RETURN = r"""
findings:
  description: What was found, errors first.
  type: list
  elements: dict
  returned: always
  contains:
    id:
      description: Name of the rule.
      type: str
    severity:
      description: V(error), V(warning), or V(unknown) for what could not be checked.
      type: str
    message:
      description: What contradicts what.
      type: str
    hint:
      description: The way out.
      type: str
    variable:
      description: The variable that it is about, or a part of it; empty where it is about several.
      type: str
    value:
      description: The variable's value as it is shown.
      type: str
msg:
  description: How many findings there are. The findings, costs and times are shown as lines of the task.
  type: str
  returned: always
cost:
  description: What the settings cost in an hour; null where the nodes are not node pools of this project.
  type: dict
  returned: always
  contains:
    min_per_hour:
      description: With the fewest nodes.
      type: float
    buffer_per_hour:
      description: What room in stock (C(autoscaling_buffer_replicas)) takes of it at most.
      type: float
    max_per_hour:
      description: With the most nodes.
      type: float
    currency:
      description: Currency of both.
      type: str
    region:
      description: The region whose prices are counted.
      type: str
    date:
      description: The day of the price table.
      type: str
    source:
      description: Where the prices are from.
      type: str
    unpriced:
      description: Node pools that are not in the sums, since the table does not have their machines.
      type: list
      elements: str
reaction:
  description: From a step of the load to a replica on a node that has to come.
  type: dict
  returned: always
  contains:
    min_seconds:
      description: Sum of what is known, at least.
      type: int
    max_seconds:
      description: Sum of what is known, at most.
      type: int
    phases:
      description: What takes how long; C(seconds) is null for what depends on images and model.
      type: list
      elements: dict
"""
