#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Drives a Locust master in the cluster and writes down what the cluster does meanwhile."""

from __future__ import annotations

DOCUMENTATION = r"""
module: locust_run
short_description: Run a load test by Locust in the cluster, and watch what it does to the cluster
version_added: 0.1.0
description:
  - Waits for the workers, starts the load of the locustfile's shape, and follows it until it ends, then until
    replicas and nodes are where they were.
  - Before the load starts a problem fails the module. After that it never does; the load is stopped, the timeline says
    why, and the report's verdict is V(invalid).
  - When the playbook is interrupted or killed the load is stopped within seconds. Should this module be killed, too,
    Locust's master stops the load by itself, since nobody asks it any more.
  - Everything that is seen goes to C(timeline.jsonl) in the run's folder at once, so that an interrupted run can be
    read, too. Locust's own report and tables are brought home, too.
  - The locustfile must be the one of the role C(mlops.tfserving.loadtest), which shows its counts at C(/loadtest).
  - C(report.html) in the run's folder, to which the link C(latest) points from the start, shows the run while it goes on, and
    is the report when M(mlops.tfserving.scaling_report) has made it. A process beside takes at most 2 % of a core for it.
  - Locust is reached through the API server, so no address of the cluster needs to be reachable but that one.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.locust_run
  - mlops.tfserving.kubernetes
attributes:
  check_mode:
    support: full
    description: Nothing is run.
  diff_mode:
    support: none
    description: Nothing is changed that could be shown.
  idempotent:
    support: none
    description: Each call is a run of its own.
"""

OPTIONS = r"""
namespace: Namespace of the model server and of Locust.
service: The Service of Locust's master; its web port is 8089.
run: The run's name, which its folder gets.
workers: How many workers there must be before the load starts.
deployment: The Deployment under test; its pods have the label C(app) with that value. Its HPA is the one that scales
  it.
reports_dir: Folder of the runs' folders.
start_timeout: Seconds to wait for the workers.
load_timeout: Seconds after which the load is stopped if it has not ended.
plan: The curve of load that C(locust_prepare) made. With it the report knows what was planned at each moment.
locustfile: Name of the locustfile whose users come, if it is not the role's; the report then says what it can't judge.
slo: What must hold, as for M(mlops.tfserving.scaling_report); the page of the run shows how it stands.
stop_when_broken: Whether the load ends as soon as the first line of O(slo) with a percentile and no condition has not been kept
  for 12 s, so that a ramp shows how much is carried and no more. That is no reason for an invalid run.
billing:
  - By what the run is billed. C(prices) are merged into the price table, as C(preflight_prices); C(pools) are the role cluster's
    C(cluster_node_pools), for the boot disks, which no node tells in full; C(load_balancer) says whether one is
    paid, too.
environment: Whatever is to be written down about the run; the page of the run shows it.
settle_timeout: Seconds to wait, after the load, for replicas and nodes to go again.
"""

EXAMPLES = r"""
- name: Run the load
  mlops.tfserving.locust_run:
    namespace: tfserving
    service: locust-1
    run: "1"
    workers: 2
    deployment: image-classifier
    reports_dir: reports
    load_timeout: 900
"""

RETURN = r"""
run_dir:
  description: The run's folder.
  type: str
  returned: success
files:
  description: What was brought home from Locust.
  type: list
  elements: str
  returned: success
settled:
  description: Whether replicas and nodes were back before the time was over.
  type: bool
  returned: success
problems:
  description: What went wrong while there was load.
  type: list
  elements: str
  returned: success
"""

from ..module_utils import outcome
from ..module_utils.k8s.options import PACKAGES, module_spec
from ..module_utils.loadtest.drive import drive
from ..module_utils.loadtest.schema import Json

SPEC = module_spec(
    namespace={"type": "str", "required": True},
    service={"type": "str", "required": True},
    run={"type": "str", "required": True},
    workers={"type": "int", "required": True},
    deployment={"type": "str", "required": True},
    reports_dir={"type": "path", "required": True},
    start_timeout={"type": "int", "default": 180},
    load_timeout={"type": "int", "required": True},
    plan={"type": "dict"},
    slo={"type": "list", "elements": "str", "default": []},
    stop_when_broken={"type": "bool", "default": False},
    environment={"type": "dict", "default": {}},
    billing={"type": "dict", "default": {}},
    locustfile={"type": "str"},
    settle_timeout={"type": "int", "default": 1500},
)


def answer(params: Json, *, check_mode: bool) -> Json:
    return drive(params, check_mode=check_mode)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
