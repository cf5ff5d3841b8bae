"""Where objects of any kind are in the API: the server itself is asked, so custom resources are found, too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .client import KubeApi
from .errors import KubeError

Json = dict[str, Any]


@dataclass
class Resources:
    """The API's paths. Each group and version is asked for once."""

    api: KubeApi
    _known: dict[str, dict[str, Json]] = field(default_factory=dict)

    def path(self, api_version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
        """Of one object, or of all in the namespace (without one, of all there are).

        Raises KubeError(reason="NoKind") when the server does not have the kind.
        """
        resource = self._kinds(api_version).get(kind)
        if resource is None:
            raise KubeError(
                404,
                "NoKind",
                f"the cluster has no {kind} of {api_version}: is it spelled right, or has what brings it (a custom "
                "resource definition, a feature of the cluster) still to be installed?",
            )
        where = f"/namespaces/{quote(namespace, safe='')}" if resource["namespaced"] and namespace else ""
        return f"{_root(api_version)}{where}/{resource['name']}" + (
            f"/{quote(name, safe='')}" if name else ""
        )

    def namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of the kind are in namespaces. Raises as `path`."""
        self.path(api_version, kind, None)
        return bool(self._kinds(api_version)[kind]["namespaced"])

    def _kinds(self, api_version: str) -> dict[str, Json]:
        if api_version not in self._known:
            found = self.api.get_or_none(_root(api_version)) or {"resources": []}
            if "resources" not in found:
                raise KubeError(
                    0,
                    "NotKubernetes",
                    f"{_root(api_version)} is no list of kinds: is the server in the kubeconfig a Kubernetes API server?",
                )
            # A subresource, as pods/log, has the kind of its object.
            self._known[api_version] = {r["kind"]: r for r in found["resources"] if "/" not in r["name"]}
        return self._known[api_version]


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
