"""Runs mlops.tfserving.k8s_objects_info where it costs least time."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from ..module_utils.k8s.client import PACKAGES
from ..modules import k8s_objects_info
from ..plugin_utils.module_action import ModuleAction


class ActionModule(ModuleAction):
    """Runs the module."""

    module = k8s_objects_info
    packages = PACKAGES
