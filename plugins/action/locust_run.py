"""Shows the progress of mlops.tfserving.locust_run on the terminal, and tells it who waits for it."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import os
from typing import Any

from ..plugin_utils.progress_action import ProgressAction

DRIVERS = "MLOPS_TFSERVING_DRIVERS"


class ActionModule(ProgressAction):
    """Runs the module. It stops the load when this process or its parent, the playbook, is gone."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        environment = self._task.environment
        if self._connection.transport == "local":
            drivers = {DRIVERS: f"{os.getpid()},{os.getppid()}"}
            self._task.environment = [*(environment or []), drivers]
        try:
            return super().run(tmp, task_vars)
        finally:
            self._task.environment = environment
