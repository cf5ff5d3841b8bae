"""How many requests each pod of the model server has answered, and its proxy refused, by their own counters; and what those refused
that hold requests while there is none.

They are asked through the API server's proxy at a pace that costs nothing that matters:
a few pods a second, new ones first. A pod that shows no metrics is left out, and the report says so.
"""

from __future__ import annotations

import re
import threading

from ..k8s.client import KubeApi
from ..k8s.errors import KubeError
from ..model_server.refusals import TIMEOUT, refused_by
from ..model_server.runtime import TF_SERVING
from .schema import Json, Metrics, Refused
from .timeline import Timeline

ROUND_SECONDS = 4.0
"""From one look at a pod to the next."""

PAUSE_SECONDS = 0.25
"""Between two pods: at most four a second, however many there are."""

_COUNT = re.compile(rf"^{TF_SERVING.request_counter}\{{[^}}]*\}}\s+([0-9.eE+]+)\s*$".encode(), re.MULTILINE)


def requests_in(metrics: bytes) -> int | None:
    """All requests that TF Serving's metrics count, errors included; None where there is no such counter yet."""
    found = _COUNT.findall(metrics)
    return int(sum(float(value) for value in found)) if found else None


class Counters:
    """Looks at the pods of a Deployment that the timeline knows, and notes their counts there."""

    def __init__(self, api: KubeApi, timeline: Timeline, namespace: str, deployment: str) -> None:
        self._api = api
        self._timeline = timeline
        self._namespace = namespace
        self._deployment = deployment
        self._seen: dict[str, tuple[float, int]] = {}
        self._refused: dict[str, dict[str, int]] = {}

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(PAUSE_SECONDS):
            pod = self._next()
            if pod is not None:
                self._look(pod)

    def first(self) -> None:
        """One look at every pod that is ready: what was counted before the run."""
        for pod in self._mine():
            self._look(pod)

    def _look(self, pod: Json) -> None:
        name, port = str(pod["name"]), _port(pod)
        if pod["app"] == self._deployment:
            self._count(name, port)
        else:
            self._seen[name] = (self._timeline.now(), -1)
        self._count_refused(name, port)

    def _mine(self) -> list[Json]:
        return [
            pod
            for pod in self._timeline.now_known("pod")
            if pod["app"] in (self._deployment, f"{self._deployment}-hold")
            and (pod["ready"] is not None or pod["leaving"])
        ]

    def _next(self) -> Json | None:
        """The pod that has waited longest, once its time has come."""
        pods = self._mine()
        if not pods:
            return None
        oldest = min(pods, key=lambda pod: self._seen.get(str(pod["name"]), (0.0, 0))[0])
        due = self._seen.get(str(oldest["name"]), (0.0, 0))[0] + ROUND_SECONDS
        return oldest if self._timeline.now() >= due else None

    def _count(self, name: str, port: int) -> None:
        before = self._seen.get(name, (0.0, -1))[1]
        path = f"/api/v1/namespaces/{self._namespace}/pods/http:{name}:{port}/proxy{TF_SERVING.metrics_path}"
        try:
            status, _unused, body = self._api.raw("GET", path, timeout=TIMEOUT)
            count = (requests_in(body) or 0) if status == 200 else None
        except KubeError:
            count = None
        self._seen[name] = (self._timeline.now(), before if count is None else count)
        if count is not None and count != before:
            self._timeline.add("metrics", **Metrics(name=name, requests=count))

    def _count_refused(self, name: str, port: int) -> None:
        refused = refused_by(self._api, self._namespace, name, port)
        if refused is not None and refused != self._refused.get(name, {}):
            self._refused[name] = refused
            self._timeline.add("refused", **Refused(name=name, counts=refused))


def _port(pod: Json) -> int:
    return int(pod.get("metrics_port") or TF_SERVING.rest_port)
