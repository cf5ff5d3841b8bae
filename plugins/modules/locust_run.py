#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

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
  - Locust is reached through the API server, so no address of the cluster needs to be reachable but that one.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  namespace:
    description: Namespace of the model server and of Locust.
    type: str
    required: true
  service:
    description: The Service of Locust's master; its web port is 8089.
    type: str
    required: true
  run:
    description: The run's name, which its folder gets.
    type: str
    required: true
  workers:
    description: How many workers there must be before the load starts.
    type: int
    required: true
  deployment:
    description: The Deployment under test. Its HPA has the same name, its pods the label C(app) with that value.
    type: str
    required: true
  reports_dir:
    description: Folder of the runs' folders.
    type: path
    required: true
  start_timeout:
    description: Seconds to wait for the workers.
    type: int
    default: 180
  load_timeout:
    description: Seconds after which the load is stopped if it has not ended.
    type: int
    required: true
  plan:
    description: >-
      The curve of load that C(locust_prepare) made. With it the report knows what was planned at each moment.
    type: dict
  settle_timeout:
    description: Seconds to wait, after the load, for replicas and nodes to go again.
    type: int
    default: 1500
extends_documentation_fragment:
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
  action_group:
    support: full
    description: The groups whose C(module_defaults) reach it.
    membership: [mlops.tfserving.all, mlops.tfserving.k8s]
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
results_home:
  description: Whether all of Locust's results came. Until then its objects should not be removed.
  type: bool
  returned: success
"""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from ..module_utils.k8s.errors import KubeError
from ..module_utils.k8s.options import argument_spec, client_from_params, require_kubernetes
from ..module_utils.loadtest.counters import Counters
from ..module_utils.loadtest.locust import FILES, Locust, collect_results
from ..module_utils.loadtest.run import Clock, LoadTest, RunFailed, Settings
from ..module_utils.loadtest.shapes import Plan
from ..module_utils.loadtest.timeline import Timeline
from ..module_utils.loadtest.watch import CannotList, follow, followers
from ..module_utils.no_log import Module
from ..module_utils.progress import progress

LIST_SECONDS = 30
WAKE_SECONDS = 0.2
DRIVERS = "MLOPS_TFSERVING_DRIVERS"


class Watchdog:
    """Knows when to stop: a signal, or the end of the processes that wait for this module."""

    def __init__(self) -> None:
        # No Event: its lock, held while somebody waits, is what a signal's handler would wait for.
        self._told = False
        self._drivers = [int(pid) for pid in os.environ.get(DRIVERS, "").split(",") if pid.isdigit()]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._tell)

    def _tell(self, *_: object) -> None:
        self._told = True

    def reason(self) -> str | None:
        if self._told:
            return "the run was interrupted"
        if not all(map(_lives, self._drivers)):
            return "the playbook that had started the run is gone"
        return None

    def sleep(self, seconds: float) -> None:
        """Wakes up when it is told to stop; what is to be done then may wait, too."""
        deadline, before = time.monotonic() + seconds, self._told
        while self._told == before and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, WAKE_SECONDS))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def steady_clock() -> Clock:
    """The wall clock's time as it was at the start, and on from there without any jump."""
    offset, dog = time.time() - time.monotonic(), Watchdog()
    return Clock(lambda: offset + time.monotonic(), dog.sleep, time.time, dog.reason)


def run(module: Module, folder: Path) -> dict[str, Any]:
    params = module.params
    settings = Settings(
        namespace=params["namespace"],
        deployment=params["deployment"],
        workers=params["workers"],
        start_timeout=params["start_timeout"],
        load_timeout=params["load_timeout"],
        settle_timeout=params["settle_timeout"],
        plan=Plan.from_json(params["plan"]) if params["plan"] else None,
    )
    clock = steady_clock()
    api = client_from_params(params)
    locust = Locust(api, params["namespace"], params["service"])
    timeline, stop = Timeline(folder / "timeline.jsonl", clock.now), threading.Event()
    try:
        follow(followers(api, timeline, settings.namespace, settings.deployment), stop, LIST_SECONDS)
        counters = Counters(api, timeline, settings.namespace, settings.deployment)
        counters.first()
        threading.Thread(target=counters.run, args=(stop,), daemon=True).start()
        test = LoadTest(locust, timeline, settings, clock, progress)
        try:
            test.run()
        finally:
            files = collect_results(locust, folder, time.sleep) if test.begun else []
        settled = test.settle()
    finally:
        stop.set()
        timeline.close()
    return {
        "changed": True,
        "run_dir": str(folder),
        "files": files,
        "settled": settled,
        "problems": test.troubles,
        "results_home": len(files) == len(FILES),
    }


def main() -> None:
    module = Module(
        argument_spec={
            **argument_spec(),
            "namespace": {"type": "str", "required": True},
            "service": {"type": "str", "required": True},
            "run": {"type": "str", "required": True},
            "workers": {"type": "int", "required": True},
            "deployment": {"type": "str", "required": True},
            "reports_dir": {"type": "path", "required": True},
            "start_timeout": {"type": "int", "default": 180},
            "load_timeout": {"type": "int", "required": True},
            "plan": {"type": "dict"},
            "settle_timeout": {"type": "int", "default": 1500},
        },
        supports_check_mode=True,
    )
    require_kubernetes(module)
    folder = Path(module.params["reports_dir"]).resolve() / module.params["run"]
    if module.check_mode:
        module.exit_json(
            changed=True, run_dir=str(folder), files=[], settled=False, problems=[], results_home=True
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        module.exit_json(**run(module, folder))
    except (RunFailed, CannotList) as error:
        module.fail_json(
            msg=f"{error} What was seen until then: {folder}/timeline.jsonl", run_dir=str(folder)
        )
    except OSError as error:
        module.fail_json(msg=f"the report's folder can't be written: {folder}: {error.strerror}")
    except KubeError as error:
        module.fail_json(msg=error.message, run_dir=str(folder))


if __name__ == "__main__":
    main()
