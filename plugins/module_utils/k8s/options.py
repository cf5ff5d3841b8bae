"""Options that every module which asks a cluster has, and the one form of what they answer."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..outcome import failure
from ..retry import Policy
from .client import READS, KubeClient
from .connection import lacking
from .environment import contradiction
from .errors import KubeError

Json = dict[str, Any]


def PACKAGES(params: Mapping[str, Any]) -> Mapping[str, str | None]:
    """What every one of these modules needs for such options, and why it can't be imported here, if so."""
    return {"kubernetes": lacking(params.get("kubeconfig"), params.get("context"))}


_NAMES = ("app", "deployment", "name", "namespace", "run", "service")
_NAME = re.compile("[A-Za-z0-9._:-]{1,253}")
"""Some kinds' names have colons. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#path-segment-names"""


def module_spec(*, rules: Mapping[str, Any] | None = None, **options: Json) -> Json:
    """What makes a module: its own options and the common ones, and which go together. All have check mode."""
    common: Json = {"kubeconfig": {"type": "raw", "no_log": True}, "context": {"type": "str"}}
    return {"argument_spec": {**common, **options}, "supports_check_mode": True, **(rules or {})}


def client_from_params(params: Mapping[str, Any], reads: Policy = READS) -> KubeClient:
    """The client for a module's parameters `kubeconfig` and `context`: of the cluster that kubernetes.core takes for them.
    `reads`: how a read is tried again.

    Raises ``KubeError`` where the environment means another one, or a name would lead to another object.
    """
    reason, hint = contradiction(os.environ)
    if reason:
        raise KubeError(0, "Environment", f"{reason}. {hint}")
    _check_names(params)
    kubeconfig = params.get("kubeconfig")
    if kubeconfig is not None and not isinstance(kubeconfig, Mapping | str):
        raise KubeError(0, "Kubeconfig", "`kubeconfig` must be a path or a dict.")
    return KubeClient(kubeconfig or None, params.get("context"), reads=reads)


def _check_names(params: Mapping[str, Any]) -> None:
    """They are parts of paths, on the API server and here."""
    for option in _NAMES:
        name = params.get(option)
        if name and (name in (".", "..") or not _NAME.fullmatch(name)):
            raise KubeError(
                0, "Option",
                f"`{option}` is {name!r}: names in Kubernetes have letters, digits, hyphens and dots alone.",
            )  # fmt: skip


def answered(work: Callable[[], Json]) -> Json:
    """What ``work`` returns; its error in words, with ``failed``, where it raises one."""
    try:
        return work()
    except KubeError as error:
        return failure(error.message, reason=error.reason)
