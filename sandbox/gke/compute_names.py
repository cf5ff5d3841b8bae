"""What a cluster has in Compute Engine, named, labelled and described as GKE and its controllers do it. Pure.

Firewall rules: https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules. Load balancers of Services:
kubernetes/cloud-provider-gcp, providers/gce; those of the newer kind and NEGs: kubernetes/ingress-gce, pkg/utils/namer and
pkg/utils/negdescription.go. Disks of claims: kubernetes-sigs/gcp-compute-persistent-disk-csi-driver.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from ..google.discovery import Json
from .cluster import Cluster

LINKS = "https://www.googleapis.com/compute/v1/"
Item = tuple[str, str, Json]
"""Which list it is in, its place (``global``, ``regions/…``, ``zones/…``), and what it is, without what every resource has."""

_RULES = ("all", "vms", "inkubelet", "exkubelet")
_NEWER = "cloud.google.com/l4-rbs"
_NEG = "cloud.google.com/neg"


def own(cluster: Cluster) -> Iterator[Item]:
    """What goes with the cluster: nodes, their boot disks, the firewall rules that it began with."""
    marks = {
        **cluster.answer.get("resourceLabels", {}),
        "goog-gke-node": "",
        "goog-k8s-cluster-name": cluster.name,
        "goog-k8s-cluster-location": cluster.location,
    }
    with cluster.lock:
        nodes = [
            (node, pool.zones[node], pool.answer) for pool in cluster.pools.values() for node in pool.nodes
        ]
    for name, zone, pool in nodes:
        place, config = f"zones/{zone}", pool["config"]
        labels = marks | {"goog-k8s-node-pool-name": pool["name"]}
        yield "instances", place, _instance(cluster, name, place, config, labels)
        disk = {"sizeGb": str(config.get("diskSizeGb", 100)), "labels": labels}
        kind = config.get("diskType", "pd-balanced")
        users = [_link(cluster, place, "instances", name)]
        yield "disks", place, _disk(cluster, name, place, kind) | disk | {"users": users}
    for rule in _RULES:
        found = {"name": f"{_stem(cluster)}-{rule}", "targetTags": [f"{_stem(cluster)}-node"]}
        yield "firewalls", "global", _firewall(cluster) | found


def of_objects(cluster: Cluster, objects: list[Json]) -> Iterator[Item]:
    """What Kubernetes' controllers made for Services and volumes, and what stays where the cluster goes before them."""
    for item in objects:
        if item["kind"] == "PersistentVolume":
            yield from _volume(cluster, item)
        elif item["spec"].get("type") == "LoadBalancer":
            newer = (item["metadata"].get("annotations") or {}).get(_NEWER) == "enabled"
            yield from (_newer_balancer if newer else _balancer)(cluster, item)
        if item["kind"] == "Service" and _NEG in (item["metadata"].get("annotations") or {}):
            yield from _endpoint_groups(cluster, item)


def _stem(cluster: Cluster) -> str:
    return f"gke-{cluster.name}-{cluster.answer['id'][:8]}"


def _link(cluster: Cluster, place: str, noun: str, name: str) -> str:
    return f"{LINKS}projects/{cluster.project}/{place}/{noun}/{name}"


def _instance(cluster: Cluster, name: str, place: str, config: Json, labels: Json) -> Json:
    known = [("cluster-name", cluster.name), ("cluster-location", cluster.location)]
    scheduling: Json = {"provisioningModel": "SPOT"} if config.get("spot") else {}
    return {
        "name": name,
        "disks": [{"boot": True, "deviceName": "persistent-disk-0", "source": _link(cluster, place, "disks", name)}],
        "labels": labels,
        "machineType": _link(cluster, place, "machineTypes", config["machineType"]),
        "metadata": {"items": [{"key": key, "value": value} for key, value in known]},
        "scheduling": scheduling,
        "status": "RUNNING",
        "tags": {"items": [f"{_stem(cluster)}-node"]},
        "zone": f"{LINKS}projects/{cluster.project}/{place}",
    }  # fmt: skip


def _disk(cluster: Cluster, name: str, place: str, kind: str) -> Json:
    found = {"name": name, "status": "READY", "type": _link(cluster, place, "diskTypes", kind)}
    return found | {"zone": f"{LINKS}projects/{cluster.project}/{place}"}


def _firewall(cluster: Cluster) -> Json:
    network = cluster.answer["network"]
    return {
        "direction": "INGRESS", "network": f"{LINKS}projects/{cluster.project}/global/networks/{network}",
        "priority": 1000,
    }  # fmt: skip


def _region(cluster: Cluster) -> str:
    return f"regions/{cluster.place.region}"


def _service(item: Json) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _address(item: Json) -> str:
    ingress = item.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(ingress[0].get("ip", ""))


def _balancer(cluster: Cluster, item: Json) -> Iterator[Item]:
    """A target pool of the nodes behind a forwarding rule, both by the Service's UID."""
    name = ("a" + item["metadata"]["uid"].replace("-", ""))[:32]
    place, words = _region(cluster), {"kubernetes.io/service-name": _service(item)}
    with cluster.lock:
        nodes = [(node, pool.zones[node]) for pool in cluster.pools.values() for node in pool.nodes]
    instances = [_link(cluster, f"zones/{zone}", "instances", node) for node, zone in nodes]
    region = f"{LINKS}projects/{cluster.project}/{place}"
    described = {"name": name, "description": _json(words), "region": region}
    yield "targetPools", place, described | {"instances": instances, "sessionAffinity": "NONE"}
    yield "forwardingRules", place, described | {
        "IPAddress": _address(item), "IPProtocol": "TCP", "loadBalancingScheme": "EXTERNAL",
        "target": _link(cluster, place, "targetPools", name),
    }  # fmt: skip
    words = words | {"kubernetes.io/service-ip": _address(item)}
    rule = {"name": f"k8s-fw-{name}", "description": _json(words), "targetTags": [f"{_stem(cluster)}-node"]}
    yield "firewalls", "global", _firewall(cluster) | rule


def _newer_balancer(cluster: Cluster, item: Json) -> Iterator[Item]:
    """A backend service behind a forwarding rule, both by a hash of the cluster's UID."""
    stem = _named(cluster, item)
    place, words = (
        _region(cluster),
        _json({"networking.gke.io/service-name": _service(item), "networking.gke.io/api-version": "ga"}),
    )
    region = f"{LINKS}projects/{cluster.project}/{place}"
    name = f"k8s2-{stem}"
    yield "backendServices", place, {
        "name": name, "description": words, "region": region, "loadBalancingScheme": "EXTERNAL", "protocol": "TCP",
    }  # fmt: skip
    yield "forwardingRules", place, {
        "name": f"k8s2-tcp-{stem}", "description": words, "region": region, "IPAddress": _address(item),
        "IPProtocol": "TCP", "loadBalancingScheme": "EXTERNAL",
        "backendService": _link(cluster, place, "backendServices", name),
    }  # fmt: skip
    rule = {"name": name, "description": words, "targetTags": [f"{_stem(cluster)}-node"]}
    yield "firewalls", "global", _firewall(cluster) | rule


def _endpoint_groups(cluster: Cluster, item: Json) -> Iterator[Item]:
    """A group of endpoints in each zone for each port of a Service, for Ingresses and Gateways."""
    namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
    for port in item["spec"].get("ports", []):
        words = {
            "cluster-uid": _uid(cluster),
            "namespace": namespace,
            "service-name": name,
            "port": str(port["port"]),
        }
        stem = f"k8s1-{_uid(cluster)[:8]}-{namespace}-{name}-{port['port']}-{_hash(_service(item))}"
        for zone in cluster.answer["locations"]:
            yield "networkEndpointGroups", f"zones/{zone}", {
                "name": stem[:63], "description": _json(words), "networkEndpointType": "GCE_VM_IP_PORT",
                "zone": f"{LINKS}projects/{cluster.project}/zones/{zone}",
            }  # fmt: skip


def _volume(cluster: Cluster, item: Json) -> Iterator[Item]:
    """The disk of a claim. It has a label, but no cluster's; its description has the claim."""
    handle = item["spec"].get("csi", {}).get("volumeHandle", "")
    parts = handle.split("/")
    if len(parts) != 6 or parts[2] != "zones":
        return
    claim = item["spec"].get("claimRef", {})
    words = {
        "kubernetes.io/created-for/pv/name": item["metadata"]["name"],
        "kubernetes.io/created-for/pvc/name": claim.get("name", ""),
        "kubernetes.io/created-for/pvc/namespace": claim.get("namespace", ""),
        "storage.gke.io/created-by": "pd.csi.storage.gke.io",
    }
    size = item["spec"].get("capacity", {}).get("storage", "0Gi").removesuffix("Gi")
    place = f"zones/{parts[3]}"
    found = {"description": _json(words), "labels": {"goog-gke-volume": ""}, "sizeGb": size}
    yield "disks", place, _disk(cluster, parts[5], place, "pd-balanced") | found


def _uid(cluster: Cluster) -> str:
    """In place of the UID of the cluster's namespace kube-system."""
    return hashlib.sha256(str(cluster.answer["id"]).encode()).hexdigest()[:32]


def _named(cluster: Cluster, item: Json) -> str:
    namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
    return f"{_hash(_uid(cluster))}-{namespace}-{name}-{_hash(_uid(cluster) + _service(item))}"[:50]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
