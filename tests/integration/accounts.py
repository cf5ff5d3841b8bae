"""Accounts in the cluster that have what a role of docs/roles gives them on GKE, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient

from .conftest import ROOT

Json = dict[str, Any]

# On GKE the permission to list is that to watch, too, and the one to update that to patch:
# https://cloud.google.com/kubernetes-engine/docs/reference/api-permissions
_VERBS = {
    "create": ("", ["create"]),
    "delete": ("", ["delete", "deletecollection"]),
    "get": ("", ["get"]),
    "getLogs": ("/log", ["get"]),
    "list": ("", ["list", "watch"]),
    "portForward": ("/portforward", ["get", "create"]),
    "proxy": ("/proxy", ["get", "create", "update", "delete"]),
    "update": ("", ["update", "patch"]),
}
# Of the kinds that are no part of Kubernetes itself, those that there are here.
_CUSTOM_GROUPS = ["autoscaling.x-k8s.io", "gateway.networking.k8s.io", "networking.gke.io"]


def rules(permissions: list[str]) -> list[Json]:
    """Kubernetes' rules for permissions such as ``container.pods.getLogs``."""
    found = []
    for permission in permissions:
        api, kind, verb = permission.split(".")
        if api == "container" and kind not in ("clusters", "operations"):
            below, verbs = _VERBS[verb]
            custom = kind == "thirdPartyObjects"
            found.append(
                {
                    "apiGroups": _CUSTOM_GROUPS if custom else ["*"],
                    "resources": ["*"] if custom else [f"{kind.lower()}{below}"],
                    "verbs": verbs,
                }
            )
    return found


def kubeconfig_of(role: str, admin: Path, folder: Path) -> Path:
    """A kubeconfig for a new account with the role; ``admin``: that of somebody who may make it."""
    api, name = KubeClient(str(admin)), f"documented-{role}"
    listed = yaml.safe_load((ROOT / f"docs/roles/{role}.yml").read_text())["includedPermissions"]
    rbac, group = "/apis/rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
    account = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
    _apply(api, "/api/v1/namespaces/default/serviceaccounts", "v1", "ServiceAccount", name, {})
    _apply(api, f"{rbac}/clusterroles", f"{group}/v1", "ClusterRole", name, {"rules": rules(listed)})
    binding = {"subjects": [account], "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name}}
    _apply(api, f"{rbac}/clusterrolebindings", f"{group}/v1", "ClusterRoleBinding", name, binding)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    issued = api.post(f"/api/v1/namespaces/default/serviceaccounts/{name}/token", asked)
    config = yaml.safe_load(admin.read_text())
    for user in config["users"]:
        user["user"] = {"token": issued["status"]["token"]}
    path = folder / f"{name}.yml"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


def _apply(api: KubeClient, path: str, version: str, kind: str, name: str, body: Json) -> None:
    item = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **body}
    api.patch(
        f"{path}/{name}?fieldManager=tests&force=true", item, content_type="application/apply-patch+yaml"
    )
