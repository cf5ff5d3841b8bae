"""The watches against a real API server that is killed and forgets: a thousand pods, nothing missing, nothing twice."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import (
    Timeline,
    counts_over_time,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.watch import (
    follow,
    followers,
)
from api_server import ApiServer

Json = dict[str, Any]
State = tuple[str | None, bool, bool, bool]
AWAY_SECONDS = 20
GONE: State = (None, False, False, True)


class Noting(KubeClient):
    """What the watches use; notes the statuses of the errors that they met."""

    def __init__(self, kubeconfig: Json) -> None:
        super().__init__(kubeconfig)
        self.errors: set[int] = set()

    def watch(
        self, path: str, *, resource_version: str, timeout_seconds: int, **query: object
    ) -> Iterator[Json]:
        try:
            yield from super().watch(
                path, resource_version=resource_version, timeout_seconds=timeout_seconds, **query
            )
        except KubeError as error:
            self.errors.add(error.status)
            raise


class Truth:
    """Writes what scheduler, kubelets and autoscalers would, and keeps what the API server answered to each."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.states: dict[str, list[State]] = defaultdict(list)
        self.touched: dict[str, float] = {}

    def _note(self, name: str, state: State) -> None:
        if self.states[name][-1:] != [state]:
            self.states[name].append(state)
        self.touched[name] = time.time()

    def _object(self, item: Json) -> None:
        ready = any(
            c["type"] == "Ready" and c["status"] == "True" for c in item["status"].get("conditions") or []
        )
        node = item["spec"].get("nodeName") if item["kind"] == "Pod" else None
        self._note(item["metadata"]["name"], (node, ready, "deletionTimestamp" in item["metadata"], False))

    def _status(self, path: str, *true: str, **more: Any) -> None:
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        conditions = [{"type": kind, "status": "True", "lastTransitionTime": since} for kind in true]
        body = {"status": {"conditions": conditions, **more}}
        kind = "application/strategic-merge-patch+json"
        self._object(self._client.patch(f"{path}/status", body, content_type=kind))

    def node(self, name: str) -> None:
        self._object(self._client.post("/api/v1/nodes", {"metadata": {"name": name}}))
        self._status(f"/api/v1/nodes/{name}", "Ready")

    def node_goes(self, name: str) -> None:
        self._client.delete(f"/api/v1/nodes/{name}")
        self._note(name, GONE)

    def pod(self, name: str, node: str) -> None:
        spec = {
            "nodeName": node, "automountServiceAccountToken": False,
            "containers": [{"name": "c", "image": "i"}],
        }  # fmt: skip
        pods = "/api/v1/namespaces/n/pods"
        self._object(
            self._client.post(pods, {"metadata": {"name": name, "labels": {"app": "m"}}, "spec": spec})
        )
        self._status(f"{pods}/{name}", "PodScheduled", "Initialized", phase="Pending")
        self._status(f"{pods}/{name}", "Ready", "ContainersReady", phase="Running")

    def pod_goes(self, name: str) -> None:
        path = f"/api/v1/namespaces/n/pods/{name}"
        self._object(self._client.delete(path, {"gracePeriodSeconds": 30}))
        self._client.delete(path, {"gracePeriodSeconds": 0})
        self._note(name, GONE)

    def event(self, number: int) -> None:
        about = {"kind": "Pod", "name": f"p{number:04}", "namespace": "n"}
        self._client.post(
            "/api/v1/namespaces/n/events",
            {
                "metadata": {"name": f"e{number}"}, "involvedObject": about, "reason": "TriggeredScaleUp",
                "message": f"no room {number}", "type": "Normal",
            },
        )  # fmt: skip


def state_of(event: Json) -> State:
    if event.get("gone"):
        return GONE
    return (event.get("node"), event["ready"] is not None, event["kind"] == "pod" and event["leaving"], False)


def seen(events: list[Json], name: str) -> list[State]:
    states = [state_of(e) for e in events if e["kind"] in ("pod", "node") and e["name"] == name]
    return [state for state, _ in itertools.groupby(states)]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    made = ApiServer(tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_a_thousand_pods_and_three_hundred_nodes_over_a_restart_that_forgets(
    api: ApiServer, tmp_path: Path
) -> None:
    api.client.post("/api/v1/namespaces", {"metadata": {"name": "n"}})
    truth, watching = Truth(api.client), Noting(api.kubeconfig())
    timeline, stop = Timeline(tmp_path / "timeline.jsonl"), threading.Event()
    follow(followers(watching, timeline, "n", "m"), stop, 60)
    nodes = [f"n{number:03}" for number in range(300)]
    pods = [f"p{number:04}" for number in range(1100)]
    home = dict(zip(pods, itertools.cycle(nodes[:270]), strict=False))

    def pod(name: str) -> None:
        truth.pod(name, home[name])

    with ThreadPoolExecutor(6) as writers:
        list(writers.map(truth.node, nodes))
        list(writers.map(pod, pods[:600]))
        list(writers.map(truth.event, range(40)))
        churn = [writers.submit(truth.pod_goes, name) for name in pods[:99]]
        list(writers.map(pod, pods[600:700]))
        [done.result() for done in churn]
        caught_up(timeline, truth)
        killed = time.time()
        api.kill()
        api.forget()
        time.sleep(AWAY_SECONDS)
        api.start()
        # Before the watches are back: a pod goes, and one of the same name comes on another node.
        truth.pod_goes(pods[99])
        truth.pod(pods[99], nodes[7])
        list(writers.map(pod, pods[700:]))
        list(writers.map(truth.pod_goes, pods[100:101]))
        list(writers.map(truth.event, range(40, 60)))
        list(writers.map(truth.node_goes, nodes[270:]))
    caught_up(timeline, truth)
    stop.set()
    events = list(timeline.events)
    assert 410 in watching.errors, "the API server was to forget what the watches had seen"

    # The API server's own objects, one by one.
    there = {item["metadata"]["name"] for item in api.client.get("/api/v1/namespaces/n/pods")["items"]}
    assert {pod["name"] for pod in timeline.now_known("pod")} == there
    assert len(there) == 1000
    assert len(api.client.get("/api/v1/nodes")["items"]) == len(timeline.now_known("node")) == 270
    # Every state of every object, in order; what changed while nobody could watch may have been seen as one change.
    for name, states in truth.states.items():
        found = seen(events, name)
        if truth.touched[name] < killed:
            assert found == states, name
        else:
            rest = iter(states)
            assert all(state in rest for state in found), (name, found, states)
            assert found[-1] == states[-1], name
    whole = [{k: v for k, v in event.items() if k != "t"} for event in events]
    last: dict[tuple[str, str], Json] = {}
    for event in whole:
        if event["kind"] in ("pod", "node"):
            key = (event["kind"], event["name"])
            assert last.get(key) != event, "the same state twice"
            last[key] = event
    messages = sorted(
        event["message"] for event in whole if event["kind"] == "event" and "no room" in event["message"]
    )
    assert messages == sorted(f"no room {number}" for number in range(60))
    assert counts_over_time(events, "pod", app="m")[-1][1] == 1000
    assert max(count for _, count in counts_over_time(events, "node")) == 300
    gaps = {event["of"]: event["seconds"] for event in events if event["kind"] == "gap"}
    assert set(gaps) == {"pod", "node", "event", "hpa", "deployment"}, "that nothing was seen is said"
    assert all(seconds > AWAY_SECONDS - 5 for seconds in gaps.values())


def caught_up(timeline: Timeline, truth: Truth) -> None:
    """Waits until each object's newest state is in the timeline."""
    deadline = time.monotonic() + 180
    while True:
        known: dict[str, State] = {}
        for event in list(timeline.events):
            if event["kind"] in ("pod", "node"):
                known[event["name"]] = state_of(event)
        missing = [name for name, states in truth.states.items() if known.get(name) != states[-1]]
        if not missing:
            return
        assert time.monotonic() < deadline, (
            f"{len(missing)} objects are not in the timeline, as {missing[:3]}"
        )
        time.sleep(0.3)
