"""Runs the module of this file's name where it costs least time, and shows its progress.

The files of most other modules are links to this one.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from ..plugin_utils.module_action import ModuleAction, module_of


class ActionModule(ModuleAction):
    """Runs the module."""


# Ansible reads this file before it forks a process for each task: what is imported here is imported once in a run.
module_of(__name__)
