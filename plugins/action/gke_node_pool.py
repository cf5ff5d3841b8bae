"""Shows the progress of mlops.tfserving.gke_node_pool on the terminal."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from ..plugin_utils.progress_action import ProgressAction


class ActionModule(ProgressAction):
    """Runs the module."""
