"""Runs mlops.tfserving.gke_cluster where it costs least time, and shows its progress."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from ..module_utils.gcp.options import PACKAGES
from ..modules import gke_cluster
from ..plugin_utils.module_action import ModuleAction


class ActionModule(ModuleAction):
    """Runs the module."""

    module = gke_cluster
    packages = PACKAGES
