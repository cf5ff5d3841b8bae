"""What of a namespace goes: all that this collection made there, and the namespace itself if it made that for nobody else.

Own objects are known by their labels, an own namespace by an annotation that it got when it was created. Others' are
looked for among the kinds that people use; Secrets are not read, nor are custom resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..retry import Clock
from .client import KubeApi
from .differences import delete
from .errors import KubeError
from .listing import pages
from .objects import MADE_HERE, is_ours, made_here, name_of

Json = dict[str, Any]

OWN_KINDS = {
    "Service": "/api/v1",
    "Deployment": "/apis/apps/v1",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2",
    "PodDisruptionBudget": "/apis/policy/v1",
    "NetworkPolicy": "/apis/networking.k8s.io/v1",
    "Job": "/apis/batch/v1",
    "ConfigMap": "/api/v1",
    "ServiceAccount": "/api/v1",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1",
    "GRPCRoute": "/apis/gateway.networking.k8s.io/v1",
    "HealthCheckPolicy": "/apis/networking.gke.io/v1",
    "GCPBackendPolicy": "/apis/networking.gke.io/v1",
    "EndpointSlice": "/apis/discovery.k8s.io/v1",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1",
    "Role": "/apis/rbac.authorization.k8s.io/v1",
}
"""What roles create, in the order in which it goes: the cloud forgets a load balancer whose Service goes last."""

_GATEWAYS = ("HTTPRoute", "GRPCRoute", "HealthCheckPolicy", "GCPBackendPolicy")
_ADMINS = ("EndpointSlice", "RoleBinding", "Role")
"""Of others they keep no namespace: clusters put rights into namespaces by themselves."""

OTHER_KINDS = {
    "Pod": "/api/v1",
    "PersistentVolumeClaim": "/api/v1",
    "ReplicaSet": "/apis/apps/v1",
    "StatefulSet": "/apis/apps/v1",
    "CronJob": "/apis/batch/v1",
    "DaemonSet": "/apis/apps/v1",
    "Ingress": "/apis/networking.k8s.io/v1",
    "ResourceQuota": "/api/v1",
    "LimitRange": "/api/v1",
}
"""What others may have there besides. Where these can't be listed, the namespace stays."""

_KNOWN_OWNERS = {*OWN_KINDS, *OTHER_KINDS, "ScaledObject"}
_KUBERNETES_OWN = {
    ("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"),
    ("ResourceQuota", "gke-resource-quotas"),  # https://cloud.google.com/kubernetes-engine/quotas#resource_quotas
}  # fmt: skip
_LOCUST = {"app.kubernetes.io/name": "locust", "app.kubernetes.io/part-of": "mlops-tfserving"}
_NAMED = 5
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Verdict:
    """``going``: own objects as (kind, name). ``others``: as kind/name. ``whole``: the namespace goes with all it holds."""

    going: tuple[tuple[str, str], ...]
    others: tuple[str, ...]
    whole: bool
    kept: str


def is_own(item: Mapping[str, Any], app: str) -> bool:
    """Whether an object belongs to the site of that name."""
    labels = item["metadata"].get("labels") or {}
    if _LOCUST.items() <= labels.items():
        return True
    name = str(labels.get("app", ""))
    ours = name in (
        app,
        *(
            f"{app}-{part}"
            for part in ("canary", "gate", "hold", "idlest", "prometheus", "metrics-adapter", "buffer")
        ),
    )
    return ours and is_ours(item)


def judge(
    namespace: Mapping[str, Any],
    objects: Iterable[tuple[str, Json]],
    app: str,
    *,
    whole: bool,
    unread: Sequence[str] = (),
) -> Verdict:
    """What goes. ``objects``: (kind, object) of all kinds above but those in ``unread``, which can't be listed. ``whole``: somebody
    said that all of it is to go. Pure.
    """
    going, others = [], []
    for kind, item in objects:
        if item["metadata"].get("deletionTimestamp") or (kind, name_of(item)) in _KUBERNETES_OWN:
            continue
        owners = item["metadata"].get("ownerReferences") or []
        if owners and all(owner.get("kind") in _KNOWN_OWNERS for owner in owners):
            continue  # goes and stays with what is in the list by itself
        if kind in OWN_KINDS and is_own(item, app):
            going.append((kind, name_of(item)))
        elif kind not in _ADMINS:
            others.append(f"{kind}/{name_of(item)}")
    name = name_of(namespace)
    kept = ""
    if not whole and not made_here(namespace):
        kept = f"namespace {name} stays: it does not have the annotation {MADE_HERE} of what this collection made"
    elif not whole and others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        kept = f"namespace {name} stays: it holds what this site did not make: {', '.join(others[:_NAMED])}{more}"
    elif not whole and unread:
        kept = f"namespace {name} stays: this account may not list {', '.join(unread)} in it, so that nobody knows what others have there"
    return Verdict(tuple(going), tuple(others), not kept, kept)


def remove(api: KubeApi, params: Json, check_mode: bool, clock: Clock | None = None) -> Json:
    """The result of the module k8s_teardown. Raises KubeError."""
    namespace, app = params["namespace"], params["app"]
    found = api.get_or_none(f"/api/v1/namespaces/{namespace}")
    if found is None:
        return {"changed": False, "removed": [], "kept": ""}
    balancers = params["scope"] == "load_balancers"
    kinds = ("Service", *_GATEWAYS) if balancers else (*OWN_KINDS, *OTHER_KINDS)
    unread: list[str] = []
    objects = [(kind, item) for kind in kinds for item in _listed(api, kind, namespace, unread)]
    if balancers:
        objects = [(kind, item) for kind, item in objects if kind != "Service" or _has_resources(item)]
    verdict = judge(found, objects, app, whole=params["whole"], unread=unread)
    if verdict.whole and not balancers:
        paths = {f"Namespace/{namespace}": f"/api/v1/namespaces/{namespace}"}
    else:
        paths = {f"{kind}/{name}": f"{_place(kind, namespace)}/{name}" for kind, name in verdict.going}
    if not check_mode:
        items = {f"Namespace/{namespace}": found} | {
            f"{kind}/{name_of(item)}": item for kind, item in objects
        }
        for name, path in paths.items():
            delete(api, path, items[name])
        _gone(api, paths, params["timeout"], clock or Clock())
    return {"changed": bool(paths), "removed": list(paths), "kept": "" if balancers else verdict.kept}


def _has_resources(service: Mapping[str, Any]) -> bool:
    """Whether the cloud has something for a Service: a load balancer, or groups of its endpoints."""
    annotations = service["metadata"].get("annotations") or {}
    return service["spec"].get("type") == "LoadBalancer" or "cloud.google.com/neg" in annotations


def _place(kind: str, namespace: str) -> str:
    name = kind.lower()
    resource = f"{name[:-1]}ies" if name.endswith("y") else f"{name}{'es' if name.endswith('s') else 's'}"
    return f"{(OWN_KINDS | OTHER_KINDS)[kind]}/namespaces/{namespace}/{resource}"


def _listed(api: KubeApi, kind: str, namespace: str, unread: list[str]) -> list[Json]:
    """The objects of a kind; one of others' kinds that can't be listed is told in ``unread``."""
    try:
        return [item for page in pages(api, _place(kind, namespace)) for item in page]
    except KubeError as error:
        # A cluster without this kind; or an account that may not see what leads from a Gateway, or rights, and so made none.
        if error.status == 404 or (error.status == 403 and kind in (*_GATEWAYS, *_ADMINS)):
            return []
        if error.status == 403 and kind in OTHER_KINDS:
            unread.append(kind)
            return []
        raise


def _gone(api: KubeApi, paths: Mapping[str, str], timeout: float, clock: Clock) -> None:
    """Waits until none of these is there. Raises KubeError when time is over."""
    began = clock.now()
    left = dict(paths)
    while left := {name: path for name, path in left.items() if api.get_or_none(path) is not None}:
        if clock.now() - began > timeout:
            raise KubeError(
                0, "Timeout",
                f"{', '.join(left)} {'is' if len(left) == 1 else 'are'} still there after {timeout} s: look at the "
                "finalizers and events there (kubectl describe), and run again.",
            )  # fmt: skip
        clock.sleep(POLL_SECONDS)
