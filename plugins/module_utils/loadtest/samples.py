"""What the pods used, as the HPA is told: samples of the metrics API, as they become new.

The API (metrics.k8s.io) can't be watched: it is asked every 2 s, which costs it a list out of its memory.
"""

from __future__ import annotations

import json
import threading
from typing import Any

from ..durations import duration
from ..hpa.spec import milli
from ..k8s.client import KubeApi
from ..k8s.errors import KubeError
from .objects import seconds
from .schema import Json, PodSample
from .schema import Samples as Line
from .timeline import Timeline

PAUSE_SECONDS = 2.0
TIMEOUT = 3.0


class Samples:
    """Asks for the samples of a Deployment's pods and notes in the timeline those that are new."""

    def __init__(self, api: KubeApi, timeline: Timeline, namespace: str) -> None:
        self._api = api
        self._timeline = timeline
        self._path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"
        self._known: dict[str, PodSample] = {}
        self._asked: float | None = None
        self._problem = ""

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(PAUSE_SECONDS):
            self.poll()

    def poll(self) -> None:
        """One look. What can't be had is noted once, and again when it can."""
        asked, before = self._timeline.now(), self._asked
        found, problem = self._ask()
        self._asked = asked
        fresh = [one for one in found.values() if self._known.get(one["pod"]) != one]
        # Where nothing could be read nothing is gone: the API is asked again.
        gone = [] if problem else sorted(set(self._known) - set(found))
        if not (fresh or gone or problem != self._problem):
            return
        self._problem = problem
        if not problem:
            self._known = found
        line = Line(
            since=round(asked, 3), before=round(asked if before is None else before, 3),
            pods=fresh, gone=gone, problem=problem,
        )  # fmt: skip
        self._timeline.add("samples", **line)

    def _ask(self) -> tuple[dict[str, PodSample], str]:
        """(samples by pod, why there are none)"""
        selectors = [one["selector"] for one in self._timeline.now_known("deployment")]
        if not selectors or not selectors[0]:
            return {}, "the Deployment, or its selector, is not there"
        labels = ",".join(f"{key}={value}" for key, value in sorted(selectors[0].items()))
        try:
            status, _unused, body = self._api.raw(
                "GET", self._path, query={"labelSelector": labels}, timeout=TIMEOUT
            )
            if status != 200:
                return {}, f"the metrics API answered {status}"
            items = json.loads(body)["items"]
            return {one["pod"]: one for one in map(sample_of, items)}, ""
        except KubeError as error:
            return {}, error.message
        except (ValueError, KeyError, TypeError) as error:
            return {}, f"the metrics API's answer makes no sense: {error!r}"


def sample_of(item: Json) -> PodSample:
    containers: list[dict[str, Any]] = item["containers"]
    return {
        "pod": item["metadata"]["name"],
        "at": seconds(item["timestamp"]) or 0.0,
        "window": duration(item["window"]),
        "usage": {
            one["name"]: {name: milli(amount) for name, amount in one["usage"].items()} for one in containers
        },
    }
