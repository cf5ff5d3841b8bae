"""Whether a site is healthy, degraded or down, of its objects as the API shows them. Pure.

Down: nobody is answered. Degraded: it answers, and something is not as it is to be and does not come by itself. A replica
that is on its way for no longer than a start takes is neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..hpa.objects import unread
from ..k8s.autoscalers import scales, took_the_last
from ..k8s.objects import condition, is_true, last_scaled, name_of, seconds_since, timestamp
from ..k8s.surge import NOTE as HOLDS
from ..k8s.workloads import Counts, is_observed
from ..loadtest.objects import summary as node_facts
from ..preflight.bill import Terms
from ..preflight.bill import now as costs
from ..serving.history import VERSION
from . import gateway
from .gateway import Way

Json = dict[str, Any]
Objects = Mapping[str, list[Json]]
"""By their kind: nodes of the cluster, and of the namespace pods, Services, Deployments and HPAs."""

HEALTHY, DEGRADED, DOWN = "healthy", "degraded", "down"
TRACK = "mlops.tfserving/track"
_STUCK = (
    "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "ErrImagePull", "ImagePullBackOff",
    "InvalidImageName", "RunContainerError",
)  # fmt: skip
"""Reasons for which a container waits that do not pass by themselves."""


def summary(
    objects: Objects,
    app: str,
    now: float,
    start_seconds: float,
    terms: Terms | None = None,
    way: Way | None = None,
) -> Json:
    """Health, reasons and what there is, for machines. ``start_seconds``: how long a replica may take to come; ``terms``: by
    what it is billed; ``way``: what leads here from a Gateway.
    """
    way = way or Way()
    deployment = next((one for one in objects["Deployment"] if name_of(one) == app), None)
    pods = [pod for pod in objects["Pod"] if _labels(pod).get("app") in (app, f"{app}-canary")]
    down = [*_down(objects, app, deployment, now, start_seconds), *gateway.down(way, app)]
    worse = [*_degraded(objects, app, deployment, pods, now, start_seconds), *gateway.degraded(way, app)]
    reasons = [*down, *worse]
    nodes = objects["Node"]
    hpa = next((one for one in objects["HorizontalPodAutoscaler"] if scales(one, app)), None)
    return {
        "health": DOWN if down else DEGRADED if reasons else HEALTHY,
        "reasons": reasons,
        "replicas": {
            "ready": _number(deployment, "status", "availableReplicas"),
            "wanted": _number(deployment, "spec", "replicas"),
            "min": int(hpa["spec"].get("minReplicas", 1)) if hpa else None,
            "max": int(hpa["spec"]["maxReplicas"]) if hpa else None,
        },
        "cost": costs([node_facts("node", node) or {} for node in nodes], terms or Terms(), balanced=_balanced(objects)),
        "gateways": gateway.told(way),
        "nodes": {"ready": sum(is_true(node, "Ready") for node in nodes), "all": len(nodes)},
        "pods": [
            {
                "name": name_of(pod), "ready": is_true(pod, "Ready"), "canary": TRACK in _labels(pod),
                "version": (pod["metadata"].get("annotations") or {}).get(VERSION, ""),
                "node": pod.get("spec", {}).get("nodeName", ""),
            }
            for pod in sorted(pods, key=name_of)
        ],
    }  # fmt: skip


def _balanced(objects: Objects) -> bool:
    """Whether anything in the namespace has a load balancer of its own."""
    return any(one["spec"].get("type") == "LoadBalancer" for one in objects["Service"])


def line(found: Json) -> str:
    """The summary in a line, for whoever watches."""
    replicas, nodes = found["replicas"], found["nodes"]
    counts = (
        [
            f"{replicas['ready']} of {replicas['wanted']} replicas, {nodes['ready']} of {nodes['all']} nodes ready"
        ]
        if replicas and nodes
        else []
    )
    return f"{found['health']}: {'; '.join([*counts, *found['reasons']])}"


def _down(
    objects: Objects, app: str, deployment: Json | None, now: float, start_seconds: float
) -> Iterator[str]:
    if deployment is None:
        yield f"there is no Deployment {app}"
    elif not _number(deployment, "status", "availableReplicas"):
        yield from _without_replicas(objects, app, deployment, now, start_seconds)
    service = next((one for one in objects["Service"] if name_of(one) == app), None)
    if service is None:
        yield f"there is no Service {app}"
    elif service["spec"].get("type") == "LoadBalancer" and not (
        service.get("status", {}).get("loadBalancer") or {}
    ).get("ingress"):
        yield "the load balancer has no address"


def _without_replicas(
    objects: Objects, app: str, deployment: Json, now: float, start_seconds: float
) -> Iterator[str]:
    """Nobody answers, unless requests are held: for a replica that comes, or by an autoscaler that took the last and brings it."""
    holder = next((one for one in objects["Deployment"] if name_of(one) == f"{app}-hold"), None)
    hpa = next((one for one in objects["HorizontalPodAutoscaler"] if scales(one, app)), None)
    if holder is None:
        yield "no replica is ready"
    elif not _number(holder, "status", "availableReplicas"):
        yield f"no replica is ready, and no pod of {app}-hold, which would hold requests"
    elif not _number(deployment, "spec", "replicas") and (hpa is None or not took_the_last(hpa)):
        yield "there is no replica, and it was no autoscaler that took the last: none comes until somebody sets one"
    elif (late := _short_for(deployment, now)) > start_seconds:
        yield f"no replica is ready since {late:.0f} s: requests are held for none"


def _short(deployment: Json, app: str, now: float, start_seconds: float) -> Iterator[str]:
    """Why pods of a Deployment are missing that no pod tells of: none is made, or none lasts. That no replica is ready at all is
    told elsewhere.
    """
    failed = condition(deployment, "ReplicaFailure")
    ready, wanted = (
        _number(deployment, "status", "availableReplicas"),
        _number(deployment, "spec", "replicas"),
    )
    if failed.get("status") == "True":
        yield f"pods of {name_of(deployment)} can't be made: {failed.get('message', failed.get('reason', ''))}"
    elif (
        ready < wanted
        and (ready or name_of(deployment) != app)
        and (late := _short_for(deployment, now)) > start_seconds
    ):
        yield f"{ready} of {wanted} pods of {name_of(deployment)} are ready since {late:.0f} s"


def _short_for(deployment: Json, now: float) -> float:
    """For how many seconds it has had fewer pods than the number that it is to have now; 0 where it has all, or it is not known.

    Its pods may be no older: they may be killed, and made again, one after another.
    """
    available = condition(deployment, "Available")
    if available.get("status") != "False":
        return 0.0
    since = timestamp(available.get("lastTransitionTime"))
    return 0.0 if since is None else max(0.0, now - max(since, last_scaled(deployment)))


def _degraded(
    objects: Objects, app: str, deployment: Json | None, pods: list[Json], now: float, start_seconds: float
) -> Iterator[str]:
    for node in objects["Node"]:
        if not is_true(node, "Ready"):
            yield f"node {name_of(node)} is not ready"
    if deployment is not None and condition(deployment, "Progressing").get("status") == "False":
        yield f"the rollout does not go on: {condition(deployment, 'Progressing').get('message', '')}".rstrip(
            ": "
        )
    if deployment is not None and deployment["spec"].get("paused"):
        yield "the Deployment is paused: no change of its pods is rolled out"
    for one in objects["Deployment"]:
        if name_of(one) in (app, f"{app}-canary", f"{app}-hold", f"{app}-idlest"):
            yield from _short(one, app, now, start_seconds)
    for pod in pods:
        yield from _late(pod, now, start_seconds)
    if deployment is not None and not any(scales(hpa, app) for hpa in objects["HorizontalPodAutoscaler"]):
        yield "there is no HPA, so it does not scale: run playbooks/autoscaling.yml"
    for hpa in objects["HorizontalPodAutoscaler"]:
        if scales(hpa, app):
            yield from _autoscaler(hpa)
            if (
                deployment is not None
                and HOLDS in (hpa["metadata"].get("annotations") or {})
                and _settled(deployment)
            ):
                yield "the HPA is held by a rollout that is over, and scales in by nothing: run playbooks/autoscaling.yml"


def _late(pod: Json, now: float, start_seconds: float) -> Iterator[str]:
    """Why a pod does not come, if so. One that leaves has been ready."""
    if pod["metadata"].get("deletionTimestamp") or is_true(pod, "Ready"):
        return
    status = pod.get("status", {})
    if status.get("phase") in ("Failed", "Succeeded"):
        return  # What became of a pod that others replace says nothing of now.
    waiting = [
        str(reason)
        for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        if (reason := (one.get("state", {}).get("waiting") or {}).get("reason")) in _STUCK
    ]
    # Since when it is not ready, as of one that was, or else since when there it is.
    since = condition(pod, "Ready").get("lastTransitionTime") or pod["metadata"].get("creationTimestamp")
    late = seconds_since(since, now)
    if waiting:
        yield f"pod {name_of(pod)} can't start: {waiting[0]}"
    elif late > start_seconds:
        yield f"pod {name_of(pod)} is not ready since {late:.0f} s"


def _settled(deployment: Json) -> bool:
    """Whether no rollout is under way."""
    return is_observed("Deployment", deployment) and Counts.of("Deployment", deployment).done


def _autoscaler(hpa: Json) -> Iterator[str]:
    active, limited = condition(hpa, "ScalingActive"), condition(hpa, "ScalingLimited")
    able = condition(hpa, "AbleToScale")
    if active.get("status") == "False" and active.get("reason") != "ScalingDisabled":
        yield f"the HPA does not know its metrics: {active.get('message', active.get('reason', ''))}"
    elif active.get("status") == "True" and (blind := unread(hpa)):
        yield f"the HPA can't read {', '.join(blind)}, and so does not scale in"
    if able.get("status") == "False":
        yield f"the HPA can't scale: {able.get('message', able.get('reason', ''))}"
    if limited.get("status") == "True" and limited.get("reason") == "TooManyReplicas":
        yield f"the HPA wants more than its maximum of {hpa['spec']['maxReplicas']} replicas"


def _number(item: Json | None, part: str, name: str) -> int:
    return int((item or {}).get(part, {}).get(name) or 0)


def _labels(item: Json) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}
