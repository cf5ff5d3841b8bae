"""An API server in memory that takes what is applied."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from kube_in_memory import KubeInMemory

from sandbox.gcs.rules import merge

Json = dict[str, Any]
VERBS = ["get", "list", "patch", "create", "delete", "update"]
KINDS = {
    "v1": ("ConfigMap", "Namespace", "Service", "ServiceAccount", "Pod", "Secret"),
    "apps/v1": ("Deployment", "ReplicaSet"),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "coordination.k8s.io/v1": ("Lease",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "policy/v1": ("PodDisruptionBudget",),
}


def plural(kind: str) -> str:
    return f"{kind.lower().removesuffix('y')}ies" if kind.endswith("y") else f"{kind.lower()}s"


RESOURCES = {plural(kind) for kinds in KINDS.values() for kind in kinds}


class KubeApplied(KubeInMemory):
    """``applied``: path and body of what was applied, dry runs apart."""

    def __init__(self) -> None:
        super().__init__()
        self.applied: list[tuple[str, Json]] = []
        groups = []
        for version, kinds in KINDS.items():
            group = {"groupVersion": version, "version": version.rpartition("/")[2]}
            if "/" in version:
                groups.append(
                    {"name": version.partition("/")[0], "versions": [group], "preferredVersion": group}
                )
            self.put(_root(version), {
                "kind": "APIResourceList", "groupVersion": version,
                "resources": [{"name": plural(kind), "singularName": kind.lower(), "kind": kind, "verbs": VERBS,
                               "namespaced": kind != "Namespace"} for kind in kinds],
            })  # fmt: skip
        self.put("/version", {"gitVersion": "v1.37.0", "major": "1", "minor": "37"})
        self.put("/api", {"kind": "APIVersions", "versions": ["v1"]})
        self.put("/apis", {"kind": "APIGroupList", "groups": groups})
        self.put("/api/v1/namespaces/tfserving", {"apiVersion": "v1", "kind": "Namespace"})

    def answer(self, method: str, target: str, body: Json | None) -> tuple[int, Json]:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if method == "GET" and path in self.objects:
            self.requests.append((method, path))
            return 200, self.objects[path]
        if method == "GET" and path.rpartition("/")[2] not in RESOURCES:
            path = target = f"{path}/"  # No list, whatever its name ends with.
        if method == "PATCH" and "dryRun" in query:
            self.requests.append((method, path))
            return 200, merge(self.objects.get(path, {}), body or {})
        if method == "PATCH" and "fieldManager" in query:
            self.applied.append((path, body or {}))
            if path not in self.objects:
                return 201, self.put(path, body)
        return super().answer(method, target, body)


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"
