"""Runs the module of this file's name where it costs least time, and shows its progress."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from ..plugin_utils.module_action import action_of

ActionModule = action_of(__name__)
