"""Runs the module of this file's name by the variables of the play."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from ..plugin_utils.connecting import ConnectingAction
from ..plugin_utils.module_action import module_of


class ActionModule(ConnectingAction):
    """What follows in the play goes to that cluster."""


module_of(__name__)
