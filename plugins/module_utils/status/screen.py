"""What is known of a site, on one screen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..hpa.objects import next_look, under
from ..hpa.seen import Controller
from ..k8s.autoscalers import scales
from ..k8s.objects import is_true, name_of
from ..loadtest.objects import summary
from ..model_server.runtime import TF_SERVING
from ..serving.history import VERSION
from .health import TRACK

Json = dict[str, Any]
Objects = Mapping[str, list[Json]]


@dataclass(frozen=True)
class Site:
    """Where it is. ``kubeconfig``: of Google's cluster, ``existing`` of one that is not made here; ``exists``: whether one that
    can't be reached is there; ``model``: the first that is served.
    """

    namespace: str
    name: str
    model: str
    cluster: str = ""
    location: str = ""
    kubeconfig: str = ""
    existing: str = ""
    exists: bool = False


def screen(site: Site, found: Json, run: Mapping[str, Any], now: float) -> list[str]:
    """Its lines. ``found``: of ``look``, without objects where there is no cluster; ``run``: the newest load test's."""
    told = found["summary"]
    reasons = f": {'; '.join(told['reasons'])}" if told["reasons"] else ""
    there = "objects" in found
    lacks = ": can't be reached" if site.exists else ": does not exist (ansible-playbook site.yml creates it)"
    return [
        f"health      {told['health']}{reasons}",
        f"cluster     {f'of {site.existing}' if site.existing else f'{site.cluster} in {site.location}'}"
        f"{'' if there else lacks}",
        *(_cluster(site, found, now) if there else ()),
        *_run(run),
    ]


def _cluster(site: Site, found: Json, now: float) -> Iterator[str]:
    objects: Objects = found["objects"]
    if not site.existing:
        yield f"kubectl     KUBECONFIG={site.kubeconfig}"
    for node in sorted(objects["Node"], key=name_of):
        machine = (node["metadata"].get("labels") or {}).get("node.kubernetes.io/instance-type", "?")
        room = node.get("status", {}).get("allocatable") or {}
        yield f"node        {name_of(node)}: {_ready(node)}, {machine}, {room.get('cpu', '?')} CPU, {room.get('memory', '?')}"
    yield from _deployment(site, objects["Deployment"])
    for pod in sorted(objects["Pod"], key=name_of):
        if (pod["metadata"].get("labels") or {}).get("app") in (site.name, f"{site.name}-canary"):
            yield f"pod         {name_of(pod)}: {_pod(pod)}"
    yield f"cost        {found['cost']}"
    if found["refused"]:
        yield f"refused     {found['refused']} requests since the pods began: docs/serving.md, What clients may send"
    hpas = [one for one in objects["HorizontalPodAutoscaler"] if scales(one, site.name)]
    for hpa in hpas:
        yield from _autoscaler(hpa, objects, found["samples"], now)
    if not hpas:
        yield "autoscaler  none"
    yield from found["gateway"]
    yield from _endpoint(site, objects["Service"], found["endpoint"])


def _ready(item: Json) -> str:
    return "ready" if is_true(item, "Ready") else "not ready"


def _deployment(site: Site, deployments: Iterable[Json]) -> Iterator[str]:
    one = next((one for one in deployments if name_of(one) == site.name), None)
    if one is None:
        yield f"deployment  {site.name}: none in namespace {site.namespace}"
        return
    revision = (one["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision", "?")
    available = one.get("status", {}).get("availableReplicas", 0)
    yield f"deployment  {site.name}: {available} of {one['spec']['replicas']} available, revision {revision}"


def _pod(pod: Json) -> str:
    metadata = pod["metadata"]
    version = (metadata.get("annotations") or {}).get(VERSION, "?")
    canary = ", canary" if TRACK in metadata["labels"] else ""
    state = "leaving" if metadata.get("deletionTimestamp") else _ready(pod)
    return f"version {version}{canary}, {state}, on {pod['spec'].get('nodeName', 'no node yet')}"


def _autoscaler(hpa: Json, objects: Objects, samples: list[Json] | None, now: float) -> Iterator[str]:
    its = summary("hpa", hpa) or {}
    metrics = "".join(
        f", {one['name']} {'?' if one['current'] is None else one['current']} of {one['target']} {one['unit']}"
        for one in its["metrics"]
    )
    yield f"autoscaler  {its['current']} replicas, wants {its['desired']} ({its['min']} to {its['max']}){metrics}"
    if samples is not None:
        versions = (
            node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "") for node in objects["Node"]
        )
        pods = under(hpa, objects["Deployment"], objects["Pod"])
        yield f"            {next_look(hpa, pods, samples, now, Controller.of(next(versions, '')))}"


def _endpoint(site: Site, services: Iterable[Json], gateway: tuple[str, str] | None) -> Iterator[str]:
    path = f"{TF_SERVING.models_path}/{site.model}:predict"
    if gateway is not None:
        address, words = gateway
        yield f"endpoint    {f'{address}{path}' if address else 'no address yet'} ({words})"
        return
    service = next((one for one in services if name_of(one) == site.name), None)
    if service is None:
        yield "endpoint    none"
        return
    spec = service["spec"]
    inside = spec.get("type") == "ClusterIP"
    address = ((service.get("status", {}).get("loadBalancer") or {}).get("ingress") or [{}])[0]
    host = address.get("ip") or address.get("hostname") or (spec["clusterIP"] if inside else "")
    url = f"http://{host}:{TF_SERVING.rest_port}{path}"
    yield f"endpoint    {url if host else 'no address yet'}{' (inside the cluster)' if inside else ''}"


def _run(run: Mapping[str, Any]) -> Iterator[str]:
    if run["under_way"]:
        yield f"load test   under way: {run['under_way']}"
    if not run["name"]:
        yield "report      none yet (ansible-playbook playbooks/loadtest.yml)"
        return
    report = run["report"]
    scaling = report["scaling"]
    yield (
        f"report      {report['verdict']}: {report['requests'].get('total', '?')} requests, replicas up to "
        f"{scaling.get('replicas_max', '?')}, nodes up to {scaling.get('nodes_max', '?')}; {run['html']}"
    )
    cost = report.get("cost") or {}
    if cost.get("price") is not None:
        yield (
            f"            it cost {cost['price']:.4f} {cost['currency']}, {cost['price_per_1000'] or 0:.4f} for 1,000 predictions"
        )
