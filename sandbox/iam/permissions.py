"""Who may do what in GKE: the roles that a project's IAM policy gives to an identity.

A project whose policy has no bindings lets everybody do everything; the sandbox's own account may always.
"""

from __future__ import annotations

from fnmatch import fnmatch

from ..google.errors import GoogleError
from ..google.tokens import ACCOUNT
from .policies import Policies

# https://cloud.google.com/kubernetes-engine/docs/how-to/iam
_ROLES = {
    "roles/owner": ("container.*",),
    "roles/editor": ("container.*",),
    "roles/viewer": ("container.*.get", "container.*.list"),
    "roles/container.admin": ("container.*",),
    "roles/container.clusterAdmin": ("container.clusters.*", "container.operations.*"),
    "roles/container.clusterViewer": ("container.clusters.get", "container.clusters.list"),
    "roles/container.viewer": ("container.*.get", "container.*.list"),
    "roles/container.developer": ("container.*.get", "container.*.list"),
}


def permission(method: str) -> str:
    """The permission that a method of GKE needs, such as ``container.clusters.update``."""
    *_, kind, verb = method.split(".")
    if kind == "operations":
        return f"container.operations.{'get' if verb == 'cancel' else verb}"
    if verb in ("get", "list", "getServerConfig", "getServerconfig"):
        return f"container.clusters.{'list' if verb == 'list' and kind == 'clusters' else 'get'}"
    if kind == "clusters" and verb in ("create", "delete"):
        return f"container.clusters.{verb}"
    return "container.clusters.update"


def check(policies: Policies, identity: str, project: str, needed: str) -> None:
    """Refuses what no role of the identity has, as Google does."""
    bindings = policies.get(f"projects/{project}").get("bindings", [])
    if not bindings or identity == ACCOUNT:
        return
    members = {f"serviceAccount:{identity}", f"user:{identity}", "allUsers", "allAuthenticatedUsers"}
    for binding in bindings:
        patterns = _ROLES.get(binding["role"], ())
        if members & set(binding["members"]) and any(fnmatch(needed, pattern) for pattern in patterns):
            return
    raise GoogleError(403, f'Required "{needed}" permission(s) for "projects/{project}".')
