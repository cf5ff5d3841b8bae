#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Replays a load test's timeline with other settings of the autoscaler, or under another load."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scaling_whatif
short_description: What a load test would have been with other settings of the autoscaler
version_added: 0.2.0
description:
  - Reads C(timeline.jsonl) of a run, measures in it what a replica can do and how long everything takes, and simulates the same
    load, or another, with other settings, by the HPA's own rules. See docs/tuning.md for how, and for what is not in it.
  - Writes C(whatif.json) and C(whatif.png) into the run's folder; asks and changes nothing else.
  - The run is simulated as it was, too, and how far that is from the run stands beside the results.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.scaling_whatif
attributes:
  check_mode:
    support: full
    description: Everything is computed and nothing is written.
  diff_mode:
    support: none
    description: Files of a what-if are not shown.
  idempotent:
    support: full
    description: The same timeline and settings give the same results.
  action_group:
    support: full
    description: The groups whose C(module_defaults) reach it.
    membership: [mlops.tfserving.all]
requirements:
  - matplotlib (Python package)
"""

OPTIONS = r"""
run_dir: The run's folder.
settings:
  - What to try. Each is a dictionary of what differs from the run, by the names of the autoscaling role's variables (as
    C(autoscaling_target_cpu_percent); of C(autoscaling_metrics) C(cpu) and C(requests)), and of C(start_seconds), C(node_start_seconds), C(nodes_min), C(nodes_max).
  - C(name) is what it is called; otherwise what differs is.
propose:
  - Whether settings are searched for that keep the limit with the fewest replica-seconds, in place of O(settings) and O(shape);
    CPU target, scale-down window, minimum and, where Kubernetes knows it, the tolerance upwards.
  - What is proposed keeps the limit by as much as the simulation was too hopeful on the run, and saves more than its error.
metrics: What C(autoscaling_metrics) of the autoscaling role is. Where its entry for the CPU has a target of its own, which wins over
  C(autoscaling_target_cpu_percent), another one is proposed there.
slo: The limit; the first line with a percentile and no condition, as V(p95_ms <= 300). Without one that of the run's report
  counts, and without that the run's own 95th percentile.
shape: Another load than the run's, as C(loadtest_shape) of the loadtest role has it.
seed: Of a load whose requests come at random.
prices: Prices that are better known than preflight's, in its form.
pools: The role cluster's C(cluster_node_pools), for the boot disks that are paid, which no node tells in full.
"""

EXAMPLES = r"""
- name: Would 70 % have been enough?
  mlops.tfserving.scaling_whatif:
    run_dir: reports/20260101-120000
    slo: ["p95_ms <= 300"]
    settings:
      - autoscaling_target_cpu_percent: 70
      - {name: quicker down, autoscaling_scale_down_stabilization_seconds: 60}
"""

RETURN = r"""
lines:
  description: The table, the limit, the simulation's own error, and a warning of load that the run knows nothing of, as lines of text.
  type: list
  elements: str
  returned: success
picture:
  description: Path of the picture.
  type: str
  returned: success
run_dir:
  description: The run's folder. Where O(run_dir) is the link C(latest), and leads to a run that has no report yet, that of the
    newest that has one.
  type: str
  returned: success
site:
  description: Where the run was made.
  type: dict
  returned: success
  contains:
    namespace: {type: str, description: The namespace.}
    deployment: {type: str, description: The Deployment that was loaded.}
    cluster: {type: str, description: "UID of the cluster's namespace kube-system; empty where the run does not say."}
proposal:
  description: With O(propose), what was found.
  type: dict
  returned: with propose
  contains:
    variables: {type: dict, description: Variables with the values proposed; empty for none.}
    before: {type: dict, description: Their values in the run.}
    kept: {type: bool, description: Whether the limit would be kept.}
    words: {type: str, description: The proposal in a sentence.}
    reasons: {type: list, elements: str, description: "Of each variable what would be without its change; then why nothing cheaper was taken."}
    beside:
      type: list
      elements: str
      description: What else could be changed and is not proposed. What it would do, or why that is not known and how to measure it.
    diff: {type: list, elements: str, description: What to change in the inventory.}
    capacity: {type: list, elements: float, description: "Requests a second that a replica carries, and the 95 % interval's ends."}
whatif:
  description: What C(whatif.json) holds.
  type: dict
  returned: success
  contains:
    rows: {type: list, elements: dict, description: "The run's own settings, then each of O(settings), with what came of it on average, between what 95 % of such
        runs would be (C(replicas_likely), C(attained_likely)), and the share of requests at more pressure than the run met (C(beyond))."}
    error: {type: dict, description: How far the simulated run is from the run; empty under another load.}
    bound_replica_seconds: {type: float, description: Replica-seconds that nothing which keeps the limit is below.}
    limit: {type: str, description: The limit.}
    share: {type: float, description: The share of requests that has to be in time.}
    seconds: {type: int, description: How long it is looked at.}
    measured: {type: dict, description: What the run said of its site.}
    measured_capacity:
      type: dict
      description: C(capacity) of the C(capacity.json) beside the run's folder, where that was measured of such a replica with such a limit;
        otherwise null.
"""

from ..module_utils import outcome
from ..module_utils.loadtest.schema import Json
from ..module_utils.scaling import answering

PACKAGES = answering.PACKAGES
SPEC: Json = {
    "argument_spec": {
        "run_dir": {"type": "path", "required": True},
        "settings": {"type": "list", "elements": "dict", "default": []},
        "propose": {"type": "bool", "default": False},
        "metrics": {"type": "list", "elements": "dict", "default": []},
        "slo": {"type": "list", "elements": "str", "default": []},
        "shape": {"type": "dict", "default": {}},
        "seed": {"type": "int", "default": 1},
        "prices": {"type": "dict", "default": {}},
        "pools": {"type": "list", "elements": "dict", "default": []},
    },
    "supports_check_mode": True,
}


def answer(params: Json, *, check_mode: bool) -> Json:
    return answering.answer(params, check_mode=check_mode)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
