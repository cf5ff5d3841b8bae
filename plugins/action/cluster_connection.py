"""Runs the module of this file's name, and tells it which process the whole run is, until whose end it renews a token."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import os
from typing import Any

from ..plugin_utils.connecting import ConnectingAction
from ..plugin_utils.module_action import Json, module_of


class ActionModule(ConnectingAction):
    """Ansible forks a process for each task, whose parent lives as long as the run."""

    def run(self, tmp: Any = None, task_vars: Json | None = None) -> Json:
        self._task.args.setdefault("process", os.getppid())
        return super().run(tmp, task_vars)


module_of(__name__)
