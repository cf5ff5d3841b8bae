"""Which cluster it is, since namespaces and Deployments have the same names in many."""

from __future__ import annotations

from .client import KubeApi
from .errors import KubeError


def cluster_uid(api: KubeApi) -> str | None:
    """The UID of the namespace kube-system, which is made once with a cluster; None where it may not be read.

    Raises KubeError.
    """
    try:
        found = api.get_or_none("/api/v1/namespaces/kube-system")
    except KubeError as error:
        if error.status != 403:
            raise
        return None
    uid: str | None = (found or {}).get("metadata", {}).get("uid")
    return uid
