"""Shows the progress of mlops.tfserving.locust_run on the terminal, and tells it who waits for it."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import os
from typing import Any

from ..module_utils.loadtest.watchdog import DRIVERS
from ..plugin_utils.module_action import ModuleAction


class ActionModule(ModuleAction):
    """Runs the module. It stops the load when this process or its parent, the playbook, is gone."""

    def _needs_a_process(self) -> bool:
        """Signals end it, and it goes on after its parent's end."""
        return True

    def _in_a_process(self, task_vars: dict[str, Any] | None, environment: dict[str, str]) -> dict[str, Any]:
        if self._connection.transport == "local":
            environment = {**environment, DRIVERS: f"{os.getpid()},{os.getppid()}"}
        return super()._in_a_process(task_vars, environment)
