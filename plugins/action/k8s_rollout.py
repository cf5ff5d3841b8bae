"""Runs mlops.tfserving.k8s_rollout where it costs least time, and shows its progress."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from ..plugin_utils.module_action import ModuleAction


class ActionModule(ModuleAction):
    """Runs the module. It is imported where it runs, which is seldom: a run that finds nothing to do skips it."""
