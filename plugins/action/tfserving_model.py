"""Runs mlops.tfserving.tfserving_model where it costs least time."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from ..plugin_utils.module_action import ModuleAction, module_of


class ActionModule(ModuleAction):
    """Runs the module."""

    def _needs_a_process(self) -> bool:
        """gRPC's packages are looked for where the module says what is missing."""
        return self._task.args.get("protocol") == "grpc" or super()._needs_a_process()


module_of(__name__)  # read before Ansible forks
