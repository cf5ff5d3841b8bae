"""By what a resource of Google's is known as a cluster's: labels, tags, names and descriptions that GKE and its controllers give.

Pure. Nodes and firewall rules: https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules. Load balancers of
Services: kubernetes/cloud-provider-gcp, providers/gce (gce_loadbalancer_naming.go, gce_util.go); of the newer kind, and
endpoint groups: kubernetes/ingress-gce, pkg/utils/namer and pkg/utils/negdescription.go; disks of claims:
kubernetes-sigs/gcp-compute-persistent-disk-csi-driver.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..gcp.labels import MARK_WORDS, is_ours
from .site import Site

Json = dict[str, Any]

_CLUSTER, _LOCATION, _VOLUME = "goog-k8s-cluster-name", "goog-k8s-cluster-location", "goog-gke-volume"
_SERVICES = ("kubernetes.io/service-name", "networking.gke.io/service-name")
_CLAIM = "kubernetes.io/created-for/pvc/namespace"
_NAME_IN_NODES = 18
"""Characters that names of nodes keep of a cluster's name."""

_TOKENS = (
    re.compile(r"(?:^|k8s-fw-|k8s-)(a[0-9a-f]{31})(?:-http-hc)?$"),  # a Service's UID
    re.compile(r"^k8s[123]-(?:[a-z]{2,3}[0-9]?-)?([0-9a-z]{8})-"),  # a hash of the cluster's UID
    re.compile(
        r"--([0-9a-f]{8})[0-9a-f]{8}$"
    ),  # the cluster's UID, of Ingresses; their endpoint groups have half of it
    re.compile(r"^(gkegw1-[0-9a-z]{4})-"),  # a Gateway's
)
"""Parts of names that all resources of one load balancer, or of one cluster, have in common."""


def token(name: str) -> str:
    """What the name has in common with others of its load balancer or cluster; empty without such a part."""
    return next((match[1] for pattern in _TOKENS if (match := pattern.search(name))), "")


def described(item: Json) -> Mapping[str, Any]:
    """The JSON that controllers write into descriptions."""
    try:
        found = json.loads(item.get("description") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def cluster_named(item: Json) -> tuple[str, str] | None:
    """Name and place of the cluster whose label a resource has. No place: the label does not say it."""
    labels = item.get("labels") or {}
    known = {one.get("key"): one.get("value") for one in (item.get("metadata") or {}).get("items") or []}
    name = labels.get(_CLUSTER) or known.get("cluster-name")
    return (name, labels.get(_LOCATION) or known.get("cluster-location") or "") if name else None


def of_cluster(
    site: Site, noun: str, item: Json, others: frozenset[tuple[str, str]]
) -> tuple[str, str] | None:
    """The part that it is (``PARTS``), and why: of this site's cluster, or of one of ours that is gone.

    ``others``: name and place of clusters that are there besides.
    """
    labels, named = item.get("labels") or {}, cluster_named(item)
    part = "volume" if _VOLUME in labels else "cluster"
    if named is not None:
        here = site.cluster and named[0] == site.cluster and named[1] in ("", site.location)
        if here:
            return part, f"it names cluster {site.cluster}"
        gone = not any(named[0] == name and named[1] in ("", place) for name, place in others)
        if is_ours(labels) and gone:
            return part, f"it has the {MARK_WORDS}; its cluster {named[0]} is gone"
        return None
    if is_ours(labels):
        return "project", f"it has the {MARK_WORDS}"
    if not site.cluster:
        return None
    for tag in item.get("targetTags") or []:
        if re.fullmatch(rf"gke-{re.escape(site.cluster)}-[0-9a-f]{{8}}-node", tag):
            part = "cluster" if item["name"].startswith("gke-") else "service"
            return part, f"it is for nodes with the tag {tag}"
    if noun in ("instances", "disks") and _is_node(site, item["name"], others):
        return "cluster", "it is named as a node of the cluster"
    return None


def _is_node(site: Site, name: str, others: frozenset[tuple[str, str]]) -> bool:
    """Whether a name is that of a node of this cluster, and of no other whose name goes on."""
    own = site.cluster[:_NAME_IN_NODES]
    longer = [other for other, _unused in others if len(other) > len(site.cluster)]
    return bool(
        re.fullmatch(rf"gke-{re.escape(own)}-.+-[0-9a-f]{{8}}-[0-9a-z]{{4}}", name)
        and not any(name.startswith(f"gke-{other[:_NAME_IN_NODES]}-") for other in longer)
    )


def by_words(site: Site, item: Json) -> tuple[str, str] | None:
    """As above, by a description that names a Service or a claim of the site's namespace; which cluster's is not in it."""
    words = described(item)
    service = next((str(words[key]) for key in _SERVICES if key in words), "")
    if not service and "service-name" in words:
        service = f"{words.get('namespace', '')}/{words['service-name']}"
    namespace, _unused, name = service.partition("/")
    ours = site.app and (name == site.app or name.startswith(f"{site.app}-"))
    if service and namespace == site.namespace and (site.cluster or ours):
        return "service", f"its description names Service {service}"
    if site.cluster and words.get(_CLAIM) == site.namespace:
        return "volume", f"its description names a claim of namespace {site.namespace}"
    return None


def links(noun: str, item: Json) -> list[str]:
    """Links to what it needs: with that it came, and is of use to nobody else."""
    if noun == "forwardingRules":
        return [link for key in ("target", "backendService") if (link := item.get(key))]
    if noun == "backendServices":
        return [one["group"] for one in item.get("backends") or [] if one.get("group")]
    if noun == "targetPools":
        return list(item.get("instances") or [])
    return []


def is_node_link(site: Site, link: str, others: frozenset[tuple[str, str]]) -> bool:
    """Whether a link leads to a node of the cluster, or to its group of them."""
    name = link.rpartition("/")[2]
    return bool(site.cluster) and _is_node(
        site, name.removesuffix("-grp") + ("-0000" if name.endswith("-grp") else ""), others
    )
