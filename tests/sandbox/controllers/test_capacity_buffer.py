"""Room in stock: what a CapacityBuffer asks for, and that the node autoscaler keeps it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from plugins.module_utils.gke.machine import machine_shape
from sandbox.controllers.capacity_buffer import STRATEGY, asked
from sandbox.controllers.node_autoscaler import (
    AutoscalerSettings,
    ClusterView,
    Memory,
    NoScaleUp,
    PoolState,
    ScaleDown,
    ScaleUp,
    plan,
)
from sandbox.controllers.node_autoscaler_loop import NodeAutoscaler
from sandbox.kube.rest import KubeError

Json = dict[str, Any]
SETTINGS = AutoscalerSettings(scale_down_unneeded_seconds=30, scale_down_delay_after_add_seconds=30)
SHAPE = machine_shape("e2-medium")  # 940 mCPU
NOON = 1_800_000_000.0


def node(name: str) -> Json:
    return {
        "metadata": {"name": name, "labels": {}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "940m", "memory": "2972Mi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def containers(cpu: int) -> list[Json]:
    return [{"resources": {"requests": {"cpu": f"{cpu}m", "memory": "100Mi"}}}]


def pod(name: str, cpu: int, on: str) -> Json:
    return {
        "metadata": {
            "name": name,
            "namespace": "x",
            "ownerReferences": [{"kind": "ReplicaSet", "uid": "r", "controller": True}],
        },
        "spec": {"containers": containers(cpu), "nodeName": on},
        "status": {"phase": "Running"},
    }


def deployment(cpu: int = 300, replicas: int = 4) -> Json:
    return {
        "spec": {
            "replicas": replicas,
            "template": {"metadata": {"labels": {"app": "m"}}, "spec": {"containers": containers(cpu)}},
        }
    }


def buffer(**spec: Any) -> Json:
    spec = spec or {"replicas": 1}
    return {
        "apiVersion": "autoscaling.x-k8s.io/v1beta1",
        "kind": "CapacityBuffer",
        "metadata": {"name": "m", "namespace": "x", "uid": "u"},
        "spec": {"scalableRef": {"apiGroup": "apps", "kind": "Deployment", "name": "m"}, **spec},
    }


def conditions(status: Json) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({"replicas": 2}, 2),
        ({"percentage": 50}, 2),
        ({"replicas": 3, "percentage": 25}, 1),
        ({"limits": {"cpu": "1"}}, 3),
        ({"replicas": 5, "limits": {"cpu": "1", "memory": "250Mi"}}, 2),
        ({"replicas": 0}, 0),
    ],
)
def test_it_asks_for_so_many_of_the_deployment_s_pods(spec: Json, count: int) -> None:
    found = asked(buffer(**spec), None, deployment(), NOON)
    assert len(found.pods) == found.status["replicas"] == count
    assert {one["spec"]["containers"][0]["resources"]["requests"]["cpu"] for one in found.pods} <= {"300m"}
    assert conditions(found.status)["ReadyForProvisioning"] == ("True", "AttributesSetSuccessfully")
    assert conditions(found.status)["Provisioning"] == (
        ("True", "FakePodsInjected") if count else ("False", "BufferIsEmpty")
    )


def test_it_goes_by_a_pod_template_too() -> None:
    own = buffer(replicas=1)
    del own["spec"]["scalableRef"]
    own["spec"]["podTemplateRef"] = {"name": "chunk"}
    template = {
        "metadata": {"name": "chunk", "generation": 3},
        "template": {"spec": {"containers": containers(50)}},
    }
    found = asked(own, template, None, NOON)
    assert (found.status["podTemplateRef"], found.status["podTemplateGeneration"]) == ({"name": "chunk"}, 3)
    assert found.template is None, "that template is the user's"


@pytest.mark.parametrize(
    ("spec", "deployed", "why"),
    [
        ({"replicas": 1}, None, "there is no Deployment m"),
        ({"provisioningStrategy": STRATEGY}, deployment(), "not defined"),
    ],
)
def test_where_it_is_not_known_what_to_keep_it_says_so(spec: Json, deployed: Json | None, why: str) -> None:
    found = asked(buffer(**spec), None, deployed, NOON)
    assert found.pods == ()
    assert conditions(found.status)["ReadyForProvisioning"] == ("False", "error")
    assert why in found.status["conditions"][0]["message"]


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    first = buffer()
    first["status"] = asked(first, None, deployment(), NOON).status
    assert asked(first, None, deployment(), NOON + 60).status == first["status"]
    gone = asked(first, None, None, NOON + 60).status["conditions"][0]
    assert gone["lastTransitionTime"] > first["status"]["conditions"][0]["lastTransitionTime"]


def decide(
    nodes: list[Json],
    pods: list[Json],
    *,
    high: int = 3,
    memory: Memory | None = None,
    now: float = 0,
    room: int = 300,
) -> list[Any]:
    """With room to keep for one pod of 300 mCPU."""
    pool = PoolState("p", True, 1, high, SHAPE, nodes=tuple(n["metadata"]["name"] for n in nodes), group="g")
    kept = asked(buffer(), None, deployment(room), NOON).pods
    view = ClusterView(tuple(nodes), tuple(pods), imagined=kept)
    return plan(view, [pool], SETTINGS, memory or Memory(), now)


KEPT = ("x", "capacity-buffer-m-1")


def test_room_that_is_there_costs_nothing() -> None:
    assert decide([node("a")], [pod("1", 600, "a")]) == []


def test_a_node_comes_before_anybody_waits_for_it() -> None:
    (up,) = decide([node("a")], [pod("1", 700, "a")])
    assert isinstance(up, ScaleUp)
    assert (up.count, up.pods) == (1, (KEPT,))


def test_who_waits_comes_first() -> None:
    waiting = pod("2", 300, "a")
    del waiting["spec"]["nodeName"]
    reason = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    waiting["status"] = {"phase": "Pending", "conditions": [reason]}
    (up,) = decide([node("a")], [pod("1", 600, "a"), waiting], high=2)
    assert up.pods == (KEPT,), "the room goes to who waits, and a node comes for the buffer"


def test_at_the_maximum_the_buffer_is_told_why() -> None:
    assert decide([node("a")], [pod("1", 700, "a")], high=1) == [
        NoScaleUp(KEPT, "1 max node group size reached")
    ]


@pytest.mark.parametrize(("used", "goes"), [(300, True), (700, False)])
def test_an_empty_node_stays_as_long_as_the_room_is_nowhere_else(used: int, goes: bool) -> None:
    memory, nodes, pods = Memory(), [node("b"), node("a")], [pod("1", used, "a")]
    assert decide(nodes, pods, memory=memory) == []
    assert decide(nodes, pods, memory=memory, now=60) == ([ScaleDown("b", ())] if goes else [])


class Rest:
    """An API server with a full node, a Deployment and a buffer for it; what is written."""

    def __init__(self) -> None:
        self.there: dict[str, Json] = {
            "/api/v1/nodes": {"items": [node("a")]},
            "/api/v1/pods": {"items": [pod("1", 900, "a")]},
            "/apis/policy/v1/poddisruptionbudgets": {"items": []},
            "/apis/autoscaling.x-k8s.io/v1beta1/capacitybuffers": {"items": [buffer()]},
            "/apis/apps/v1/namespaces/x/deployments/m": deployment(),
        }
        self.applied: dict[str, Json] = {}
        self.events: list[Json] = []

    def get(self, path: str, **_: str) -> Json:
        if path not in self.there:
            raise KubeError(404, path)
        return self.there[path]

    def apply(self, path: str, manifest: Json) -> Json:
        self.applied[path] = manifest
        return manifest

    def request(self, _: str, __: str, body: Json) -> Json:
        self.events.append(body)
        return body


class Pools:
    def __init__(self, high: int) -> None:
        self.high = high
        self.added = 0

    def pool_states(self) -> list[PoolState]:
        return [PoolState("p", True, 1, self.high, SHAPE, nodes=("a",), group="g")]

    def autoscaler_settings(self) -> AutoscalerSettings:
        return SETTINGS

    def scale_up(self, _: str) -> str:
        self.added += 1
        return "b"

    def remove(self, _: str) -> None: ...


@pytest.mark.parametrize(("high", "reason"), [(3, "TriggeredScaleUp"), (1, "NotTriggerScaleUp")])
def test_the_autoscaler_says_of_the_buffer_what_it_does_for_it(high: int, reason: str) -> None:
    rest: Any = Rest()
    pools = Pools(high)
    autoscaler = NodeAutoscaler(rest, pools, now=lambda: NOON)
    for _ in range(2):
        autoscaler.scan(threading.Event())
    assert pools.added == (2 if high > 1 else 0)
    assert {event["reason"] for event in rest.events} == {reason}
    if high == 1:
        assert len(rest.events) == 1, "the same is not told twice"
    about = rest.events[0]["involvedObject"]
    assert (about["kind"], about["apiVersion"], about["name"]) == (
        "CapacityBuffer", "autoscaling.x-k8s.io/v1beta1", "m",
    )  # fmt: skip
    status = rest.applied["/apis/autoscaling.x-k8s.io/v1beta1/namespaces/x/capacitybuffers/m/status"][
        "status"
    ]
    assert conditions(status)["Provisioning"] == ("True", "FakePodsInjected")
    template = rest.applied["/api/v1/namespaces/x/podtemplates/capacitybuffer-m-pod-template"]
    assert template["template"]["metadata"]["labels"] == {"app": "m"}
    assert template["metadata"]["ownerReferences"][0]["name"] == "m", "it goes with its buffer"


def test_a_cluster_without_the_kind_is_none_the_worse() -> None:
    rest: Any = Rest()
    del rest.there["/apis/autoscaling.x-k8s.io/v1beta1/capacitybuffers"]
    assert NodeAutoscaler(rest, Pools(3), now=lambda: NOON).scan(threading.Event()) == []
