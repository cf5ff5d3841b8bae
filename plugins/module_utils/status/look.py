"""What the module site_status_info does: reads a site's objects, judges them, and looks again as long as somebody watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..gcp.errors import BadInput
from ..k8s.client import KubeApi
from ..k8s.errors import KubeError
from ..k8s.listing import pages
from ..model_server.refusals import refused_by_pods, words_of
from ..outcome import failure
from ..progress import progress
from ..retry import Clock

if TYPE_CHECKING:
    from .gateway import Way

Json = dict[str, Any]

KINDS = {
    "Node": ("/api/v1/nodes", ""),
    "Pod": ("/api/v1", "pods"),
    "Service": ("/api/v1", "services"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
}
"""Where they are, and of those in a namespace the last part of their path."""

_AT_ONCE = 4
"""Requests; each has a connection of its own."""

_SAMPLES = "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods"


def status(params: Json, connect: Callable[[], KubeApi]) -> Json:
    """The module's result; ``failed`` or ``unreachable`` with a health that is not wanted. Raises KubeError."""
    from .health import DOWN, line  # noqa: PLC0415 - see _look

    given = params["summary"]
    try:
        found = (
            {"changed": False, "summary": given, "line": line(given)} if given else look(connect(), params)
        )
    except BadInput as error:
        return failure(str(error))
    health = found["summary"]["health"]
    if health not in params["fail_on"]:
        return found
    return found | {
        "msg": f"The site is {found['line']}",
        "unreachable" if health == DOWN else "failed": True,
    }


def look(api: KubeApi, params: Json, clock: Clock | None = None) -> Json:
    """What there is. Raises KubeError where objects can't be read at the first or the last look."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return _look(api, params, clock or Clock(), pool)


def _look(api: KubeApi, params: Json, clock: Clock, pool: ThreadPoolExecutor) -> Json:
    namespace, app, told = params["namespace"], params["app"], ""
    began, asked = clock.now(), _asked(api, namespace, pool)
    samples = pool.submit(_samples, api, namespace)
    # While the answers are under way: it takes as long as they do.
    from ..preflight.bill import now_in_words, read_terms  # noqa: PLC0415
    from .gateway import endpoint, lines, way  # noqa: PLC0415
    from .health import line, summary  # noqa: PLC0415

    def judged(objects: dict[str, list[Json]]) -> tuple[Way, Json]:
        leads = way(api, namespace, app, objects["Deployment"], pool.map)
        return leads, summary(objects, app, clock.wall(), params["start_seconds"], terms, leads)

    terms = read_terms(params["billing"])
    objects = _answers(asked)
    leads, found = judged(objects)
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
            objects, unread = _answers(_asked(api, namespace, pool)), None
        except KubeError as error:
            # Somebody who watches is told, and looks on: an API server may come back.
            words, unread = f"not read: {error}", error
            continue
        leads, found = judged(objects)
        words = line(found)
    if unread:
        raise unread  # What was seen before it says nothing of now.
    if params["watch_seconds"]:
        samples = pool.submit(_samples, api, namespace)
    those = (app, f"{app}-hold")
    pods = [pod for pod in objects["Pod"] if (pod["metadata"].get("labels") or {}).get("app") in those]
    return {
        "changed": False,
        "objects": objects,
        "gateway": list(lines(leads)),
        "endpoint": endpoint(leads),
        "refused": words_of(refused_by_pods(api, namespace, pods, pool.map)),
        "samples": samples.result(),
        "summary": found,
        "cost": now_in_words(found["cost"]),
        "line": line(found),
    }


def _asked(api: KubeApi, namespace: str, pool: ThreadPoolExecutor) -> dict[str, Future[list[Json]]]:
    paths = {
        kind: path if kind == "Node" else f"{path}/namespaces/{namespace}/{name}"
        for kind, (path, name) in KINDS.items()
    }
    return {kind: pool.submit(_list, api, path) for kind, path in paths.items()}


def _answers(asked: dict[str, Future[list[Json]]]) -> dict[str, list[Json]]:
    return {kind: future.result() for kind, future in asked.items()}


def _list(api: KubeApi, path: str) -> list[Json]:
    return [item for page in pages(api, path) for item in page]


def _samples(api: KubeApi, namespace: str) -> list[Json] | None:
    """None where they can't be read: the rest is worth seeing."""
    try:
        return _list(api, _SAMPLES.format(namespace))
    except KubeError:
        return None
