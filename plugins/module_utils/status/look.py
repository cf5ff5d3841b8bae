"""What the module site_status_info does: reads a site's objects, judges them, and looks again as long as somebody watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..gcp.errors import BadInput
from ..k8s.client import KubeApi
from ..k8s.errors import KubeError
from ..k8s.listing import pages
from ..model_server.refusals import found as refused
from ..outcome import failure
from ..preflight.bill import now_in_words, read_terms
from ..progress import progress
from ..retry import Clock
from .health import DOWN, line, summary

Json = dict[str, Any]

KINDS = {
    "Node": ("/api/v1/nodes", ""),
    "Pod": ("/api/v1", "pods"),
    "Service": ("/api/v1", "services"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
}
"""Where they are, and of those in a namespace the last part of their path."""

_SAMPLES = "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods"


def status(params: Json, connect: Callable[[], KubeApi]) -> Json:
    """The module's result; ``failed`` or ``unreachable`` with a health that is not wanted. Raises KubeError."""
    given = params["summary"]
    try:
        found = (
            {"changed": False, "summary": given, "line": line(given)} if given else look(connect(), params)
        )
    except BadInput as error:
        return failure(str(error))
    health = found["summary"]["health"]
    if params.get("stat"):
        # As ansible.builtin.set_stats returns it, without a task for it.
        found["ansible_stats"] = {"data": {params["stat"]: health}, "per_host": False, "aggregate": False}
    if health not in params["fail_on"]:
        return found
    return found | {
        "msg": f"The site is {found['line']}",
        "unreachable" if health == DOWN else "failed": True,
    }


def look(api: KubeApi, params: Json, clock: Clock | None = None) -> Json:
    """What there is. Raises KubeError where objects can't be read at the first or the last look."""
    clock = clock or Clock()
    namespace, app, told = params["namespace"], params["app"], ""
    terms = read_terms(params["billing"])
    began = clock.now()
    objects = _objects(api, namespace)
    found = summary(objects, app, clock.wall(), params["start_seconds"], terms)
    words = line(found)
    unread: KubeError | None = None
    while params["watch_seconds"]:
        if words != told:
            progress(f"{time.strftime('%H:%M:%S', time.localtime(clock.wall()))} {words}")
        told = words
        if clock.now() - began + params["refresh_seconds"] > params["watch_seconds"]:
            break
        clock.sleep(params["refresh_seconds"])
        try:
            objects, unread = _objects(api, namespace), None
        except KubeError as error:
            # Somebody who watches is told, and looks on: an API server may come back.
            words, unread = f"not read: {error}", error
            continue
        found = summary(objects, app, clock.wall(), params["start_seconds"], terms)
        words = line(found)
    if unread:
        raise unread  # What was seen before it says nothing of now.
    return {
        "changed": False,
        "objects": objects,
        # The rest of the screen is worth seeing where these can't be read.
        "samples": _or_none(lambda: _list(api, _SAMPLES.format(namespace))),
        "refused": _or_none(lambda: refused(api, {"namespace": namespace, "label_selector": f"app={app}"})["words"]) or "",
        "summary": found,
        "cost": now_in_words(found["cost"]),
        "line": line(found),
    }  # fmt: skip


def _objects(api: KubeApi, namespace: str) -> dict[str, list[Json]]:
    return {
        kind: _list(api, path if kind == "Node" else f"{path}/namespaces/{namespace}/{name}")
        for kind, (path, name) in KINDS.items()
    }


def _list(api: KubeApi, path: str) -> list[Json]:
    return [item for page in pages(api, path) for item in page]


def _or_none(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except KubeError:
        return None
