"""Runs the module of this file's name by the variables of the play, and shows its screen."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from typing import Any

from ansible.utils.display import Display

from ..module_utils.paths import absolute_path
from ..plugin_utils.connecting import CONNECTION, ConnectingAction
from ..plugin_utils.module_action import Json, module_of


class ActionModule(ConnectingAction):
    """The screen is shown as lines."""

    VARIABLES = CONNECTION | {
        "namespace": "serving_namespace", "app": "serving_name", "model": "serving_model_name", "models": "serving_models",
        "prices": "preflight_prices", "pools": "cluster_node_pools", "reports": "loadtest_reports_dir", "file": "status_file",
        "start_seconds": "status_start", "watch_seconds": "status_watch", "refresh_seconds": "status_refresh",
    }  # fmt: skip

    def run(self, tmp: Any = None, task_vars: Json | None = None) -> Json:
        found = super().run(tmp, task_vars)
        for line in () if self._task.no_log or found.get("failed") else found.get("screen", ()):
            Display().display(f"    {line}")
        return found

    def _of_the_play(self, variables: Json) -> Json:
        options = {"reports": "reports", **super()._of_the_play(variables)}
        return options | {
            name: absolute_path(options[name]) for name in ("reports", "file") if name in options
        }


module_of(__name__)
