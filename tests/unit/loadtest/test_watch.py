"""Watches against an API server that cuts, forgets and restarts: nothing missing, nothing twice."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import watch
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import Timeline
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.watch import (
    CannotList,
    Follower,
    follow,
)

Json = dict[str, Any]


def node(name: str, version: int, ready: bool, uid: str | None = None) -> Json:
    return {
        "metadata": {"name": name, "uid": uid or name, "resourceVersion": str(version)},
        "status": {
            "conditions": [
                {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}
            ]
        },
    }


def pod(name: str, version: int, ready: bool) -> Json:
    item = node(name, version, ready)
    item["metadata"]["labels"] = {"app": "m"}
    item["spec"] = {"nodeName": "n"}
    return item


class ApiServer:
    """Objects of one kind with a history, from which watches are answered as Kubernetes answers them."""

    def __init__(self) -> None:
        self.version = 1
        self.objects: dict[str, Json] = {}
        self.history: list[tuple[int, str, Json]] = []
        self.forgotten = 0
        self.faults: list[str] = []
        self._lock = threading.Lock()

    def put(self, item: Json) -> None:
        with self._lock:
            self.version += 1
            item["metadata"]["resourceVersion"] = str(self.version)
            change = "MODIFIED" if item["metadata"]["name"] in self.objects else "ADDED"
            self.objects[item["metadata"]["name"]] = item
            self.history.append((self.version, change, item))

    def delete(self, name: str) -> None:
        with self._lock:
            self.version += 1
            item = self.objects.pop(name)
            gone = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}
            self.history.append((self.version, "DELETED", gone))

    def forget(self) -> None:
        with self._lock:
            self.forgotten = self.version

    def get(self, path: str, **_: object) -> Json:
        self._fault("list")
        with self._lock:
            return {"metadata": {"resourceVersion": str(self.version)}, "items": list(self.objects.values())}

    def watch(self, path: str, *, resource_version: str, timeout_seconds: int, **_: object) -> Iterator[Json]:
        self._fault("watch")
        since = int(resource_version)
        with self._lock:
            if since < self.forgotten:
                raise KubeError(410, "Expired", "too old resource version")
        deadline = time.monotonic() + 0.05
        while time.monotonic() < deadline:
            with self._lock:
                fresh = [entry for entry in self.history if entry[0] > since]
            for version, change, item in fresh:
                self._fault("stream")
                since = version
                yield {"type": change, "object": item}
            time.sleep(0.001)

    def _fault(self, where: str) -> None:
        if self.faults and self.faults[0] == where:
            self.faults.pop(0)
            if where == "stream":
                json.loads('{"type": "ADD')
            raise KubeError(0, "NoAnswer", "connection refused")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.002)


def settled(timeline: Timeline, kind: str, names: set[str]) -> None:
    deadline = time.monotonic() + 20
    while {item["name"] for item in timeline.now_known(kind)} != names:
        assert time.monotonic() < deadline, "the follower never caught up"
        time.sleep(0.002)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_api_server_does_the_timeline_ends_as_the_cluster_is(tmp_path: Path, seed: int) -> None:
    dice, server = random.Random(seed), ApiServer()
    timeline, stop = Timeline(tmp_path / "t"), threading.Event()
    follow([Follower(server, timeline, "node", "/api/v1/nodes")], stop, 5)
    states: dict[str, list[bool | None]] = {}
    for number in range(120):
        name = f"n{dice.randrange(12)}"
        if name in server.objects and dice.random() < 0.3:
            server.delete(name)
        else:
            ready = dice.random() < 0.5
            server.put(node(name, 0, ready, uid=f"{name}-{number // 40}"))
            states.setdefault(name, []).append(ready)
        if dice.random() < 0.2:
            server.faults += [dice.choice(["list", "watch", "stream"])]
        if dice.random() < 0.1:
            server.forget()
        time.sleep(dice.choice([0, 0, 0.004]))
    server.faults.clear()
    settled(timeline, "node", set(server.objects))
    last = {item["name"]: item["ready"] is not None for item in timeline.now_known("node")}
    deadline = time.monotonic() + 10
    expected = {n: i["status"]["conditions"][0]["status"] == "True" for n, i in server.objects.items()}
    while last != expected and time.monotonic() < deadline:
        time.sleep(0.01)
        last = {item["name"]: item["ready"] is not None for item in timeline.now_known("node")}
    stop.set()
    assert last == expected
    before: dict[str, Json] = {}
    for event in timeline.events:
        if event["kind"] == "node":
            content = {key: value for key, value in event.items() if key != "t"}
            assert before.get(event["name"]) != content, "the same state twice"
            before[event["name"]] = content


def test_a_thousand_pods_and_three_hundred_nodes_are_all_there(tmp_path: Path) -> None:
    pods, nodes = ApiServer(), ApiServer()
    timeline, stop = Timeline(tmp_path / "t"), threading.Event()
    follow([Follower(pods, timeline, "pod", "/p"), Follower(nodes, timeline, "node", "/n")], stop, 5)
    pods.faults, nodes.faults = ["stream", "watch", "watch"], ["watch", "stream"]
    for number in range(300):
        nodes.put(node(f"n{number:03}", 0, ready=False))
        nodes.put(node(f"n{number:03}", 0, ready=True))
    for number in range(1000):
        pods.put(pod(f"p{number:04}", 0, ready=False))
        pods.put(pod(f"p{number:04}", 0, ready=True))
        if number == 500:
            pods.forget()
    settled(timeline, "pod", set(pods.objects))
    settled(timeline, "node", set(nodes.objects))
    deadline = time.monotonic() + 20
    while (
        sum(p["ready"] is not None for p in timeline.now_known("pod")) < 1000 and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    stop.set()
    assert sum(p["ready"] is not None for p in timeline.now_known("pod")) == 1000
    assert sum(n["ready"] is not None for n in timeline.now_known("node")) == 300
    lines = [json.loads(line) for line in (tmp_path / "t").read_text().splitlines()]
    assert len({line["name"] for line in lines if line["kind"] == "pod"}) == 1000


def test_an_object_of_the_same_name_is_another_one(tmp_path: Path) -> None:
    server, timeline, stop = ApiServer(), Timeline(tmp_path / "t"), threading.Event()
    server.put(node("a", 0, ready=True, uid="first"))
    follow([Follower(server, timeline, "node", "/n")], stop, 5)
    server.put(node("a", 0, ready=True, uid="second"))
    deadline = time.monotonic() + 10
    while len(timeline.events) < 3 and time.monotonic() < deadline:
        time.sleep(0.002)
    stop.set()
    assert [event.get("gone", False) for event in timeline.events] == [False, True, False]


def test_a_silence_of_the_api_server_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "GAP_SECONDS", 0.0)
    server, timeline, stop = ApiServer(), Timeline(tmp_path / "t"), threading.Event()
    follow([Follower(server, timeline, "node", "/n")], stop, 5)
    server.faults = ["watch"] * 5
    deadline = time.monotonic() + 10
    while not any(event["kind"] == "gap" for event in timeline.events):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    stop.set()


@pytest.mark.parametrize("again", [True, False])
def test_a_watch_that_is_never_taken_up_again_leaves_the_end_unknown(tmp_path: Path, *, again: bool) -> None:
    server, stop = ApiServer(), threading.Event()
    now = time.time()
    timeline = Timeline(tmp_path / "t", lambda: now)
    follower = Follower(server, timeline, "node", "/n")
    [thread] = follow([follower], stop, 5)
    server.faults = ["watch"] * (1 if again else 1000)
    deadline = time.monotonic() + 10
    while not follower.error:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    if again:
        while follower.unseen() is None and follower._lost is not None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
    now += 1000
    unseen = follower.unseen()
    stop.set()
    thread.join(10)
    if again:
        assert unseen is None
    else:
        assert unseen and "each node of the cluster was not seen any more in the last 1000 s" in unseen
        assert timeline.events[-1]["kind"] == "gap"


def test_what_may_not_be_listed_is_told_in_the_servers_words(tmp_path: Path) -> None:
    class Forbidden(ApiServer):
        def get(self, path: str, **_: object) -> Json:
            raise KubeError(403, "Forbidden", "nodes is forbidden: the identity lacks this permission")

    with pytest.raises(CannotList, match="lacks this permission"):
        follow([Follower(Forbidden(), Timeline(tmp_path / "t"), "node", "/n")], threading.Event(), 0.1)


def test_what_seldom_changes_is_written_down_once(tmp_path: Path) -> None:
    server, timeline, stop = ApiServer(), Timeline(tmp_path / "t"), threading.Event()
    one = pod("a", 0, ready=False)
    one["spec"]["containers"] = [{"name": "c", "resources": {"requests": {"cpu": "300m"}}}]
    server.put(one)
    follow([Follower(server, timeline, "pod", "/p")], stop, 5)
    ready = pod("a", 0, ready=True)
    ready["spec"] = one["spec"]
    server.put(ready)
    resized = pod("a", 0, ready=True)
    resized["spec"]["containers"] = [{"name": "c", "resources": {"requests": {"cpu": "200m"}}}]
    server.put(resized)
    deadline = time.monotonic() + 10
    while len(timeline.events) < 4 and time.monotonic() < deadline:
        time.sleep(0.002)
    stop.set()
    assert [event["kind"] for event in timeline.events] == ["pod", "pod_spec", "pod", "pod_spec"]
    specs = [event for event in timeline.events if event["kind"] == "pod_spec"]
    assert [spec["requests"]["c"]["cpu"] for spec in specs] == [300, 200]
    assert specs[0]["labels"] == {"app": "m"}
