"""Runs mlops.tfserving.gcs_saved_model where it costs least time, and shows its progress."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from ..modules import gcs_saved_model
from ..plugin_utils.module_action import ModuleAction


class ActionModule(ModuleAction):
    """Runs the module."""

    module = gcs_saved_model
    packages = gcs_saved_model.PACKAGES
