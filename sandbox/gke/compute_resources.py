"""What lies in a project's Compute Engine besides addresses: of clusters that are there, and what others left behind.

Google does not promise to remove load balancers and disks with a cluster whose Services and claims were still there
(https://cloud.google.com/sdk/gcloud/reference/container/clusters/delete); here it never does.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable

from ..google.discovery import Json
from .cluster import Cluster
from .compute_names import LINKS, Item, of_objects, own

KINDS = {
    "backendServices": "compute#backendService", "disks": "compute#disk", "firewalls": "compute#firewall",
    "forwardingRules": "compute#forwardingRule", "instances": "compute#instance",
    "networkEndpointGroups": "compute#networkEndpointGroup", "targetPools": "compute#targetPool",
}  # fmt: skip


class Resources:
    """By project. What a cluster that is there has follows from it; what is kept here is nobody's any more."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Item]] = {}
        self._lock = threading.Lock()

    def keep(self, project: str, *items: Item) -> None:
        """Leaves these behind."""
        with self._lock:
            self._kept.setdefault(project, []).extend(items)

    def remove(self, project: str, name: str) -> None:
        """As somebody would by hand: all that was left by this name."""
        with self._lock:
            self._kept[project] = [item for item in self._kept.get(project, []) if item[2]["name"] != name]

    def outlive(self, cluster: Cluster) -> None:
        """Keeps what the cluster's Services and volumes have; to be called before it is taken down."""
        self.keep(cluster.project, *of_objects(cluster, cluster.objects()))

    def listed(self, project: str, noun: str, clusters: Iterable[Cluster]) -> list[tuple[str, Json]]:
        """Place and resource of all of a kind, as a list answers them."""
        with self._lock:
            items = list(self._kept.get(project, []))
        for cluster in clusters:
            items += [*own(cluster), *of_objects(cluster, cluster.objects())]
        return [(place, _shown(project, noun, place, item)) for kind, place, item in items if kind == noun]


def _shown(project: str, noun: str, place: str, item: Json) -> Json:
    path = f"projects/{project}/{place}/{noun}/{item['name']}"
    return {
        "creationTimestamp": "2026-01-01T00:00:00.000-08:00",
        "id": str(int(hashlib.sha256(path.encode()).hexdigest()[:15], 16)),
        "kind": KINDS[noun],
        "selfLink": LINKS + path,
        **item,
    }
