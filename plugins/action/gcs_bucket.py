"""Runs mlops.tfserving.gcs_bucket where it costs least time, and shows its progress."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from ..module_utils.gcp.options import PACKAGES
from ..modules import gcs_bucket
from ..plugin_utils.module_action import ModuleAction


class ActionModule(ModuleAction):
    """Runs the module."""

    module = gcs_bucket
    packages = PACKAGES
