"""Runs the module of this file's name where it costs least time, and shows its progress."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from ..plugin_utils.module_action import action_of

ActionModule = action_of(__name__)
