"""Options that every module which asks a cluster has, and the one form of what they answer."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ..outcome import failure
from .client import KUBERNETES_IMPORT_ERROR, KubeClient
from .environment import contradiction
from .errors import KubeError

Json = dict[str, Any]

PACKAGES = {"kubernetes": KUBERNETES_IMPORT_ERROR}
"""What every one of these modules needs, and why it can't be imported here, if so."""


def module_spec(*, rules: Mapping[str, Any] | None = None, **options: Json) -> Json:
    """What makes a module: its own options and the common ones, and which go together. All have check mode."""
    common: Json = {"kubeconfig": {"type": "raw", "no_log": True}, "context": {"type": "str"}}
    return {"argument_spec": {**common, **options}, "supports_check_mode": True, **(rules or {})}


def client_from_params(params: Mapping[str, Any]) -> KubeClient:
    """The client for a module's parameters `kubeconfig` and `context`: of the cluster that kubernetes.core takes for them.

    Raises ``KubeError`` where the environment would lead that collection elsewhere.
    """
    reason, hint = contradiction(os.environ)
    if reason:
        raise KubeError(0, "Environment", f"{reason}. {hint}")
    kubeconfig = params.get("kubeconfig")
    if kubeconfig is not None and not isinstance(kubeconfig, Mapping | str):
        raise KubeError(0, "Kubeconfig", "`kubeconfig` must be a path or a dict.")
    return KubeClient(kubeconfig or None, params.get("context"))


def answered(work: Callable[[], Json]) -> Json:
    """What ``work`` returns; its error in words, with ``failed``, where it raises one."""
    try:
        return work()
    except KubeError as error:
        return failure(error.message, reason=error.reason)
